"""Which parts of a model get low-rank adapters.

`auto` takes every linear projection of the blocks, whatever a family calls it, and the stacked weights of experts:

    Llama, Qwen, Gemma   q_proj k_proj v_proj o_proj gate_proj up_proj down_proj
    Phi-3                qkv_proj o_proj gate_up_proj down_proj
    Qwen3-MoE            q_proj k_proj v_proj o_proj experts.gate_up_proj experts.down_proj

and leaves out the tables, routers, gates that weigh an expert, and of a Mamba block the projections whose weights its
kernels read past any adapter (PEFT refuses them for the same reason where it knows the family).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TargetModules = Literal["auto"] | tuple[str, ...]

ROUTERS = frozenset({"gate", "router", "shared_expert_gate"})
"""What families call the layer that chooses or weighs experts."""

FUSED_IN = {"gate_proj": "gate_up_proj", "up_proj": "gate_up_proj", "w1": "gate_up_proj", "w3": "gate_up_proj",
            "w2": "down_proj"}  # fmt: skip
"""Names of an expert's projections before they were stacked, and the stack that PEFT finds them in."""


@dataclass(frozen=True)
class Targets:
    """Ends of names: of linear layers, and of stacked expert weights, which are parameters and no layers.

    `layers` are the full names of all layers that are meant; PEFT may not be able to reach some.
    """

    modules: tuple[str, ...]
    parameters: tuple[str, ...]
    layers: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        return self.modules + self.parameters


def find_targets(model: PreTrainedModel, wanted: TargetModules) -> Targets:
    """What adapters are put beside, by `auto` or by the ends of names that are given.

    Raises:
        ConfigError: names that match nothing, or what cannot be adapted; what matched and what there is are named.
    """
    linear, experts = _linear_layers(model), _stacked_experts(model)
    if wanted == "auto":
        chosen = {name for name in linear if _is_projection(model, name)}
        if not chosen:
            raise ConfigError(
                f"adapter.target_modules auto finds no linear projections in {type(model).__name__}",
                hint="name the layers in adapter.target_modules",
            )
        claimed = _claimed_for_experts(model, chosen) if experts else set()
        ends = _short_ends({name for name in chosen if _end(name, 1) not in claimed}, linear)
        return Targets(ends, _unique(_end(name, 2) for name in experts), frozenset(chosen))
    _check_names(model, wanted, linear, experts)
    layers = frozenset(name for name in linear if _matches(name, wanted))
    stacks = {end: _stack_of(end, linear, experts) for end in wanted}
    parameters = _unique(_end(name, 2) for name in experts if _matches(name, stacks.values()))
    return Targets(tuple(end for end in wanted if not stacks[end]), parameters, layers)


def _check_names(model: PreTrainedModel, wanted: Iterable[str], linear: list[str], experts: list[str]) -> None:
    """Raises ConfigError where a name matches nothing, the tied head, or what an adapter would not reach."""
    kind, wanted = type(model).__name__, tuple(wanted)
    found = [end for end in wanted if _matches_any(end, linear)
             or _stack_of(end, linear, experts) or _is_table(model, end)]  # fmt: skip
    if len(found) < len(wanted):
        nothing = ", ".join(end for end in wanted if end not in found)
        matched = f"; {', '.join(found)} match" if found else ""
        there = ", ".join(find_targets(model, "auto").names)
        raise ConfigError(
            f"adapter.target_modules: {nothing} match nothing in {kind}{matched}",
            hint=f"use auto; the projections of its blocks are called {there}",
        )
    for one, other in (("gate_proj", "up_proj"), ("up_proj", "gate_proj"), ("w1", "w3"), ("w3", "w1")):
        if one in wanted and other not in wanted and _stack_of(one, linear, experts):
            raise ConfigError(
                f"adapter.target_modules: {one} and {other} are one weight in the experts of {kind}",
                hint=f"name {other} too, or use auto",
            )
    past = [name for name in linear if _matches(name, wanted) and _is_read_past(model, name)]
    if past:
        raise ConfigError(
            f"adapter.target_modules: {past[0]} belongs to a Mamba block, whose kernels read it past any adapter",
            hint="use auto, or leave that name out",
        )
    _check_shared_table(model, wanted)


