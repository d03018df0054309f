"""The decoder's layers one by one: which are computed twice, compiled, or multiplied in 8 bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch

Fp8 = Literal["tensorwise", "rowwise"]


def decoder_layers(model: Any) -> Iterator[Any]:
    """The blocks that transformers says must not be split."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    return (module for module in model.modules() if type(module).__name__ in names)


def compute_twice(model: Any, first: int | None) -> None:
    """Checkpoint activations: of all layers, or of the first so many."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    if first is None:
        return
    for number, layer in enumerate(decoder_layers(model)):
        layer.gradient_checkpointing = number < first


def compile_layers(model: Any) -> int:
    """Compile each layer by itself, in place: layers of a kind share the compiled code, and names of weights stay. How many."""
    layers = list(decoder_layers(model))
    for layer in layers:
        layer.compile()
    return len(layers)


def multiply_in_8_bit(model: Any, kind: Fp8, *, emulate: bool = False) -> int:
    """Let torchao make the products of the layers in float8 (arXiv 2209.05433); how many. Tables and norms stay.

    Matrices whose sides are no multiples of 16 are left, which the hardware does not take. `emulate`: in float32, with the same
    rounding, for tests without such a GPU.
    """
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    inside = {id(module) for layer in decoder_layers(model) for module in layer.modules()}
    chosen: list[str] = []

    def takes(module: torch.nn.Module, name: str) -> bool:
        fits = type(module) is torch.nn.Linear and all(side % 16 == 0 for side in module.weight.shape)
        if fits and id(module) in inside and ".lora_" not in f".{name}":
            chosen.append(name)
            return True
        return False

    config = Float8LinearConfig(emulate=True) if emulate else Float8LinearConfig.from_recipe_name(kind)
    convert_to_float8_training(model, module_filter_fn=takes, config=config)
    return len(chosen)
