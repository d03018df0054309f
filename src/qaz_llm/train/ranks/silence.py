"""Which process of a run the others wait for in vain: told from their heartbeats and the observer's own clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.cluster.preemption import EXIT_LOST, EXIT_REQUEUE
from qaz_llm.errors import WorkError

ENDED_GRACE_S = 10.0
"""After a process has ended the others get so long to notice by themselves, which they do where a connection breaks."""


@dataclass(frozen=True)
class Beat:
    """What a process says of itself. `allowance_s` is how long what it does now may take; `end_code` None: it goes on."""

    rank: int
    host: str
    pid: int
    count: int
    marks: int
    doing: str
    step: int
    since: str
    allowance_s: float
    stack: str
    end_code: int | None = None
    end: str = ""

    @property
    def place(self) -> str:
        return f"rank {self.rank} (host {self.host}, process {self.pid})"

    @property
    def last(self) -> str:
        step = f" of step {self.step}" if self.step else ""
        return f"its last was {self.doing}{step}, since {self.since}"


@dataclass(frozen=True)
class Finding:
    """The process that the others wait for, and what is wrong with it."""

    beat: Beat
    what: str

    @property
    def exit_code(self) -> int:
        """What those end with that wait for it: its failure is the work's, and without one it was lost."""
        if self.beat.end_code in (EXIT_REQUEUE, EXIT_LOST):
            return self.beat.end_code
        return EXIT_LOST if self.beat.end_code is None else WorkError.exit_code

    def message(self, rank: int, *, in_full: bool) -> str:
        """For `rank` to say; `in_full` with the stack."""
        beat = self.beat
        if rank == beat.rank:
            return f"{beat.place} {self.what} and ends; {beat.last}; its main thread stands in\n{beat.stack}"
        if beat.end_code is not None:
            return f"{beat.place} {self.what}; rank {rank} follows it"
        stack = f"; its main thread stood in\n{beat.stack}" if in_full and beat.stack else ""
        return f"{beat.place} {self.what}; rank {rank} follows its failure; {beat.last}{stack}"


@dataclass
class _Seen:
    count: int
    marks: int
    count_at: float
    marks_at: float
    ended_at: float | None = None


class PeerWatch:
    """Sees the beats of a run again and again, as one of its processes."""

    def __init__(self, rank: int, silent_rank_s: float) -> None:
        self.rank = rank
        self.silent_rank_s = silent_rank_s
        self._seen: dict[int, _Seen] = {}

    def observe(self, now: float, beats: Mapping[int, Beat], *, is_lost: bool = False) -> Finding | None:
        """Look at the beats at time `now`, in seconds of any clock that never goes back.

        Args:
            is_lost: a connection broke: who has ended is told at once.

        Two processes, silent_rank_s 120: rank 1 is at mark 7 since t = 0 and beats on, rank 0 is at mark 9 since t = 5.
        At t = 126 rank 1 is found to hang; had rank 0 been at mark 7 too, nobody would be.
        """
        for rank, beat in beats.items():
            self._note(now, rank, beat, is_lost)
        others = [beat for rank, beat in sorted(beats.items()) if rank != self.rank]
        for beat in others:
            if (what := self._has_ended(now, beat, is_lost)) is not None:
                return Finding(beat, what)
        for beat in others:
            silent_s = now - self._seen[beat.rank].count_at
            if beat.end_code is None and silent_s > self.silent_rank_s:
                return Finding(
                    beat, f"has given no sign for {silent_s:.0f} s: it was stopped or killed, or cannot be reached"
                )
        for _, beat in sorted(beats.items()):
            if (waited_s := self._hangs_for(now, beat, beats)) > beat.allowance_s:
                return Finding(beat, f"did not get on for {waited_s:.0f} s while others waited for it")
        return None

    def _note(self, now: float, rank: int, beat: Beat, is_lost: bool) -> None:
        seen = self._seen.setdefault(rank, _Seen(beat.count, beat.marks, now, now))
        if beat.count != seen.count:
            seen.count, seen.count_at = beat.count, now
        if beat.marks != seen.marks:
            seen.marks, seen.marks_at = beat.marks, now
        misses = is_lost or now - seen.count_at > self.silent_rank_s / 4  # so that its number alone does not decide
        if seen.ended_at is None and (beat.end_code or (misses and _is_gone(beat))):
            seen.ended_at = now

    def _has_ended(self, now: float, beat: Beat, is_lost: bool) -> str | None:
        """What became of a process that is no more, where the others have had time to notice."""
        ended_at = self._seen[beat.rank].ended_at
        grace_s = 0.0 if is_lost else min(ENDED_GRACE_S, self.silent_rank_s)
        if ended_at is None or now - ended_at < grace_s:
            return None
        if beat.end_code == EXIT_REQUEUE:
            return f"was told to stop ({beat.end})"
        return f"failed ({beat.end})" if beat.end_code is not None else "was killed"

    def _hangs_for(self, now: float, beat: Beat, beats: Mapping[int, Beat]) -> float:
        """Seconds for which others, who are further on, have waited for a process that does nothing new."""
        ahead = [self._seen[rank].marks_at for rank, other in beats.items() if other.marks > beat.marks]
        if not ahead or beat.end_code is not None:
            return 0.0
        return now - max(self._seen[beat.rank].marks_at, min(ahead))


def _is_gone(beat: Beat) -> bool:
    """Whether a process of this host is no more, without having said how it ended."""
    if beat.host != socket.gethostname() or beat.end_code is not None:
        return False
    try:
        os.kill(beat.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(beat.pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent has not asked for its exit code yet. Only Linux says so."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return False
