"""Low-rank adapters by PEFT, with what a grown vocabulary and tied embeddings need.

    W' = W + (alpha / r) · B A          A: r × in, random   B: out × r, zero at the start, so W' = W
    DoRA   W' = m · (W + (alpha / r) · B A) / ‖W + (alpha / r) · B A‖    by rows, m = ‖W‖ at the start (arXiv 2402.09353)

New rows of an extended vocabulary get one of three treatments:

    trainable_token_indices   only the new rows are trained and saved; tied tables stay tied; the default
    modules_to_save           whole tables are trained and saved, each once
    frozen                    the rows stay as `embedding_init` made them

Whole tables are trained where they are. PEFT's own `modules_to_save` would train a copy beside each table, and store a
tied one twice: its loader asks for both names. A table saved under its own name it loads into the base, tied or not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import read_json, write_json
from qaz_llm.model.adapter_file import check_adapter, trained_on
from qaz_llm.model.embeddings import has_tied_tables
from qaz_llm.model.targets import TargetModules, Targets, find_targets
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

_logger = get_logger("model")

NewEmbeddings = Literal["trainable_token_indices", "modules_to_save", "frozen"]


def add_lora(
    model: PreTrainedModel,
    *,
    r: int,
    alpha: float,
    dropout: float,
    target_modules: TargetModules = "auto",
    rank_stabilised: bool = False,
    weight_decomposed: bool = False,
    new_tokens: Sequence[int] | None = None,
    new_embeddings: NewEmbeddings = "trainable_token_indices",
) -> PeftModel:
    """Freeze `model` and put trainable adapters beside its projections. `new_tokens` are the ids of the grown rows.

    All that is trained is float32, over a model in 16 bit too.

    Raises:
        ConfigError: `target_modules` names what the model does not have, or an embedding table that is trained whole; or
            dropout or DoRA where the weights of experts are adapted: they have no input of their own to drop, and PEFT
            learns no lengths of them.
    """
    from peft import LoraConfig, get_peft_model

    tables = _tables(model)
    whole = bool(new_tokens) and new_embeddings == "modules_to_save"
    targets = find_targets(model, target_modules)
    _check_targets(targets, tables if whole else {}, dropout, weight_decomposed)
    extra: dict[str, Any] = {}
    if new_tokens and new_embeddings == "trainable_token_indices":
        extra["trainable_token_indices"] = {name: list(new_tokens) for name in tables}
    if targets.parameters:
        extra["target_parameters"] = list(targets.parameters)
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets.modules),
        use_rslora=rank_stabilised,
        use_dora=weight_decomposed,
        task_type="CAUSAL_LM",
        **extra,
    )
    with warnings.catch_warnings():  # of ranks for experts, where their weights are named by other ends than PEFT's
        warnings.filterwarnings("ignore", message=r".*_pattern keys did not match any targeted module")
        warnings.filterwarnings("ignore", category=FutureWarning)  # PEFT asks transformers by an old name
        adapted = get_peft_model(model, config)  # freezes all that is not an adapter's
    if whole:
        for table in tables.values():
            table.weight.requires_grad_(True)
    _train_in_float32(adapted, tables.values() if whole else ())
    _say_what_was_passed_over(adapted, targets)
    return cast("PeftModel", adapted)


def _check_targets(targets: Targets, whole: Mapping[str, Any], dropout: float, weight_decomposed: bool) -> None:
    """Raises ConfigError where a table is adapted and trained whole at once, and for dropout or DoRA of experts' weights."""
    if twice := sorted(set(whole) & set(targets.modules)):
        raise ConfigError(
            f"adapter.target_modules names {', '.join(twice)}, which adapter.new_embeddings modules_to_save trains whole",
            hint=f"leave {', '.join(twice)} out of adapter.target_modules",
        )
    for key, value, none in (("dropout", dropout, 0), ("weight_decomposed", weight_decomposed, False)):
        if targets.parameters and value:
            raise ConfigError(
                f"adapter.{key} {value} cannot be had beside the weights of experts ({', '.join(targets.parameters)})",
                hint=f"set adapter.{key} to {none}",
            )


def _train_in_float32(model: PeftModel, tables: Iterable[Any]) -> None:
    """Keep what is trained in float32: small updates would be lost in the 8 bits of a bfloat16 number.

    Adapters are so by PEFT's doing. Whole tables are made so here; they take and give what the frozen layers around them
    work with, so that these stay in 16 bit. Engines that keep masters of their own, as DeepSpeed does, may cast it back.
    """
    import torch

    for table in tables:
        if table.weight.dtype != torch.float32 and isinstance(table, torch.nn.Embedding):
            table.register_forward_hook(partial(_cast_output, table.weight.dtype))
        for parameter in table.parameters():  # a bias too: it is added to what the table gives
            parameter.data = parameter.data.float()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    outputs = model.get_output_embeddings()
    if isinstance(outputs, torch.nn.Linear) and outputs.weight.requires_grad:
        outputs.register_forward_pre_hook(_cast_input)


def _cast_output(dtype: torch.dtype, _table: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return output.to(dtype)


def _cast_input(layer: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (inputs[0].to(layer.weight.dtype), *inputs[1:])


def _say_what_was_passed_over(model: PeftModel, targets: Targets) -> None:
    """Name the layers that PEFT left out: it takes `gate_proj` and the like for experts' wherever a model has experts."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = {
        name.removeprefix("base_model.model.") for name, m in model.named_modules() if isinstance(m, BaseTunerLayer)
    }
    left = sorted(targets.layers - adapted)
    if left:
        _logger.warning(
            "%d linear layers have no adapters, since PEFT takes their names for those of experts: %s%s",
            len(left), ", ".join(left[:3]), " and more" if len(left) > 3 else "",
        )  # fmt: skip


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
    _sort_names(folder / "adapter_config.json")


def _sort_names(path: Path) -> None:
    """PEFT keeps names of layers in sets, and writes them in an order that differs from process to process."""
    if path.is_file():  # the first process alone writes it
        values = read_json(path)
        named = {k: v for k, v in values.items() if isinstance(v, list) and all(isinstance(name, str) for name in v)}
        write_json(path, values | {key: sorted(names) for key, names in named.items()})


def merge_adapter(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """The base with the adapter's change added into its weights. `base` must have the grown vocabulary already.

    Raises:
        InputError: the folder is no adapter, or one for another model (adapter_file.py).
    """
    from peft import PeftModel

    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter}: no adapter, adapter_config.json is missing", hint="name a run's adapter/ folder")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Found missing adapter keys"
            )  # check_adapter names them, and refuses
            with_adapter = PeftModel.from_pretrained(base, str(adapter))
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"{adapter}: does not fit this model ({str(error).splitlines()[0][:200]})",
            hint=f"it was trained on {trained_on(adapter)}; merge it into that one",
        ) from error
    check_adapter(with_adapter, adapter)
    return cast("PreTrainedModel", with_adapter.merge_and_unload())
