"""What `auto` comes to, by the machine and the model: precision, attention, compiled layers. Each choice is a line of the log.

A run that goes on keeps what it began with: its steps would be others. So `run.json` is looked at first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment, may_have_gpu
from qaz_llm.errors import ConfigError, NoGpuError, QazError
from qaz_llm.io import read_json
from qaz_llm.model.architecture import choose_attention, choose_training_attention, why_not_on_gpu
from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.train.config import TrainConfig

SMALLEST_HIDDEN = 256
"""Below this hidden size a CPU takes neither bf16, whose casting costs more than shorter products bring, nor norms that keep their
input alone, which save nothing there and cost a twentieth of the time (docs/results/speed.md)."""

SHORTEST_ROW = 256
"""On a CPU, rows shorter than this take a mask: document by document they were not measured (docs/results/speed.md)."""

LARGEST_SIDE = 1024
"""The trial multiplies matrices of the model's own sides, up to this."""

GAIN = 1.3
"""How many times faster a product in bf16 has to be. Where the processor has instructions for it, it is about 2.2 times; where
it has none, it is slower than float32."""

FP8_CAPABILITY = (8, 9)


def settle(
    config: TrainConfig, model_config: Any, environment: Environment, device: str, *, is_described: bool = False
) -> tuple[TrainConfig, list[str]]:
    """The config with every `auto` of these in what it comes to, and why, in lines.

    `is_described`: the machine is another one than this, whose GPU and packages decide nothing then: that GPU is taken to have
    bf16, and what a GPU's torch brings to be installed (`packages.assumed_packages` says so).

    Raises:
        ConfigError: what is asked for by name cannot be had here; names the nearest that can.
    """
    lines: list[str] = []
    before = begun_with(config)
    precision, why = _precision(config, model_config, environment, device, before, is_described)
    if why:
        lines.append(f"precision {precision}: {why}")
    attention, why = _attention(config, model_config, device, precision, before, is_described)
    if why:
        lines.append(f"attention {attention}: {why}")
    kernels = config.kernels
    if kernels.compile == "auto":
        compiles, why = _compiles(config, device, is_described)
        kernels = kernels.model_copy(update={"compile": "on" if compiles else "off"})
        if why:
            lines.append(f"compile {kernels.compile}: {why}")
    if kernels.norms == "auto":
        kernels = kernels.model_copy(update={"norms": _norms(model_config, device, kernels.compile)})
    _refuse(config, model_config, device, precision, is_described)
    model = config.model.model_copy(update={"attn_implementation": attention})
    return config.model_copy(update={"precision": precision, "model": model, "kernels": kernels}), lines


def begun_with(config: TrainConfig) -> Mapping[str, Any]:
    """What the run in run_dir was begun with; nothing where there is none, or it cannot be read."""
    path = config.run_dir / "run.json"
    if not (config.resume and path.is_file()):
        return {}
    try:
        found = read_json(path)["identity"]
        return {
            "precision": found["precision"],
            "attention": found["model"]["attn_implementation"],
            "lr": found.get("lr"),
        }
    except (QazError, KeyError, TypeError):
        return {}


def _precision(
    config: TrainConfig,
    model_config: Any,
    environment: Environment,
    device: str,
    before: Mapping[str, Any],
    is_described: bool,
) -> tuple[str, str | None]:
    if config.precision != "auto":
        return config.precision, None
    if before.get("precision") in ("fp32", "bf16"):
        return str(before["precision"]), "as the run was begun"
    if device == "cuda" and is_described:
        return "bf16", "a GPU that is described is taken to have it"
    if device == "cuda":
        has = _gpu_has_bf16()
        return ("bf16", "the GPU has it") if has else ("fp32", "this GPU has no bf16")
    hidden = int(getattr(model_config, "hidden_size", 0) or 0)
    if hidden < SMALLEST_HIDDEN:
        return "fp32", None
    if environment.world_size > 1:  # each would time for itself, and they might come to different ends
        has = processor_has_bf16()
        return ("bf16", "the processor has it") if has else ("fp32", "the processor has no instructions for bf16")
    gain = bf16_gain(hidden, int(getattr(model_config, "intermediate_size", 0) or 4 * hidden))
    shown = f"products in bf16 were {gain:.1f} times as fast as in fp32 in a trial"
    return ("bf16" if gain >= GAIN else "fp32"), shown


def _gpu_has_bf16() -> bool:
    """Where none is, as in a plan of an environment that was made up, it is taken to be so."""
    if not may_have_gpu():
        return True
    import torch

    return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)


