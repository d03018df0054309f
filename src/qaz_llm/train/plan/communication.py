"""What the processes of a step send one another: collectives and their bytes, by who holds what. A model, checked against counted bytes.

With P parameters, T of them trained, A micro-batches a step, w bytes of a weight as it is computed with and g of a gradient as it is
reduced (full size, before it is divided among n processes):

    DDP      all-reduce  g T                                       once a step: earlier micro-batches add up at home
    ZeRO-2   all-reduce  A g T        all-gather  w T              DeepSpeed reduces whole buckets, and keeps its part of the result
    ZeRO-3   all-gather  2 A w P      reduce-scatter  A g T        forward and backward; small tensors stay whole: once a step
    FSDP2    all-gather  2 A w P      reduce-scatter  A g T        A w P where layers stay gathered until the backward pass

What one process sends and receives of it, in a ring (Thakur, Rabenseifner, Gropp 2005, section 4; nccl-tests' PERFORMANCE.md):

    all-gather, reduce-scatter   (n − 1) / n × bytes         all-reduce   2 (n − 1) / n × bytes

Numbers of a few bytes (the count of learned tokens, norms, votes) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.memory import Layout, precision_of
from qaz_llm.train.plan.sharing import SHARINGS

Collective = Literal["all_reduce", "all_gather", "reduce_scatter"]
Phase = Literal["passes", "last backward", "update"]
"""What it may run beside: all passes, the backward pass of the last micro-batch alone, or nothing."""

PERSISTENT_HIDDEN = 10
"""ZeRO-3 keeps tensors of fewer numbers whole: `auto` is 10 × hidden_size (transformers' integration of DeepSpeed)."""


@dataclass(frozen=True)
class Transfer:
    """All collectives of one kind in a step. `size_bytes` is their full size together, the same on every process."""

    collective: Collective
    what: str
    size_bytes: float
    calls: int
    phase: Phase

    def wire_bytes(self, world_size: int) -> float:
        """What one process sends, and receives, in a ring of so many."""
        passes = 2 if self.collective == "all_reduce" else 1
        return passes * (world_size - 1) / world_size * self.size_bytes


def count_transfers(settings: TrainSettings, counted: CountedModel, layout: Layout) -> tuple[Transfer, ...]:
    """The collectives of one step; none for a process that is alone."""
    if layout.world_size == 1:
        return ()
    sharing = layout.sharing
    if sharing.weights:
        return tuple(_of_shared_weights(settings, counted, layout))
    if sharing.gradients or sharing.states:
        return tuple(_of_shared_states(settings, counted, layout))
    gradients = 4.0 * counted.trainable
    return (Transfer("all_reduce", "gradients", gradients, _buckets(gradients), "last backward"),)


def _of_shared_states(settings: TrainSettings, counted: CountedModel, layout: Layout) -> Iterator[Transfer]:
    times = layout.grad_accum_steps if layout.sharing.gradients else 1
    wide = precision_of(settings, layout.sharing).wide
    gradients = times * float(wide) * counted.trainable
    yield Transfer("all_reduce", "gradients", gradients, times * _buckets(gradients / times), "passes")
    weights = float(wide) * counted.trainable
    yield Transfer("all_gather", "weights after the update", weights, _buckets(weights), "update")


def _of_shared_weights(settings: TrainSettings, counted: CountedModel, layout: Layout) -> Iterator[Transfer]:
    times, groups = layout.grad_accum_steps, len(counted.structure.blocks) + 1
    wide = precision_of(settings, layout.sharing).wide
    passes = 2 if settings.distributed.reshard_after_forward else 1
    small = _persistent(counted) if layout.sharing.keeps_masters else 0
    gathered = float(wide) * (passes * times * (counted.parameters - small) + small)
    yield Transfer("all_gather", "weights", gathered, passes * times * groups, "passes")
    # FSDP2 reduces in float32; DeepSpeed in the type of the weights, and adds up in float32
    gradient = 4.0 if layout.sharing == SHARINGS["fsdp2"] else float(wide)
    yield Transfer("reduce_scatter", "gradients", times * gradient * counted.trainable, times * groups, "passes")


def _persistent(counted: CountedModel) -> int:
    """Numbers that ZeRO-3 leaves whole: those of norms. Adapters that are as small (B of grouped keys and values) are left out."""
    limit = PERSISTENT_HIDDEN * counted.structure.hidden_size
    return sum(norm.width for norm in counted.structure.norms if norm.width < limit)


def _buckets(size_bytes: float) -> int:
    """Buckets of 25 MiB, DDP's default; DeepSpeed's are larger, and fewer calls cost less."""
    return max(-(-int(size_bytes) // (25 << 20)), 1)
