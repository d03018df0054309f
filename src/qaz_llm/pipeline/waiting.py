"""How the other processes of a run wait for a stage that the first one does alone.

They look at the two files that the first process keeps (stages.py): that of a stage that was started, that of one that was done. Both
say by which settings, code and input files. Where these are not those of the process that waits, its turn would never come:

    a file appears or changes while it waits, and is not of this process's parts    → they differ, at once
    neither file is of its parts for DISAGREE_S                                      → they differ: those were there before

Nor would it come where the first process has ended, which the run's status.json tells:

    it was at work while this one waited, and has failed, was stopped or killed      → this one follows it, at once
    it is not at work for DISAGREE_S: its status is of an earlier start, or it is done  → said, with what it ended by
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.cluster.preemption import EXIT_REQUEUE, LostError
from qaz_llm.cluster.preflight.meeting import FollowedError
from qaz_llm.errors import InputError, QazError, UserError
from qaz_llm.train.status import read_status

LOOK_EVERY_S = 0.5

DISAGREE_S = 300.0
"""The first process starts a stage as soon as it has read the input files once, as this one has."""

Written = Mapping[str, Any]
"""What is written of a stage: `parts`, the fingerprint of each thing that it depends on, and more once it was done."""


class DifferentStageError(UserError):
    """The first process does a stage by other settings, code or input files than this one would."""


def wait_for_stage(
    name: str,
    parts: Mapping[str, str],
    read_started: Callable[[], Written | None],
    read_done: Callable[[], Written | None],
    *,
    is_whole: Callable[[Written], bool],
    first: FirstProcess,
) -> Written:
    """What was written when the stage was done by these `parts`. `is_whole`: all that it made is there.

    Raises:
        DifferentStageError: the first process does it by others; says which differ.
        FollowedError, LostError: the first process has ended without it.
    """
    earlier = [read_started(), read_done()]
    limit = time.monotonic() + DISAGREE_S
    while True:
        ended = first.ended(name)  # before the files are read: it may end well as soon as they are written
        started, done = read_started(), read_done()
        if done is not None and _parts_of(done) == parts and is_whole(done):
            return done
        if ended is not None:
            raise ended
        found = [(new, old) for new, old in ((started, earlier[0]), (done, earlier[1])) if new is not None]
        if any(_parts_of(new) == parts for new, _ in found):
            limit = time.monotonic() + DISAGREE_S
        else:
            others = [new for new, old in found if new != old or time.monotonic() > limit]
            if others:
                raise _different(name, parts, _parts_of(others[-1]))
        time.sleep(LOOK_EVERY_S)


class FirstProcess:
    """The first process as one sees it that waits, by the status of the run in `run_dir`.

    What it says from the beginning may be of an earlier start, which this one's first process has yet to write over.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._was_at_work = False
        self._limit = time.monotonic() + DISAGREE_S

    def ended(self, stage: str) -> QazError | None:
        """What to end with for one that waits for a stage; None while the first process is at work, or may be about to begin."""
        try:
            status = read_status(self.run_dir)
        except InputError:  # none, or not whole: it says nothing
            return None
        state = status["state"]
        if state in ("running", "silent"):
            self._was_at_work = True
            self._limit = time.monotonic() + DISAGREE_S
            return None
        # One that is done may have written what is seen a little later, on a shared disk; any other never will.
        if (state == "done" or not self._was_at_work) and time.monotonic() < self._limit:
            return None
        return _following(stage, status, is_this_run=self._was_at_work)


def _following(stage: str, status: Mapping[str, Any], *, is_this_run: bool) -> QazError:
    """`is_this_run`: the status is known to be of the start that this process belongs to."""
    state, where = status["state"], f"stage '{stage}': the first process, on {status['host']}"
    if state == "done":
        return DifferentStageError(
            f"{where}, has ended without this stage",
            hint="start all processes with the same command: config, --from, --until and --only",
        )
    if not is_this_run:
        return LostError(
            f"{where}, has not begun within {DISAGREE_S:.0f} s; its last start: {status.get('message') or status.get('why') or state}",
            hint="look at what it says; the same command, on all processes, goes on",
        )
    if state == "gone":
        return LostError(f"{where}, was lost: {status['why']}")
    message = (
        f"{where}, was interrupted" if state == "interrupted" else status.get("message") or f"{where}, has {state}"
    )
    code = EXIT_REQUEUE if state == "preempted" else status.get("exit_code") or 1
    return FollowedError(message, hint=None, exit_code=code)


def _parts_of(written: Written) -> Mapping[str, str]:
    parts: Mapping[str, str] = written.get("parts", {})
    return parts


def _different(name: str, mine: Mapping[str, str], others: Mapping[str, str]) -> DifferentStageError:
    differing = sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key))
    return DifferentStageError(
        f"stage '{name}': the first process does it by another {' and '.join(differing)} than this one",
        hint="start all processes with the same files: the package's code, the config and the texts must not change while they run",
    )