def _check_shared_table(model: PreTrainedModel, wanted: tuple[str, ...]) -> None:
    """Raises ConfigError for an adapter beside a table that is input and output at once: merging would change both uses.

    PEFT puts it beside one use alone, so the merged model would not be the one that was trained.
    """
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    if tables[1] is None or tables[0].weight is not tables[1].weight:
        return
    table = next((name for name, m in model.named_modules() if m in tables and _matches(name, wanted)), None)
    if table is not None:
        other = "input" if model.get_submodule(table) is tables[1] else "output"
        raise ConfigError(
            f"adapter.target_modules: {table} shares its weights with the {other} table of {type(model).__name__}, which an "
            "adapter beside it would change too when merged",
            hint=f"leave {table.rpartition('.')[2]} out; new rows are trained by adapter.new_embeddings",
        )


def _linear_layers(model: PreTrainedModel) -> list[str]:
    """The names of all linear layers, in the model's order."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    return [name for name, module in model.named_modules() if isinstance(module, Linear | Conv1D)]


def _stacked_experts(model: PreTrainedModel) -> list[str]:
    """The names of weights that hold a matrix for each expert, E × in × out."""
    return [name for name, weight in model.named_parameters() if ".experts." in name and weight.dim() == 3]


def _is_projection(model: PreTrainedModel, name: str) -> bool:
    parts = name.split(".")
    in_block = any(part.isdecimal() for part in parts)
    return in_block and not ROUTERS & set(parts) and not _is_read_past(model, name)


def _claimed_for_experts(model: PreTrainedModel, chosen: Iterable[str]) -> set[str]:
    """Last parts of names that PEFT takes for those of experts, so that layers of that name cannot be reached."""
    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    leaves = {_end(name, 1) for name in chosen}
    # with the names of one stack all there, or PEFT refuses to take some of them
    config = LoraConfig(target_modules=sorted(leaves | set(FUSED_IN)))
    convert_peft_config_for_transformers(config, model, None)
    return leaves - set(config.target_modules or ())


def _is_read_past(model: PreTrainedModel, name: str) -> bool:
    """True for projections of a Mamba block of which its fused kernels take the weight itself."""
    parent, _, leaf = name.rpartition(".")
    block = model.get_submodule(parent)
    return leaf in {"out_proj", "dt_proj"} and hasattr(block, "A_log") and hasattr(block, "D")


def _is_table(model: PreTrainedModel, end: str) -> bool:
    tables: tuple[Any, ...] = (model.get_input_embeddings(), model.get_output_embeddings())
    return any(_matches(name, (end,)) for name, module in model.named_modules() if module in tables)


def _short_ends(chosen: set[str], linear: list[str]) -> tuple[str, ...]:
    """Ends of names that match the chosen layers and no other linear layer: the last part where that is enough."""
    others = [name for name in linear if name not in chosen]
    ends = []
    for name in (name for name in linear if name in chosen):
        lengths = range(1, name.count(".") + 2)
        ends.append(next(_end(name, n) for n in lengths if not _matches_any(_end(name, n), others)))
    return _unique(ends)


def _stack_of(end: str, linear: list[str], experts: list[str]) -> str:
    """The end of the name of the stacked experts that `end` means, new name or old; empty where it means layers."""
    if _matches_any(end, linear):
        return ""
    return next((name for name in (end, FUSED_IN.get(end, end)) if _matches_any(name, experts)), "")


def _end(name: str, parts: int) -> str:
    return ".".join(name.split(".")[-parts:])


def _matches(name: str, ends: Iterable[str]) -> bool:
    """As PEFT compares: the whole name, or its end from a dot on."""
    return any(name == end or name.endswith(f".{end}") for end in ends)


def _matches_any(end: str, names: Iterable[str]) -> bool:
    return any(_matches(name, (end,)) for name in names)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
