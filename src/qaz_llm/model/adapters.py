"""Low-rank adapters by PEFT, with what a grown vocabulary and tied embeddings need.

    W' = W + (alpha / r) · B A          A: r × in, random   B: out × r, zero at the start, so W' = W

New rows of an extended vocabulary get one of three treatments:

    trainable_token_indices   only the new rows are trained and saved; tied tables stay tied; the default
    modules_to_save           whole tables are trained; `ensure_weight_tying` keeps a tied head from becoming a copy
    frozen                    the rows stay as `embedding_init` made them
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import read_json

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
    new_tokens: range | None = None,
    new_embeddings: NewEmbeddings = "trainable_token_indices",
) -> PeftModel:
    """Freeze `model` and put trainable adapters beside its projections. `new_tokens` are the ids of the grown rows.

    Raises:
        ConfigError: `target_modules` names nothing that the model has.
    """
    from peft import LoraConfig, get_peft_model

    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    if not names & set(target_modules):
        projections = ", ".join(sorted(name for name in names if name.endswith("proj") or name.startswith("c_")))
        raise ConfigError(
            f"adapter.target_modules {list(target_modules)} name nothing in {type(model).__name__}",
            hint=f"its projections are called {projections}",
        )
    tied = model.get_output_embeddings() is None or (
        model.get_output_embeddings().weight is model.get_input_embeddings().weight
    )
    extra: dict[str, Any] = {}
    if new_tokens and new_embeddings == "trainable_token_indices":
        tables = _table_names(model, tied=tied)
        extra["trainable_token_indices"] = {name: list(new_tokens) for name in tables}
    elif new_tokens and new_embeddings == "modules_to_save":
        extra["modules_to_save"] = _table_names(model, tied=tied)
        extra["ensure_weight_tying"] = tied
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(target_modules),
        use_rslora=rank_stabilised,
        task_type="CAUSAL_LM",
        **extra,
    )
    return cast("PeftModel", get_peft_model(model, config))


def _table_names(model: PreTrainedModel, *, tied: bool) -> list[str]:
    """The last names of the input table and, where it is its own, the output table."""
    tables = [model.get_input_embeddings()] + ([] if tied else [model.get_output_embeddings()])
    return [name.rsplit(".", 1)[-1] for name, module in model.named_modules() if any(module is t for t in tables)]


def save_adapter(model: PeftModel, folder: Path, *, state_dict: dict[str, Any] | None = None) -> None:
    """Write the adapter alone; never whole embedding tables beside it, which PEFT would add for a grown vocabulary."""
    model.save_pretrained(str(folder), state_dict=state_dict, save_embedding_layers=False)


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
