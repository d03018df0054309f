"""What happens between two steps: a row of metrics, progress, an evaluation. Whether to stop: stopping.py."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.train.metrics import append_metrics

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

OnEval = Callable[["PreTrainedModel", "PreTrainedTokenizerFast", int], Mapping[str, float]]
"""(model, tokenizer, step) → named numbers. Called on every rank, since a sharded model needs all of them."""

EVALS_FILE = "evals.jsonl"


class MetricsCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Writes metrics.jsonl. `tokens_of_step(n)` are the tokens of step n over all processes."""

    def __init__(
        self,
        path: Path,
        *,
        tokens_of_step: Callable[[int], int],
        tokens_before: int,
        seconds_before: float,
        flops_per_token: float,
        peak_flops: float | None,
    ) -> None:
        self.path = path
        self.tokens_of_step = tokens_of_step
        self.tokens = tokens_before
        self.seconds_before = seconds_before
        self.flops_per_token = flops_per_token
        self.peak_flops = peak_flops
        self.last_loss = math.nan
        self._started = self._logged_at = time.monotonic()
        self._tokens_logged = tokens_before

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._started = self._logged_at = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.tokens += self.tokens_of_step(state.global_step)
        control.should_log = control.should_log or state.global_step == state.max_steps

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
        now = time.monotonic()
        rate = (self.tokens - self._tokens_logged) / max(now - self._logged_at, 1e-9)
        row: dict[str, Any] = {
            "step": state.global_step,
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": float(logs.get("grad_norm") or 0.0),
            "tokens": self.tokens,
            "tokens_per_s": round(rate, 1),
            "seconds": round(self.seconds_before + now - self._started, 3),
        }
        if "skipped_steps" in logs:
            row["skipped_steps"] = int(logs["skipped_steps"])
        row |= {name: value for name, value in logs.items() if name.startswith("reward_")}  # of preference pairs
        if self.peak_flops:
            row["mfu_frac"] = round(rate * self.flops_per_token / (self.peak_flops * args.world_size), 4)
        self._logged_at, self._tokens_logged, self.last_loss = now, self.tokens, logs["loss"]
        if state.is_world_process_zero:
            append_metrics(self.path, row)


class ProgressCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Moves the bar of progress.py."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self.advance = advance

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.advance(1)


@dataclass
class EvalCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Calls `on_eval` every so many steps and appends what it says to evals.jsonl."""

    on_eval: OnEval
    tokenizer: PreTrainedTokenizerFast
    path: Path
    every_steps: int

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        if state.global_step % self.every_steps and state.global_step != state.max_steps:
            return
        was_training = model.training
        model.eval()
        try:
            scores = self.on_eval(model, self.tokenizer, state.global_step)
        finally:
            model.train(was_training)
        if state.is_world_process_zero:
            append_metrics(self.path, {"step": state.global_step, **scores})
