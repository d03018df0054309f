"""Jobs in processes: results, errors, and nothing left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from qaz_llm.data.processes import in_processes
from qaz_llm.errors import InputError, WorkError


class OddError(Exception):
    """One that cannot be put together again from its message."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def act(state: int, job: int | str) -> tuple[int, int | str]:
    """Multiply, or do what the word says."""
    if job == "input":
        raise InputError("a wrong file", hint="another")
    if job == "odd":
        raise OddError(1, 2)
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid(), job * state


def pids_alive(pids: set[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_every_job_is_done_once_and_no_process_stays() -> None:
    found = dict(in_processes(act, 10, list(range(20)), count=3))
    assert {number: result for number, (_, result) in found.items()} == {n: 10 * n for n in range(20)}
    pids = {pid for pid, _ in found.values()}
    assert 1 <= len(pids) <= 3
    assert os.getpid() not in pids
    assert not pids_alive(pids)


def test_errors_come_back_as_they_are_with_the_traceback_as_a_note() -> None:
    with pytest.raises(InputError, match="a wrong file") as caught:
        list(in_processes(act, 1, [1, "input"], count=2))
    assert caught.value.hint == "another"
    assert "in act" in caught.value.__notes__[0]
    with pytest.raises(WorkError, match="OddError: odd"):
        list(in_processes(act, 1, ["odd"], count=1))
    with pytest.raises(WorkError, match=r"ended from outside \(SIGKILL\)"):
        list(in_processes(act, 1, ["die"], count=1))


def test_leaving_early_ends_the_processes() -> None:
    results = in_processes(act, 1, list(range(50)), count=2)
    _, (pid, _) = next(results)
    results.close()  # type: ignore[attr-defined]
    assert not pids_alive({pid})
