"""Writes metrics.jsonl while a model is trained, and tells all that show it: the line of a terminal or a log, the status, trackers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.train.metrics import append_metrics
from qaz_llm.train.watching.part_losses import by_language_and_source

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from qaz_llm.train.watching.watch import Watch

Listener = Callable[[Mapping[str, Any], float | None], None]
"""(row, estimated seconds left)."""


@dataclass(frozen=True)
class Counts:
    """What is known before training. `tokens_of_step(n)` are the tokens of step n over all processes; `tokens_before` and
    `seconds_before` are of earlier sittings; FLOP/s are of one device, None where its peak is not known."""

    tokens_of_step: Callable[[int], int]
    tokens_before: int
    seconds_before: float
    flops_per_token: float
    peak_flops: float | None


@dataclass(frozen=True)
class _Interval:
    """Where the last row was written: what has happened since is the next row's."""

    at: float
    step: int
    tokens: int
    apart: Mapping[str, float]


class MetricsCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """A row at each logged step, and at the last; `listeners` are told on the first process."""

    def __init__(self, path: Path, counts: Counts, watch: Watch, listeners: Sequence[Listener] = ()) -> None:
        self.path = path
        self.counts = counts
        self.watch = watch
        self.listeners = listeners
        self.tokens = counts.tokens_before
        self._first_step = 0
        self._began = time.monotonic()
        self._last = _Interval(self._began, 0, self.tokens, {})

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began = time.monotonic()
        self._first_step = state.global_step
        self._last = _Interval(self._began, state.global_step, self.tokens, dict(self.watch.clock.seconds))
        self.watch.status.phase("training")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.tokens += self.counts.tokens_of_step(state.global_step)
        control.should_log = control.should_log or state.global_step == state.max_steps
        self.watch.status.set(step=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        row = self._row(logs, state.global_step, args.world_size)
        if state.is_world_process_zero:
            append_metrics(self.path, row)
            for listener in self.listeners:
                listener(row, self._left_s(state))

    def _row(self, logs: Mapping[str, float], step: int, world_size: int) -> dict[str, Any]:
        now, apart = time.monotonic(), dict(self.watch.clock.seconds)
        apart_s = {f"{name}_s": round(apart[name] - self._last.apart.get(name, 0.0), 3) for name in apart}
        trained_s = now - self._last.at - sum(apart_s.values())
        rate = (self.tokens - self._last.tokens) / max(trained_s, 1e-9)
        row: dict[str, Any] = {
            "step": step,
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": float(logs.get("grad_norm") or 0.0),
            "tokens": self.tokens,
            "tokens_per_s": round(rate, 1),
            "seconds": round(self.counts.seconds_before + now - self._began, 3),
            **apart_s,
        }
        row |= {name: value for name, value in logs.items() if name.startswith("reward_")}  # of preference pairs
        if "skipped_steps" in logs:
            row["skipped_steps"] = int(logs["skipped_steps"])
        if self.counts.peak_flops:
            peak = self.counts.peak_flops * world_size
            row["mfu_frac"] = round(rate * self.counts.flops_per_token / peak, 4)
        steps = step - self._last.step
        row |= self.watch.times.take(steps, trained_s / max(steps, 1))
        self._last = _Interval(now, step, self.tokens, apart)
        return row | by_language_and_source(self.watch.losses.entries, self.watch.losses.take())

    def _left_s(self, state: TrainerState) -> float | None:
        """By what the steps of this sitting took, saving and evaluation and all."""
        done, left = state.global_step - self._first_step, state.max_steps - state.global_step
        seconds = (time.monotonic() - self._began) / done * left if done else math.nan
        return seconds if math.isfinite(seconds) else None
