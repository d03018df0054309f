"""Processes that wait for a stage: they go on when it is done by what they know, and say so where it never will be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from qaz_llm.pipeline import waiting
from qaz_llm.pipeline.waiting import DISAGREE_S, DifferentStageError

MINE = {"settings": "a", "code": "1"}
OTHER = {"settings": "a", "code": "2"}
Look = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def waited(looks: Iterator[Look], *, whole: bool = True, step_s: float = 1.0) -> tuple[Mapping[str, Any], float]:
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
            "corpus", MINE, lambda: current[0], lambda: current[1], is_whole=lambda _written: whole
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
