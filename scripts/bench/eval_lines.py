"""What `scripts/bench_eval.py` asks: a line for each task, way of asking and number of examples, and the same written for lm-eval."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from qaz_llm.evals.items.load import read_items
from qaz_llm.evals.items.sources import find_source
from qaz_llm.evals.prompts.examples import Examples
from qaz_llm.evals.prompts.render import render_context, render_requests
from qaz_llm.evals.task import Scoring, TaskConfig, load_task
from qaz_llm.records import EvalItem, Request

DEV = {"sib200": "sib200/sib200_kk_train.jsonl"}
"""Where a task's own file names no solved examples."""
SHOTS = 5


@dataclass(frozen=True)
class Line:
    """One task in Kazakh, asked in one way."""

    task: TaskConfig
    scoring: Scoring
    items: tuple[EvalItem, ...]
    examples: Examples

    @property
    def name(self) -> str:
        way = "letters" if self.scoring == "letters" else "cloze"
        return f"{self.task.name}_{way}_{self.examples.shots}shot"

    def requests(self) -> list[tuple[Request, ...]]:
        """Of each item one request per choice."""
        return [
            render_requests(self.task, item, scoring=self.scoring, examples=self.examples.of(item))
            for item in self.items
        ]

    def shared(self, item: EvalItem) -> str:
        """The solved examples before an item's own question."""
        whole, bare = (
            render_context(self.task, item, scoring=self.scoring, examples=examples)
            for examples in (self.examples.of(item), ())
        )
        return whole.removesuffix(bare)


def make_lines(names: Sequence[str], root: Path, *, items: int) -> Iterator[Line]:
    """Letters and cloze, without and with SHOTS examples, of the first `items` items of each task.

    A set without a dev split (Belebele) gives its last items as examples, and they are not asked.
    """
    for name in names:
        task = load_task(name)
        solved = list(_dev_items(task, root))
        found = list(islice(_items(task, str(task.files.get("kk") or task.file), root), items + SHOTS))
        solved, found = (solved, found[:items]) if solved else (found[-SHOTS:], found[:-SHOTS])
        for shots in (0, SHOTS):
            examples = Examples(shots, {"kk": solved})
            for scoring in ("letters", "text"):
                yield Line(task.model_copy(update={"scoring": scoring}), scoring, tuple(found), examples)  # type: ignore[arg-type]


def _dev_items(task: TaskConfig, root: Path) -> Iterator[EvalItem]:
    path = task.dev_files.get("kk") or task.dev_file or DEV.get(task.name)
    return _items(task, str(path), root) if path is not None else iter(())


def _items(task: TaskConfig, path: str, root: Path) -> Iterator[EvalItem]:
    source = find_source(path, task=task.name, root=root, columns=task.columns, quoted=task.quoted)
    return (item for item in read_items(task, source, "kk" if task.files else None) if item.language == "kk")


def write_for_peer(line: Line, folder: Path, *, start: str) -> None:
    """The same texts as a task of lm-eval: a JSONL of contexts and choices, and a YAML that adds nothing to them.

    `start` is the model's start token, written before each context, since lm-eval adds none where the tokenizer does not.
    """
    rows = [
        {
            "context": start + requests[0].context,
            "choices": [request.continuation for request in requests],
            "gold": item.answer,
        }
        for item, requests in zip(line.items, line.requests(), strict=True)
    ]
    data = folder / f"{line.name}.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    task: dict[str, Any] = {
        "task": line.name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc"}],
    }
    (folder / f"{line.name}.yaml").write_text(json.dumps(task), encoding="utf-8")  # JSON is YAML
