"""How a step is computed: the same numbers, but for rounding, in less time or memory."""

from __future__ import annotations

from typing import Literal

from qaz_llm.config import StrictModel


class KernelsConfig(StrictModel):
    """Each key alone turns one thing on or off. `auto` takes what was measured or published to be faster where it can be had, and the log says what that came to."""

    loss: Literal["auto", "in_blocks", "full_logits"] = "auto"
    """`in_blocks`: loss and its gradients from a few tokens at a time, so that the logits of a micro-batch never stand at once; `full_logits`: as the model gives them. `auto` is `in_blocks` wherever the losses are found to be those from the logits, which is looked at before the first step."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile, layer by layer. `auto` is on on a GPU and off on a CPU, where it was measured to bring a few percent and to take half a minute."""
    norms: Literal["auto", "on", "off"] = "auto"
    """`on`: each RMSNorm keeps its input alone for the backward pass and computes the rest again, which saves memory as large as the stream of a token twice in each layer; `off`: as the family writes it. `auto` is on where layers are not compiled, which does as much, but for hidden sizes below 256 on a CPU, where it saves nothing and takes a twentieth of the time."""
    adapters: Literal["auto", "on", "off"] = "auto"
    """`on`: under LoRA a frozen layer and its adapter are computed together, and layers that read one input (queries, keys and values; gate and up) at once, which takes fewer and larger products and keeps less; `off`: as PEFT computes them. It cannot be had with dropout, DoRA, quantised or float8 weights or ZeRO-3: `on` is refused then. `auto` is on where it can be had and layers are not compiled, and the log says why it is not. What is saved is the same."""
    fp8: Literal["off", "tensorwise", "rowwise"] = "off"
    """Products of the layers in 8 bit, by torchao, with a scale for each tensor or for each row (more exact, slower); also those of a frozen base under LoRA. It needs a GPU of compute capability 8.9 or more (Ada, Hopper) and precision bf16."""
