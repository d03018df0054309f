"""Ending in time: at a signal, and with the process that started us.

A signal interrupts work where it stands, as Ctrl-C does; where Python cannot be interrupted, because a library works on, the
process ends all the same after GRACE_S seconds. What has been renamed into place by then is whole, and the same command goes
on from there. This counts from the first instruction of a command (cli/__init__.py): imports, loading, compiling, export. An
import is never interrupted, because an exception while a library in C++ begins (torch) aborts the process: the signal waits
until it is through, GRACE_S seconds at most.

A training has more to lose between its steps: from its first step on it holds the signal, looks at it after each step, agrees
with all other ranks (they get it at slightly different moments), saves one checkpoint and ends. Agreement by one reduction
per step, not a timer per rank: ranks that stop at different steps wait for each other for ever.
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
from typing import Any

from qaz_llm.cluster.preemption import EXIT_REQUEUE, PreemptedError
from qaz_llm.errors import QazError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)

GRACE_S = 3.0
"""What a process may take to put things in order; Slurm gives thirty seconds, a person fewer."""

INTERRUPTED = "interrupted; run the same command again to go on where it stopped"
EXIT_INTERRUPTED = 1
"""What Ctrl-C ends with (docs/decisions/0004-exit-codes.md)."""

TRY_AGAIN_S = 0.05
"""After how long a signal that met an import is tried again."""

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends when the parent is gone."""


class Told(KeyboardInterrupt):
    """A stop signal where it met the main thread: an interruption, which hardly any code takes for an error of its own."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        self.signal_name = signal_name


def told_behind(error: BaseException | None) -> Told | None:
    """The signal that an error goes back to: typer makes an exit code of an interruption, numba a SystemError."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen and not isinstance(error, QazError):
        if isinstance(error, Told):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _is_an_answer(error: BaseException) -> bool:
    """Whether an error has its own message and exit code, and is not what a signal made of the work."""
    return isinstance(error, QazError) or (isinstance(error, SystemExit) and told_behind(error) is None)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported where the main thread stands."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def is_told() -> bool:
    """Whether a stop signal has come to the innermost block that listens."""
    stop = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return isinstance(stop, Stop) and stop.signal_name is not None


class Stop:
    """The first signal that came, and what it does: it interrupts the main thread once, later ones do nothing more.

    A training holds it while it has steps that are not saved: then a signal is only written down, and the training looks.
    Ctrl-C interrupts all the same.
    """

    def __init__(self, outer: Stop | None = None) -> None:
        self.outer = outer
        self.signal_name: str | None = None
        self.is_over: threading.Event = outer.is_over if outer is not None else threading.Event()
        self.is_put_off: threading.Event = outer.is_put_off if outer is not None else threading.Event()
        self._free = threading.Event()
        self._free.set()

    def handle(self, number: int, frame: FrameType | None) -> None:
        is_interrupt = number == signal.SIGINT
        is_first = self.signal_name is None or self.is_put_off.is_set()
        if not is_first and not (is_interrupt and self.is_held):
            return
        if is_first:
            self._write_down(signal.Signals(number).name)
        is_to_interrupt = is_interrupt or not self.is_held
        if is_to_interrupt and _is_importing(frame):
            self.is_put_off.set()  # the thread that watches tries again, and ends the process after GRACE_S
            return
        self.is_put_off.clear()
        if not is_to_interrupt:
            return
        if is_interrupt:
            raise KeyboardInterrupt
        raise Told(signal.Signals(number).name)

    def _write_down(self, name: str) -> None:
        """Also for the blocks around this one, which are not to be interrupted once more while they end."""
        self.signal_name = name
        if self.outer is not None:
            self.outer._write_down(name)

    @property
    def is_held(self) -> bool:
        return not self._free.is_set()

    def hold(self) -> None:
        """From now on a signal is written down in `signal_name`, and interrupts nothing."""
        self._free.clear()

    def let_go(self) -> None:
        """From now on a signal interrupts, and one that came has GRACE_S from now."""
        self._free.set()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """While the block runs a signal interrupts it (raises Told), also one that came before; then it is held again."""
        self.let_go()
        try:
            self.check()
            yield
        finally:
            self.hold()

    def check(self) -> None:
        """Raises Told where a signal came."""
        if self.signal_name is not None:
            raise Told(self.signal_name)

    def wait_until_free(self) -> None:
        self._free.wait()


@contextmanager
def stopped_by_signals(message: Callable[[str], str]) -> Iterator[Stop]:
    """While the block runs, SIGTERM, SIGHUP and SIGUSR1 end it, and Ctrl-C does even where Python cannot be interrupted.

    Blocks may lie in each other: the innermost one's message is said, and GRACE_S counts until the outermost has ended.
    Outside the main thread, where Python installs no handlers, nothing changes.

    Args:
        message: from the name of the signal to the line that says what was saved.

    Raises:
        PreemptedError: a signal other than Ctrl-C came.
        KeyboardInterrupt: Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    stop = Stop(outer if isinstance(outer, Stop) else None)
    ignored = {number for number in STOP_SIGNALS if signal.getsignal(number) is signal.SIG_IGN}  # nohup
    former: dict[signal.Signals, Any] = {}
    try:
        with _watched(stop, message):
            # Handlers come second: a signal that meets an import is tried again by who watches.
            for number in STOP_SIGNALS:
                if number not in ignored:
                    former[number] = signal.signal(number, stop.handle)
            yield stop
    except BaseException as error:
        name = stop.signal_name
        if name is None or name == signal.SIGINT.name or _is_an_answer(error):
            raise
        raise PreemptedError(message(name)) from None  # whatever else ended the block: it was to end
    finally:
        if stop.outer is None:
            stop.is_over.set()
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _watched(stop: Stop, message: Callable[[str], str]) -> Iterator[None]:
    """A thread that hears of signals through a pipe, also while the main thread is in a library, and ends the process where
    the block has not ended GRACE_S after one."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while numbers := os.read(reading, 64):
            found = [signal.Signals(number) for number in numbers if number in STOP_SIGNALS]
            if found:
                _end_after_grace(stop, found[0], message)
        os.close(reading)

    threading.Thread(target=watch, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        os.close(writing)
        stop.let_go()


def _end_after_grace(stop: Stop, number: signal.Signals, message: Callable[[str], str]) -> None:
    is_interrupt = number is signal.SIGINT
    if _is_over_in_time(stop, number, waits_while_held=not is_interrupt):
        return
    line = INTERRUPTED if is_interrupt else message(number.name)
    if os.environ.get("RANK", "0") == "0":  # all processes of a run are told at one time
        os.write(sys.stderr.fileno(), f"error: {line}\n".encode())
    os._exit(EXIT_INTERRUPTED if is_interrupt else EXIT_REQUEUE)


def _is_over_in_time(stop: Stop, number: signal.Signals, *, waits_while_held: bool) -> bool:
    """Wait GRACE_S for the outermost block to end, and hand the main thread a signal again that it could not take yet.

    With `waits_while_held` the time counts anew each time the signal is let go: an evaluation that it broke off is between two
    holds, and what is saved behind it may take longer.
    """
    end = time.monotonic() + GRACE_S
    while (left := end - time.monotonic()) > 0:
        if waits_while_held and stop.is_held:
            stop.wait_until_free()
            end = time.monotonic() + GRACE_S
            continue
        if stop.is_over.wait(min(TRY_AGAIN_S, left)):
            return True
        if stop.is_put_off.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, number)
    return False


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
