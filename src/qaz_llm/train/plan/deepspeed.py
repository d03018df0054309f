"""A DeepSpeed file held against the training config: what both could say, the training config says.

Where the file has a value of its own instead of `auto`, DeepSpeed would train with another batch, clip otherwise or not at all, or
compute in another precision; transformers notices some of that after the model is loaded, and what a file leaves out never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.errors import ConfigError
from qaz_llm.io import read_json
from qaz_llm.train.config import TrainSettings

READY = "ready ones are configs/deepspeed/zero2.json and configs/deepspeed/zero3.json"
STAGES = (0, 1, 2, 3)


def read_deepspeed(settings: TrainSettings, *, world_size: int) -> tuple[Path | None, int]:
    """The DeepSpeed file and its ZeRO stage; (None, 0) where none is asked for.

    Raises:
        ConfigError: it is not there, is no DeepSpeed config, or says other than the training config.
    """
    if settings.distributed.deepspeed is None:
        return None, 0
    path = Path(settings.distributed.deepspeed).expanduser()
    if not path.is_file():
        raise ConfigError(f"distributed.deepspeed: {path}: no such file", hint=READY)
    values = read_json(path)
    zero = values.get("zero_optimization", {}) if isinstance(values, dict) else None
    stage = zero.get("stage", 0) if isinstance(zero, dict) else None
    if stage not in STAGES:
        raise ConfigError(f"{path}: no DeepSpeed config with a zero_optimization.stage of 0 to 3", hint=READY)
    if "optimizer" in values or "scheduler" in values:
        raise ConfigError(
            f"{path}: 'optimizer' and 'scheduler' belong to the training config, not to DeepSpeed's",
            hint="take them out; a fused optimizer would be compiled for minutes and the schedule run twice",
        )
    if problems := list(_disagreements(values, settings, world_size)):
        raise ConfigError(f"{path}: {'; '.join(problems)}", hint='write "auto" there: the training config says it')
    return path.resolve(), int(stage)


def _disagreements(values: Mapping[str, Any], settings: TrainSettings, world_size: int) -> Iterator[str]:
    """What of the file is another value than that of the training config, in words."""
    rows = settings.micro_batch_size * settings.grad_accum_steps * world_size
    precise = "auto" if settings.precision == "auto" else settings.precision == "bf16"
    expected: dict[
        str, tuple[Any, Any]
    ] = {  # by name: the config's value, and what DeepSpeed takes where none is given
        "train_micro_batch_size_per_gpu": (settings.micro_batch_size, None),
        "gradient_accumulation_steps": (settings.grad_accum_steps, None),
        "train_batch_size": (rows, rows),
        "gradient_clipping": (settings.max_grad_norm, 0.0),
        "bf16.enabled": (precise, False),
        "fp16.enabled": (False, False),
    }
    for name, (wanted, default) in expected.items():
        found = _value(values, name.split("."), default)
        if found is None:
            yield f"{name} is missing, this run has {wanted}"
        elif "auto" not in (found, wanted) and found != wanted:
            yield f"{name} is {found!r}, this run has {wanted!r}"


def _value(values: Any, path: list[str], default: Any) -> Any:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return default
        values = values[key]
    return values