def processor_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 by instructions of its own (avx512_bf16, AMX, Arm's bf16)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "").split()
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def bf16_gain(hidden: int, intermediate: int, *, tokens: int = 1024) -> float:
    """How many times faster a product in bf16 is here than in float32. A tenth of a second."""
    import torch

    rows, columns = min(hidden, LARGEST_SIDE), min(intermediate, LARGEST_SIDE)
    states, table = torch.ones(tokens, rows), torch.ones(columns, rows)
    pairs = {dtype: (states.to(dtype), table.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    fastest = dict.fromkeys(pairs, float("inf"))
    for _ in range(5):  # side by side, so that a busy moment meets both; the fastest of each counts
        for dtype, (a, b) in pairs.items():
            started = time.perf_counter()
            torch.nn.functional.linear(a, b)
            fastest[dtype] = min(fastest[dtype], time.perf_counter() - started)
    return fastest[torch.float32] / fastest[torch.bfloat16]


def _attention(
    config: TrainConfig,
    model_config: Any,
    device: str,
    precision: str,
    before: Mapping[str, Any],
    is_described: bool,
) -> tuple[str, str | None]:
    wanted, trust = config.model.attn_implementation, config.model.trust_remote_code
    if wanted == "auto" and before.get("attention"):
        return choose_attention(model_config, before["attention"], trust_remote_code=trust), None
    if wanted != "auto":
        return choose_attention(model_config, wanted, trust_remote_code=trust), None
    if device == "cpu" and config.seq_len < SHORTEST_ROW:
        return choose_attention(model_config, wanted, trust_remote_code=trust), None
    return choose_training_attention(
        model_config,
        packs=config.packing == "on",
        on_gpu=device == "cuda",
        half=precision == "bf16",
        looks_here=not is_described,
        trust_remote_code=trust,
    )


def _compiles(config: TrainConfig, device: str, is_described: bool) -> tuple[bool, str | None]:
    if device == "cpu":
        return False, None
    if config.adapter.quantised:
        return False, "products with a quantised base cannot be compiled"
    if not is_described and find_spec("triton") is None:
        return False, "the package triton is not installed"
    return True, "each layer by itself, at the first step"


def _norms(model_config: Any, device: str, compiles: str) -> str:
    """Norms that keep their input alone (kernels.norms), but where layers are compiled, or on a CPU too small for it."""
    is_tiny = device == "cpu" and int(getattr(model_config, "hidden_size", 0) or 0) < SMALLEST_HIDDEN
    return "off" if compiles == "on" or is_tiny else "on"


def _refuse(config: TrainConfig, model_config: Any, device: str, precision: str, is_described: bool) -> None:
    """Raises ConfigError for what cannot be had here."""
    attention = config.model.attn_implementation
    if attention.startswith("flash") and (device == "cpu" or precision == "fp32"):
        kind = NoGpuError if device == "cpu" else ConfigError
        raise kind(
            f"{attention} needs a GPU and precision bf16", hint="use model.attn_implementation=auto, or documents"
        )
    if attention == "flex_attention" and device == "cpu":
        raise NoGpuError(
            "flex_attention learns on a GPU alone", hint="use model.attn_implementation=auto, or documents"
        )
    if attention == DOCUMENTS and device == "cuda":
        why = why_not_on_gpu(model_config, half=precision == "bf16")
        if why is not None:
            raise ConfigError(f"{DOCUMENTS} on a GPU: {why}", hint="use model.attn_implementation=auto")
    if config.kernels.fp8 != "off":
        _check_fp8(config, device, precision)
        if not is_described:
            _check_fp8_here(config)


def _check_fp8(config: TrainConfig, device: str, precision: str) -> None:
    wanted = f"kernels.fp8 {config.kernels.fp8}"
    if device == "cpu":
        raise NoGpuError(f"{wanted} needs a GPU", hint="use kernels.fp8=off")
    if precision != "bf16":
        raise ConfigError(f"{wanted} needs precision bf16", hint="use precision=bf16, or kernels.fp8=off")
    if config.adapter.quantised:
        raise ConfigError(f"{wanted} and adapter.quantised exclude each other", hint="use kernels.fp8=off")


def _check_fp8_here(config: TrainConfig) -> None:
    import torch

    wanted = f"kernels.fp8 {config.kernels.fp8}"
    if find_spec("torchao") is None:
        raise ConfigError(
            f"{wanted} needs the package torchao, which is not installed",
            hint="pip install torchao, or kernels.fp8=off",
        )
    if torch.cuda.is_available() and torch.cuda.get_device_capability() < FP8_CAPABILITY:
        major, minor = torch.cuda.get_device_capability()
        raise ConfigError(
            f"{wanted} needs compute capability 8.9 or more, this GPU has {major}.{minor}", hint="use kernels.fp8=off"
        )
