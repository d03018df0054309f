"""Ending in time: at a signal, and with the process that started us.

Work without a natural pause (a corpus being cleaned or sorted) cannot look at a flag as training does. A signal interrupts it
where it stands, as Ctrl-C does; where Python cannot be interrupted, because a library works on, the process ends all the
same after GRACE_S seconds. What has been renamed into place by then is whole, and the same command goes on from there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from qaz_llm.cluster.preemption import EXIT_REQUEUE, PreemptedError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)

GRACE_S = 3.0
"""What a process may take to put things in order; Slurm gives thirty seconds, a person fewer."""

INTERRUPTED = "interrupted; run the same command again to go on where it stopped"
EXIT_INTERRUPTED = 1
"""What Ctrl-C ends with (docs/decisions/0004-exit-codes.md)."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends when the parent is gone."""


class _Stop:
    """The first signal that came, and what it does: it interrupts the main thread once, later ones do nothing more."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.is_over = threading.Event()

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
            raise KeyboardInterrupt


@contextmanager
def stopped_by_signals(message: Callable[[str], str]) -> Iterator[None]:
    """While the block runs, SIGTERM, SIGHUP and SIGUSR1 end it, and Ctrl-C does even where Python cannot be interrupted.

    Outside the main thread, where Python installs no handlers, nothing changes.

    Args:
        message: from the name of the signal to the line that says what was saved.

    Raises:
        PreemptedError: a signal other than Ctrl-C came.
        KeyboardInterrupt: Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop()
    ignored = {number for number in STOP_SIGNALS if signal.getsignal(number) is signal.SIG_IGN}  # nohup
    former = {number: signal.signal(number, stop.handle) for number in STOP_SIGNALS if number not in ignored}
    try:
        with _watched(stop, message):
            yield
    except KeyboardInterrupt:
        if stop.signal in (None, signal.SIGINT):
            raise
        raise PreemptedError(message(_name(stop.signal))) from None
    finally:
        stop.is_over.set()
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _name(number: signal.Signals | None) -> str:
    return number.name if number is not None else ""


@contextmanager
def _watched(stop: _Stop, message: Callable[[str], str]) -> Iterator[None]:
    """A thread that hears of signals through a pipe, also while the main thread is in a library, and ends the process where
    the block has not ended GRACE_S after one."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while numbers := os.read(reading, 64):
            found = [signal.Signals(number) for number in numbers if number in STOP_SIGNALS]
            if found and not stop.is_over.wait(GRACE_S):
                is_interrupt = found[0] is signal.SIGINT
                line = INTERRUPTED if is_interrupt else message(found[0].name)
                os.write(sys.stderr.fileno(), f"error: {line}\n".encode())
                os._exit(EXIT_INTERRUPTED if is_interrupt else EXIT_REQUEUE)
        os.close(reading)

    threading.Thread(target=watch, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        os.close(writing)


def end_with(parent: int) -> None:
    """See to it that this process ends when the process `parent`, which started it, is gone, however that ended.

    On Linux the kernel does it; elsewhere a thread looks twice a second.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0:
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)
        return

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=look, name="parent", daemon=True).start()


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep stop signals waiting while the block runs. A process started in it never gets them: who started it ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
