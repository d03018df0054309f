"""Held-out numbers between two steps: what they say goes into evals.jsonl, the best is kept, and no progress ends the run.

With `watch.max_eval_frac` 0.1, 40 s of evaluations behind it and 500 s since the start, one that will take as long as the last, 20 s, is left
out: 60 s are more than a tenth of 520 s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.progress import format_duration, format_share, get_logger
from qaz_llm.train.loop.between_steps import evaluating, is_due
from qaz_llm.train.metrics import EVALS_FILE, read_metrics
from qaz_llm.train.ranks.distributed import on_main
from qaz_llm.train.watching import forgetting
from qaz_llm.train.watching.best import Best, best_so_far, why_ended
from qaz_llm.train.watching.texts import Fingerprints, append_evaluation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

    from qaz_llm.train.config import WatchConfig
    from qaz_llm.train.watching.watch import OnEval, Watch

_logger = get_logger("train")


class EvalCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Evaluates every so many steps and at the last; the first process's numbers decide for all."""

    def __init__(
        self,
        watch: Watch,
        on_eval: OnEval,
        tokenizer: PreTrainedTokenizerFast,
        every_steps: int,
        texts: Fingerprints | None = None,
    ) -> None:
        """`texts`: by what the text behind each number is known."""
        self.watch = watch
        self.texts = texts or {}
        self.on_eval = on_eval
        self.tokenizer = tokenizer
        self.every_steps = every_steps
        self._began = time.monotonic()
        self._last_s: float | None = None
        self._left_out = 0

    def before_first_step(self, model: Any) -> None:
        """What later evaluations are compared with: the model as training finds it."""
        with self.watch.clock.phase("evaluation"), evaluating(model):
            started = time.monotonic()
            scores = self.on_eval(model, self.tokenizer, 0)
        on_main(lambda: append_evaluation(self.watch.run_dir, 0, scores, self.texts))
        self._last_s = time.monotonic() - started
        _logger.info("before the first step, held out: %s", in_words(scores, self._last_s))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        step = state.global_step
        if not is_due(step, self.every_steps, state.max_steps):
            return
        if step < state.max_steps and on_main(self._takes_too_long):
            self._left_out += 1
            on_main(lambda: self._say_left_out(step))
            return
        with self.watch.clock.phase("evaluation"):
            started = time.monotonic()
            with evaluating(model):
                scores = self.on_eval(model, self.tokenizer, step)
            best, ended, forgotten = on_main(lambda: self._record(step, scores))
            self._last_s = time.monotonic() - started
            _logger.info("step %d, held out: %s", step, in_words(scores, self._last_s))
        if forgotten:
            _logger.warning(forgetting.in_words(forgotten, self.watch.settings.forgetting))
        if forgotten and self.watch.settings.forgetting.policy == "stop":
            control.should_save = control.should_training_stop = control.should_log = True
        if best is not None and best.step == step:
            _logger.info("%s so far; its checkpoint is kept", best.in_words())
            control.should_save = True
        if ended is not None:
            control.should_save = control.should_training_stop = control.should_log = True

    def _takes_too_long(self) -> bool:
        """Whether one more like the last would bring evaluations above their part of the time since the start."""
        return takes_too_long(
            self.watch.settings.max_eval_frac,
            spent_s=self.watch.clock.seconds["evaluation"],
            next_s=self._last_s,
            elapsed_s=time.monotonic() - self._began,
        )

    def _say_left_out(self, step: int) -> None:
        most = self.watch.settings.max_eval_frac
        _logger.warning(
            "step %d: the evaluation is left out, it would bring them above %s of the time (watch.max_eval_frac); %d left out so far",
            step, format_share(most or 0.0), self._left_out,
        )  # fmt: skip
        self.watch.status.set(evaluations_left_out=self._left_out)

    def _record(
        self, step: int, scores: Mapping[str, float]
    ) -> tuple[Best | None, str | None, tuple[forgetting.Rise, ...]]:
        """Write the row; the best evaluation since then, why the run ends if it does, and which languages are forgotten."""
        run_dir, settings = self.watch.run_dir, self.watch.settings
        append_evaluation(run_dir, step, scores, self.texts)
        best, judged = best_so_far(run_dir, settings), forgetting.judge(run_dir, settings.forgetting)
        self.watch.status.set(**_in_status({"step": step, **scores}, best, judged, settings))
        return best, why_ended(run_dir, settings), judged.rises


def shown_in_status(run_dir: Path, settings: WatchConfig) -> dict[str, Any]:
    """What status.json says of the evaluations so far; nothing where there are none after the first step.

    {"held_out": {"step": 40, "ru": 1.8}, "best": {"by": "kk", "step": 40, "value": 1.9}, "forgetting": {"ru": 0.0714},
     "forgetting_not_judged": ["en"], "max_rise_frac": 0.05}
    """
    rows = read_metrics(run_dir / EVALS_FILE)
    if not rows or not rows[-1]["step"]:
        return {}
    judged = forgetting.judge(run_dir, settings.forgetting)
    return _in_status(rows[-1], best_so_far(run_dir, settings), judged, settings)


def _in_status(
    row: Mapping[str, Any], best: Best | None, judged: forgetting.Judged, settings: WatchConfig
) -> dict[str, Any]:
    return {
        "held_out": row,
        "best": {"by": best.by, "step": best.step, "value": best.value} if best is not None else None,
        "forgetting": {rise.name: float(f"{rise.frac:.3g}") for rise in judged.rises} or None,
        "forgetting_not_judged": list(judged.not_judged) or None,
        "max_rise_frac": settings.forgetting.max_rise_frac,
    }


def takes_too_long(most_frac: float | None, *, spent_s: float, next_s: float | None, elapsed_s: float) -> bool:
    """Whether evaluations of `spent_s` and one more of `next_s` are more than their part of `elapsed_s` and that one.

    Of the first one it is not known how long it takes, and it is made.

    >>> takes_too_long(0.1, spent_s=40, next_s=20, elapsed_s=500), takes_too_long(0.1, spent_s=40, next_s=20, elapsed_s=600)
    (True, False)
    """
    if most_frac is None or next_s is None:
        return False
    return spent_s + next_s > most_frac * (elapsed_s + next_s)


def in_words(scores: Mapping[str, float], seconds: float) -> str:
    """`kk 1.9012, ru 1.4410 (took 4 s)`."""
    named = ", ".join(f"{name} {value:.4f}" for name, value in scores.items()) or "no numbers"
    return f"{named} (took {format_duration(seconds)})"
