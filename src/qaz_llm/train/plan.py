"""What a run will take, before it runs: parameters, memory, FLOPs, steps, time, and whether it fits.

Bytes per parameter that is trained, Adam in float32 (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1):

    plain / DDP      weights 4 + gradients 4 + moments 8                             = 16
    DeepSpeed bf16   weights 2 + gradients 2 + master, moments 12                    = 16, of which ZeRO-2 shares 14
                                                                                       and ZeRO-3 all 16 between ranks
    frozen (LoRA)    weights 4, or 2 in bf16

Activations per token and layer without checkpointing: 34 bytes × hidden in 16 bit, twice that in 32 (Korthikanti et al.
2022, arXiv 2205.05198, equation 2, without the attention matrix, which sdpa never stores); with checkpointing 2 (4) bytes
× hidden per layer and one layer in full. Eager attention stores its matrix: 4 (8) bytes × heads × seq_len more per token.
Logits: 4 bytes × vocabulary, three times over (logits, log-softmax, gradient).

Parameters, those that are trained and those that a token goes through are counted on the model itself, without weights.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.data.mixing.corpus_mix import describe_mix
from qaz_llm.errors import ConfigError
from qaz_llm.io import read_json
from qaz_llm.model.config import ModelConfig
from qaz_llm.progress import format_duration
from qaz_llm.rows.sources import declared_entries, training_files
from qaz_llm.train.config import TrainConfig, TrainSettings
from qaz_llm.train.metrics import flops_per_token, peak_flops

ASSUMED_MFU_FRAC = 0.40
"""Share of a GPU's peak that a training run reaches; what published 7–8 B runs in bf16 report lies at 39–46 %."""

ASSUMED_CPU_FRAC = 0.35
"""Share of a CPU's speed in a matrix product that training a small model is taken to reach; a guess, for estimates only."""

TRIALS = 5

BYTES_PER_TOKEN = 3.0
"""UTF-8 bytes of a token of mixed Kazakh, Russian and English text, for estimates before the text is tokenised."""

COMPRESSION = {".zst": 4.0, ".gz": 3.5, ".xz": 5.0, ".bz2": 4.5}


