"""Low-rank adapters by PEFT, with what a grown vocabulary and tied embeddings need.

    W' = W + (alpha / r) · B A          A: r × in, random   B: out × r, zero at the start, so W' = W

New rows of an extended vocabulary get one of three treatments:

    trainable_token_indices   only the new rows are trained and saved; tied tables stay tied; the default
    modules_to_save           whole tables are trained and saved, each once
    frozen                    the rows stay as `embedding_init` made them

Whole tables are trained where they are. PEFT's own `modules_to_save` would train a copy beside each table, and store a
tied one twice: its loader asks for both names. A table saved under its own name it loads into the base, tied or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import read_json
from qaz_llm.model.embeddings import has_tied_tables

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

NewEmbeddings = Literal["trainable_token_indices", "modules_to_save", "frozen"]


def add_lora(
    model: PreTrainedModel,
    *,
    r: int,
    alpha: float,
    dropout: float,
    target_modules: tuple[str, ...],
    rank_stabilised: bool = False,
    new_tokens: Sequence[int] | None = None,
    new_embeddings: NewEmbeddings = "trainable_token_indices",
) -> PeftModel:
    """Freeze `model` and put trainable adapters beside its projections. `new_tokens` are the ids of the grown rows.

    Raises:
        ConfigError: `target_modules` names nothing that the model has, or an embedding table that is trained whole.
    """
    from peft import LoraConfig, get_peft_model

    tables = _tables(model)
    whole = bool(new_tokens) and new_embeddings == "modules_to_save"
    _check_targets(model, target_modules, tables if whole else {})
    extra: dict[str, Any] = {}
    if new_tokens and new_embeddings == "trainable_token_indices":
        extra["trainable_token_indices"] = {name: list(new_tokens) for name in tables}
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(target_modules),
        use_rslora=rank_stabilised,
        task_type="CAUSAL_LM",
        **extra,
    )
    adapted = get_peft_model(model, config)  # freezes all that is not an adapter's
    if whole:
        for table in tables.values():
            table.weight.requires_grad_(True)
    return cast("PeftModel", adapted)


def _check_targets(model: PreTrainedModel, target_modules: tuple[str, ...], whole: Mapping[str, Any]) -> None:
    """Raises ConfigError where `target_modules` names nothing, or a table that is to be trained as a whole."""
    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    if not names & set(target_modules):
        projections = ", ".join(sorted(name for name in names if name.endswith("proj") or name.startswith("c_")))
        raise ConfigError(
            f"adapter.target_modules {list(target_modules)} name nothing in {type(model).__name__}",
            hint=f"its projections are called {projections}",
        )
    if twice := sorted(set(whole) & set(target_modules)):
        raise ConfigError(
            f"adapter.target_modules names {', '.join(twice)}, which adapter.new_embeddings modules_to_save trains whole",
            hint=f"leave {', '.join(twice)} out of adapter.target_modules",
        )


def _tables(model: PreTrainedModel) -> dict[str, Any]:
    """The input table and, where it is its own, the output table, by the last part of its name."""
    tables = [model.get_input_embeddings()] + ([] if has_tied_tables(model) else [model.get_output_embeddings()])
    names = {id(module): name.rsplit(".", 1)[-1] for name, module in model.named_modules()}
    return {names[id(table)]: table for table in tables}


def _trains_whole_tables(model: PeftModel) -> bool:
    """True for `modules_to_save`. Tables of which PEFT trains some rows are no plain layers any more."""
    from torch.nn import Embedding, Linear

    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    return any(isinstance(table, Embedding | Linear) and table.weight.requires_grad for table in tables)


def save_adapter(model: PeftModel, folder: Path, *, state_dict: dict[str, Any] | None = None) -> None:
    """Write the adapter with what was trained beside it: whole tables only where they were, and a tied one once.

    `state_dict` are the weights where the model itself does not hold them, as under ZeRO-3.
    """
    whole = _trains_whole_tables(model)
    if whole:
        names = dict(model.named_parameters()).keys()  # a tied table has one name here, and two in a state_dict
        state = model.state_dict() if state_dict is None else state_dict
        state_dict = {name: tensor for name, tensor in state.items() if name in names}
    model.save_pretrained(str(folder), state_dict=state_dict, save_embedding_layers=whole)


def merge_adapter(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """The base with the adapter's change added into its weights. `base` must have the grown vocabulary already.

    Raises:
        InputError: the folder is no adapter, or one for a model of another shape.
    """
    from peft import PeftModel

    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter}: no adapter, adapter_config.json is missing", hint="name a run's adapter/ folder")
    try:
        with_adapter = PeftModel.from_pretrained(base, str(adapter))
    except (RuntimeError, ValueError, KeyError) as error:
        name = read_json(adapter / "adapter_config.json").get("base_model_name_or_path")
        raise InputError(
            f"{adapter}: does not fit this model ({str(error).splitlines()[0][:200]})",
            hint=f"it was trained on {name}; merge it into that one",
        ) from error
    return cast("PreTrainedModel", with_adapter.merge_and_unload())
