"""`qaz eval run`: one model on one suite.

OUT/items.jsonl     one row per item, language and metric     OUT/parity.json    scores, gaps, hashes, versions
OUT/samples.jsonl   sample generations                        OUT/report.html    for people (report.md, report.csv)
OUT/failures.jsonl  items whose answers stand in doubt, with their text
OUT/answers/        what the model answered, so that an interrupted evaluation goes on with the rest
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.items.load import load_items, task_fingerprints
from qaz_llm.evals.metrics.translation import check_translations
from qaz_llm.evals.opening import Given, OpenedModel
from qaz_llm.evals.part import WHOLE, Part
from qaz_llm.evals.prompts.chat import ChatTemplate, chat_template_of
from qaz_llm.evals.prompts.examples import Examples, load_examples
from qaz_llm.evals.prompts.render import check_letters
from qaz_llm.evals.report import write_report
from qaz_llm.evals.scoring.processes import ALONE, Processes
from qaz_llm.evals.scoring.remembered import RememberingScorer
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.summary.breakdown import failures
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import pairs_to_test
from qaz_llm.evals.summary.summarise import Asked, summarise
from qaz_llm.evals.task import TaskConfig, as_generated, choose_tasks
from qaz_llm.io import check_writable, write_json, write_jsonl
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.records import EvalItem, ItemScore
from qaz_llm.report.figures import interval_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("eval")


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
    identity: str | None = None,
    processes: Processes = ALONE,
    part: Part = WHOLE,
) -> EvalResult:
    """Score a model and write everything. What was answered before, by the same model to the same prompts, is taken over.

    Args:
        scorer: answers in place of the model of `config.model`, which then only names it; needs `tokenizer` for samples.
        identity: by what the model behind `scorer` is known again; without one it is another each time.
        processes: those that call this together; each scores its share, and the first writes.
        part: what is done of it; see `evals/part.py`.

    Raises:
        InputError: no such suite, task or model; data that is not there; an output folder that cannot be written.
    """
    config = part.of_config(config)
    asked = _what_is_asked(config, part)
    model = (
        OpenedModel(config, processes, merge_only=part.merge_only)
        if scorer is None
        else Given(scorer, tokenizer, config, identity)
    )
    check_writable(config.out)
    chat = chat_template_of(model.tokenizer) if config.chat_template == "auto" else None
    scores = [row for task in asked.tasks for row in _scored(config, task, asked, model.scorer, chat)]
    samples = model.samples() if config.samples else None
    setting = model.setting | ({} if chat is None else {"chat_template": chat.name})
    found = doubts.merged(
        *(doubts.of_items(task, asked.items[task.name]) for task in asked.tasks),
        doubts.of_scripts(asked.tasks, asked.items),
        doubts.of_scores(scores),
    )
    parity = summarise(config, asked, scores, found, has_template=chat is not None)
    parity |= {"model_fingerprint": model.identity, "setting": setting}
    if processes.is_first:
        for line in doubts.lines(found):
            _logger.warning(line)
        _write(config.out, asked, scores, samples, parity)
    return EvalResult(config.out, parity)


def _what_is_asked(config: EvalConfig, part: Part = WHOLE) -> Asked:
    """All tasks with their items and examples, read and checked before a model is loaded."""
    tasks = part.of_tasks(choose_tasks(config))
    if config.formats == "generate":
        tasks = tuple(map(as_generated, tasks))
    if not _has_logprobs(config):
        _check_generated(tasks)
    Family(config.family).check(pairs_to_test(tasks))
    items = {task.name: load_items(task, root=config.root, max_items=config.max_items) for task in tasks}
    check_translations(tasks, items)
    for task in tasks:
        check_letters(task, items[task.name], both=config.formats == "both")
    examples = {
        task.name: load_examples(task, items[task.name], shots=config.shots, root=config.root) for task in tasks
    }
    return Asked(tasks, items, examples, {task.name: task_fingerprints(task, config.root) for task in tasks})


def _has_logprobs(config: EvalConfig) -> bool:
    return config.server is None or config.server.logprobs


def _check_generated(tasks: Sequence[TaskConfig]) -> None:
    """Raise InputError where a task needs log-probabilities, which a server is not said to have."""
    asked = [task.name for task in tasks if not task.is_generated and task.kind not in ("qa", "translation")]
    if asked:
        raise InputError(
            f"the server is not said to give log-probabilities, which {', '.join(asked)} need{'s' * (len(asked) == 1)}",
            hint="set formats=generate for multiple choice, leave tasks of bits per byte out, or set server.api=completions server.logprobs=true",
        )


def _scored(
    config: EvalConfig, task: TaskConfig, asked: Asked, scorer: RememberingScorer, chat: ChatTemplate | None
) -> list[tuple[ItemScore, bool]]:
    """A task's rows, each with whether it has the task's own metric."""
    items: Sequence[EvalItem] = asked.items[task.name]
    examples: Examples = asked.examples[task.name]
    started, before = time.monotonic(), scorer.asked
    _logger.info("%s: %d items in %s", task.name, len(items), ", ".join(task.languages))
    rows = score_task(
        task,
        items,
        scorer,
        examples=examples,
        both=config.formats == "both",
        has_logprobs=_has_logprobs(config),
        chat=chat,
    )
    done = "answered before" if scorer.asked == before else f"done in {format_duration(time.monotonic() - started)}"
    _logger.info("%s: %s", task.name, done)
    return [(row, row.metric == task.metric) for row in rows]


def _write(
    out: Path,
    asked: Asked,
    scores: Sequence[tuple[ItemScore, bool]],
    samples: Sequence[Any] | None,
    parity: dict[str, Any],
) -> None:
    if samples is not None:
        write_jsonl(out / "samples.jsonl", samples)
    else:
        (out / "samples.jsonl").unlink(missing_ok=True)  # those of an earlier run may be another model's
    write_jsonl(out / "items.jsonl", ({**asdict(score), "primary": primary} for score, primary in scores))
    write_jsonl(out / "failures.jsonl", failures(asked.items, [score for score, primary in scores if primary]))
    write_json(out / "parity.json", parity)
    write_report(out)