@dataclass(frozen=True)
class TrainPlan:
    """A config met with a machine. `steps` is an estimate until the text is tokenised, unless max_steps is given."""

    config: TrainConfig
    environment: Environment
    device: str
    parameters: int
    trainable_parameters: int
    attn_implementation: str
    target_modules: tuple[str, ...]
    steps: int
    steps_are_exact: bool
    tokens_per_step: int
    memory_bytes: int
    available_bytes: int
    flops_per_token: int
    flops_per_s: float
    zero_stage: int
    deepspeed_path: Path | None

    @property
    def rows_per_step(self) -> int:
        return self.tokens_per_step // self.config.seq_len

    @property
    def tokens(self) -> int:
        return self.steps * self.tokens_per_step

    @property
    def flops(self) -> float:
        return float(self.tokens) * self.flops_per_token

    @property
    def seconds(self) -> float:
        """Estimated seconds of training."""
        return self.flops / (self.flops_per_s * self.environment.world_size)

    @property
    def fits(self) -> bool:
        return self.available_bytes == 0 or self.memory_bytes <= 0.95 * self.available_bytes

    @property
    def disk_bytes(self) -> int:
        """What run_dir will hold: checkpoints (weights and moments of what is trained) and the final model."""
        kept = self.config.keep_checkpoints + 1 if self.config.checkpoint_every_steps else 1
        return kept * 12 * self.trainable_parameters + 4 * self.parameters

    def describe(self) -> str:
        """The plan as a person reads it."""
        config, about = self.config, "" if self.steps_are_exact else "about "
        n, k = _millions(self.parameters), 6 if self.config.adapter.type == "full" else 4
        zero = f", ZeRO-{self.zero_stage}" if self.zero_stage else ""
        fit = "fits" if self.fits else "does NOT fit"
        lines = [
            f"{config.method} of {n} parameters, {_millions(self.trainable_parameters)} of them trained"
            f" ({config.adapter.type}, {config.precision})",
            *([f"adapters beside {', '.join(self.target_modules)}"] if config.adapter.type == "lora" else []),
            f"on {self.environment.describe()}{zero}",
            f"{about}{self.steps:,} steps of {self.tokens_per_step:,} tokens ({config.seq_len} × "
            f"{config.micro_batch_size} × {config.grad_accum_steps} × {self.environment.world_size}), "
            f"{about}{_millions(self.tokens)} tokens",
            f"memory per device: about {self.memory_bytes / 2**30:,.2f} GiB of {self.available_bytes / 2**30:,.1f}; {fit}",
            f"compute: {self.flops:.2e} FLOPs ({k} per parameter and token), about {format_duration(self.seconds)} "
            f"at {self.flops_per_s:.1e} FLOP/s",
            f"disk: about {self.disk_bytes / 2**30:,.2f} GiB in {config.run_dir}",
        ]
        return "\n".join(lines)

    def mix_lines(self) -> list[str]:
        """The mix as far as it can be told before the text is tokenised; of a recipe this counts the corpus."""
        data = self.config.data
        if data.recipe is not None:
            return describe_mix(data.recipe, chat=self.config.method == "sft").lines()
        whole = sum(entry.weight for entry in data.mix or ())
        shares = ", ".join(f"{entry.name} {entry.weight / whole:.1%}" for entry in data.mix or ())
        return [f"mix: {shares} of the tokens, no text more than {data.max_passes:g} times"]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values, for `--json`."""
        names = (
            "device", "parameters", "trainable_parameters", "attn_implementation", "target_modules", "steps", "steps_are_exact", "tokens_per_step", "tokens",
            "memory_bytes", "available_bytes", "fits", "flops", "seconds", "disk_bytes", "zero_stage",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"world_size": self.environment.world_size}


def make_plan(config: TrainConfig, environment: Environment) -> TrainPlan:
    """Meet a config with a machine. Reads the model's config and the sizes of the files, never the weights or the text.

    Raises:
        ConfigError: what the config asks for this machine cannot do.
        InputError: a model, tokenizer or text that is not there.
    """
    device = _device(config.device, environment)
    deepspeed_path, stage = _deepspeed(config)
    _check_combination(config, device)
    model_config, new_tokens = _model_config(config.model)
    _check_length(config, model_config)
    counted = count_model(config, model_config, new_tokens)
    tokens_per_step = config.seq_len * config.micro_batch_size * config.grad_accum_steps * environment.world_size
    available_tokens = _estimate_tokens(config)  # also says which files are missing, before any work
    steps = config.max_steps or max(round(config.epochs * available_tokens / tokens_per_step), 1)
    _check_tokenizer(config.model, chat=config.method == "sft")
    return TrainPlan(
        config=config,
        environment=environment,
        device=device,
        parameters=counted.parameters,
        trainable_parameters=counted.trainable,
        attn_implementation=counted.attention,
        target_modules=counted.targets,
        steps=steps,
        steps_are_exact=config.max_steps is not None,
        tokens_per_step=tokens_per_step,
        memory_bytes=_memory(config, model_config, counted, stage, environment.world_size),
        available_bytes=environment.gpu_memory_bytes
        if device == "cuda"
        else environment.memory_bytes // environment.local_world_size,
        flops_per_token=flops_per_token(counted.active, trains_all=config.adapter.type == "full"),
        flops_per_s=_speed(environment, device),
        zero_stage=stage,
        deepspeed_path=deepspeed_path,
    )


def check_machine(settings: TrainSettings, device: str, environment: Environment) -> None:
    """What can be said of a training before its model and text exist: the device and the DeepSpeed file are there.

    Raises:
        ConfigError: one of them is not.
    """
    _device(device, environment)
    _deepspeed(settings)


def _check_length(config: TrainConfig, model_config: Any) -> None:
    longest = getattr(model_config, "max_position_embeddings", None)
    if longest is not None and config.seq_len > longest:
        raise ConfigError(
            f"seq_len {config.seq_len} exceeds the {longest} positions of {config.model.checkpoint or 'the architecture'}",
            hint=f"set seq_len to at most {longest}",
        )


def _device(device: str, environment: Environment) -> str:
    if device == "cuda" and environment.device != "cuda":
        raise ConfigError(
            "device: cuda was asked for, but torch sees no GPU here", hint="use device=auto or device=cpu"
        )
    return environment.device if device == "auto" else device


def _deepspeed(settings: TrainSettings) -> tuple[Path | None, int]:
    """The DeepSpeed file and its ZeRO stage; (None, 0) for DDP."""
    if settings.distributed.deepspeed is None:
        return None, 0
    path = Path(settings.distributed.deepspeed).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"distributed.deepspeed: {path}: no such file",
            hint="ready ones are configs/deepspeed/zero2.json and configs/deepspeed/zero3.json",
        )
    values = read_json(path)
    if "optimizer" in values or "scheduler" in values:
        raise ConfigError(
            f"{path}: 'optimizer' and 'scheduler' belong to the training config, not to DeepSpeed's",
            hint="take them out; a fused optimizer would be compiled for minutes and the schedule run twice",
        )
    return path.resolve(), int(values.get("zero_optimization", {}).get("stage", 0))


def _check_combination(config: TrainConfig, device: str) -> None:
    if config.model.attn_implementation == "flash_attention_2" and (device == "cpu" or config.precision == "fp32"):
        raise ConfigError("flash_attention_2 needs a GPU and precision bf16", hint="use model.attn_implementation=sdpa")


def _model_config(model: ModelConfig) -> tuple[Any, tuple[int, ...]]:
    """The transformers config of the model that is trained, its vocabulary grown, and the ids of the rows to be made.

    With a tokenizer still to be trained the vocabulary is the size asked for.
    """
    from qaz_llm.model.architecture import llama_config
    from qaz_llm.model.load import check_rows, check_weights, extension_of, load_config_of, load_tokenizer, needs_rows

    if model.architecture is None:
        assert model.checkpoint is not None
        found = load_config_of(model.checkpoint, trust_remote_code=model.trust_remote_code)
        check_weights(model.checkpoint, trust_remote_code=model.trust_remote_code)
        extended = extension_of(model.tokenizer)
        if extended is not None and needs_rows(found, found.vocab_size, extended, model.new_rows):
            multiple = extended.pad_to_multiple_of or 1
            found.vocab_size = -(-max(found.vocab_size, extended.size) // multiple) * multiple
            return found, extended.new_ids
        check_rows(
            found.vocab_size,
            len(load_tokenizer(model.tokenizer or model.checkpoint, trust_remote_code=model.trust_remote_code)),
        )
        return found, ()
    size = model.train_vocab_size
    if size is None:
        assert model.tokenizer is not None
        size = len(load_tokenizer(model.tokenizer))
    return llama_config(model.architecture, vocab_size=size), ()


@dataclass(frozen=True)
class CountedModel:
    """What is counted on the model without weights: all parameters, those trained, those that one token goes through."""

    parameters: int
    trainable: int
    active: int
    attention: str
    targets: tuple[str, ...]


def _check_tokenizer(model: ModelConfig, *, chat: bool) -> None:
    """Fail before any work where a tokenizer folder is none, or dialogues cannot be learned with its chat template."""
    from qaz_llm.model.load import load_tokenizer
    from qaz_llm.rows.chat import check_chat_template

    name = model.tokenizer or model.checkpoint
    if name is not None:
        tokenizer = load_tokenizer(name, chat_template=model.chat_template, trust_remote_code=model.trust_remote_code)
        if chat:
            check_chat_template(tokenizer, name)


def count_model(config: TrainConfig, model_config: Any, new_tokens: tuple[int, ...] = ()) -> CountedModel:
    """Make the model with its adapters, shapes alone, and count.

    Raises:
        ConfigError: an attention or target_modules that the model does not have.
    """
    from qaz_llm.model.architecture import choose_attention, count_active, model_without_weights
    from qaz_llm.model.targets import find_targets

    trust, adapter = config.model.trust_remote_code, config.adapter
    attention = choose_attention(model_config, config.model.attn_implementation, trust_remote_code=trust)
    model = model_without_weights(model_config, trust_remote_code=trust)
    active = int(count_active(model))
    if adapter.type == "full":
        targets: tuple[str, ...] = () if adapter.target_modules == "auto" else adapter.target_modules
        with suppress(ConfigError):  # not used, but part of what identifies a run since before there was auto
            targets = targets or find_targets(model, "auto").names
        count = sum(p.numel() for p in model.parameters())
        return CountedModel(count, count, active, attention, targets)
    from qaz_llm.model.adapters import add_lora

    targets = find_targets(model, adapter.target_modules).names
    adapted = add_lora(model, **adapter.lora_options, new_tokens=new_tokens)
    count = sum(p.numel() for p in adapted.parameters())
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    return CountedModel(count, trained, active, attention, targets)


def _memory(config: TrainConfig, model_config: Any, counted: CountedModel, stage: int, world_size: int) -> int:
    """Bytes per device by the formulas at the head of this file."""
    wide = 2 if config.precision == "bf16" else 4
    trainable, frozen = counted.trainable, counted.parameters - counted.trainable
    match stage:
        case 2:
            state = wide * counted.parameters + (14 if wide == 2 else 12) * trainable / world_size
        case 3:
            state = (wide * frozen + 16 * trainable) / world_size
        case _:
            state = wide * frozen + 16 * trainable
    layers = model_config.num_hidden_layers
    matrix = 2 * wide * model_config.num_attention_heads * config.seq_len if counted.attention == "eager" else 0
    full_layer = 17 * wide * model_config.hidden_size + matrix
    kept = wide * model_config.hidden_size * layers
    per_token = full_layer + kept if config.gradient_checkpointing else full_layer * layers
    tokens = config.seq_len * config.micro_batch_size
    return int(state + tokens * (per_token + 3 * 4 * model_config.vocab_size))


def _estimate_tokens(config: TrainConfig) -> int:
    """Tokens of one traversal of the mix, from the sizes of the files."""
    # the parts of a mix may be languages of the same files, which count once
    entries = declared_entries(config.data)
    files = {path for entry in entries for path in training_files(entry, chat=config.method == "sft")}
    size_bytes = sum(path.stat().st_size * COMPRESSION.get(path.suffix, 1.0) for path in files)
    total = max(int(size_bytes / BYTES_PER_TOKEN), 1)
    limits = config.data.recipe or config.data
    return min(limits.total_tokens or total, int(total * limits.max_passes))


def _speed(environment: Environment, device: str) -> float:
    """FLOP/s that training will reach on one device: by the data sheet on a known GPU, by a short trial elsewhere."""
    peak = peak_flops(environment.device_name) if device == "cuda" else None
    if peak is not None:
        return peak * ASSUMED_MFU_FRAC
    import torch

    size, repeats = 512, 8
    a = torch.ones(size, size, device=torch.device(device))
    trials = []
    for _ in range(TRIALS):  # the first ones warm up, others may meet a busy moment: the fastest counts
        started = time.perf_counter()
        for _ in range(repeats):
            b = a @ a
        float(b[0, 0])  # waits for a GPU
        trials.append(time.perf_counter() - started)
    return repeats * 2 * size**3 / min(trials) * ASSUMED_CPU_FRAC


def _millions(count: float) -> str:
    return f"{count / 1e9:,.2f} B" if count >= 1e9 else f"{count / 1e6:,.2f} M"
