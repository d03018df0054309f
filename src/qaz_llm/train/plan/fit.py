"""Which micro-batch, checkpointing and sharing fit, tried over a small grid that keeps the tokens of a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.memory import FITS_FRAC, Layout, count_memory
from qaz_llm.train.plan.sharing import SHARINGS

DEEPSPEED_FILES = {"zero2": "configs/deepspeed/zero2.json", "zero3": "configs/deepspeed/zero3.json"}


@dataclass(frozen=True)
class Suggestion:
    """A layout, what it takes of memory, and the overrides that ask for it."""

    layout: Layout
    memory_bytes: int
    fits: bool
    overrides: tuple[str, ...]


def suggest(settings: TrainSettings, counted: CountedModel, now: Layout, available_bytes: int) -> Suggestion | None:
    """The cheapest layout that fits, where it is another than `now`; the smallest, where none does; None where `now` is it.

    Cheaper is, in this order: no checkpointing (a third less arithmetic), less sharing (less to send), larger micro-batches.
    """
    tried = [
        (layout, count_memory(settings, counted, layout).peak.total_bytes)
        for layout in _layouts(now, len(counted.structure.blocks))
    ]
    limit = FITS_FRAC * available_bytes
    fitting = [(layout, size) for layout, size in tried if size <= limit]
    layout, size = fitting[0] if fitting else min(tried, key=lambda pair: pair[1])
    overrides = tuple(_overrides(now, layout))
    return Suggestion(layout, size, bool(fitting), overrides) if overrides else None


def _layouts(now: Layout, blocks: int) -> Iterator[Layout]:
    """The grid, cheapest first. Rows of a step on one device stay; what is shared already is shared no less than by DDP."""
    rows = now.micro_batch_size * now.grad_accum_steps
    sizes = [size for size in range(rows, 0, -1) if rows % size == 0]
    ways = ["none", *DEEPSPEED_FILES] if now.world_size > 1 and not now.on_cpu else []
    sharings = [SHARINGS[way] for way in ways] or [now.sharing]
    if now.sharing not in sharings:
        sharings.append(now.sharing)
    for checkpointed in dict.fromkeys((0, now.checkpointed, blocks)):
        for sharing in sharings:
            for size in sizes:
                yield replace(
                    now,
                    micro_batch_size=size,
                    grad_accum_steps=rows // size,
                    checkpointed=checkpointed,
                    sharing=sharing,
                )


def fewest_checkpointed(settings: TrainSettings, counted: CountedModel, now: Layout, available_bytes: int) -> int:
    """The fewest blocks that have to be computed twice for `now` to fit; all, where that does not do either."""
    blocks = len(counted.structure.blocks)
    for count in range(blocks):
        memory = count_memory(settings, counted, replace(now, checkpointed=count))
        if memory.peak.total_bytes <= FITS_FRAC * available_bytes:
            return count
    return blocks


def _overrides(now: Layout, then: Layout) -> Iterator[str]:
    """What to type for `then` where `now` is configured."""
    if then.micro_batch_size != now.micro_batch_size:
        yield f"micro_batch_size={then.micro_batch_size}"
        yield f"grad_accum_steps={then.grad_accum_steps}"
    if then.checkpointed != now.checkpointed:
        yield f"gradient_checkpointing={'true' if then.checkpointed else 'false'}"
    if then.sharing != now.sharing:
        if now.sharing == SHARINGS["fsdp2"]:
            yield "distributed.backend=auto"
        files = {SHARINGS[way]: path for way, path in DEEPSPEED_FILES.items()}
        yield f"distributed.deepspeed={files.get(then.sharing, 'null')}"
