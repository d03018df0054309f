"""The most memory that one process holds, by part, at each of the moments that may be the fullest.

Bytes per parameter that is trained, Adam in float32 (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1):

    plain / DDP      weights 4 + gradients 4 + moments 8                             = 16, under bf16 2 more for the cast weights
    DeepSpeed bf16   weights 2 + gradients 4 + masters and moments 12                = 18, shared as sharing.py says
    frozen (LoRA)    weights 4, or 2 in bf16

Moments:

    loss             weights, states, all activations, the logits' chain; gradients where earlier micro-batches left some
    update           weights, gradients, states: after the backward pass, activations are gone
    export           CPU, LoRA: weights and states, and the base read once more to be merged with the adapter

Logits: where the backward pass begins, three numbers of 4 bytes an entry live at once (log-probabilities, their gradient, the
logits' gradient), measured on train/batches/loss.py; under bf16 four more bytes, the logits as they come and their gradient as it goes.
In blocks (the default) as many bytes as model/kernels/sizes.py says, and the table's gradient, which is there before the others.

CPU: `process` is the interpreter with its libraries, measured; `allocator` is freed memory that glibc keeps. torch asks for
blocks on 64-byte bounds, so a freed block is just too small for the next tensor of its size; under 32 MiB (malloc's largest
threshold for mmap) such holes stay in the process. Measured against the tensors alive: ALLOCATOR_FRAC of the activations, more
with adapters, which leave three freed results for each projection. scripts/bench/plan.py measures the sum again.

GPU: by the same formulas; the process is CUDA's context and the communication buffers. Not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qaz_llm.model.kernels.sizes import GRADIENT_BYTES, LOGITS_BYTES
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.activations import Precision, count_activations
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.sharing import Sharing
from qaz_llm.train.plan.state_bytes import NF4_BYTES, state_bytes

MIB = 2**20

CPU_PROCESS_BYTES = 540 * MIB
"""Resident memory of a training process before it holds a model: Python, torch, transformers, PEFT, accelerate, DeepSpeed."""

GPU_PROCESS_BYTES = 1024 * MIB
"""CUDA's context, the workspaces of its libraries, NCCL's buffers; an estimate."""

ALLOCATOR_FRAC = {"full": 0.3, "lora": 0.85}
HEAP_LIMIT_BYTES = 32 * MIB
"""DEFAULT_MMAP_THRESHOLD_MAX of glibc on 64 bits: larger blocks go back to the system when freed."""

FITS_FRAC = 0.95
"""Share of the memory that a plan may fill: allocators want room."""


@dataclass(frozen=True)
class Moment:
    """What one process holds at one moment, in bytes by part; parts of nothing are left out."""

    name: str
    parts: Mapping[str, int]

    @property
    def total_bytes(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True)
class Memory:
    """The moments of a run of one process. The fullest decides."""

    moments: tuple[Moment, ...]

    @property
    def peak(self) -> Moment:
        return max(self.moments, key=lambda moment: moment.total_bytes)


@dataclass(frozen=True)
class Layout:
    """What of the settings and the machine decides memory, so that other values can be tried. `checkpointed`: so many blocks,
    the first ones, are computed twice."""

    micro_batch_size: int
    grad_accum_steps: int
    checkpointed: int
    sharing: Sharing
    world_size: int
    on_cpu: bool


def count_memory(settings: TrainSettings, counted: CountedModel, layout: Layout) -> Memory:
    """The memory of one process."""
    fixed = _fixed(settings, counted, layout)
    gradients = fixed.pop("gradients")
    passing = _passing(settings, counted, layout)
    lasting = gradients if layout.grad_accum_steps > 1 else 0
    moments = [
        _moment("loss", fixed | passing | {"gradients": lasting}),
        _moment("update", fixed | {"gradients": gradients, "masters' gradients": _step_bytes(counted, layout)}),
    ]
    if layout.on_cpu and settings.adapter.type == "lora":
        moments.append(_moment("export", fixed | {"base read again": 4 * counted.parameters}))
    return Memory(tuple(moments))


def precision_of(settings: TrainSettings, sharing: Sharing) -> Precision:
    """bf16 holds the whole model so under DeepSpeed and where the base is frozen, and what FSDP2 gathers; else float32 weights
    are cast on the way."""
    if settings.precision == "fp32":
        return Precision(4, 4)
    in_bf16 = sharing.keeps_masters or sharing.weights or settings.adapter.type == "lora"
    return Precision(2, 2 if in_bf16 else 4)


def _fixed(settings: TrainSettings, counted: CountedModel, layout: Layout) -> dict[str, float]:
    """What does not depend on the batch."""
    sharing, world = layout.sharing, layout.world_size
    precision = precision_of(settings, sharing)
    trained, frozen = counted.trainable, counted.parameters - counted.trainable
    held = precision.residual if sharing.keeps_masters else 4  # a trained weight, and its gradient
    parts = {
        "weights": sharing.of(
            "weights", held * trained + _frozen(settings, counted, frozen, precision.residual), world
        ),
        "gradients": sharing.of("gradients", 4 * trained, world),  # added up in float32 by DeepSpeed too
        "states": sharing.of("states", (state_bytes(settings) + (4 if sharing.keeps_masters else 0)) * trained, world),
        "process": CPU_PROCESS_BYTES if layout.on_cpu else GPU_PROCESS_BYTES,
    }
    if precision.wide < held and not sharing.weights:
        parts["weights cast to bf16"] = precision.wide * trained
    if world > 1:
        # DDP keeps a copy of all gradients in its buckets; DeepSpeed two buckets, one being filled, one being summed
        bucket = 2 * min(counted.trainable, _bucket_numbers(sharing, counted)) if sharing.gradients else trained
        parts["gradient buckets"] = held * bucket
    if sharing.weights:
        parts["gathered layers"] = precision.residual * min(
            2 * counted.largest_block + counted.tables, counted.parameters
        )
    return parts


def _frozen(settings: TrainSettings, counted: CountedModel, frozen: int, wide: int) -> float:
    """Bytes of what is not trained: in 4 bits all but the tables."""
    if not settings.adapter.quantised:
        return float(wide * frozen)
    return float(wide * counted.tables) + NF4_BYTES * (frozen - counted.tables)


def _bucket_numbers(sharing: Sharing, counted: CountedModel) -> int:
    """Numbers in one bucket: 2 · 10⁸ in configs/deepspeed/zero2.json; `auto`, of zero3.json, is hidden_size²."""
    return counted.structure.hidden_size**2 if sharing.weights else 200_000_000


def _step_bytes(counted: CountedModel, layout: Layout) -> float:
    """DeepSpeed's gradients in float32 for its masters, while it makes the step."""
    if not layout.sharing.keeps_masters:
        return 0
    return layout.sharing.of("states", 4 * counted.trainable, layout.world_size)


