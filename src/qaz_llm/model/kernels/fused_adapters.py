"""PEFT's adapted layers computed as few products (lora_products.py), those that read one input at once.

    q_proj(x)   computes q, k and v of x and gives q
    k_proj(x)   finds k of that x there, and takes it; v_proj likewise

What is found there lives as long as one call of the module around them. A layer that is called with something else computes for itself, so
a family that is unlike the rest is right and no more than slower; where results are left over the layers are parted for good. In compiled
layers each computes for itself: what one leaves for another would be a side effect, for which torch.compile gives up a checkpointed layer.

Modules, names of weights, what is saved and merged are PEFT's. PEFT's own forward stays for what this does not compute: adapters that are
switched off, merged or chosen by row, and types that are mixed without autocast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from qaz_llm.model.kernels.lora_products import Adapted, lora_products, product_dtype
from qaz_llm.progress import get_logger

_logger = get_logger("model")

READ_ONE_INPUT = (
    ("q_proj", "k_proj", "v_proj"),
    ("gate_proj", "up_proj"),
    ("w1", "w3"),
    ("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"),
    ("in_proj_qkvz", "in_proj_ba"),
)
"""What families call the layers of one module that read the same input: Llama and most others, LFM2, Qwen3.5, Qwen3-Next."""


@dataclass(frozen=True)
class Fused:
    """How many layers are computed so, in how many groups, and how many adapters are left to PEFT, by reason."""

    layers: int
    groups: int
    left: Mapping[str, int]

    def __str__(self) -> str:
        left = "; ".join(f"{count} left to PEFT: {why}" for why, count in self.left.items())
        return f"adapters of {self.layers} layers fused, by {self.groups} inputs" + (f"; {left}" if left else "")


def fuse_adapters(model: Any) -> Fused:
    """Let the adapted layers of a PEFT model compute so, in place."""
    from peft.tuners.lora import LoraLayer

    fused, left = [], Counter[str]()
    for module in list(model.modules()):
        children = {name: child for name, child in module.named_children() if isinstance(child, LoraLayer)}
        reasons = {name: why_not(child) for name, child in children.items()}
        left.update(why for why in reasons.values() if why is not None)
        for names in _groups(name for name, why in reasons.items() if why is None):
            fused.append(_fuse(module, [children[name] for name in names]))
    return Fused(sum(fused), len(fused), dict(left))


def _groups(names: Iterator[str]) -> list[tuple[str, ...]]:
    """The names of one module's layers, those that read one input together."""
    there = list(names)
    found = [tuple(name for name in group if name in there) for group in READ_ONE_INPUT]
    together = {name for group in found for name in group}
    return [group for group in found if group] + [(name,) for name in there if name not in together]


def why_not(layer: Any) -> str | None:
    """What keeps one of PEFT's adapted layers from being fused; None where nothing does."""
    from peft.tuners.lora import Linear

    if type(layer) is not Linear:
        return f"an adapter of the kind {type(layer).__name__}"
    base, names = layer.base_layer, list(layer.lora_A)
    if type(base) is not torch.nn.Linear:
        return f"a base of the kind {type(base).__name__}"
    if len(names) != 1:
        return f"{len(names)} adapters on one layer"
    (name,) = names
    if name in layer.lora_variant:
        return f"a variant of LoRA ({type(layer.lora_variant[name]).__name__})"
    if not isinstance(layer.lora_dropout[name], torch.nn.Identity):
        return "dropout, which each layer draws for itself"
    if layer.lora_B[name].bias is not None:
        return "an adapter with a bias"
    if any(parameter.requires_grad or not parameter.is_floating_point() for parameter in base.parameters()):
        return "a base that is trained or quantised"
    parts = (base, layer.lora_A[name], layer.lora_B[name])
    if any(part._forward_hooks or part._forward_pre_hooks for part in parts):
        return "hooks on the layer or its adapter"
    return None


def _fuse(parent: Any, layers: Sequence[Any]) -> int:
    group = _Group([_Member(layer) for layer in layers])
    for number, layer in enumerate(layers):
        layer.forward = partial(_forward, group, number, layer.forward)
    if len(layers) > 1:
        parent.forward = partial(_forward_around, group, parent.forward, type(parent).__name__)
    return len(layers)


def _forward(
    group: _Group, number: int, as_before: Callable[..., Any], x: torch.Tensor, *rest: Any, **named: Any
) -> Any:
    made = None if rest or named else group.result(number, x)
    return as_before(x, *rest, **named) if made is None else made


def _forward_around(group: _Group, as_before: Callable[..., Any], kind: str, *inputs: Any, **named: Any) -> Any:
    if torch.compiler.is_compiling():  # what is found there is a side effect, which ends the compiled code
        return as_before(*inputs, **named)
    group.begin()
    try:
        made = as_before(*inputs, **named)
        if group.has_left_over():
            group.part()
            _logger.info("layers of %s read different inputs: each is computed by itself", kind)
        return made
    finally:
        group.end()


class _Member:
    """One adapted layer of PEFT, and what it computes with now: types, devices and scales may change under it."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        (self.name,) = layer.lora_A

    def is_plain(self) -> bool:
        """Whether the adapter is on, not merged, and the only one."""
        layer = self.layer
        return not layer.disable_adapters and not layer.merged and list(layer.active_adapters) == [self.name]

    def adapted(self) -> Adapted:
        base, a, b = self.layer.base_layer, self.layer.lora_A[self.name], self.layer.lora_B[self.name]
        return Adapted(base.weight, base.bias, a.weight, b.weight, self.layer.scaling[self.name])


class _Group:
    """Layers that read one input; between `begin` and `end` the first that is called computes for all."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self._members = list(members)
        self._is_shared = False
        self._is_parted = False
        self._x: torch.Tensor | None = None
        self._made: dict[int, torch.Tensor] = {}

    def begin(self) -> None:
        self._is_shared = not self._is_parted

    def end(self) -> None:
        self._is_shared, self._x, self._made = False, None, {}

    def has_left_over(self) -> bool:
        return bool(self._made)

    def part(self) -> None:
        self._is_parted = True

    def result(self, number: int, x: torch.Tensor) -> torch.Tensor | None:
        """What the layer makes of x; None where PEFT has to compute it."""
        if self._x is x and number in self._made:
            return self._made.pop(number)
        numbers = range(len(self._members)) if self._is_shared else (number,)
        members = [self._members[one] for one in numbers]
        if not all(member.is_plain() for member in members):
            return None
        layers = [member.adapted() for member in members]
        dtype = product_dtype(x, layers)
        if dtype is None:
            return None
        made = dict(zip(numbers, lora_products(x, layers, dtype), strict=True))
        result = made.pop(number)
        if self._is_shared:
            self._x, self._made = x, made
        return result
