"""What the weight files of a checkpoint hold, against what the model has: nothing is left to chance or to fresh numbers.

transformers fills a parameter that it does not find in the file with random numbers, and says so in a warning at most.
Here that is an error that names the parameters, unless the same tensors lie in the file under names that differ from the
model's by wrappers alone, one to one:

    `_orig_mod.model.norm.weight`               saved under torch.compile
    `module.model.norm.weight`                  saved under DistributedDataParallel or DeepSpeed
    `model.language_model.norm.weight`          the text model inside a multimodal one

The last kind is what the config of such a model says, and is read. The others are read only where that was asked for: the
file is not what its config promises, and only a person knows whether it holds the whole of what was trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.io import read_json
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_logger = get_logger("model")

WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of a name that torch.compile, DDP / DeepSpeed, FSDP and activation checkpointing put in, anywhere."""

FLOAT_DTYPES = frozenset({"F64", "F32", "F16", "BF16"})
"""How safetensors names the types in which weights can be trained; all others are quantised."""

SHOWN_KEYS = 6


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies, and its type as safetensors names it."""

    file: Path
    dtype: str


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of a folder's safetensors by name, from the heads of its files: one file, else those that an index names.

    Raises:
        SafetensorError, OSError: a file that is cut off or missing.
    """
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    is_one = (folder / "model.safetensors").is_file() or not index.is_file()  # as transformers chooses
    names = ["model.safetensors"] if is_one else sorted(set(read_json(index)["weight_map"].values()))
    found: dict[str, StoredTensor] = {}
    for name in names:
        with safe_open(folder / name, "pt") as file:
            for key in file.keys():  # noqa: SIM118  # it is no mapping
                found[key] = StoredTensor(folder / name, file.get_slice(key).get_dtype())
    return found


def refuse_quantised(config: PretrainedConfig, checkpoint: str, stored: Mapping[str, StoredTensor]) -> None:
    """Raises InputError where a checkpoint is quantised, by what its config says or by the types in its files."""
    hint = (
        "name the checkpoint it was quantised from, or write it in 16 bit with the tool that made it "
        "(transformers: model.dequantize() and save_pretrained)"
    )
    settings = getattr(config, "quantization_config", None)
    if settings is not None:
        values = settings if isinstance(settings, dict) else settings.to_dict()
        method = values.get("quant_method", "an unknown method")
        bits = values.get("bits") or (4 if values.get("load_in_4bit") else 8 if values.get("load_in_8bit") else None)
        about = f"{method}, {bits} bits" if bits else str(method)
        raise InputError(
            f"{checkpoint}: quantised weights (config.json, quantization_config: {about}); they can be neither trained, "
            "grown nor merged into",
            hint=hint,
        )
    odd = sorted(k for k, t in stored.items() if k.endswith(("weight", "weights")) and t.dtype not in FLOAT_DTYPES)
    if odd:
        raise InputError(
            f"{checkpoint}: quantised weights, though config.json does not say so: {shown(odd)} "
            f"({stored[odd[0]].dtype} in {stored[odd[0]].file.name})",
            hint=hint,
        )


def check_loaded(
    model: PreTrainedModel,
    info: Mapping[str, Any],
    checkpoint: str,
    stored: Mapping[str, StoredTensor],
    *,
    part_of: str | None,
    rename: bool,
    fill: bool = True,
) -> None:
    """See that every parameter came from the files; fill those that lie there under a wrapper's names.

    `info` is what transformers says of its loading; `part_of` names the multimodal model whose text model this is. Without
    `fill` nothing is read and nothing said but what is wrong, as for a model that is shapes alone.

    Raises:
        InputError: parameters that the files do not hold, or hold in another shape; the keys are named.
    """
    if info["mismatched_keys"]:
        shapes = [f"{key}: {list(file)} in the file, {list(own)} by config.json" for key, file, own in
                  sorted(info["mismatched_keys"])]  # fmt: skip
        raise InputError(
            f"{checkpoint}: weights of another shape than config.json says: {shown(shapes)}",
            hint="put the config.json that belongs to these weights beside them",
        )
    own = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    missing, unexpected = set(info["missing_keys"]) & own, set(info["unexpected_keys"])
    found = match_names(missing, unexpected, leftover=part_of is not None) if missing else {}
    if missing and found is None:
        raise _missing(checkpoint, missing, unexpected, stored)
    if found and part_of is None and not rename:
        raise _named_otherwise(checkpoint, found)
    if not fill:
        return
    if found:
        _fill(model, found, stored)
        one = min(found)
        _logger.info("%s: %d weights read under other names, as %s from %s", checkpoint, len(found), one, found[one])
    rest = unexpected - set((found or {}).values())
    if rest:
        why = f"other parts of {part_of} than its text model" if part_of else "weights that the model has no place for"
        _logger.warning("%s: %d %s are left out: %s", checkpoint, len(rest), why, shown(rest))
    _check_head(model, checkpoint)


