"""What all processes of a run meet is said once, by the first; what one alone meets is said by it, with where it stands."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from qaz_llm.cli import saying
from qaz_llm.cli.saying import say_error
from qaz_llm.cluster.job import Said, first_said, note_progress, say_first
from qaz_llm.cluster.stopping import stopped_by_signals


@pytest.fixture
def of_rank(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """This process is task 1 of a job whose folder is the path, restarted twice."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path))
    monkeypatch.setenv("QAZ_RESTART", "2")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    monkeypatch.setattr(saying, "WAIT_S", 0.3)
    monkeypatch.setattr(saying, "LOST_WAIT_S", 0.2)
    return tmp_path


def test_the_first_says_it_at_once_and_leaves_its_word(
    of_rank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    say_error("no such file", 2)
    assert capsys.readouterr().err == "error: no such file\n"
    assert first_said() == Said("no such file", 2)
    assert [path.name for path in of_rank.iterdir()] == ["said-2"]


@pytest.mark.parametrize(
    ("first", "own", "is_said"),
    [
        (Said("two\nlines", 2), Said("two\nlines", 2), False),
        (Said("two lines", 2), Said("another", 2), True),
        (Said("rank 3 was killed; rank 0 follows", 76), Said("rank 3 was killed; rank 1 follows", 76), False),
        (Said("rank 1 failed; rank 0 follows", 1), Said("out of memory", 1), True),
        (None, Said("only here", 2), True),
        (None, Said("stopped by SIGTERM", 75), False),
    ],
)
def test_another_adds_what_is_its_own(
    of_rank: Path, capsys: pytest.CaptureFixture[str], first: Said | None, own: Said, is_said: bool
) -> None:
    if first is not None:
        say_first(first)
    say_error(own.message, own.exit_code)
    assert capsys.readouterr().err == (f"error (rank 1 on n2): {own.message}\n" if is_said else "")


def test_the_first_is_waited_for(
    of_rank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saying, "WAIT_S", 60.0)
    threading.Timer(0.2, lambda: say_first(Said("bad config", 2))).start()
    started = time.monotonic()
    say_error("bad config", 2)
    assert capsys.readouterr().err == "" and time.monotonic() - started < 30


@pytest.mark.parametrize("has_folder", [True, False])
def test_ended_while_it_waits_it_speaks_only_where_the_first_surely_did_not(
    of_rank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_folder: bool
) -> None:
    """Whoever launched them ends the others when one has failed, which has said why; in a job the folder would know of it."""
    if not has_folder:
        monkeypatch.delenv("QAZ_JOB_STATE")
        monkeypatch.delenv("SLURMD_NODENAME")

    def ended(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saying.time, "sleep", ended)
    say_error("bad config", 2)
    assert capsys.readouterr().err == ("error (rank 1 on n2): bad config\n" if has_folder else "")
    say_error("x", 2)
    assert socket.gethostname() not in capsys.readouterr().err


def test_told_to_end_it_waits_for_nobody(
    of_rank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saying, "WAIT_S", 60.0)
    started = time.monotonic()
    with stopped_by_signals(str) as stop:
        stop.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        while stop.signal_name is None:
            time.sleep(0.01)
        say_error("out of memory", 1)
        stop.signal_name = None
    assert "error (rank 1 on n2): out of memory" in capsys.readouterr().err and time.monotonic() - started < 30


def test_progress_is_noted_in_the_job_and_nowhere_else(of_rank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note_progress("step 40")
    assert (of_rank / "progress").read_text() == "step 40\n"
    for name in (str(of_rank / "gone"), ""):
        monkeypatch.setenv("QAZ_JOB_STATE", name)
        note_progress("step 50")
    assert (of_rank / "progress").read_text() == "step 40\n" and len(list(of_rank.iterdir())) == 1
