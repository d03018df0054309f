"""Bits per byte on held-out sentences, and a few questions, while a model is trained: training calls this, and knows nothing of evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from qaz_llm.evals.asking import score_task
from qaz_llm.evals.items.load import heldout_texts, load_items
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.scoring.scorer import Scorer, bits_per_byte
from qaz_llm.evals.task import TaskConfig, choose_tasks
from qaz_llm.io import fingerprint_value
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.heldout import read_heldout
from qaz_llm.progress import without_progress
from qaz_llm.records import EvalItem
from qaz_llm.train.watching.texts import fingerprints_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SENTENCES = 64
"""Sentences per language that are scored each time: enough to see a trend, few enough not to slow training down."""

BATCH_TOKENS = 2048
"""Tokens of one forward pass beside a training in `qaz train`, whose own memory is to be enough for it."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out texts by name, of which bits per byte are measured, and questions; called as training calls an evaluation."""

    texts: Mapping[str, Sequence[str]]
    batch_tokens: int
    questions: Sequence[tuple[TaskConfig, Sequence[EvalItem]]] = ()
    """Tasks, each with a few of its items."""

    @property
    def fingerprints(self) -> dict[str, str]:
        """By the name of each number what it is measured on: the texts, or the questions and how they are asked."""
        found = fingerprints_of(self.texts)
        for task, items in self.questions:
            said = task.model_dump(mode="json", exclude_defaults=True)
            for language in dict.fromkeys(item.language for item in items):
                asked = [asdict(item) for item in items if item.language == language]
                found[f"{task.name}.{language}"] = fingerprint_value([said, asked])
        return found

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, _step: int) -> Mapping[str, float]:
        """`{"kk": bits per byte, "ru": …, "en": …, "sib200.kk": share of wrong answers, …}` of the model as it is."""
        scorer = HFScorer(model, tokenizer, batch_tokens=self.batch_tokens)
        with without_progress():
            found = {name: bits_per_byte(scorer, texts) for name, texts in self.texts.items()}
            for task, items in self.questions:
                found |= wrong_answers(task, items, scorer)
        return found


def wrong_answers(task: TaskConfig, items: Sequence[EvalItem], scorer: Scorer) -> dict[str, float]:
    """By `TASK.LANGUAGE` the share of items that are answered wrong, in the task's own way of asking and metric; lower is better."""
    scores: dict[str, list[float]] = {}
    for row in score_task(task, items, scorer):
        if row.metric == task.metric:
            scores.setdefault(row.language, []).append(row.score)
    return {f"{task.name}.{code}": 1 - math.fsum(values) / len(values) for code, values in scores.items()}


def watch_bits(config: RunConfig) -> HeldOut:
    """The first SENTENCES held-out sentences of each language of the suite that the run is scored on, and its first questions."""
    root = config.eval.root or config.data.root
    texts = heldout_texts(config.eval.suite, root=root)
    first = {language: lines[:SENTENCES] for language, lines in texts.items()}
    if config.eval.quick_items is None:
        return HeldOut(first, config.eval.batch_tokens)
    asked = [task for task in choose_tasks(config.eval) if task.kind == "multiple_choice" and not task.is_generated]
    questions = [(task, load_items(task, root=root, max_items=config.eval.quick_items)) for task in asked]
    return HeldOut(first, config.eval.batch_tokens, questions)


def watch_files(files: Mapping[str, str], *, key: str = "heldout.") -> HeldOut:
    """A file of text per name, of which the first SENTENCES texts are scored; `key` stands before the name in messages.

    Raises:
        InputError: a file that is not there, or holds no text that can be scored.
    """
    texts = {name: read_heldout(path, most=SENTENCES, said_as=f"{key}{name}") for name, path in files.items()}
    return HeldOut(texts, BATCH_TOKENS)