def match_names(missing: Iterable[str], unexpected: Iterable[str], *, leftover: bool = False) -> dict[str, str] | None:
    """For each missing name the name in the file that is the same but for wrappers, or None where that is not plain.

    Wrappers are those of WRAPPERS, anywhere in a name, and one exchange of a prefix that is the same for all names.
    None where a name is in the file not at all or more than once, where two exchanges would do, and where names of the
    file are left, unless `leftover`.
    """
    plain: dict[str, str] = {}
    for name in unexpected:
        key = ".".join(part for part in name.split(".") if part not in WRAPPERS)
        if key in plain:
            return None
        plain[key] = name
    wanted = set(missing)
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for key in plain:
        for suffix in _suffixes(key):
            by_suffix[suffix].append(key)
    exchanges: set[tuple[str, str]] = set()
    for name in wanted:
        shared = next((suffix for suffix in _suffixes(name) if suffix in by_suffix), None)
        if shared is None:
            return None
        exchanges |= {(key.removesuffix(shared), name.removesuffix(shared)) for key in by_suffix[shared]}
    answers: list[dict[str, str]] = []
    for theirs, ours in exchanges:
        keys = {name: theirs + name.removeprefix(ours) for name in wanted if name.startswith(ours)}
        if len(keys) == len(wanted) and plain.keys() >= set(keys.values()):
            answers.append({name: plain[key] for name, key in keys.items()})
    plainly = bool(answers) and all(answer == answers[0] for answer in answers)
    return answers[0] if plainly and (leftover or len(answers[0]) == len(plain)) else None


def _suffixes(name: str) -> list[str]:
    """`a.b.c` → `a.b.c`, `b.c`, `c`: longest first."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _fill(model: PreTrainedModel, found: Mapping[str, str], stored: Mapping[str, StoredTensor]) -> None:
    """Copy tensors of the files into the model. Raises InputError where one has another shape."""
    import torch
    from safetensors import safe_open

    own = dict(model.named_parameters()) | dict(model.named_buffers())
    by_file: dict[Path, list[str]] = defaultdict(list)
    for name, key in found.items():
        by_file[stored[key].file].append(name)
    for path, names in by_file.items():
        with safe_open(path, "pt") as file, torch.no_grad():
            for name in names:
                tensor = file.get_tensor(found[name])
                if tensor.shape != own[name].shape:
                    raise InputError(
                        f"{path}: {found[name]} is {list(tensor.shape)}, config.json makes it {list(own[name].shape)}",
                        hint="put the config.json that belongs to these weights beside them",
                    )
                own[name].copy_(tensor)


def _check_head(model: PreTrainedModel, checkpoint: str) -> None:
    """Where config.json ties the tables and the file holds two different ones, go by the file and say so."""
    outputs = model.get_output_embeddings()
    if not model.config.tie_word_embeddings or outputs is None:
        return
    if outputs.weight is not model.get_input_embeddings().weight:
        _logger.warning(
            "%s: config.json says tie_word_embeddings, but the file holds an output table of its own that differs from "
            "the input table; both are kept, and the model is written with tie_word_embeddings false",
            checkpoint,
        )
        model.config.tie_word_embeddings = False


def _missing(
    checkpoint: str, missing: set[str], unexpected: set[str], stored: Mapping[str, StoredTensor]
) -> InputError:
    files = ", ".join(sorted({tensor.file.name for tensor in stored.values()})) or "its files"
    message = f"{checkpoint}: {len(missing)} of the model's weights are not in {files}: {shown(missing)}"
    if unexpected:
        message += f"; {len(unexpected)} other names are there: {shown(unexpected)}"
    nowhere = {name for name in missing if not any(key.endswith(f".{name}") for key in unexpected)}
    if nowhere and len(nowhere) < len(missing):
        message += f"; under no name at all are {shown(nowhere)}"
    if any(".lora_" in key for key in unexpected):
        hint = "these are the weights of an adapter that was not merged; merge it with the tool that made it"
    elif missing == {"lm_head.weight"}:
        hint = "if its output table is its input table, write tie_word_embeddings: true into config.json; else fetch it again"
    else:
        hint = "fetch or export the model again; training would start from random numbers in their place"
    return InputError(message, hint=hint)


def _named_otherwise(checkpoint: str, found: Mapping[str, str]) -> InputError:
    one = min(found)
    return InputError(
        f"{checkpoint}: {len(found)} of the model's weights are missing under their names: {shown(found)}; the file "
        f"holds as many under other names, {one} as {found[one]}",
        hint=f"if that is the whole model, write it under its own names: qaz export {checkpoint} OUT --rename-weights",
    )


def shown(names: Iterable[str]) -> str:
    """The first names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN_KEYS} more" if len(ordered) > SHOWN_KEYS else ""
    return ", ".join(ordered[:SHOWN_KEYS]) + more
