"""Parts of a model that stay as they are while the rest is trained.

embeddings       the input table, and with it a tied output table
head             the output table
norms            all normalisations
layers 0-7       the blocks 0 to 7, as a whole
mlp, k_proj …    every module whose name ends so
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import ConfigError
from qaz_llm.model.architecture import text_config_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LAYERS = re.compile(r"layers (\d+)(?:-(\d+))?")


def freeze_parts(model: PreTrainedModel, parts: Sequence[str]) -> int:
    """Take the parts out of training; the number of parameters that are frozen then.

    Raises:
        ConfigError: a part that the model does not have; all parts, so that nothing would be trained.
    """
    for part in parts:
        for module in list(modules_of(model, part)):
            module.requires_grad_(False)
    frozen = sum(int(p.numel()) for p in model.parameters() if not p.requires_grad)
    if parts and not any(p.requires_grad for p in model.parameters()):
        raise ConfigError(
            f"freeze: {', '.join(parts)} is all of {type(model).__name__}, nothing would be trained",
            hint="leave one of them out",
        )
    return frozen


def modules_of(model: PreTrainedModel, part: str, *, key: str = "freeze") -> Iterator[Any]:
    """The modules that a part means. Raises ConfigError where there are none, which names the `key` that asked."""
    blocks = blocks_of(model)
    if found := _LAYERS.fullmatch(part):
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < len(blocks):
            raise ConfigError(
                f"{key}: {part}: {type(model).__name__} has layers 0-{len(blocks) - 1}",
                hint=f"name some of them, for instance 'layers 0-{max(len(blocks) // 2 - 1, 0)}'",
            )
        yield from blocks[first : last + 1]
        return
    modules = [module for name, module in model.named_modules() if _is_meant(model, name, module, part)]
    if not any(True for module in modules for _ in module.parameters()):
        ends = sorted({name.rsplit(".", 1)[-1] for name, _ in blocks[0].named_modules() if name}) if len(blocks) else []
        raise ConfigError(
            f"{key}: {part} is no part of {type(model).__name__}",
            hint=f"parts are embeddings, head, norms, 'layers 0-{len(blocks) - 1}' and the ends of names: {', '.join(ends)}",
        )
    yield from modules


def _is_meant(model: PreTrainedModel, name: str, module: Any, part: str) -> bool:
    match part:
        case "embeddings":
            return module is model.get_input_embeddings()
        case "head":
            return module is model.get_output_embeddings()
        case "norms":
            return "norm" in type(module).__name__.lower()
        case _:
            return name == part or name.endswith(f".{part}")


def blocks_of(model: PreTrainedModel) -> Sequence[Any]:
    """The blocks in their order, whatever a family calls their list; none where there is no list of that length."""
    from torch.nn import ModuleList

    count = text_config_of(model.config).num_hidden_layers
    lists = [m for m in model.modules() if isinstance(m, ModuleList) and len(m) == count]
    return list(max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()), default=[]))
