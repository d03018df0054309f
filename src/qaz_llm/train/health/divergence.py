"""Every step looked at for divergence, on the device, without waiting for it.

What is judged are the loss of the whole step, reduced over all ranks, and the norm of the gradient: before the update is
made. On the device that gives one number, whether the step is bad, and fused AdamW leaves the weights, the moments and their
count as they are where it is 1 (`found_inf`, by which mixed precision skips steps). So no update that is not finite is ever
made there, whatever the policy, and the host need not know: it reads the verdict of a step when the next one has been
queued, or before a checkpoint is written; and then the model is asked once more for the loss of what it has just learned,
since an update too far leaves weights that may be finite and no model. On a CPU there is nothing to wait for, and it reads at once. The same reduction
carries whether any rank was told to stop.

    engine                        withholds a bad update        of the policies
    fused AdamW (one GPU, DDP)    on the device                 all
    another optimizer of torch    its gradients are dropped,    all
                                  one wait per step for skip
    DeepSpeed                     no: it updates within         stop, rollback
                                  backward()

All ranks judge by the same reduced numbers, so they agree without asking.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from qaz_llm.errors import CheckpointError, WorkError
from qaz_llm.progress import get_logger
from qaz_llm.train.health.history import LossHistory, Verdict
from qaz_llm.train.ranks.distributed import any_process

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from qaz_llm.train.config import DivergenceConfig

_logger = get_logger("train")

Policy = Literal["stop", "skip", "rollback"]


class DivergedError(WorkError):
    """A step that was no good, under a policy that does not go on past it. `verdict` says which and why."""

    def __init__(self, verdict: Verdict, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.verdict = verdict


@dataclass
class _Pending:
    step: int
    numbers: torch.Tensor
    event: Any = None

    def read(self) -> Verdict:
        if self.event is not None:
            self.event.synchronize()
        is_bad, loss, grad_norm, median, spread, told = self.numbers.tolist()
        return Verdict(self.step, is_bad > 0, loss, grad_norm, median, spread, told > 0)


@dataclass(eq=False)
class StepWatch(TrainerCallback, ExportableState):  # type: ignore[misc]  # transformers is not typed
    """Judges the steps of one training, and carries out what `policy` says about the bad ones.

    Attributes:
        left_out: what left_out.json says; a checkpoint holds it, since its data order rests on it.
        on_bad: called with the verdict of each bad step, on every rank, before anything is done about it.
        was_told: whether this process was told to stop.
        told: whether any process was, as far as verdicts were read.
    """

    policy: Policy
    limits: DivergenceConfig
    vocab_size: int
    world_size: int
    left_out: Sequence[int] = ()
    was_told: Callable[[], bool] = field(default=lambda: False)
    on_bad: Callable[[Verdict], None] = field(default=lambda _verdict: None)
    told: bool = False
    skipped: list[int] = field(default_factory=list)
    in_row: int = 0
    _history: LossHistory | None = None
    _loss: torch.Tensor | None = None
    _before: torch.Tensor | None = None
    _pending: deque[_Pending] = field(default_factory=deque)

    # ------------------------------------------------------------------------------------ while a step is computed

    def add(self, loss: torch.Tensor, running: torch.Tensor) -> None:
        """The loss of a micro-batch as its share of the step's; `running` is the sum of Trainer before it."""
        if self._loss is None:
            self._loss, self._before = loss.detach().float(), running.clone()
        else:
            self._loss = self._loss + loss.detach().float()

    def judge(self, step: int, grad_norm: Any, optimizer: Any) -> torch.Tensor:
        """Judge step `step` before its update. Returns Trainer's running sum, in which a bad step counts as the median."""
        assert self._loss is not None and self._before is not None
        own, self._loss = self._loss, None
        norm = _as_tensor(grad_norm, own.device)
        told = torch.full((), float(self.was_told()), device=own.device)  # a kernel, where torch.tensor would wait
        sums = torch.stack([own / self.world_size, (~norm.isfinite()).float(), told])
        if self.world_size > 1:
            torch.distributed.all_reduce(sums)
        loss, history = sums[0], self._history or LossHistory.on(own.device)
        median, spread = history.median_and_spread()
        bad = self._is_bad(loss, sums[1] > 0, median, spread, history.count)
        history.append(loss, unless=bad)
        self._history = history
        self._withhold(bad, optimizer)
        self._queue(step, torch.stack([bad.float(), loss, norm, median, spread, sums[2]]))
        filler = median.nan_to_num(nan=math.log(self.vocab_size))
        return self._before + torch.where(bad, filler, own).to(self._before)

    def _is_bad(
        self,
        loss: torch.Tensor,
        bad_norm: torch.Tensor,
        median: torch.Tensor,
        spread: torch.Tensor,
        count: torch.Tensor,
    ) -> torch.Tensor:
        bad = ~loss.isfinite() | bad_norm
        if self.limits.max_loss is not None:
            bad = bad | (loss > self.ceiling)
        if self.limits.jump is not None:
            bad = bad | ((loss > median + self.limits.jump * spread) & (count >= self.limits.jump_after_steps))
        return bad

    def _withhold(self, bad: torch.Tensor, optimizer: Any) -> None:
        """Let the optimizer leave everything as it is where the step is bad."""
        inner = getattr(optimizer, "optimizer", optimizer)
        if skips_on_device(inner):
            inner.found_inf = bad.float()
        elif self.policy == "skip" and bool(bad):
            for group in inner.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None

    def _queue(self, step: int, numbers: torch.Tensor) -> None:
        if numbers.device.type != "cuda":
            self._pending.append(_Pending(step, numbers.cpu()))
            return
        copied = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
        copied.copy_(numbers, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._pending.append(_Pending(step, copied, event))

    # --------------------------------------------------------------------------------------------- between the steps

    def look(self, *, at_all: bool = False) -> None:
        """Read the verdicts that are there; `at_all`: of all steps, waiting for them.

        Raises DivergedError at a bad step that the policy does not skip.
        """
        while self._pending and (at_all or self._pending[0].event is None or len(self._pending) > 1):
            verdict = self._pending.popleft().read()
            self.told = self.told or verdict.told
            if verdict.is_bad:
                self._react(verdict)
            else:
                self.in_row = 0

    def look_again(self, loss: float, *, step: int) -> None:
        """Judge what the update of a step did, by a loss after it, before the weights are written. Called on all ranks.

        A step too far can leave weights that are numbers and a model that is none; the next step would show it, too late.

        Raises DivergedError where the loss of any rank is no number or above `max_loss`.
        """
        if any_process(not loss <= self.ceiling):
            verdict = Verdict(step, True, loss, 0.0, math.nan, math.nan, False)
            self.on_bad(verdict)
            found = "" if loss <= self.ceiling else f": loss {loss:.2f} on the rows it has just learned"
            raise DivergedError(verdict, f"training has diverged at step {step}, whose update broke the model{found}")

    @property
    def ceiling(self) -> float:
        """The highest loss that is none of a diverged step, in nats per token."""
        if self.limits.max_loss is None:
            return sys.float_info.max
        return self.limits.max_loss * math.log(self.vocab_size)

    def _react(self, verdict: Verdict) -> None:
        self.on_bad(verdict)
        self.in_row += 1
        why = verdict.why(self.limits, self.vocab_size)
        if self.policy == "skip" and self.in_row <= self.limits.max_skips_in_row:
            self.skipped.append(verdict.step)
            _logger.warning("step %d is skipped: %s", verdict.step, why)
            return
        given_up = f", {self.limits.max_skips_in_row} steps in a row were skipped" if self.policy == "skip" else ""
        raise DivergedError(verdict, f"training has diverged at step {verdict.step} ({why}){given_up}")

    def lines(self) -> list[str]:
        """What is to be said at the end."""
        if not self.skipped:
            return []
        shown = ", ".join(map(str, self.skipped[:10])) + (" …" if len(self.skipped) > 10 else "")
        return [f"{len(self.skipped)} steps had diverged and were skipped: {shown}"]

    # -------------------------------------------------------------------------------------------- with a checkpoint

    def state(self) -> dict[str, Any]:
        """What a checkpoint's trainer_state.json holds, so that a run that goes on judges as one that never stopped."""
        history = self._history
        known = {"losses": history.known(), "count": int(history.count)} if history is not None else {}
        kept = {"skipped": self.skipped, "in_row": self.in_row, "left_out": list(self.left_out)}
        return {"args": {}, "attributes": kept | known}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take up what the checkpoint holds. Raises CheckpointError where it rests on rows left out that no longer are."""
        found: Mapping[str, Any] = state.stateful_callbacks.setdefault(type(self).__name__, self.state())["attributes"]
        if not set(found["left_out"]) <= set(self.left_out):
            raise CheckpointError(
                f"the checkpoint of step {state.global_step} was made without the rows of places {found['left_out']}, and "
                f"left_out.json in the run folder names {list(self.left_out)}",
                hint="put left_out.json back as it was, or begin anew in another run_dir",
            )
        self.skipped, self.in_row = list(found["skipped"]), found["in_row"]
        self._history = LossHistory.on(args.device, found.get("losses", ()), found.get("count", 0))


def skips_on_device(optimizer: Any) -> bool:
    """Whether an optimizer makes no update where `found_inf` is 1: torch's fused Adam and AdamW on plain tensors."""
    from torch.distributed.tensor import DTensor

    if not isinstance(optimizer, torch.optim.Adam) or not optimizer.defaults.get("fused"):
        return False
    return not any(isinstance(p, DTensor) for group in optimizer.param_groups for p in group["params"])


def _as_tensor(value: Any, device: torch.device) -> torch.Tensor:
    if value is None:
        return torch.zeros((), device=device)
    if not isinstance(value, torch.Tensor):
        return torch.full((), float(value), device=device)
    whole = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().to(device, torch.float32)
