"""The projections of a model in 4 bits, for training LoRA beside them (QLoRA, Dettmers et al. 2023, arXiv 2305.14314).

Weights are read, grown and checked as always, and quantised when the model is put on its device. What is trained is merged into
the weights as they were before: the error of quantising is learned around, and is not in the result.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import ConfigError, NoGpuError
from qaz_llm.model.frozen import blocks_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PACKAGE = "bitsandbytes"


def check_quantised(device: str, *, sharded: bool, looks_here: bool = True) -> None:
    """Raises ConfigError where 4 bits cannot be trained beside here; `looks_here`: False for a machine that is described."""
    if device != "cuda":
        raise NoGpuError(
            f"adapter.quantised nf4 needs a GPU, this run is on {device}",
            hint="leave adapter.quantised out (LoRA over weights in 16 bit with precision=bf16), or run it on a GPU",
        )
    if looks_here and find_spec(PACKAGE) is None:
        raise ConfigError(
            f"adapter.quantised nf4 needs the package {PACKAGE}, which is not installed",
            hint=f"pip install {PACKAGE}, or leave adapter.quantised out",
        )
    if sharded:
        raise ConfigError(
            "adapter.quantised nf4 is not tried with DeepSpeed or FSDP2, which would split the packed weights",
            hint="leave out distributed.deepspeed and backend fsdp2: each process then holds the model in 4 bits",
        )


def quantise_blocks(model: PreTrainedModel, compute_dtype: torch.dtype) -> int:
    """Put 4-bit layers (NF4, doubly quantised) in the place of all linear layers of the blocks; how many there are.

    The tables, the output layer and stacked weights of experts stay as they are.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit
    from torch.nn import Linear

    count = 0
    for block in blocks_of(model):
        for name, layer in [(n, m) for n, m in block.named_modules() if type(m) is Linear]:
            packed: Any = Linear4bit(
                layer.in_features, layer.out_features, layer.bias is not None,
                compute_dtype=compute_dtype, quant_type="nf4", device="meta",
            )  # fmt: skip
            packed.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
            packed.bias = layer.bias
            parent, _, last = name.rpartition(".")
            setattr(block.get_submodule(parent), last, packed)
            count += 1
    model.is_loaded_in_4bit = True  # PEFT looks for its 4-bit layers where this is set
    return count
