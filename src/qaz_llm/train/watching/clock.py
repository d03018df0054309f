"""Where the time of a run goes: training, and beside it saving, evaluation and samples, each measured apart.

tokens/s and MFU are about training alone, so what else a run does between its steps is taken out of them:

    tokens/s = tokens since the last row / (time since the last row − saving − evaluation − sampling)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from qaz_llm.progress import format_duration

APART = ("saving", "evaluation", "sampling")
"""The phases that tokens/s leaves out."""


class PhaseClock:
    """Seconds of each phase of APART since the start; `on_phase` is told which one the run is in."""

    def __init__(self, on_phase: Callable[[str], None] = lambda _: None) -> None:
        self.seconds = dict.fromkeys(APART, 0.0)
        self.on_phase = on_phase

    def in_words(self) -> str:
        """`, saving 3 s and evaluation 12 s of it`; nothing where all was training."""
        spent = [f"{name} {format_duration(seconds)}" for name, seconds in self.seconds.items() if seconds >= 0.5]
        return f", {' and '.join(spent)} of it" if spent else ""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's time to `name`; what a GPU still computes of the step before it is not the block's."""
        wait_for_device()
        self.on_phase(name)
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] += time.monotonic() - started
            self.on_phase("training")


def timed(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Count all time of a method to phase `name` of its object's `clock`."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def measured(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.clock.phase(name):
                return method(self, *args, **kwargs)

        return measured

    return wrap


def wait_for_device() -> None:
    """Until a GPU has done what it was told; at once where torch was never loaded, or there is none."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
