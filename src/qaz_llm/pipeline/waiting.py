"""How the other processes of a run wait for a stage that the first one does alone.

They look at the two files that the first process keeps (stages.py): that of a stage that was started, that of one that was done. Both
say by which settings, code and input files. Where these are not those of the process that waits, its turn would never come:

    a file appears or changes while it waits, and is not of this process's parts    → they differ, at once
    neither file is of its parts for DISAGREE_S                                      → they differ: those were there before
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from qaz_llm.errors import UserError

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
) -> Written:
    """What was written when the stage was done by these `parts`. `is_whole`: all that it made is there.

    Raises:
        DifferentStageError: the first process does it by others; says which differ.
    """
    earlier = [read_started(), read_done()]
    limit = time.monotonic() + DISAGREE_S
    while True:
        started, done = read_started(), read_done()
        if done is not None and _parts_of(done) == parts and is_whole(done):
            return done
        found = [(new, old) for new, old in ((started, earlier[0]), (done, earlier[1])) if new is not None]
        if any(_parts_of(new) == parts for new, _ in found):
            limit = time.monotonic() + DISAGREE_S
        else:
            others = [new for new, old in found if new != old or time.monotonic() > limit]
            if others:
                raise _different(name, parts, _parts_of(others[-1]))
        time.sleep(LOOK_EVERY_S)


def _parts_of(written: Written) -> Mapping[str, str]:
    parts: Mapping[str, str] = written.get("parts", {})
    return parts


def _different(name: str, mine: Mapping[str, str], others: Mapping[str, str]) -> DifferentStageError:
    differing = sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key))
    return DifferentStageError(
        f"stage '{name}': the first process does it by another {' and '.join(differing)} than this one",
        hint="start all processes with the same files: the package's code, the config and the texts must not change while they run",
    )
