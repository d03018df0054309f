"""Whether a language that the model knew gets worse while another one is learned, by held-out bits per byte.

before the first step ru 1.68, en 1.33; at step 40 ru 1.80, en 1.30; max_rise_frac 0.05    →    ru is 7.1 % worse

Compared is what was measured on the same text (texts.py); what is not is named where the result is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import WorkError
from qaz_llm.progress import format_share, get_logger
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.config.watching import ForgettingConfig
from qaz_llm.train.watching.texts import comparable_evals

_logger = get_logger("train")

POLICY = "watch.forgetting.policy"
LESS = "a lower lr (qaz train --find-lr), more of that language in the mix, LoRA or pull_to_base keep more"


class ForgettingError(WorkError):
    """A language that was to be kept has become worse than the config allows, and the policy is to stop."""


@dataclass(frozen=True)
class Rise:
    """Bits per byte of one held-out text, before the first step and now."""

    name: str
    before: float
    now: float

    @property
    def frac(self) -> float:
        return self.now / self.before - 1

    def in_words(self) -> str:
        """`ru 1.680 → 1.800 bits per byte (+7.1%)`; of a small rise so many decimals that two digits count."""
        percent = 100 * self.frac
        decimals = 1 if not 0 < percent < 1 else 1 - math.floor(math.log10(percent))
        bits = f"{self.before:.{decimals + 2}f} → {self.now:.{decimals + 2}f}"
        return f"{self.name} {bits} bits per byte ({self.frac:+.{decimals}%})"


@dataclass(frozen=True)
class Judged:
    """By the last evaluation: rises beyond the limit, and watched texts that have no number of step 0 to be compared with."""

    rises: tuple[Rise, ...] = ()
    not_judged: tuple[str, ...] = ()


def watched_names(settings: TrainSettings, heldout: Sequence[str]) -> tuple[str, ...]:
    """The held-out texts that are compared with what they were; none for fresh weights, and with policy `off`."""
    forgetting = settings.watch.forgetting
    if forgetting.policy == "off" or settings.method == "pretrain":
        return ()
    return tuple(name for name in forgetting.names if name in heldout)


def rises(rows: Sequence[Mapping[str, Any]], settings: ForgettingConfig) -> list[Rise]:
    """What of the last row is worse than in that of step 0 by more than `max_rise_frac`; nothing where there is no such row."""
    first = next((row for row in rows if row["step"] == 0), None)
    if first is None or settings.policy == "off":
        return []
    both = [name for name in settings.names if name in first and name in rows[-1]]
    found = [Rise(name, first[name], rows[-1][name]) for name in both]
    return [rise for rise in found if not rise.now <= rise.before * (1 + settings.max_rise_frac)]


def judge(run_dir: Path, settings: ForgettingConfig) -> Judged:
    """By run_dir's evals.jsonl. A run that has no step 0, as one of fresh weights, has nothing to be judged."""
    rows = comparable_evals(run_dir)
    if not rows or settings.policy == "off" or all(row["step"] for row in rows):
        return Judged()
    first = next(row for row in rows if row["step"] == 0)
    not_judged = tuple(name for name in settings.names if name in rows[-1] and name not in first)
    return Judged(tuple(rises(rows, settings)), not_judged)


def in_words(found: Sequence[Rise], settings: ForgettingConfig) -> str:
    """What is said of rises beyond the limit."""
    listed = ", ".join(rise.in_words() for rise in found)
    return f"forgetting: {listed}; more than {format_share(settings.max_rise_frac)} above the start (watch.forgetting)"


def say_forgetting(run_dir: Path, settings: ForgettingConfig) -> None:
    """At the end of a run: what is worse than the config allows, and what was not judged, said once more where the result is shown."""
    found = judge(run_dir, settings)
    if found.rises:
        _logger.warning("%s; %s", in_words(found.rises, settings), LESS)
    if found.not_judged:
        names = ", ".join(found.not_judged)
        _logger.warning("forgetting: %s not judged, there is no number of that text before the first step", names)


def stop_if_forgotten(run_dir: Path, settings: ForgettingConfig) -> None:
    """Raise ForgettingError where the policy is to stop and the last evaluation found a rise beyond the limit."""
    found = judge(run_dir, settings).rises if settings.policy == "stop" else ()
    if found:
        raise ForgettingError(
            f"{in_words(found, settings)}; the step is saved in {run_dir / 'checkpoints'}",
            hint=f"{LESS}; to go on from the saved step all the same: {POLICY}=warn",
        )
