"""Signals that end work, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.cluster.stopping import GRACE_S, stopped_by_signals

SCRIPT = """
import hashlib, sys, time
from qaz_llm.cluster.stopping import stopped_by_signals
with stopped_by_signals(lambda name: f"stopped by {{name}}: all is saved"):
    print("begun", flush=True)
    {work}
"""
IN_A_LIBRARY = "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)"
"""A minute or so in C, which Python cannot interrupt."""


def begun(script: str) -> subprocess.Popen[str]:
    """A process that has said so, and listens to Ctrl-C, which a shell has what it starts in the background ignore."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def script_of_import(folder: Path, seconds: int, work: str) -> str:
    """A script whose `work` imports of_cpp, a module that says "begun", takes so long and aborts at an exception."""
    (folder / "of_cpp.py").write_text(
        f"import os, time\nprint('begun', flush=True)\ntry:\n    time.sleep({seconds})\nexcept BaseException:\n    os.abort()\n"
    )
    found = f"sys.path.insert(0, {str(folder)!r})\n    {work}"
    return SCRIPT.replace('    print("begun", flush=True)\n', "").format(work=found)


def ended_by(number: signal.Signals, work: str) -> tuple[int, str, float]:
    """Exit code, what was said, and seconds."""
    process = begun(SCRIPT.format(work=work))
    if work == IN_A_LIBRARY:
        until_busy(process.pid)
    started = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    return process.returncode, stderr, time.monotonic() - started


def until_busy(pid: int, ticks: int = 30) -> None:
    """Until a process has used so many hundredths of a second more: then it is in the library."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():  # not Linux
        time.sleep(2)
        return

    def used() -> int:
        return int(stat.read_text().rpartition(")")[2].split()[11])

    before = used()
    while used() < before + ticks:
        time.sleep(0.02)


def test_work_in_a_library_ends_after_the_grace_with_one_line() -> None:
    code, stderr, seconds = ended_by(signal.SIGTERM, IN_A_LIBRARY)
    assert (code, stderr) == (75, "error: stopped by SIGTERM: all is saved\n")
    assert seconds >= GRACE_S


def test_work_in_python_ends_at_once_by_an_exception() -> None:
    code, stderr, _ = ended_by(signal.SIGTERM, "time.sleep(60)")
    assert code == 1  # of an exception that nobody caught
    assert "PreemptedError: stopped by SIGTERM: all is saved" in stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 1)])
def test_an_import_is_ended_and_never_interrupted(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """What a library in C++ makes of an exception at its beginning is an abort of the process."""
    script = script_of_import(tmp_path, 60, "import of_cpp")
    process = begun(script)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    said = "stopped by SIGTERM: all is saved" if code == 75 else "interrupted; run the same command again"
    assert process.returncode == code and stderr.startswith(f"error: {said}") and stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 1)])
@pytest.mark.parametrize("inner", ["", "with stopped_by_signals(str): "])
def test_a_signal_that_met_an_import_counts_as_soon_as_it_is_through(
    tmp_path: Path, number: signal.Signals, code: int, inner: str
) -> None:
    """And not only where the work behind the import takes longer than the grace: this one would end well before."""
    work = f"{inner}import of_cpp; print('through', flush=True); time.sleep(1)"
    script = script_of_import(tmp_path, 1, work) + "    print('done')\n"
    process = begun(script)
    process.send_signal(number)
    out, stderr = process.communicate(timeout=30)
    said = "PreemptedError: " if code == 75 else "KeyboardInterrupt"
    assert process.returncode != 0 and said in stderr and "done" not in out  # of an exception that nobody caught


def test_an_interrupt_stays_one_and_other_signals_become_an_error() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without one
    with pytest.raises(KeyboardInterrupt), stopped_by_signals(str):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(PreemptedError, match="SIGUSR1") as caught, stopped_by_signals(str):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert caught.value.exit_code == 75
    with pytest.raises(KeyboardInterrupt), stopped_by_signals(str):
        raise KeyboardInterrupt  # from elsewhere


def test_former_handlers_come_back_and_what_is_ignored_stays_so() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        with stopped_by_signals(str):
            os.kill(os.getpid(), signal.SIGHUP)  # nohup
            with pytest.raises(PreemptedError), stopped_by_signals(str):  # one inside the other
                os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread looks twice a second")
def test_whoever_tries_a_signal_again_watches_before_there_is_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came between the two, while a module was imported, was written down and never tried again."""
    before, seen = signal.getsignal(signal.SIGTERM), []
    set_wakeup_fd = signal.set_wakeup_fd

    def noting(number: int, **named: bool) -> int:
        seen.append(signal.getsignal(signal.SIGTERM))
        return set_wakeup_fd(number, **named)

    monkeypatch.setattr(signal, "set_wakeup_fd", noting)
    with stopped_by_signals(str):
        assert seen == [before] and signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_ends_with_the_one_that_started_it() -> None:
    child = "import os, time; from qaz_llm.cluster.stopping import end_with; end_with({}); print('up', flush=True); time.sleep(60)"
    code = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}.format(os.getpid())], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    limit = time.monotonic() + 5
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < limit:
        time.sleep(0.02)
    assert time.monotonic() < limit


HELD_TWICE = """
import time
from qaz_llm.cluster import stopping
stopping.GRACE_S = 0.5
with stopping.stopped_by_signals(lambda name: f"stopped by {name}: nothing is saved") as stop:
    stop.hold()
    print("begun", flush=True)
    while stop.signal_name is None:  # a step
        time.sleep(0.01)
    time.sleep(0.2)  # who watches waits until it is let go
    try:
        with stop.interruptible():  # an evaluation, broken off as it begins
            pass
    except stopping.Told:
        time.sleep(3 * stopping.GRACE_S)  # what is saved takes longer than the grace
    print("saved", flush=True)
    stop.let_go()
"""


def test_what_is_saved_behind_an_evaluation_that_was_broken_off_may_take_longer_than_the_grace() -> None:
    process = begun(HELD_TWICE)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert (stdout, stderr, process.returncode) == ("saved\n", "", 0)
