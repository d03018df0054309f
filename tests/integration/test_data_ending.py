"""How a build ends before its time, with real processes: at a signal, killed, beside another build, with an error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.io import embedded_path, read_jsonl, write_jsonl

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

WAIT_S = 120
"""Kernels may have to be compiled first."""

Start = Callable[..., "subprocess.Popen[str]"]


def listen_to_ctrl_c() -> None:
    """In the child: a shell that starts the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of six parts, each of which takes long enough to be met at work."""
    folder = tmp_path_factory.mktemp("input")
    texts = [row["text"] for name in ("kk_a", "ru") for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))]
    for part in range(6):
        rows = [
            {"id": f"{part}-{n}", "text": f"{text} {part}-{n}-{'аб' * (n % 50)}"} for n, text in enumerate(texts * 25)
        ]
        write_jsonl(folder / f"part-{part}.jsonl", rows)
    path = folder / "build.yaml"
    path.write_text(
        f"sources: [{{name: many, path: {folder}/*.jsonl, licence: CC0-1.0}}]\nworkers: 2\n"
        "dedup: {near: false, lines: false}\n"
    )
    return path


@pytest.fixture
def start(config: Path, tmp_path: Path) -> Iterator[Start]:
    begun: list[subprocess.Popen[str]] = []

    def call(*arguments: str, out: str = "out") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "qaz_llm", "data", "build", str(config), f"out={tmp_path / out}", *arguments]
        begun.append(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_ctrl_c
            )
        )
        return begun[-1]

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def children(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in listed.read_text().split()] if listed.exists() else []


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not asked for its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)


@contextmanager
def held_still(process: subprocess.Popen[str]) -> Iterator[None]:
    """The process keeps what it holds and goes no further, however fast the machine is."""
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


def parts_of(work: Path) -> list[Path]:
    return [path.parent for path in work.glob("many-*/stats.json")]


def ended(process: subprocess.Popen[str], before: float, pids: list[int]) -> tuple[int, list[str]]:
    """The exit code and the lines that do not begin with a time, long before the work would be done, and no process left.

    It takes under a second on a machine with nothing else to do; the bound is for one that has.
    """
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - before < 45
    limit = time.monotonic() + 20
    while any(map(is_alive, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_alive(pid)]
    return process.returncode, [line for line in stderr.splitlines() if not line[:2].isdecimal()]


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGTERM, 75, "error: stopped by SIGTERM: "),
        (signal.SIGINT, 1, "error: interrupted; run the same command again to go on where it stopped"),
        (signal.SIGKILL, -signal.SIGKILL, None),
    ],
)
def test_a_signal_ends_all_processes_and_the_next_run_goes_on(
    start: Start, tmp_path: Path, number: signal.Signals, code: int, line: str | None
) -> None:
    work = tmp_path / "out" / ".work"
    process = start()
    until(lambda: len(children(process)) == 2 and parts_of(work), process)
    pids = children(process)
    before = time.monotonic()
    process.send_signal(number)
    found, lines = ended(process, before, pids)
    assert found == code
    assert len(lines) == (line is not None)
    assert all(said.startswith(str(line)) for said in lines)
    done = len(parts_of(work))
    assert 1 <= done < 6
    if number == signal.SIGTERM:
        assert f"{done} of 6 parts are cleaned and stay in {work}" in lines[0]
    again = start()
    _, stderr = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0, stderr
    assert f"{done} of 6 parts were done before; going on with the rest" in stderr
    assert not work.exists()


def test_a_process_that_is_killed_is_said_and_costs_one_part(start: Start, tmp_path: Path) -> None:
    process = start()
    until(lambda: len(children(process)) == 2 and parts_of(tmp_path / "out" / ".work"), process)
    first, second = children(process)
    before = time.monotonic()
    os.kill(first, signal.SIGKILL)
    code, lines = ended(process, before, [first, second])
    assert code == 1
    assert lines[0] == "error: a process of this build was ended from outside (SIGKILL)"
    assert "take fewer workers" in lines[1]
    assert parts_of(tmp_path / "out" / ".work")


def holds_a_lock(process: subprocess.Popen[str], work: Path) -> bool:
    """Whether the work folder's lock says so: it is there a moment before it is locked, and another process may have made it."""
    lock = work / ".lock"
    return lock.is_file() and f"process {process.pid} on " in lock.read_text()


def test_a_second_build_in_the_same_folder_is_refused(start: Start, tmp_path: Path) -> None:
    first = start()
    until(lambda: holds_a_lock(first, tmp_path / "out" / ".work"), first)
    with held_still(first):
        second = start()
        _, stderr = second.communicate(timeout=WAIT_S)
    assert second.returncode == 2
    assert "another process is working in this folder" in stderr
    assert f"(process {first.pid} on " in stderr
    assert "choose another out" in stderr
    _, stderr = first.communicate(timeout=WAIT_S)
    assert first.returncode == 0, stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["documents_in"] > 1000


def test_two_builds_with_one_work_folder_and_a_lock_of_a_killed_one(start: Start, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = start(f"work={work}", out="a")
    until(lambda: len(children(first)) == 2, first)
    with held_still(first):
        second = start(f"work={work}", out="b")
        _, stderr = second.communicate(timeout=WAIT_S)
    assert second.returncode == 2
    assert f"{work}: another process is working in this folder" in stderr
    assert not (tmp_path / "b").exists()
    first.kill()
    first.communicate()
    third = start(f"work={work}", out="b")
    _, stderr = third.communicate(timeout=WAIT_S)
    assert third.returncode == 0, stderr


def test_shares_work_side_by_side_and_a_merge_follows(start: Start, tmp_path: Path) -> None:
    shares = [start("--share", f"{number}/2", "workers=1") for number in (0, 1)]
    until(lambda: holds_a_lock(shares[0], tmp_path / "out" / ".work"), shares[0])
    with held_still(shares[0]):
        both = [start("--share", "0/2"), start()]  # the same share once more, and a whole build
        for process in both:
            _, stderr = process.communicate(timeout=WAIT_S)
            assert process.returncode == 2, stderr
            assert "another process is working in this folder" in stderr
    for process in shares:
        _, stderr = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, stderr
    merge = start("--merge-only")
    _, stderr = merge.communicate(timeout=WAIT_S)
    assert merge.returncode == 0, stderr


def test_an_error_after_cleaning_leaves_the_parts(start: Start, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "chat.jsonl", [{"messages": [{"role": "user", "content": "сәлем"}]}])
    wrong = f"conversations=[{{name: chat, path: {tmp_path / 'chat.jsonl'}, kind: chat}}]"
    first = start(wrong)
    _, stderr = first.communicate(timeout=WAIT_S)
    assert first.returncode == 2, stderr
    second = start()
    _, stderr = second.communicate(timeout=WAIT_S)
    assert second.returncode == 0
    assert "6 of 6 parts were done before" in stderr
