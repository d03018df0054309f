"""Being asked to stop: Slurm's warning before the time limit or a preemption, or a person's SIGUSR1.

A signal only raises a flag. The training loop looks at it between two steps, agrees with all other ranks (they get the
signal at slightly different moments), saves one checkpoint and ends with EXIT_REQUEUE, upon which slurm/train.sh puts
the job back into the queue. Agreement by one reduction per step, not a timer per rank: ranks that stop at different
steps wait for each other for ever.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from qaz_llm.errors import QazError

EXIT_REQUEUE = 75
"""EX_TEMPFAIL of sysexits.h: the work is unfinished for a reason that will pass; start the same command again."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class PreemptedError(QazError):
    """The run was told to stop, and has saved what it had."""

    exit_code = EXIT_REQUEUE


@dataclass
class StopFlag:
    """What the signal handler writes and the training loop reads. `signal_name` is None until a signal came."""

    signal_name: str | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Turn SIGTERM and SIGUSR1 into a flag while the block runs; the former handlers come back after it.

    Outside the main thread, where Python installs no handlers, the flag simply stays unset.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        flag.signal_name = signal.Signals(number).name

    former = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
