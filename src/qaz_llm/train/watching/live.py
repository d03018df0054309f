"""The line of a terminal that is written anew, and plain lines in a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.progress import FILE_ONLY, LiveLine, get_logger, live_line
from qaz_llm.train.watching.row import LEFT_OUT, figures, in_words

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

_logger = get_logger("train")


class LiveCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Moves the line with each step; `tell` takes the numbers of each row of metrics."""

    def __init__(self, line: LiveLine, steps: int) -> None:
        self.line = line
        self.steps = steps

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        _logger.info(LEFT_OUT)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.line.show(done=state.global_step)

    def tell(self, row: Mapping[str, Any], left_s: float | None) -> None:
        """A plain line; on a terminal, where the live one says it, into the log file alone."""
        self.line.show(done=row["step"], text=figures(row, left_s=left_s, short=True))
        _logger.info(in_words(row, steps=self.steps, left_s=left_s), extra={FILE_ONLY: self.line.is_shown})


@contextmanager
def live_training(steps: int, done: int) -> Iterator[LiveCallback]:
    """A LiveCallback while the block runs."""
    with live_line("step", total=steps, done=done) as line:
        yield LiveCallback(line, steps)
