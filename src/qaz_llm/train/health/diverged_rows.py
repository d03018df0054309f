"""The rows of a step that diverged, on disk for a person to look at: `run_dir/diverged/step-<n>.jsonl`.

    {"row": 1807, "part": "kk", "loss": 2.31, "tokens": 1024, "text": "…"}

`loss` is of the row alone in nats per learned token, by the weights that are there when the step is noticed (fused AdamW did
not make the update); null where it is no number, or where the weights lie in parts on several processes. The text is the
training text itself, decoded, with the marks between documents, cut after TEXT_CHARS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.io import make_dir, write_jsonl
from qaz_llm.train.ranks.sharding import is_sharded

if TYPE_CHECKING:
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.start.prepare import PreparedRun

TEXT_CHARS = 4000
MAX_ROWS = 256
"""No more rows than this of a step are written: the first ones."""


def save_rows(run: PreparedRun, trainer: PackedTrainer, *, step: int, rows_per_step: int, run_dir: Path) -> Path:
    """Write the rows that step `step` learned from. Called by one process."""
    numbers = run.sampler.rows_of_step(step, rows_per_step)[:MAX_ROWS].tolist()
    path = make_dir(run_dir / "diverged") / f"step-{step}.jsonl"
    write_jsonl(path, _described(run, trainer, numbers))
    return path


def _described(run: PreparedRun, trainer: PackedTrainer, numbers: list[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        row = trainer.train_dataset[number]  # of pairs with what the reference says of them
        name, tokens = _part_of(run, number)
        text = run.tokenizer.decode(row["input_ids"][:tokens].tolist())
        loss = _loss_of(trainer, row)
        yield {"row": number, "part": name, "loss": loss, "tokens": tokens, "text": text[:TEXT_CHARS]}


def _part_of(run: PreparedRun, number: int) -> tuple[str, int]:
    """The part of the mix that a row belongs to, and the row's tokens without padding."""
    for entry, part in zip(run.entries, run.rows.parts, strict=True):
        if number < len(part):
            return entry.name, int(part.row_tokens_R[number])
        number -= len(part)
    raise IndexError(number)


def _loss_of(trainer: PackedTrainer, row: dict[str, Any]) -> float | None:
    """Nats per learned token of one row (of pairs, their mean loss); None where the model cannot be asked by one process."""
    if trainer.is_deepspeed_enabled or is_sharded(trainer.model):
        return None
    loss = trainer.loss_of(trainer.data_collator([row]), trainer.accelerator.unwrap_model(trainer.model))
    return loss if math.isfinite(loss) else None
