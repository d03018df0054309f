"""`qaz eval run`: one model on one suite.

OUT/items.jsonl     one row per item, language and metric     OUT/parity.json    scores, gaps, hashes, versions
OUT/samples.jsonl   sample generations                        OUT/report.html    for people
OUT/tasks/          finished tasks, so that an interrupted evaluation goes on with the rest
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.items import load_items, task_fingerprints
from qaz_llm.evals.metrics import score_answer, score_choices, score_text
from qaz_llm.evals.parity import parity_report
from qaz_llm.evals.prompts import render_context, render_requests
from qaz_llm.evals.report import write_report
from qaz_llm.evals.samples import write_samples
from qaz_llm.evals.score import HFScorer, Scorer, choose_device
from qaz_llm.evals.task import TaskConfig, choose_tasks
from qaz_llm.io import (
    check_writable,
    code_fingerprint,
    fingerprint_paths,
    fingerprint_value,
    read_jsonl,
    write_json,
    write_jsonl,
)
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.records import EvalItem, ItemScore, Request
from qaz_llm.report.figures import interval_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("eval")

STOP_STRINGS = ("\n",)
TIMED_ITEMS = 8
"""At most so many items are timed for the estimate at a task's start, and no more than one in TIMED_SHARE."""
TIMED_SHARE = 25
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
        return "\n".join([*lines, f"report: {self.out / 'report.html'}"])


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
    fingerprints = {task.name: task_fingerprints(task, config.root) for task in tasks}  # missing data shows first
    identity = _model_identity(config.model) if scorer is None else f"in memory {time.time_ns()}"
    check_writable(config.out)
    if scorer is None:
        scorer, tokenizer = load_scorer(config)
    scores: list[tuple[ItemScore, bool]] = []
    for task in tasks:
        scores += _finished_or_scored(task, config, scorer, fingerprint_value([identity, fingerprints[task.name]]))
    if config.samples and tokenizer is not None:
        write_jsonl(config.out / "samples.jsonl", write_samples(scorer, tokenizer, max_new_tokens=config.sample_tokens))
    else:
        (config.out / "samples.jsonl").unlink(missing_ok=True)  # those of an earlier run may be another model's
    write_jsonl(config.out / "items.jsonl", ({**asdict(score), "primary": primary} for score, primary in scores))
    parity = _summary(config, tasks, [score for score, primary in scores if primary], fingerprints, identity)
    write_json(config.out / "parity.json", parity)
    write_report(config.out)
    return EvalResult(config.out, parity)


def load_scorer(config: EvalConfig) -> tuple[HFScorer, PreTrainedTokenizerFast]:
    """The model of the config as a scorer, with its tokenizer. Raises InputError where it is no model."""
    from qaz_llm.model.load import load_model, load_tokenizer

    tokenizer = load_tokenizer(config.model, trust_remote_code=config.trust_remote_code)
    model = load_model(
        config.model,
        dtype=config.dtype,
        device=str(choose_device(config.device)),
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    return HFScorer(model, tokenizer, batch_tokens=config.batch_tokens), tokenizer


def score_task(task: TaskConfig, items: Sequence[EvalItem], scorer: Scorer) -> list[ItemScore]:
    """Ask the model about every item; one row per item and metric."""
    requests = [render_requests(task, item) for item in items]
    prompts = [render_context(task, item) for item in items] if task.kind == "qa" else []
    _say_how_long(task, requests, prompts, scorer)
    flat = scorer.loglikelihood([request for group in requests for request in group])
    answers = [""] * len(items)
    if prompts:
        answers = scorer.generate(prompts, max_new_tokens=task.max_new_tokens, stop=STOP_STRINGS)
    rows: list[ItemScore] = []
    position = 0
    for item, group, answer in zip(items, requests, answers, strict=True):
        scored = flat[position : position + len(group)]
        position += len(group)
        if task.kind == "bits_per_byte":
            rows.append(score_text(task, item, scored[0]))
        elif task.kind == "qa":
            rows += score_answer(task, item, answer, scored[0])
        else:
            rows += score_choices(task, item, scored)
    return rows


def _say_how_long(
    task: TaskConfig, requests: Sequence[Sequence[Request]], prompts: Sequence[str], scorer: Scorer
) -> None:
    """Time a few items from the shortest to the longest, and log what that makes for all, by bytes."""
    sizes = [sum(len((r.context + r.continuation).encode()) for r in group) for group in requests]
    count = max(1, min(TIMED_ITEMS, len(sizes) // TIMED_SHARE))
    by_size = sorted(range(len(sizes)), key=sizes.__getitem__)
    timed = [by_size[(2 * n + 1) * len(by_size) // (2 * count)] for n in range(count)]
    _logger.disabled = True  # what is said of these few texts will be said of all
    try:
        scorer.loglikelihood(requests[timed[0]])  # the first pass is slower than those after it
        started = time.monotonic()
        scorer.loglikelihood([request for n in timed for request in requests[n]])
        if prompts:
            scorer.generate([prompts[n] for n in timed], max_new_tokens=task.max_new_tokens, stop=STOP_STRINGS)
        elapsed_s = time.monotonic() - started
    finally:
        _logger.disabled = False
    estimate_s = elapsed_s * sum(sizes) / sum(sizes[n] for n in timed)
    about = format_duration(estimate_s)
    _logger.info("%s: %d items in %s, about %s", task.name, len(sizes), ", ".join(task.languages), about)


def _finished_or_scored(
    task: TaskConfig, config: EvalConfig, scorer: Scorer, fingerprint: str
) -> list[tuple[ItemScore, bool]]:
    fingerprint = fingerprint_value([fingerprint, config.max_items, config.dtype, code_fingerprint("evals")])
    path = config.out / "tasks" / f"{task.name}-{fingerprint[:16]}.jsonl.zst"
    if path.is_file():
        _logger.info("%s: scored before, taken over", task.name)
        rows = [ItemScore(**row) for row in read_jsonl(path)]
    else:
        items = load_items(task, root=config.root, max_items=config.max_items)
        started = time.monotonic()
        rows = score_task(task, items, scorer)
        write_jsonl(path, (asdict(row) for row in rows))
        _logger.info("%s: done in %s", task.name, format_duration(time.monotonic() - started))
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
        "warnings": _warnings(config),
    }


def _describe_task(task: TaskConfig, scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {
        "kind": task.kind,
        "metric": task.metric,
        "description": task.description,
        "licence": task.licence,
        "citation": task.citation,
        "prompt_version": task.version,
        "languages": list(task.languages),
        "items": sum(score.task == task.name for score in scores),
    }


def _warnings(config: EvalConfig) -> list[str]:
    if config.max_items is None:
        return []
    return [f"only the first {config.max_items} groups of each task were scored"]


def _model_identity(name: str) -> str:
    """A fingerprint of a local model's weights and tokenizer; a hub id stands for itself. Raises InputError for a folder
    that is no model."""
    from qaz_llm.model.folder import check_model_folder

    folder = Path(name)
    if not folder.is_dir():
        return name
    check_model_folder(folder)
    parts = [p for p in folder.iterdir() if p.suffix in {".safetensors", ".json"} and p.name != "run.json"]
    return fingerprint_paths(parts, relative_to=folder)
