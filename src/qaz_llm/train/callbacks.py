"""What happens between two steps when a run is told to stop; what looks at a run lies in `watching`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.cluster.preemption import StopFlag
from qaz_llm.progress import get_logger
from qaz_llm.train.distributed import any_process

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

_logger = get_logger("train")


class StopCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Saves and stops at the first step boundary after any rank was told to; all ranks agree at each step."""

    def __init__(self, flag: StopFlag) -> None:
        self.flag = flag
        self.stopped_at: int | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if any_process(self.flag.signal_name is not None):
            _logger.warning(
                "told to stop (%s): saving step %d", self.flag.signal_name or "other rank", state.global_step
            )
            control.should_save = True
            control.should_training_stop = True
            self.stopped_at = state.global_step
