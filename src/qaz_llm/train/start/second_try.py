"""A second try, where what `auto` chose does not work on this model or machine; what was asked for by name is one message.

documents see each other under the attention that auto chose    another one that was found to keep them apart
out of memory before the first step is done                     gradient_checkpointing auto: that of all layers
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qaz_llm.errors import ConfigError
from qaz_llm.model.kernels.documents import UnsupportedAttentionError
from qaz_llm.progress import get_logger
from qaz_llm.train.batches.packing_probe import AttentionRefusedError
from qaz_llm.train.health.out_of_memory import is_out_of_memory
from qaz_llm.train.metrics import METRICS_FILE, read_metrics

if TYPE_CHECKING:
    from qaz_llm.train.plan import TrainPlan

_logger = get_logger("train")


def second_try(plan: TrainPlan, error: Exception) -> TrainPlan:
    """The plan to try next. Raises `error`, or what explains it, where there is none."""
    if isinstance(error, UnsupportedAttentionError):  # seen in training alone, as dropout is
        error = AttentionRefusedError(
            str(error), hint="works here: model.attn_implementation=sdpa or eager", working=("sdpa",)
        )
    if isinstance(error, AttentionRefusedError):
        return _other_attention(plan, error)
    if not is_out_of_memory(error):
        raise error
    blocks, few = len(plan.counted.structure.blocks), plan.layout.checkpointed
    first = not read_metrics(plan.config.run_dir / METRICS_FILE)
    if first and "gradient_checkpointing" in plan.auto and few < blocks and plan.environment.world_size == 1:
        _logger.warning("out of memory with %d of %d layers checkpointed; once more with all of them", few, blocks)
        return replace(plan, config=plan.config.model_copy(update={"gradient_checkpointing": True}))
    raise ConfigError(
        f"out of memory ({str(error).splitlines()[0][:160]}); the plan's estimate was {plan.memory_bytes / 2**30:.1f} GiB of "
        f"{plan.available_bytes / 2**30:.1f}",
        hint=_smaller(plan),
    ) from error


def _other_attention(plan: TrainPlan, error: AttentionRefusedError) -> TrainPlan:
    if "attention" not in plan.auto or not error.working:
        raise error
    name = error.working[0]
    _logger.warning("%s; attention %s is taken, which keeps them apart", error.message, name)
    model = plan.config.model.model_copy(update={"attn_implementation": name})
    return replace(
        plan,
        config=plan.config.model_copy(update={"model": model}),
        counted=replace(plan.counted, attention=name),
        auto=plan.auto - {"attention"},
    )


def _smaller(plan: TrainPlan) -> str:
    """What takes less: the same rows of a step in smaller micro-batches, then checkpointing, then another shape of the run."""
    config, blocks = plan.config, len(plan.counted.structure.blocks)
    rows = config.micro_batch_size
    if rows > 1:
        size = max(part for part in range(1, rows) if rows % part == 0)
        return f"try micro_batch_size={size} grad_accum_steps={config.grad_accum_steps * rows // size}"
    if plan.layout.checkpointed < blocks:
        return "try gradient_checkpointing=true"
    return "try a shorter seq_len, adapter.type=lora, or more GPUs with a DeepSpeed config or distributed.backend=fsdp2"
