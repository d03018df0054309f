"""Processes that wait for a stage: they go on when it is done by what they know, and say so where it never will be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qaz_llm.cluster.preemption import LostError
from qaz_llm.cluster.preflight.meeting import FollowedError
from qaz_llm.errors import InputError
from qaz_llm.pipeline import waiting
from qaz_llm.pipeline.waiting import DISAGREE_S, DifferentStageError, FirstProcess
from qaz_llm.train.status import STATUS_FILE, reported_status

MINE = {"settings": "a", "code": "1"}
OTHER = {"settings": "a", "code": "2"}
Look = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def waited(
    looks: Iterator[Look], *, whole: bool = True, step_s: float = 1.0, run_dir: Path | None = None
) -> tuple[Mapping[str, Any], float]:
    """What the wait gives and how long it took by a clock that goes on with each look; the last look stays."""
    now, current = 0.0, next(looks)

    def sleep(_seconds: float) -> None:
        nonlocal now, current
        now += step_s
        current = next(looks, current)
        assert now < 100 * DISAGREE_S, "waits for ever"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
        done = waiting.wait_for_stage(
            "corpus",
            MINE,
            lambda: current[0],
            lambda: current[1],
            is_whole=lambda _written: whole,
            first=FirstProcess(run_dir or Path("/nowhere")),
        )
    return done, now


def test_the_manifest_of_the_same_parts_ends_the_wait_however_long_it_takes() -> None:
    started, done = {"parts": MINE}, {"parts": MINE, "seconds": 9}
    looks: list[Look] = [(None, None), *[(started, None)] * 1000, (None, done)]
    assert waited(iter(looks), step_s=10) == (done, 10010.0)


def test_what_an_earlier_run_left_is_waited_past() -> None:
    """Another run's manifest and start are there until the first process begins."""
    earlier, done = {"parts": OTHER}, {"parts": MINE}
    looks: list[Look] = [*[(earlier, earlier)] * 20, ({"parts": MINE}, None), (None, done)]
    assert waited(iter(looks))[0] == done


@pytest.mark.parametrize("look", [({"parts": OTHER}, None), (None, {"parts": OTHER})], ids=["started", "done"])
def test_a_stage_that_begins_or_ends_by_other_parts_while_one_waits_is_an_error_at_once(look: Look) -> None:
    with pytest.raises(DifferentStageError, match=r"stage 'corpus'.* another code than this one") as found:
        waited(iter([(None, None), look]))
    assert found.value.exit_code == 2


def test_parts_that_differ_from_the_beginning_are_an_error_after_a_while() -> None:
    with pytest.raises(DifferentStageError, match="another code"):
        waited(iter([(None, {"parts": OTHER})]))


def test_a_manifest_whose_files_are_not_all_there_is_waited_for() -> None:
    with pytest.raises(AssertionError, match="waits for ever"):
        waited(iter([(None, {"parts": MINE})]), whole=False, step_s=100)


# ------------------------------------------------------------------------------------------- the first process ends

STARTED = {"parts": MINE}
FAILS = InputError("texts.jsonl: not there", hint="look for it")


def status_of(tmp_path: Path, error: BaseException | None) -> str:
    """status.json as a first process leaves it that ends so."""
    (tmp_path / STATUS_FILE).unlink(missing_ok=True)
    with suppress(InputError, KeyboardInterrupt), reported_status(tmp_path / STATUS_FILE):
        if error is not None:
            raise error
    return (tmp_path / STATUS_FILE).read_text()


def statuses(tmp_path: Path, turns: list[tuple[str, int]], look: Look = (STARTED, None)) -> Iterator[Look]:
    """The same look at each turn, while the status changes: each so many times, the last one for ever."""
    for text, times in turns:
        for _ in range(times):
            (tmp_path / STATUS_FILE).write_text(text)
            yield look


def running(tmp_path: Path, **changed: Any) -> str:
    status = json.loads(status_of(tmp_path, None)) | {"state": "running"} | changed
    return json.dumps(status)


def test_who_waits_follows_a_first_process_that_fails(tmp_path: Path) -> None:
    turns = [(running(tmp_path), 5), (status_of(tmp_path, FAILS), 1)]
    with pytest.raises(FollowedError) as found:
        waited(statuses(tmp_path, turns), run_dir=tmp_path, step_s=1000)
    assert str(found.value) == str(FAILS) and found.value.exit_code == 2


def test_who_waits_says_that_the_first_process_was_interrupted(tmp_path: Path) -> None:
    turns = [(running(tmp_path), 5), (status_of(tmp_path, KeyboardInterrupt()), 1)]
    with pytest.raises(FollowedError, match=r"stage 'corpus': the first process, on .*, was interrupted") as found:
        waited(statuses(tmp_path, turns), run_dir=tmp_path)
    assert found.value.exit_code == 1


def test_who_waits_says_that_the_first_process_was_killed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    turns = [(running(tmp_path), 5), (running(tmp_path, pid=ended.pid, pid_start=1), 1)]
    with pytest.raises(LostError, match=f"the first process, on .*, was lost: process {ended.pid} is not there"):
        waited(statuses(tmp_path, turns), run_dir=tmp_path)


def test_how_an_earlier_start_ended_is_waited_past(tmp_path: Path) -> None:
    turns = [(status_of(tmp_path, FAILS), 20), (running(tmp_path), 1000)]
    done = {"parts": MINE}
    looks = chain(statuses(tmp_path, turns), [(None, done)])
    assert waited(looks, run_dir=tmp_path) == (done, 1020.0)


def test_a_first_process_that_does_not_begin_again_is_waited_for_no_longer_than_for_one_that_differs(
    tmp_path: Path,
) -> None:
    with pytest.raises(LostError, match=r"has not begun within 300 s; its last start: texts.jsonl: not there"):
        waited(statuses(tmp_path, [(status_of(tmp_path, FAILS), 1)]), run_dir=tmp_path)


def test_a_first_process_that_was_told_to_do_less_is_said(tmp_path: Path) -> None:
    turns = [(running(tmp_path), 3), (status_of(tmp_path, None), 1)]
    with pytest.raises(DifferentStageError, match="has ended without this stage"):
        waited(statuses(tmp_path, turns, (None, None)), run_dir=tmp_path)


def test_a_manifest_that_is_seen_after_the_end_of_the_run_counts(tmp_path: Path) -> None:
    """A shared disk may show files in another order than they were written."""
    turns, done = [(running(tmp_path), 3), (status_of(tmp_path, None), 60)], {"parts": MINE}
    assert waited(chain(statuses(tmp_path, turns), [(None, done)]), run_dir=tmp_path)[0] == done
