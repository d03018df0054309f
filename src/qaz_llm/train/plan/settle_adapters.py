"""What `kernels.adapters` comes to: adapters computed as few products (model/kernels/fused_adapters.py), or by PEFT."""

from __future__ import annotations

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig

ZERO_THAT_GATHERS = 3
"""The stage of ZeRO that gathers a weight when the module that holds it is called."""


def settle_adapters(config: TrainConfig, zero_stage: int) -> tuple[TrainConfig, list[str]]:
    """The config with `kernels.adapters` on or off, and why, in lines.

    Raises:
        ConfigError: `on` is asked for where adapters cannot be fused, or there are none.
    """
    wanted, why = config.kernels.adapters, why_not(config, zero_stage)
    if wanted == "on" and why is not None:
        raise ConfigError(
            f"kernels.adapters on: {why}", hint="use kernels.adapters=auto, which leaves them to PEFT here"
        )
    if wanted != "auto":
        return config, []
    if why is None and config.kernels.compile == "on":
        why = "layers are compiled, and what fusing brings beside that was not measured"
    kernels = config.kernels.model_copy(update={"adapters": "on" if why is None else "off"})
    lines = [f"adapters left to PEFT: {why}"] if why is not None and config.adapter.type == "lora" else []
    return config.model_copy(update={"kernels": kernels}), lines


def why_not(config: TrainConfig, zero_stage: int) -> str | None:
    """What keeps the adapters of a run from being fused, by its config alone; None where nothing does."""
    adapter = config.adapter
    if adapter.type != "lora":
        return f"adapter.type {adapter.type} has no adapters"
    if adapter.weight_decomposed:
        return "DoRA scales by the length of the sum of both weights"
    if adapter.dropout:
        return f"with adapter.dropout {adapter.dropout:g} each layer drops inputs of its own"
    if adapter.quantised:
        return f"the frozen weights are in {adapter.quantised}, which bitsandbytes multiplies"
    if config.kernels.fp8 != "off":
        return f"with kernels.fp8 {config.kernels.fp8} torchao multiplies the frozen weights"
    if zero_stage == ZERO_THAT_GATHERS:
        return "ZeRO-3 gathers the weights of the modules that are called, and these would not be"
    return None
