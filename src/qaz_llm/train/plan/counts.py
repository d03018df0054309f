"""What is counted on the model without weights: parameters, those that are trained, those that a token goes through."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import ConfigError
from qaz_llm.train.plan.matrices import Structure, structure_of

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainConfig


@dataclass(frozen=True)
class CountedModel:
    """`active`: parameters that one token goes through. `largest_block` and `tables`: parameters of the largest block, and of
    input and output table. `loss_in_blocks`: the logits never stand at once. `trains_table`: the whole output table gets a gradient."""

    parameters: int
    trainable: int
    active: int
    attention: str
    targets: tuple[str, ...]
    structure: Structure
    largest_block: int
    tables: int
    input_gets_gradient: bool
    loss_in_blocks: bool = False
    trains_table: bool = True


def count_model(config: TrainConfig, model_config: Any, new_tokens: tuple[int, ...] = ()) -> CountedModel:
    """Make the model with its adapters, shapes alone, and count.

    Raises:
        ConfigError: an attention or target_modules that the model does not have.
    """
    from qaz_llm.model.adapters import add_lora
    from qaz_llm.model.architecture import choose_attention, count_active, model_without_weights
    from qaz_llm.model.frozen import freeze_parts
    from qaz_llm.model.targets import find_targets

    trust, adapter = config.model.trust_remote_code, config.adapter
    attention = choose_attention(model_config, config.model.attn_implementation, trust_remote_code=trust)
    model = model_without_weights(model_config, trust_remote_code=trust)
    active, structure = int(count_active(model)), structure_of(model)
    block, tables = _largest_block(model, structure), _tables(model)
    if adapter.type == "full":
        targets: tuple[str, ...] = () if adapter.target_modules == "auto" else adapter.target_modules
        with suppress(ConfigError):  # not used, but part of what identifies a run since before there was auto
            targets = targets or find_targets(model, "auto").names
        count = sum(p.numel() for p in model.parameters())
        frozen = freeze_parts(model, config.freeze)
        return CountedModel(
            count,
            count - frozen,
            active,
            attention,
            targets,
            structure,
            block,
            tables,
            input_gets_gradient=True,
            loss_in_blocks=_loss_in_blocks(config, model),
            trains_table=_trains_table(model),
        )
    targets = find_targets(model, adapter.target_modules).names
    adapted = add_lora(model, **adapter.lora_options, new_tokens=new_tokens)
    _check_rank(adapted, adapter.r)
    trains_rows = bool(new_tokens) and adapter.new_embeddings != "frozen"
    return CountedModel(
        parameters=sum(p.numel() for p in adapted.parameters()),
        trainable=sum(p.numel() for p in adapted.parameters() if p.requires_grad),
        active=active,
        attention=attention,
        targets=targets,
        structure=structure.adapted(targets, rank=adapter.r, trains_tables=trains_rows),
        largest_block=block,
        tables=tables,
        input_gets_gradient=trains_rows or bool(config.gradient_checkpointing),
        loss_in_blocks=_loss_in_blocks(config, adapted.get_base_model()),
        trains_table=_trains_table(adapted.get_base_model()),
    )


def _loss_in_blocks(config: TrainConfig, model: Any) -> bool:
    """As the training will find it, but for the look at the losses themselves."""
    from qaz_llm.model.kernels.loss_head import why_not

    if config.method == "dpo" or config.kernels.loss == "full_logits":
        return False
    why = why_not(model)
    if why is not None and config.kernels.loss == "in_blocks":
        raise ConfigError(f"kernels.loss in_blocks: {why}", hint="use kernels.loss=auto, which takes full logits here")
    return why is None


def _trains_table(model: Any) -> bool:
    weight = getattr(model.get_output_embeddings(), "weight", None)
    return getattr(weight, "requires_grad", False) and getattr(weight, "is_leaf", False)


def _largest_block(model: Any, structure: Structure) -> int:
    sizes = [sum(p.numel() for p in model.get_submodule(block).parameters()) for block in structure.blocks]
    return max(sizes, default=0)


def _tables(model: Any) -> int:
    tables = {
        id(t.weight): t.weight for t in (model.get_input_embeddings(), model.get_output_embeddings()) if t is not None
    }
    return sum(weight.numel() for weight in tables.values())


def _check_rank(adapted: Any, rank: int) -> None:
    """Raises ConfigError where no matrix is large enough for the rank: a product of rank r needs two sides of at least r."""
    sides: dict[str, list[int]] = {}
    for name, parameter in adapted.named_parameters():
        for part, side in (("lora_A", 1), ("lora_B", 0)):
            if part in name and parameter.dim() == 2:
                sides.setdefault(name.replace(part, ""), []).append(parameter.shape[side])
    largest = max((min(both) for both in sides.values()), default=rank)
    if rank > largest:
        raise ConfigError(
            f"adapter.r {rank:,} is more than {largest:,}, the shorter side of the largest matrix that gets one",
            hint=f"take adapter.r up to {largest}, or adapter.type=full",
        )
