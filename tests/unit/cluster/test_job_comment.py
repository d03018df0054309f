"""The comment of a job, and why it was started again: Slurm played by a function."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from qaz_llm.cluster import job_comment as module
from qaz_llm.cluster.asking import Answer
from qaz_llm.cluster.job_comment import MOST_CHARACTERS, JobComment
from qaz_llm.cluster.restarts import Restart, read_restarts
from qaz_llm.train.watching.comment import comment_of

WAIT_S = 20.0


class Slurm:
    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or Answer("")
        self.asked: list[Sequence[str]] = []
        self.was_asked = threading.Event()

    def __call__(self, command: Sequence[str]) -> Answer:
        self.asked.append(command)
        self.was_asked.set()
        return self.answer


def test_the_newest_text_is_handed_on_and_no_other() -> None:
    slurm = Slurm()
    comment = JobComment("81", asks=slurm, every_s=1000.0)
    comment.tell("step 1")
    assert slurm.was_asked.wait(WAIT_S)
    for step in range(2, 50):
        comment.tell(f"step {step}")
    comment.tell("the last\nword " + "x" * 1000)
    comment.close()
    assert [command[:3] for command in slurm.asked] == [("scontrol", "update", "JobId=81")] * 2
    first, last = (command[3] for command in slurm.asked)
    assert first == "Comment=step 1"
    assert last.startswith("Comment=the last word xxx") and len(last) == len("Comment=") + MOST_CHARACTERS


def test_a_slurm_that_refuses_is_said_once_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module._logger, "warning", lambda text, *values: said.append(text % values))
    slurm = Slurm(Answer(None, "scontrol: Access denied"))
    comment = JobComment("81", asks=slurm, every_s=0.0)
    for step in range(3):
        comment.tell(f"step {step}")
        time.sleep(0.02)
    comment.close()
    assert len(slurm.asked) == 1
    assert said == ["the job's comment is not kept: scontrol: Access denied"]


def test_a_slurm_that_hangs_stalls_nobody() -> None:
    hangs = threading.Event()

    def slurm(_: Sequence[str]) -> Answer:
        hangs.wait(WAIT_S)
        return Answer(None, is_late=True)

    comment = JobComment("81", asks=slurm)
    for step in range(1000):
        comment.tell(f"step {step}")  # would take as long as Slurm does
    hangs.set()
    comment.close()


def test_without_a_job_nothing_is_asked() -> None:
    slurm = Slurm()
    comment = JobComment(None, asks=slurm)
    comment.tell("step 1")
    comment.close()
    assert slurm.asked == []


def test_restarts_are_read_and_damaged_lines_left_out(tmp_path: Path) -> None:
    (tmp_path / "restarts").write_bytes(
        b"2026-12-01T10:00:00\tnode failed\tstep 40\nhalf a li\n2026-12-01T11:00:00\tpreempted\n\xff\xfe\t\n"
    )
    assert read_restarts(tmp_path) == (
        Restart("2026-12-01T10:00:00", "node failed", "step 40"),
        Restart("2026-12-01T11:00:00", "preempted", ""),
    )
    assert read_restarts(tmp_path / "none") == read_restarts(None) == ()


def test_the_status_in_one_line() -> None:
    values = {
        "state": "running", "phase": "training", "step": 120, "steps": 1000, "loss": 2.31, "tokens_per_s": 10400.0,
        "left_s": 800.0, "restarts": [{"time": "t", "reason": "node failed", "progress": ""}], "stragglers": ["rank 3 …"],
    }  # fmt: skip
    assert comment_of(values) == (
        "training 120/1000, loss 2.3100, 10,400 tokens/s, 13 min 20 s left, 1 slow, 1 restart (last: node failed)"
    )
    assert comment_of({"state": "running", "phase": "loading", "restarts": []}) == "loading"
    assert comment_of({"state": "failed", "phase": "training", "step": 3, "loss": None}) == "failed 3"
