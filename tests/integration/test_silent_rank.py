"""Two processes, one of which falls silent in its third step: the other says which, where and since when, and ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT_S = 600
LIMIT_S = 15
"""Long enough for a step on any machine, whatever else it does."""

SCRIPT = """
import os, signal, sys, time
from qaz_llm.cli import main

def fall_silent_here():
    {what}

def patched():
    from qaz_llm.train.loop.trainer import PackedTrainer
    original = PackedTrainer.training_step
    def training_step(self, *rest):
        if self.state.global_step == 2 and os.environ["RANK"] == "1":
            fall_silent_here()
        return original(self, *rest)
    PackedTrainer.training_step = training_step

patched()
main()
"""


@contextmanager
def two_processes(run_dir: Path, what: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Without a launcher, which would end the one when it sees the other end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    arguments = ["train", str(ROOT / "configs/train/tiny.yaml"), f"run_dir={run_dir}", "max_steps=100000"]
    arguments += [f"distributed.silent_rank_s={LIMIT_S}", "model.architecture.num_layers=1", "schedule=constant"]
    command = [sys.executable, "-c", SCRIPT.format(what=what), *arguments]
    processes = [
        subprocess.Popen(
            command,
            env=shared | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


CASES = {
    "sleeps": ("time.sleep(1000)", ["did not get on for", "of step 3", "in fall_silent_here"]),
    "stopped": ("os.kill(os.getpid(), signal.SIGSTOP)", ["has given no sign for", "its last was"]),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", ["was killed", "its last was"]),
    "raises": ("raise ValueError('a cable came loose')", ["failed (ValueError: a cable came loose)"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=pytest.mark.thorough) if c in ("sleeps", "raises") else c for c in CASES]
)
def test_who_is_silent_is_named(tmp_path: Path, case: str) -> None:
    what, expected = CASES[case]
    with two_processes(tmp_path / "run", what) as (first, second):
        _, said = first.communicate(timeout=WAIT_S)
        assert first.returncode == (1 if case == "raises" else 76), said
        for part in (*expected, f"rank 1 (host {socket.gethostname()}, process {second.pid})", "rank 0 follows"):
            assert part in said, said
        assert "Traceback" not in said and "fault of ours" not in said
        assert said.count("error: ") == 1
        if case == "sleeps":  # it notices itself, and ends too
            _, own = second.communicate(timeout=WAIT_S)
            assert second.returncode == 76 and "in fall_silent_here" in own
    assert f"process {second.pid}" in (tmp_path / "run" / "train.log").read_text() or case in ("killed", "raises")
