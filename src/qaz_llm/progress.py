"""Progress for people and for logs: a bar on a terminal, plain lines elsewhere, and a log file in the run folder.

Only the first process of a distributed run speaks; the others stay silent unless something goes wrong.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

FILE_ONLY = "file_only"
"""Mark of a record that goes to the log file alone: on a terminal the bar says the same."""

LOG_EVERY_S = 15.0
"""Seconds between two plain lines of progress where there is no terminal."""


_silent: ContextVar[bool] = ContextVar("silent", default=False)


def get_logger(name: str) -> logging.Logger:
    """The logger of one room, below the common parent `qaz`."""
    return logging.getLogger(f"qaz.{name}")


def is_main_process() -> bool:
    """True in a process that is alone or has rank 0."""
    return os.environ.get("RANK", "0") == "0"


class _CurrentStderr(logging.Handler):
    """Writes to what sys.stderr is at that moment: while a bar is shown, rich puts lines above it."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, FILE_ONLY, False):
            print(self.format(record), file=sys.stderr, flush=True)


def set_up_logging(*, debug: bool = False, quiet: bool = False) -> None:
    """Send plain lines to stderr: everything from rank 0, warnings from other ranks. Call once, at start."""
    logger = logging.getLogger("qaz")
    logger.handlers.clear()
    handler = _CurrentStderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.propagate = False
    level = logging.DEBUG if debug else logging.WARNING if quiet or not is_main_process() else logging.INFO
    logger.setLevel(level)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Also append all lines to `path` while the block runs (rank 0 only)."""
    if not is_main_process():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("qaz")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def format_duration(seconds: float) -> str:
    """Seconds as a person reads them: `4 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_share(frac: float, *, digits: int = 6) -> str:
    """A share with the digits that it needs, at most so many that count: `5%`, `0.1%`, `12.5%`."""
    return f"{100 * frac:.{digits}g}%"


@contextmanager
def progress(
    description: str, *, total: float | None, unit: str, done: float = 0.0
) -> Iterator[Callable[[float], None]]:
    """Show work of `total` units while the block runs; the block calls what it is given with each number done.

    On a terminal a rich bar with rate and remaining time; elsewhere a line at most every LOG_EVERY_S seconds.
    `done` units were done in an earlier sitting: they count towards the total, not towards the rate.
    Shows nothing inside `without_progress`.
    """
    if not is_main_process() or _silent.get():
        yield lambda _done: None
    elif sys.stderr.isatty():
        log_line = _line_logger(description, total, unit, done, file_only=True)
        with _terminal_bar(description, total, unit, done) as advance_bar:

            def advance(number: float) -> None:
                advance_bar(number)
                log_line(number)

            yield advance
    else:
        yield _line_logger(description, total, unit, done)


@contextmanager
def without_progress() -> Iterator[None]:
    """Show no `progress` while the block runs: it is a small part of work that is shown as a whole."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


@dataclass(frozen=True)
class LiveLine:
    """One line of a terminal that is written anew. `is_shown` is false where there is no terminal, and `show` does nothing."""

    is_shown: bool
    update: Callable[[float | None, str | None], None]

    def show(self, *, done: float | None = None, text: str | None = None) -> None:
        """Say how far the work is, or what stands beside it; what is not given stays."""
        self.update(done, text)


@contextmanager
def live_line(description: str, *, total: float, done: float = 0.0) -> Iterator[LiveLine]:
    """`description done/total`, a bar, and a text of the caller's, on a terminal while the block runs; else nothing.

    Log lines appear above it. What does not fit the terminal's width is cut at its end.
    """
    if not is_main_process() or not sys.stderr.isatty():
        yield LiveLine(False, lambda _done, _text: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    cut = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        TextColumn("{task.description} {task.completed:,.0f}/{task.total:,.0f}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[text]}", markup=False, table_column=cut),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(description, total=total, completed=int(done), text="")

        def update(now: float | None, text: str | None) -> None:
            changed: dict[str, Any] = {} if text is None else {"text": text}
            bar.update(task, completed=now, **changed)

        yield LiveLine(True, update)


def track(items: Iterable[T], description: str, *, total: int | None = None, unit: str = "items") -> Iterator[T]:
    """Yield `items` unchanged while showing how many have passed."""
    with progress(description, total=total, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def _terminal_bar(description: str, total: float | None, unit: str, before: float) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit if total else "{task.completed:,.0f} " + unit),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total, completed=int(before), rate="")
        started = time.monotonic()

        def advance(done: float) -> None:
            bar.advance(task, done)
            elapsed = max(time.monotonic() - started, 1e-9)
            bar.update(task, rate=f"{(bar.tasks[0].completed - before) / elapsed:,.1f} {unit}/s")

        yield advance


def _line_logger(
    description: str, total: float | None, unit: str, before: float, *, file_only: bool = False
) -> Callable[[float], None]:
    logger = get_logger("progress")
    started = time.monotonic()
    state = {"done": before, "said": started}

    def advance(done: float) -> None:
        state["done"] += done
        now = time.monotonic()
        if now - state["said"] < LOG_EVERY_S:
            return
        state["said"] = now
        rate = (state["done"] - before) / (now - started)
        line = f"{description}: {state['done']:,.0f}"
        if total:
            left = format_duration(max(total - state["done"], 0) / max(rate, 1e-9))
            line += f"/{total:,.0f} {unit}, {rate:,.1f} {unit}/s, {left} left"
        else:
            line += f" {unit}, {rate:,.1f} {unit}/s"
        logger.info(line, extra={FILE_ONLY: file_only})

    return advance
