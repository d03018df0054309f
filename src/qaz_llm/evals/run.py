"""`qaz eval run`: one model on one suite.

OUT/items.jsonl     one row per item, language and metric     OUT/parity.json    scores, gaps, hashes, versions
OUT/samples.jsonl   sample generations                        OUT/report.html    for people
OUT/answers/        what the model answered, so that an interrupted evaluation goes on with the rest
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.evals import doubts
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.examples import Examples, load_examples
from qaz_llm.evals.items import load_items, task_fingerprints
from qaz_llm.evals.opening import Given, OpenedModel
from qaz_llm.evals.parity import parity_report
from qaz_llm.evals.report import write_report
from qaz_llm.evals.scoring.processes import ALONE, Processes
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.task import TaskConfig, choose_tasks
from qaz_llm.io import check_writable, write_json, write_jsonl
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.provenance import git_commit
from qaz_llm.records import EvalItem, ItemScore
from qaz_llm.report.figures import interval_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("eval")

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
    config: EvalConfig,
    *,
    scorer: Scorer | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
    processes: Processes = ALONE,
) -> EvalResult:
    """Score a model and write everything. What was answered before, by the same model to the same prompts, is taken over.

    Args:
        scorer: answers in place of the model of `config.model`, which then only names it; needs `tokenizer` for samples.
        processes: those that call this together; each scores its share, and the first writes.

    Raises:
        InputError: no such suite, task or model; data that is not there; an output folder that cannot be written.
    """
    tasks = choose_tasks(config)
    items = {task.name: load_items(task, root=config.root, max_items=config.max_items) for task in tasks}
    examples = {
        task.name: load_examples(task, items[task.name], shots=config.shots, root=config.root) for task in tasks
    }
    fingerprints = {task.name: task_fingerprints(task, config.root) for task in tasks}
    check_writable(config.out)
    asked = OpenedModel(config, processes) if scorer is None else Given(scorer, tokenizer, config)
    scores = [
        row
        for task in tasks
        for row in _scored(task, items[task.name], asked.scorer, examples[task.name], both=config.formats == "both")
    ]
    samples = asked.samples() if config.samples else None
    found = doubts.merged(
        *(doubts.of_items(task, items[task.name]) for task in tasks),
        doubts.of_scores(score for score, primary in scores if primary),
    )
    parity = _summary(config, tasks, [score for score, primary in scores if primary], fingerprints, asked.identity)
    parity |= {"setting": asked.setting, "doubts": found, "warnings": [*_warnings(config), *doubts.lines(found)]}
    if processes.is_first:
        for line in doubts.lines(found):
            _logger.warning(line)
        _write(config.out, scores, samples, parity)
    return EvalResult(config.out, parity)


def _write(
    out: Path, scores: Sequence[tuple[ItemScore, bool]], samples: Sequence[Any] | None, parity: dict[str, Any]
) -> None:
    if samples is not None:
        write_jsonl(out / "samples.jsonl", samples)
    else:
        (out / "samples.jsonl").unlink(missing_ok=True)  # those of an earlier run may be another model's
    write_jsonl(out / "items.jsonl", ({**asdict(score), "primary": primary} for score, primary in scores))
    write_json(out / "parity.json", parity)
    write_report(out)


def _scored(
    task: TaskConfig, items: Sequence[EvalItem], scorer: RememberingScorer, examples: Examples, *, both: bool
) -> list[tuple[ItemScore, bool]]:
    started, asked = time.monotonic(), scorer.asked
    _logger.info("%s: %d items in %s", task.name, len(items), ", ".join(task.languages))
    rows = score_task(task, items, scorer, examples=examples, both=both)
    done = "answered before" if scorer.asked == asked else f"done in {format_duration(time.monotonic() - started)}"
    _logger.info("%s: %s", task.name, done)
    return [(row, row.metric == task.metric) for row in rows]


def _summary(
    config: EvalConfig,
    tasks: Sequence[TaskConfig],
    scores: Sequence[ItemScore],
    fingerprints: dict[str, dict[str, str]],
    identity: str,
) -> dict[str, Any]:
    report = parity_report(scores, seed=config.seed).to_dict()
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
        "languages": list(task.languages),
        "items": sum(score.task == task.name for score in scores),
    }


def _warnings(config: EvalConfig) -> list[str]:
    if config.max_items is None:
        return []
    return [f"only the first {config.max_items} groups of each task were scored"]
