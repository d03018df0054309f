"""Processes that are slower than the others, found while they train.

In a step each waits for all, so that the time of a whole step is the same everywhere. What is compared is the time of work that waits for
nobody, over the steps since the last row of metrics:

    read_s      a step's rows, from the disk to the batch
    forward_s   a step's forward passes, where the engine keeps whole weights (DDP, ZeRO-1 and 2); ZeRO-3 and FSDP2 gather weights within it,
                and there the fast wait for the slow
    probe_s     a product of matrices, the same on each, timed when the row is made

A process is slow by one of them where it takes `ratio` times the median of all (of two: the other one's time), and where what it takes more is at least
LEAST_FRAC of a step, since twice of nothing is nothing; of the probe the ratio alone counts. It is named when that is so in IN_ROW rows one
after another.

    forward_s 0.20 0.21 0.20 0.52 on ranks 0 to 3, ratio 1.5   →   rank 3: 2.6 × the median
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

LEAST_FRAC = 0.05
IN_ROW = 2
MOST_LISTED = 64
"""Of more processes a row of metrics lists no times one by one: it would be longer than all else."""

PROBE = "probe_s"
IN_WORDS = {"read_s": "reading rows", "forward_s": "the forward pass", PROBE: "a product of matrices"}


@dataclass(frozen=True)
class Straggler:
    """`value_s` is its own, `median_s` of all processes."""

    rank: int
    node: str
    what: str
    value_s: float
    median_s: float

    @property
    def ratio(self) -> float:
        return self.value_s / self.median_s if self.median_s > 0 else float("inf")

    def line(self) -> str:
        return (
            f"rank {self.rank} on {self.node}: {IN_WORDS[self.what]} takes it {self.ratio:.2f} × the median "
            f"({1e3 * self.value_s:.3g} ms, {1e3 * self.median_s:.3g})"
        )


def find_slow(
    times: Mapping[str, Sequence[float]], nodes: Sequence[str], *, step_s: float, ratio: float
) -> list[Straggler]:
    """Who is slow in one row. `times`: seconds by rank, of each kind that was measured; `step_s`: of a whole step."""
    found = []
    for what, values_R in times.items():
        middle = median_low(values_R)
        for rank, value in enumerate(values_R):
            is_much = what == PROBE or value - middle >= LEAST_FRAC * step_s
            if value > ratio * middle and is_much:
                found.append(Straggler(rank, nodes[rank], what, value, middle))
    return found


class StragglerWatch:
    """Sees row after row, and says when somebody begins to be slow and when it is over."""

    def __init__(self, nodes: Sequence[str], ratio: float) -> None:
        self.nodes = nodes
        self.ratio = ratio
        self._in_row: dict[tuple[int, str], int] = {}

    def look(self, times: Mapping[str, Sequence[float]], step_s: float) -> tuple[list[Straggler], list[str]]:
        """Those that are slow by now, and lines about what has changed."""
        slow = {(one.rank, one.what): one for one in find_slow(times, self.nodes, step_s=step_s, ratio=self.ratio)}
        before = self._in_row
        self._in_row = {key: before.get(key, 0) + 1 for key in slow}
        lines = [slow[key].line() for key, count in self._in_row.items() if count == IN_ROW]
        lines += [
            f"rank {rank} on {self.nodes[rank]}: {IN_WORDS[what]} takes it no longer than others"
            for (rank, what), count in before.items()
            if count >= IN_ROW and (rank, what) not in slow
        ]
        return [slow[key] for key, count in self._in_row.items() if count >= IN_ROW], lines


def in_row(times: Mapping[str, Sequence[float]], nodes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a row of metrics says of each kind: the median, the slowest with its place, and up to MOST_LISTED all by rank."""
    for what, values_R in times.items():
        middle, most = median_low(values_R), max(values_R)
        rank = list(values_R).index(most)
        ratio = round(most / middle, 3) if middle > 0 else None
        found = {"median": round(middle, 6), "most": round(most, 6), "ratio": ratio, "rank": rank, "node": nodes[rank]}
        listed = {"by_rank": [round(value, 6) for value in values_R]} if len(values_R) <= MOST_LISTED else {}
        yield what, found | listed
