"""Several processes that score one model's texts, each on a device of its own: what they say to each other.

Started by torchrun, by srun, or by `devices=N` (see `evals/spread.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from qaz_llm.cluster.environment import Environment, export_variables
from qaz_llm.cluster.preemption import LostError

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""The slowest is waited for: a process that has ended is noticed at once, since its connection closes."""


@dataclass(frozen=True)
class Processes:
    """This process is number `rank` of `count`, and number `local_rank` of its machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gathered(self, value: T) -> list[T]:
        """Each process's value, in the order of their ranks. Raises LostError where one has ended."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.count
        try:
            dist.all_gather_object(found, value)
        except RuntimeError as error:
            raise LostError("another process of this evaluation has ended", hint="see what it says above") from error
        return found

    def of_first(self, value: T) -> T:
        """The first process's value."""
        return self.gathered(value if self.is_first else None)[0]  # type: ignore[return-value]


ALONE = Processes()


@contextmanager
def joined(environment: Environment) -> Iterator[Processes]:
    """Among the other processes of the launcher while the block runs. All of them enter it; a process that is alone meets none."""
    if environment.world_size == 1:
        yield ALONE
        return
    import torch.distributed as dist

    export_variables(environment)
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Processes(environment.rank, environment.world_size, environment.local_rank)
    finally:
        dist.destroy_process_group()
