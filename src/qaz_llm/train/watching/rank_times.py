"""What each process of a training takes for work that waits for nobody, measured on the way and compared when a row is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.progress import get_logger
from qaz_llm.train.ranks.distributed import everyone, gather_numbers
from qaz_llm.train.ranks.sharding import uses_fsdp2
from qaz_llm.train.ranks.stragglers import PROBE, StragglerWatch, in_row

if TYPE_CHECKING:
    from qaz_llm.train.plan import TrainPlan

_logger = get_logger("train")

PROBE_SIZE = {"cpu": 384, "cuda": 2048}
PROBES = 4


class RankTimes:
    """The times of this process since the last row. Of a process that is alone it measures nothing.

    Args:
        meets_in_forward: whether the engine waits for others within the forward pass, so that its time says nothing of this one.
        ratio: from which on a process is named; None: nothing is measured.
    """

    def __init__(
        self, environment: Environment, *, device: str, meets_in_forward: bool = False, ratio: float | None = None
    ) -> None:
        self.is_on = environment.world_size > 1 and ratio is not None
        self.device = "cuda" if device == "cuda" else "cpu"
        self.times_forward = self.is_on and not meets_in_forward
        self.environment = environment
        self.ratio = ratio
        self._read_s = self._forward_s = 0.0
        self._reads_since: float | None = None
        self._passes: list[tuple[Any, Any]] = []
        self._watch: StragglerWatch | None = None

    def begin_reading(self) -> None:
        """The rows of a step are asked for."""
        self._reads_since = time.perf_counter()

    def end_reading(self) -> None:
        """The rows of a step are there."""
        if self._reads_since is not None:
            self._read_s += time.perf_counter() - self._reads_since
            self._reads_since = None

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Count the block's time to the forward pass. Nothing waits for the GPU: its own clock is read when a row is made."""
        if not self.times_forward:
            yield
        elif self.device == "cuda":
            import torch

            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            yield
            end.record()
            self._passes.append((begin, end))
        else:
            started = time.perf_counter()
            yield
            self._forward_s += time.perf_counter() - started

    def take(self, steps: int, step_s: float) -> dict[str, Any]:
        """What a row says of the processes, over the `steps` since the last one; every process calls it at the same step.

        `ranks` by what was measured, and `stragglers`, where there are any.
        """
        if not self.is_on or steps < 1:
            return {}
        own = {"read_s": self._read_s / steps}
        if self.times_forward:
            own["forward_s"] = (self._forward_s + self._waited_passes_s()) / steps
        own[PROBE] = self._probe()
        self._read_s = self._forward_s = 0.0
        gathered = gather_numbers(list(own.values()))
        times = {what: [values[place] for values in gathered] for place, what in enumerate(own)}
        return self._compared(times, step_s)

    def _compared(self, times: Mapping[str, Sequence[float]], step_s: float) -> dict[str, Any]:
        if self._watch is None:
            self._watch = StragglerWatch(everyone(self.environment.node), self.ratio or 0.0)
        slow, lines = self._watch.look(times, step_s)
        if self.environment.is_main:
            for line in lines:
                _logger.warning(line)
        named = {"stragglers": [one.line() for one in slow]} if slow else {}
        return {"ranks": dict(in_row(times, self._watch.nodes)), **named}

    def _waited_passes_s(self) -> float:
        if not self._passes:
            return 0.0
        self._passes[-1][1].synchronize()
        milliseconds = sum(begin.elapsed_time(end) for begin, end in self._passes)
        self._passes.clear()
        return float(milliseconds) / 1e3

    def _probe(self) -> float:
        """Seconds of a product of matrices, the shortest of some."""
        import torch

        size = PROBE_SIZE[self.device]
        kind = torch.bfloat16 if self.device == "cuda" else torch.float32
        factor = torch.ones(size, size, device=self.device, dtype=kind)
        best_s = float("inf")
        for _ in range(PROBES):
            self._wait()
            started = time.perf_counter()
            torch.mm(factor, factor)
            self._wait()
            best_s = min(best_s, time.perf_counter() - started)
        return best_s

    def _wait(self) -> None:
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()


def times_of(plan: TrainPlan) -> RankTimes:
    """Of a training's process, by its engine and config."""
    meets = plan.zero_stage == 3 or uses_fsdp2(plan.config)
    ratio = plan.config.watch.straggler_ratio
    return RankTimes(plan.environment, device=plan.device, meets_in_forward=meets, ratio=ratio)
