"""Rows that a training leaves out because it diverged on them, and the order of all others.

`run_dir/left_out.json` lists steps by their place in the run's own order of rows: where it says 7, the rows that step 7 would
have learned from are passed over, and step 7 learns from those of step 8, and so on. The number of steps stays.

    order of the run   1 2 3 4 5 6 7 8 9
    left out           3 7
    learned by step    1 2 . 3 4 5 . 6 7

A run that finds the file there when it begins does the same from the start, and comes to the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.io import read_json, write_json
from qaz_llm.rows.dataset import StepSampler
from qaz_llm.rows.order import Numbers

LEFT_OUT_FILE = "left_out.json"


class SparingSampler(StepSampler):
    """A StepSampler that passes over the rows of some steps. `left_out` are their places in the whole order, from 1."""

    def __init__(self, rows: Numbers, *, num_rows: int, seed: int, rows_per_step: int, left_out: Sequence[int]) -> None:
        super().__init__(rows, num_rows=num_rows, seed=seed)
        self.rows_per_step = rows_per_step
        self.left_out = sorted(left_out)

    def place(self, step: int) -> int:
        """The place in the whole order of the rows that `step` learns from.

        >>> [SparingSampler(np.arange(9), num_rows=7, seed=0, rows_per_step=1, left_out=[3, 7]).place(n) for n in (2, 3, 6)]
        [2, 4, 8]
        """
        for place in self.left_out:
            step += place <= step
        return step

    def __iter__(self) -> Iterator[int]:
        for step in range(1, self.num_rows // self.rows_per_step + 1):
            yield from self.rows_of_step(step, self.rows_per_step).tolist()

    def rows_of_step(self, step: int, rows_per_step: int) -> Numbers:
        return super().rows_of_step(self.place(step), rows_per_step)


def make_sampler(rows: Numbers, *, steps: int, rows_per_step: int, seed: int, run_dir: Path) -> StepSampler:
    """The order of a run's rows, without those that its left_out.json names."""
    left_out = [entry["place"] for entry in read_left_out(run_dir)]
    num_rows = steps * rows_per_step
    if not left_out:
        return StepSampler(rows, num_rows=num_rows, seed=seed)
    return SparingSampler(rows, num_rows=num_rows, seed=seed, rows_per_step=rows_per_step, left_out=left_out)


def read_left_out(run_dir: Path) -> list[Mapping[str, Any]]:
    """One entry per rollback: `place`, and for people `step` and `why`. Empty where there is no file."""
    path = run_dir / LEFT_OUT_FILE
    return list(read_json(path)["left_out"]) if path.is_file() else []


def leave_out(run_dir: Path, sampler: StepSampler, *, step: int, why: str) -> int:
    """Add the rows of a step, as `sampler` counts it. Returns how many are left out now."""
    place = sampler.place(step) if isinstance(sampler, SparingSampler) else step
    entries = [*read_left_out(run_dir), {"place": place, "step": step, "why": why}]
    write_json(run_dir / LEFT_OUT_FILE, {"left_out": entries})
    return len(entries)
