"""What an evaluation comes to: parity.json but for the model's identity and how it was run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from qaz_llm.evals.behaviour.summary import behaviour_of
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.metrics.translation import corpus_scores
from qaz_llm.evals.prompts.examples import Examples
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.summary.breakdown import Items, chance_of, other_scores, scores_by_subject, text_costs
from qaz_llm.evals.summary.contamination import contamination_of
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import disagreements, script_twins
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.evals.task import TaskConfig, chance_level
from qaz_llm.provenance import git_commit
from qaz_llm.records import EvalItem, ItemScore

PACKAGES = ("torch", "transformers", "tokenizers", "qaz-llm")
NO_SAMPLES = "no sample generations: they are written by models in memory alone"


@dataclass(frozen=True)
class Asked:
    """The tasks of an evaluation, with the items and the examples of each and the fingerprints of its data, by name."""

    tasks: Sequence[TaskConfig]
    items: Items
    examples: Mapping[str, Examples]
    fingerprints: Mapping[str, Mapping[str, str]]


def summarise(
    config: EvalConfig,
    asked: Asked,
    all_scores: Sequence[tuple[ItemScore, bool]],
    found: doubts.Doubts,
    *,
    has_template: bool,
) -> dict[str, Any]:
    """Scores, gaps, costs, behaviour, what each task is, and what has to be said of it all.

    Args:
        all_scores: each with whether it has its task's own metric.
        found: doubts by kind, as `doubts.merged` gives them.
        has_template: prompts were laid out in the model's chat template.
    """
    tasks, items = asked.tasks, asked.items
    scores = [score for score, primary in all_scores if primary]
    report = parity_report(
        scores,
        seed=config.seed,
        family=Family(config.family),
        scripts=script_twins(tasks),
        apart=[task.name for task in tasks if doubts.is_apart(task, items[task.name])],
        chance=chance_of(items),
    ).to_dict()
    bits_task = next((task.name for task in tasks if task.kind == "bits_per_byte"), None)
    texts = [score for score in scores if score.task == bits_task]
    languages = list(dict.fromkeys(score.language for score in texts))
    by_language = {code: [score for score in texts if score.language == code] for code in languages}
    return {
        "model": config.model,
        "suite": config.suite,
        **report,
        "bits_per_byte": {
            c: sum(s.score for s in rows) / sum(s.weight for s in rows) for c, rows in by_language.items()
        },
        "bits_per_sentence": {c: sum(s.score for s in rows) / len(rows) for c, rows in by_language.items()},
        "other_scores": other_scores([score for score, primary in all_scores if not primary]),
        "by_subject": scores_by_subject(items, scores),
        "text_costs": text_costs(items, scores),
        "declared": {"family": config.family, "non_inferiority": dict(config.non_inferiority)},
        "contamination": contamination_of(config.data_manifest, tasks),
        "tasks": {
            task.name: _describe_task(task, scores) | {"chance": chance_level(task, items[task.name])} for task in tasks
        },
        "data": asked.fingerprints,
        "versions": {package: version(package) for package in PACKAGES},
        "git_commit": git_commit(),
        "behaviour": behaviour_of(tasks, scores),
        "translation": corpus_scores(score for score, _primary in all_scores),
        "doubts": found,
        "warnings": [
            *_warnings(config, has_template),
            *_left_out(tasks),
            *_of_examples(items, asked.examples),
            *doubts.lines(found),
            *disagreements(report["gaps"]),
        ],
    }


def _describe_task(task: TaskConfig, scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {
        "kind": task.kind,
        "metric": task.metric,
        "description": task.description,
        "licence": task.licence,
        "citation": task.citation,
        "prompt_version": task.version,
        "provenance": dict(task.provenance),
        "rows_left_out": dict(task.empty_rows),
        "languages": list(task.languages),
        "script": task.script,
        "twin_of": task.twin_of,
        "items": sum(score.task == task.name for score in scores),
    }


def _of_examples(items: Mapping[str, Sequence[EvalItem]], examples: Mapping[str, Examples]) -> Iterator[str]:
    """Of which subjects the examples are those of other subjects, and how many examples were left out."""
    for task, shown in examples.items():
        for code, again in shown.repeated.items():
            yield f"{task}, {code}: examples that ask the same as an earlier one are left out: {again}"
        for code, subjects in shown.borrowed(items[task]).items():
            few = ", ".join(subjects[:3]) + (" …" if len(subjects) > 3 else "")
            yield (
                f"{task}, {code}: {len(subjects)} subjects have fewer than {shown.shots} examples, so the first of all "
                f"subjects are shown ({few})"
            )


def _left_out(tasks: Sequence[TaskConfig]) -> Iterator[str]:
    """What tasks say of rows of their data that ask nothing."""
    for task in tasks:
        for code, count in task.empty_rows.items():
            yield f"{task.name}, {code}: {count} of the data's rows have no question or an empty choice and are left out"


def _warnings(config: EvalConfig, has_template: bool) -> list[str]:
    found = [NO_SAMPLES] if config.samples and config.server is not None else []
    if config.max_items is not None:
        found.append(f"only the first {config.max_items} groups of each task were scored")
    if config.chat_template == "auto" and not has_template:
        found.append("chat_template is auto, and no tokenizer with a template is at hand: prompts stood as they are")
    return found