def _passing(settings: TrainSettings, counted: CountedModel, layout: Layout) -> dict[str, float]:
    """What the forward pass of a micro-batch leaves, and what the loss adds."""
    structure, tokens = counted.structure, settings.seq_len * layout.micro_batch_size
    precision = precision_of(settings, layout.sharing)
    per_token = count_activations(
        structure,
        settings.seq_len,
        precision,
        attention=counted.attention,
        packs=settings.packing == "on",
        lean_norms=settings.kernels.norms == "on",
        fused_adapters=settings.kernels.adapters == "on",
    ).kept(checkpointed=layout.checkpointed)
    parts = {"activations": tokens * per_token} | _loss_bytes(settings, counted, layout, tokens, precision)
    if (
        settings.adapter.type == "lora"
    ):  # PEFT adds adapters to the stacks themselves: a copy of each lives until its backward
        stacks = sum(m.total for m in structure.matrices if m.is_stack and m.gets_gradient)
        layers = max(len(structure.blocks), 1) if layout.checkpointed else 1
        parts["experts with adapters added"] = precision.wide * stacks / layers
    largest = max((m.outputs for m in structure.matrices if m.block), default=0)
    if layout.on_cpu and tokens * largest * precision.wide < HEAP_LIMIT_BYTES:
        parts["allocator"] = ALLOCATOR_FRAC[settings.adapter.type] * parts["activations"]
    return parts


def _loss_bytes(
    settings: TrainSettings, counted: CountedModel, layout: Layout, tokens: int, precision: Precision
) -> dict[str, float]:
    """What the loss adds: logits and what is derived from them, whole or in blocks (model/kernels/linear_loss.py)."""
    structure = counted.structure
    entries = tokens * structure.vocab_size
    if not counted.loss_in_blocks:
        entry = 12 + (4 if precision.wide == 2 else 0) + (4 if structure.caps_logits else 0)
        return {"logits": entries * entry}
    device = "cpu" if layout.on_cpu else "cuda"
    capped = 2 if structure.caps_logits else 1
    blocks = min(entries * precision.wide, GRADIENT_BYTES[device]) + capped * min(4 * entries, 2 * LOGITS_BYTES[device])
    parts: dict[str, float] = {"logits": blocks + tokens * structure.hidden_size * precision.wide}
    if counted.trains_table:
        parts["gradient of the output table"] = 4.0 * structure.vocab_size * structure.hidden_size
    return parts


def _moment(name: str, parts: Mapping[str, float]) -> Moment:
    return Moment(name, {part: round(size) for part, size in parts.items() if size})
