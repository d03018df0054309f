"""A plan in lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qaz_llm.progress import format_duration
from qaz_llm.train.loop.schedule import warm_up_line
from qaz_llm.train.plan.duration import peak_in_words

if TYPE_CHECKING:
    from qaz_llm.train.plan.record import TrainPlan


def describe_plan(plan: TrainPlan) -> str:
    """Model, machine, steps, memory by part, what fits, compute and time, disk, and what is not counted."""
    lines = [*_model_lines(plan), *_memory_lines(plan), *_compute_lines(plan), _disk_line(plan)]
    if (warm_up := warm_up_line(plan.config, plan.steps)) is not None:
        lines.append(warm_up)
    return "\n".join([*lines, *plan.settled, *(f"note: {note}" for note in plan.notes)])


def _model_lines(plan: TrainPlan) -> Iterator[str]:
    config, about = plan.config, "" if plan.steps_are_exact else "about "
    yield (
        f"{config.method} of {count(plan.parameters)} parameters, {count(plan.trainable_parameters)} of them trained"
        f" ({config.adapter.type}, {config.precision})"
    )
    if config.adapter.type == "lora":
        yield f"adapters beside {', '.join(plan.target_modules)}"
    sharing = f", {plan.sharing.name}" if plan.sharing.name else ""
    yield (f"for {_machine(plan)}{sharing}" if plan.machine else f"on {plan.environment.describe()}{sharing}")
    yield (
        f"{about}{plan.steps:,} steps of {plan.tokens_per_step:,} tokens ({config.seq_len} × "
        f"{config.micro_batch_size} × {config.grad_accum_steps} × {plan.environment.world_size}), "
        f"{about}{count(plan.tokens)} tokens"
    )


def _machine(plan: TrainPlan) -> str:
    environment, machine = plan.environment, plan.machine
    assert machine is not None
    joined = f", {machine.interconnect}" if machine.interconnect else ""
    nodes = f" on {environment.num_nodes} node{'s' if environment.num_nodes > 1 else ''}"
    return (
        f"{environment.world_size} × {environment.device_name}{nodes}{joined}, {gib(environment.gpu_memory_bytes)} and "
        f"{peak_in_words(machine.peak_of(plan.config.precision), plan.config.precision)} each ({machine.source})"
    )


def _memory_lines(plan: TrainPlan) -> Iterator[str]:
    fit = "fits" if plan.fits else "does NOT fit"
    peak = plan.memory.peak
    of = "GPU" if plan.device == "cuda" else "process"
    moment = {
        "loss": "as the backward pass begins",
        "update": "as the step is made",
        "export": "as the result is merged",
    }
    yield f"memory per {of}: about {gib(plan.memory_bytes)} of {gib(plan.available_bytes)}, {moment[peak.name]}; {fit}"
    parts = sorted(peak.parts.items(), key=lambda part: -part[1])
    yield "  " + ", ".join(f"{name} {gib(size)}" for name, size in parts)
    found = plan.suggestion
    if found is not None and found.fits:
        fits = "fits, and takes less time" if plan.fits else "fits"
        yield f"  {' '.join(found.overrides)} {fits}: {gib(found.memory_bytes)}"
    elif found is not None and not plan.fits:
        yield f"  nothing that keeps the tokens per step fits; the least is {gib(found.memory_bytes)}: {' '.join(found.overrides)}"
    elif not plan.fits:
        yield "  nothing that keeps the tokens per step takes less; it needs more GPUs, LoRA or a shorter seq_len"


def _compute_lines(plan: TrainPlan) -> Iterator[str]:
    flops = plan.token_flops
    yield (
        f"compute: {plan.flops:.2e} FLOPs, {flops.model:.3e} per token: {flops.per_parameter} N = "
        f"{flops.per_parameter * flops.numel:.3e} by the rule (N = {count(flops.numel)}), matrices {flops.matrices:.3e}, causal "
        f"attention {flops.attention:.3e}"
    )
    again = f", {flops.hardware / flops.model:.2f} times the model's for checkpointing" if flops.recomputed else ""
    cost = f", {plan.cost:,.0f} {plan.machine.currency}" if plan.cost is not None and plan.machine else ""
    yield (
        f"time: about {format_duration(plan.seconds)}{cost} at {plan.flops_per_s:.1e} FLOP/s per device "
        f"({plan.speed.assumption}{again})"
    )


def _disk_line(plan: TrainPlan) -> str:
    disk = plan.disk
    return (
        f"disk: up to {gib(disk.most_bytes)} in {plan.config.run_dir}, {gib(disk.kept_bytes)} when done: "
        f"{disk.checkpoints} checkpoints of {gib(disk.checkpoint_bytes)}, one more while it is written, the result "
        f"{gib(disk.result_bytes)}"
    )


def count(number: float) -> str:
    """`8.03 B` or `0.13 M`."""
    return f"{number / 1e9:,.2f} B" if number >= 1e9 else f"{number / 1e6:,.2f} M"


def gib(size: float) -> str:
    """`1.25 GiB`."""
    return f"{size / 2**30:,.2f} GiB"
