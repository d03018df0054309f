"""What a training does about a signal: what it says, and an evaluation that is broken off and made up for.

before the first step, and after the last    interrupted where it stands: nothing would be lost (cluster/stopping.py)
between the steps                            held until the step is done, then saved (StopCallback)
in an evaluation between two steps           broken off by a process that is alone, and the step saved
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.cluster.stopping import Stop, Told
from qaz_llm.errors import QazError
from qaz_llm.progress import get_logger
from qaz_llm.train.loop.between_steps import is_due
from qaz_llm.train.metrics import read_metrics
from qaz_llm.train.saving.marker import MARKER_FILE

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from qaz_llm.train.health.divergence import StepWatch
    from qaz_llm.train.ranks.heartbeat import Heartbeat
    from qaz_llm.train.watching.evaluation import EvalCallback

_logger = get_logger("train")


class StopCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Saves and stops at the first step boundary after it is known that any rank was told to.

    All ranks agree by what StepWatch reduces at each step anyway; on a GPU that is known one step later.

    The last step is saved in any case: what is left then, writing the model, can be interrupted and begun again.
    """

    def __init__(self, flag: Stop, watch: StepWatch, *, saves_last: bool = True) -> None:
        self.flag = flag
        self.saves_last = saves_last
        self.watch = watch
        self.stopped_at: int | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.flag.hold()
        self.watch.look()
        if self.watch.told or (args.world_size == 1 and self.flag.signal_name is not None):
            _logger.warning(
                "told to stop (%s): saving step %d", self.flag.signal_name or "other rank", state.global_step
            )
            control.should_save = True
            control.should_training_stop = True
            self.stopped_at = state.global_step
        elif state.global_step >= state.max_steps:
            control.should_save = self.saves_last


class BreakableCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """An evaluation that a signal may break off, so that the step can be saved at once.

    It writes a row for its step into `path` when it is done; one that was broken off has none, and is made up for when
    the run goes on. Several processes evaluate to the end: they compute it together, and hear of a signal one by one.
    """

    def __init__(
        self, evaluation: EvalCallback, flag: Stop, beat: Heartbeat, *, path: Path, every_steps: int, compares: bool
    ) -> None:
        """`compares`: what is found is to be compared with what is found before the first step."""
        self.evaluation = evaluation
        self.flag = flag
        self.beat = beat
        self.path = path
        self.every_steps = every_steps
        self.compares = compares

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kw: Any) -> None:
        step = state.global_step
        seen = {row["step"] for row in read_metrics(self.path)}
        if step == 0 and self.compares and not seen:
            self.beat.mark("evaluating", step=step, is_long=True)
            self.evaluation.before_first_step(kw["model"])
        elif self.compares and 0 not in seen:
            _logger.warning("%s has no row of step 0: what is forgotten since then is not known", self.path.name)
        due = step > 0 and is_due(step, self.every_steps, state.max_steps)
        if due and step not in seen:
            self.beat.mark("evaluating", step=step, is_long=True)
            _logger.info("evaluating step %d, which was broken off", step)
            self.evaluation.on_step_end(args, state, control, **kw)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kw: Any) -> None:
        self.beat.mark("evaluating", step=state.global_step, is_long=True)
        if args.world_size > 1:
            self.evaluation.on_step_end(args, state, control, **kw)
            return
        try:
            with self.flag.interruptible():
                self.evaluation.on_step_end(args, state, control, **kw)
        except (Exception, Told) as error:
            # A library may make an error of its own of what interrupted it; the step is to be saved all the same.
            if self.flag.signal_name in (None, "SIGINT") or isinstance(error, QazError):
                raise
            _logger.warning(
                "the evaluation of step %d is broken off; the same command makes up for it", state.global_step
            )


def what_is_saved(run_dir: Path, signal_name: str) -> str:
    """The one line of a training that was told to stop and had nothing to save but what is saved."""
    folder = run_dir / "checkpoints"
    steps = [int(marker.parent.name.removeprefix("step-")) for marker in folder.glob(f"step-*/{MARKER_FILE}")]
    if not steps:
        return f"stopped by {signal_name} before the first step was saved; the same command begins anew"
    return f"stopped by {signal_name}; step {max(steps)} is saved in {folder}, the same command goes on from there"
