"""`qaz eval run`: one model on one suite.

OUT/items.jsonl     one row per item, language and metric     OUT/parity.json    scores, gaps, hashes, versions
OUT/samples.jsonl   sample generations                        OUT/report.html    for people; report.md and report.csv the same
OUT/failures.jsonl  items with a doubt, and their text
OUT/answers/        what the model answered, so that an interrupted evaluation goes on with the rest
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.evals import doubts
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.behaviour.summary import behaviour_of
from qaz_llm.evals.breakdown import Items, chance_of, failures, scores_by_subject, text_costs
from qaz_llm.evals.chat_prompts import ChatTemplate, chat_template_of
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.contamination import contamination_of
from qaz_llm.evals.examples import Examples, load_examples
from qaz_llm.evals.family import Family
from qaz_llm.evals.gaps import disagreements, pairs_to_test, script_twins
from qaz_llm.evals.identity import SCORING_VERSION, model_identity, setting_of, setting_of_config
from qaz_llm.evals.items import load_items, task_fingerprints
from qaz_llm.evals.parity import parity_report
from qaz_llm.evals.report import write_report
from qaz_llm.evals.samples import write_samples
from qaz_llm.evals.scoring.local import HFScorer, choose_device
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.scoring.server import ServerScorer
from qaz_llm.evals.scoring.vllm import VllmScorer
from qaz_llm.evals.task import TaskConfig, as_generated, chance_level, choose_tasks
from qaz_llm.evals.translation import check_translations, corpus_scores
from qaz_llm.io import (
    check_writable,
    fingerprint_value,
    read_json,
    write_json,
    write_jsonl,
)
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.provenance import git_commit
from qaz_llm.records import EvalItem, ItemScore
from qaz_llm.report.figures import interval_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("eval")

NO_SAMPLES = "no sample generations: they are written by models in memory alone"
PACKAGES = ("torch", "transformers", "tokenizers", "qaz-llm")


@dataclass(frozen=True)
class EvalResult:
    """What an evaluation wrote."""

    out: Path
    parity: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"out": str(self.out), **self.parity}

    def describe(self) -> str:
        """A table of scores as text."""
        lines = [f"{self.parity['model']} on suite {self.parity['suite']}"]
        for task, by_language in self.parity["scores"].items():
            metric = next(iter(by_language.values()))["metric"]
            scores = "  ".join(f"{code} {interval_text(score, 'score')}" for code, score in by_language.items())
            lines.append(f"  {task} ({metric}): {scores}")
        warnings = [f"  note: {warning}" for warning in self.parity["warnings"]]
        return "\n".join([*lines, *warnings, f"report: {self.out / 'report.html'}"])


def run_eval(
    config: EvalConfig, *, scorer: Scorer | None = None, tokenizer: PreTrainedTokenizerFast | None = None
) -> EvalResult:
    """Score a model and write everything. Tasks that were finished before, with the same model and data, are taken over.

    Args:
        scorer: answers in place of the model of `config.model`, which then only names it; needs `tokenizer` for samples.

    Raises:
        InputError: no such suite, task or model; data that is not there; an output folder that cannot be written.
    """
    tasks = choose_tasks(config)
    if config.formats == "generate":
        tasks = tuple(map(as_generated, tasks))
    has_logprobs = config.server is None or config.server.logprobs
    if not has_logprobs:
        _check_generated(tasks)
    Family(config.family).check(pairs_to_test(tasks))
    items = {task.name: load_items(task, root=config.root, max_items=config.max_items) for task in tasks}
    check_translations(tasks, items)
    examples = {
        task.name: load_examples(task, items[task.name], shots=config.shots, root=config.root) for task in tasks
    }
    fingerprints = {task.name: task_fingerprints(task, config.root) for task in tasks}
    if scorer is None:
        identity = model_identity(config)
        check_writable(config.out)
        how = config.server.model_dump(include={"url", "api", "body"}) if config.server else config.backend
        facts = [identity, config.dtype, config.device, SCORING_VERSION, how]
        kept = config.out / "answers" / fingerprint_value(facts)[:16]
        asked = _OpenedModel(config, kept.with_suffix(".json"))
        remembering = RememberingScorer(lambda: asked.scorer, kept.with_suffix(".jsonl"))
    else:
        identity, asked = f"in memory {time.time_ns()}", None
        check_writable(config.out)
        given = scorer
        remembering = RememberingScorer(lambda: given, None)
    if config.chat_template == "auto" and asked is not None:
        tokenizer = asked.tokenizer
    chat = chat_template_of(tokenizer) if config.chat_template == "auto" else None
    scores = [
        row
        for task in tasks
        for row in _scored(
            task,
            items[task.name],
            remembering,
            examples[task.name],
            both=config.formats == "both",
            has_logprobs=has_logprobs,
            chat=chat,
        )
    ]
    if config.samples and asked is not None:
        tokenizer = asked.tokenizer
    if config.samples and tokenizer is not None:
        samples = write_samples(remembering, tokenizer, max_bytes=config.sample_bytes)
        write_jsonl(config.out / "samples.jsonl", samples)
    else:
        (config.out / "samples.jsonl").unlink(missing_ok=True)  # those of an earlier run may be another model's
    write_jsonl(config.out / "items.jsonl", ({**asdict(score), "primary": primary} for score, primary in scores))
    setting = asked.setting if asked is not None else _setting(remembering.scorer, config)
    if chat is not None:
        setting |= {"chat_template": chat.name}
    found = doubts.merged(
        *(doubts.of_items(task, items[task.name]) for task in tasks),
        doubts.of_scripts(tasks, items),
        doubts.of_scores(score for score, primary in scores if primary),
    )
    for line in doubts.lines(found):
        _logger.warning(line)
    primary_scores = [score for score, primary in scores if primary]
    write_jsonl(config.out / "failures.jsonl", failures(items, primary_scores))
    parity = _summary(config, tasks, items, primary_scores, fingerprints, identity)
    for task in tasks:
        parity["tasks"][task.name]["chance"] = chance_level(task, items[task.name])
    parity["behaviour"] = behaviour_of(tasks, primary_scores)
    parity["translation"] = corpus_scores(score for score, _primary in scores)
    warnings = [
        *_warnings(config, chat), *_left_out(tasks), *_borrowed(items, examples), *doubts.lines(found),
        *disagreements(parity["gaps"]),
    ]  # fmt: skip
    parity |= {"setting": setting, "doubts": found, "warnings": warnings}
    write_json(config.out / "parity.json", parity)
    write_report(config.out)
    return EvalResult(config.out, parity)


class _OpenedModel:
    """The model of a config, loaded where a question comes that was not answered before; its tokenizer and how it was run."""

    def __init__(self, config: EvalConfig, facts: Path) -> None:
        self._config, self._facts = config, facts

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast | None:
        from qaz_llm.model.load import load_tokenizer

        return load_tokenizer(self._config.model) if self._config.server is None else None

    @cached_property
    def scorer(self) -> Scorer:
        scorer = load_scorer(self._config)
        write_json(self._facts, _setting(scorer, self._config))
        return scorer

    @property
    def setting(self) -> dict[str, Any]:
        if not self._facts.is_file():
            return _setting(self.scorer, self._config)
        return {**read_json(self._facts), **setting_of_config(self._config)}


def _setting(scorer: Scorer, config: EvalConfig) -> dict[str, Any]:
    return setting_of(scorer, config) if isinstance(scorer, HFScorer) else setting_of_config(config)


def load_scorer(config: EvalConfig) -> Scorer:
    """The model of the config as a scorer. Raises InputError where it is no model."""
    if config.server is not None:
        return ServerScorer(config.server, config.model)
    from qaz_llm.model.load import load_model, load_tokenizer

    tokenizer = load_tokenizer(config.model, trust_remote_code=config.trust_remote_code)
    if config.backend == "vllm":
        return VllmScorer(
            config.model,
            tokenizer,
            dtype=config.dtype,
            seed=config.seed,
            trust_remote_code=config.trust_remote_code,
        )
    model = load_model(
        config.model,
        dtype=config.dtype,
        device=str(choose_device(config.device)),
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    return HFScorer(model, tokenizer, batch_tokens=config.batch_tokens)


def _check_generated(tasks: Sequence[TaskConfig]) -> None:
    """Raise InputError where a task needs log-probabilities, which a server is not said to have."""
    asked = [task.name for task in tasks if not task.is_generated and task.kind not in ("qa", "translation")]
    if asked:
        raise InputError(
            f"the server is not said to give log-probabilities, which {', '.join(asked)} need{'s' * (len(asked) == 1)}",
            hint="set formats=generate for multiple choice, leave tasks of bits per byte out, or set server.api=completions server.logprobs=true",
        )


def _scored(
    task: TaskConfig,
    items: Sequence[EvalItem],
    scorer: RememberingScorer,
    examples: Examples,
    *,
    both: bool,
    has_logprobs: bool,
    chat: ChatTemplate | None,
) -> list[tuple[ItemScore, bool]]:
    started, asked = time.monotonic(), scorer.asked
    rows = score_task(task, items, scorer, examples=examples, both=both, has_logprobs=has_logprobs, chat=chat)
    done = "answered before" if scorer.asked == asked else f"done in {format_duration(time.monotonic() - started)}"
    _logger.info("%s: %s", task.name, done)
    return [(row, row.metric == task.metric) for row in rows]


def _summary(
    config: EvalConfig,
    tasks: Sequence[TaskConfig],
    items: Items,
    scores: Sequence[ItemScore],
    fingerprints: dict[str, dict[str, str]],
    identity: str,
) -> dict[str, Any]:
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
        "model_fingerprint": identity,
        "suite": config.suite,
        **report,
        "bits_per_byte": {
            c: sum(s.score for s in rows) / sum(s.weight for s in rows) for c, rows in by_language.items()
        },
        "bits_per_sentence": {c: sum(s.score for s in rows) / len(rows) for c, rows in by_language.items()},
        "by_subject": scores_by_subject(items, scores),
        "text_costs": text_costs(items, scores),
        "declared": {"family": config.family, "non_inferiority": dict(config.non_inferiority)},
        "contamination": contamination_of(config.data_manifest, tasks),
        "tasks": {task.name: _describe_task(task, scores) for task in tasks},
        "data": fingerprints,
        "versions": {package: version(package) for package in PACKAGES},
        "git_commit": git_commit(),
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


def _borrowed(items: Mapping[str, Sequence[EvalItem]], examples: Mapping[str, Examples]) -> Iterator[str]:
    """Of which subjects the examples are those of other subjects."""
    for task, shown in examples.items():
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


def _warnings(config: EvalConfig, chat: ChatTemplate | None) -> list[str]:
    found = [NO_SAMPLES] if config.samples and config.server is not None else []
    if config.max_items is not None:
        found.append(f"only the first {config.max_items} groups of each task were scored")
    if config.chat_template == "auto" and chat is None:
        found.append("chat_template is auto, and no tokenizer with a template is at hand: prompts stood as they are")
    return found
