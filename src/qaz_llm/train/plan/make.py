"""A config met with a machine: checked, counted, and never a weight or a text read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.machines import Machine, peak_flops
from qaz_llm.errors import ConfigError, InputError, NoGpuError
from qaz_llm.io import check_no_file
from qaz_llm.model.config import ModelConfig
from qaz_llm.model.llama_sizes import LlamaSizes, sizes_of
from qaz_llm.rows.preference.read import check_first_pairs
from qaz_llm.rows.sources import declared_entries, training_files
from qaz_llm.train.config import TrainConfig, TrainSettings
from qaz_llm.train.plan.counts import CountedModel, count_model
from qaz_llm.train.plan.deepspeed import read_deepspeed
from qaz_llm.train.plan.describe import gib
from qaz_llm.train.plan.disk import count_disk
from qaz_llm.train.plan.duration import find_speed
from qaz_llm.train.plan.fit import fewest_checkpointed
from qaz_llm.train.plan.flops import TokenFlops, count_flops
from qaz_llm.train.plan.llama import count_llama
from qaz_llm.train.plan.memory import count_memory
from qaz_llm.train.plan.packages import assumed_packages, check_packages
from qaz_llm.train.plan.record import TrainPlan, checkpointed_blocks, layout_of
from qaz_llm.train.plan.settle import begun_with, settle
from qaz_llm.train.plan.settle_adapters import settle_adapters
from qaz_llm.train.plan.sharing import SHARINGS, sharing_of
from qaz_llm.train.ranks.sharding import uses_fsdp2
from qaz_llm.train.rate.default import settle_lr

BYTES_PER_TOKEN = 3.0
"""UTF-8 bytes of a token of mixed Kazakh, Russian and English text, for estimates before the text is tokenised."""

DRAFT_TOKENS = 10**9
"""What a plan without text and without max_steps counts time and cost for."""

COMPRESSION = {".zst": 4.0, ".gz": 3.5, ".xz": 5.0, ".bz2": 4.5}


def make_plan(
    config: TrainConfig, environment: Environment, *, machine: Machine | None = None, is_draft: bool = False
) -> TrainPlan:
    """Meet a config with a machine. Reads the model's config and the sizes of the files, never the weights or the text.

    Args:
        machine: a described one in place of `environment`, which is then that of one of its processes.
        is_draft: plan with a config.json alone; text, tokenizer and weights that are not at hand become notes.

    Raises:
        ConfigError: what the config asks for this machine cannot do; NoGpuError where that is for want of a GPU.
        InputError: a model, tokenizer or text that is not there; a file where run_dir is to be.
    """
    check_no_file(config.run_dir)
    environment = machine.environment if machine else environment
    device = _device(config.device, environment)
    notes: list[str] = []
    model_config, new_tokens = _model_config(config.model, notes if is_draft else None)
    _check_length(config, model_config)
    auto = _left_to_the_plan(config)
    is_half = str(getattr(model_config, "dtype", None)).removeprefix("torch.") in ("bfloat16", "float16")
    config, settled = settle(config, model_config, environment, device, is_described=machine is not None)
    _check_combination(config, device, looks_here=machine is None)
    deepspeed_path, stage = read_deepspeed(config, world_size=environment.world_size)
    config, said = settle_adapters(config, stage)
    settled += said
    counted = _count(config, model_config, new_tokens)
    _check_checkpointing(config, len(counted.structure.blocks))
    begun_lr = begun_with(config).get("lr") if config.lr == "auto" else None
    config, said = settle_lr(config, counted.parameters, begun_lr)
    settled += said
    tokens_per_step = config.seq_len * config.micro_batch_size * config.grad_accum_steps * environment.world_size
    steps, text_tokens = _steps(config, tokens_per_step, notes if is_draft else None)
    has_text = text_tokens is not None
    if not is_draft:
        _check_tokenizer(config.model, chat=config.is_chat)
    pairs = declared_entries(config.data) if config.method == "dpo" and has_text else ()
    for entry in pairs:
        check_first_pairs(entry)
    sharing = SHARINGS["fsdp2"] if uses_fsdp2(config) else sharing_of(stage)
    available = _available(environment, device)
    if config.gradient_checkpointing == "auto":
        layout = layout_of(config, counted, sharing, environment, device)
        few = fewest_checkpointed(config, counted, layout, available) if available else 0
        settled.append(
            f"gradient checkpointing of {few} of {len(counted.structure.blocks)} layers: what fits {gib(available)}"
        )
        config = config.model_copy(update={"gradient_checkpointing": few or False})
    stores_bf16 = config.precision == "bf16" and ("precision" not in auto or is_half)
    return TrainPlan(
        config=config,
        environment=environment,
        device=device,
        counted=counted,
        steps=steps,
        steps_are_exact=config.max_steps is not None,
        tokens_per_step=tokens_per_step,
        memory=count_memory(config, counted, layout_of(config, counted, sharing, environment, device)),
        available_bytes=available,
        token_flops=_token_flops(config, counted),
        speed=find_speed(environment, device, config.precision, machine),
        disk=count_disk(config, counted, sharing, steps=steps, half=stores_bf16),
        sharing=sharing,
        zero_stage=stage,
        deepspeed_path=deepspeed_path,
        machine=machine,
        has_text=has_text,
        reference_tokens=(text_tokens or 0) if pairs else 0,
        auto=auto,
        stores_bf16=stores_bf16,
        settled=tuple(settled),
        notes=(
            *notes,
            *([assumed_packages(config)] if machine else ()),
            *_limits(model_config, device),
            *_no_peak(environment, device, machine),
        ),
    )


def _left_to_the_plan(config: TrainConfig) -> frozenset[str]:
    asked = {
        "precision": config.precision,
        "attention": config.model.attn_implementation,
        "adapters": config.kernels.adapters,
        "gradient_checkpointing": config.gradient_checkpointing,
        "lr": config.lr,
    }
    return frozenset(name for name, value in asked.items() if value == "auto")


def _available(environment: Environment, device: str) -> int:
    """Memory of one process: its GPU's, or its share of the host's."""
    if device == "cuda":
        return environment.gpu_memory_bytes
    return environment.memory_bytes // environment.local_world_size


def _count(config: TrainConfig, model_config: Any, new_tokens: tuple[int, ...]) -> CountedModel:
    """By the sizes of a model from nothing, else by the model itself, without weights."""
    if isinstance(model_config, LlamaSizes):
        return count_llama(config, model_config)
    return count_model(config, model_config, new_tokens)


def _token_flops(config: TrainConfig, counted: CountedModel) -> TokenFlops:
    blocks = len(counted.structure.blocks)
    return count_flops(
        counted.structure,
        config.seq_len,
        trains_all=config.adapter.type == "full",
        input_gets_gradient=counted.input_gets_gradient,
        checkpointed_frac=checkpointed_blocks(config, blocks) / max(blocks, 1),
    )


def _steps(config: TrainConfig, tokens_per_step: int, notes: list[str] | None) -> tuple[int, int | None]:
    """Optimizer steps: as many as are asked for, or as the text makes; and the tokens of one traversal, None where the text,
    which is looked for in any case, is not there."""
    try:
        tokens = _estimate_tokens(config)  # also says which files are missing, before any work
    except InputError as error:
        if notes is None:
            raise
        missing = f"the text is not at hand ({error.message})"
        if config.max_steps is None:
            notes.append(
                f"{missing}, nor is max_steps given: steps, time and cost are those of {DRAFT_TOKENS / 1e9:g} billion "
                "tokens; give max_steps=N or the text for yours"
            )
            return max(round(DRAFT_TOKENS / tokens_per_step), 1), None
        notes.append(f"{missing}; the steps are those that were asked for")
        return config.max_steps, None
    return config.max_steps or max(round(config.epochs * tokens / tokens_per_step), 1), tokens


def _limits(model_config: Any, device: str) -> list[str]:
    """What the counts leave out, for this model on this device."""
    kinds = set(getattr(model_config, "layer_types", None) or ())
    recurrent = sorted(kind for kind in kinds if "attention" not in kind or "linear" in kind)
    said = [f"what {', '.join(recurrent)} layers compute beside their matrices is not counted"] if recurrent else []
    if device == "cuda":
        said.append("memory on GPUs is by formulas that were checked against measurements on CPU only")
    return said


def _no_peak(environment: Environment, device: str, machine: Machine | None) -> list[str]:
    """That MFU cannot be told, where it would be looked for."""
    if device != "cuda" or machine is not None or peak_flops(environment.device_name) is not None:
        return []
    return [f"MFU: not known, for want of a data sheet's peak of {environment.device_name}; the rest is told as ever"]


def check_machine(settings: TrainSettings, device: str, environment: Environment) -> None:
    """What can be said of a training before its model and text exist: the device is there, and a DeepSpeed file that fits.

    Raises:
        ConfigError: one of them is not; NoGpuError where it is the device.
    """
    _device(device, environment)
    read_deepspeed(settings, world_size=environment.world_size)


def _check_length(config: TrainConfig, model_config: Any) -> None:
    longest = getattr(model_config, "max_position_embeddings", None)
    if longest is not None and config.seq_len > longest:
        raise ConfigError(
            f"seq_len {config.seq_len} exceeds the {longest} positions of {config.model.checkpoint or 'the architecture'}",
            hint=f"set seq_len to at most {longest}",
        )


def _check_checkpointing(config: TrainConfig, layers: int) -> None:
    asked = config.gradient_checkpointing
    if isinstance(asked, int) and not isinstance(asked, bool) and asked > layers:
        raise ConfigError(
            f"gradient_checkpointing: {asked} layers, the model has {layers}",
            hint=f"set gradient_checkpointing=true for all of them, or a number up to {layers}",
        )


def _device(device: str, environment: Environment) -> str:
    if device == "cuda" and environment.device != "cuda":
        raise NoGpuError("device: cuda was asked for, but torch sees no GPU here", hint="use device=auto or device=cpu")
    return environment.device if device == "auto" else device


def _check_combination(config: TrainConfig, device: str, *, looks_here: bool) -> None:
    from qaz_llm.model.quantised import check_quantised

    check_packages(config, looks_here=looks_here)
    if config.adapter.quantised:
        sharded = config.distributed.deepspeed is not None or uses_fsdp2(config)
        check_quantised(device, sharded=sharded, looks_here=looks_here)


def _model_config(model: ModelConfig, notes: list[str] | None) -> tuple[Any, tuple[int, ...]]:
    """The transformers config of the model that is trained, its vocabulary grown, and the ids of the rows to be made; of a
    model from nothing its sizes.

    With a tokenizer still to be trained the vocabulary is the size asked for. `notes`: a list for what is not at hand, where
    a config.json alone is to do.
    """
    from qaz_llm.model.folder import WEIGHT_FILES
    from qaz_llm.model.load import check_weights, load_config_of, load_tokenizer
    from qaz_llm.model.vocabulary import check_rows, extension_of, needs_rows

    if model.architecture is None:
        assert model.checkpoint is not None
        found = load_config_of(model.checkpoint, trust_remote_code=model.trust_remote_code, needs_weights=notes is None)
        if notes is None or any((Path(model.checkpoint) / name).is_file() for name in WEIGHT_FILES):
            check_weights(model.checkpoint, trust_remote_code=model.trust_remote_code)
        extended = extension_of(model.tokenizer)
        if extended is not None and needs_rows(found, found.vocab_size, extended, model.new_rows):
            multiple = extended.pad_to_multiple_of or 1
            found.vocab_size = -(-max(found.vocab_size, extended.size) // multiple) * multiple
            return found, extended.new_ids
        try:
            check_rows(
                found.vocab_size,
                len(load_tokenizer(model.tokenizer or model.checkpoint, trust_remote_code=model.trust_remote_code)),
            )
        except InputError as error:
            if notes is None or model.tokenizer is not None:
                raise
            notes.append(f"the tokenizer is not at hand ({error.message}); the vocabulary is the model's")
        return found, ()
    size = model.train_vocab_size
    if size is None:
        assert model.tokenizer is not None
        size = len(load_tokenizer(model.tokenizer))
    return sizes_of(model.architecture, vocab_size=size), ()


def _check_tokenizer(model: ModelConfig, *, chat: bool) -> None:
    """Fail before any work where a tokenizer folder is none, or dialogues cannot be learned with its chat template."""
    from qaz_llm.model.load import load_tokenizer
    from qaz_llm.rows.chat import check_chat_template

    name = model.tokenizer or model.checkpoint
    if name is not None:
        tokenizer = load_tokenizer(name, chat_template=model.chat_template, trust_remote_code=model.trust_remote_code)
        if chat:
            check_chat_template(tokenizer, name)


def _estimate_tokens(config: TrainConfig) -> int:
    """Tokens of one traversal of the mix, from the sizes of the files."""
    # the parts of a mix may be languages of the same files, which count once
    entries = declared_entries(config.data)
    files = {path for entry in entries for path in training_files(entry, chat=config.is_chat)}
    size_bytes = sum(path.stat().st_size * COMPRESSION.get(path.suffix, 1.0) for path in files)
    total = max(int(size_bytes / BYTES_PER_TOKEN), 1)
    limits = config.data.recipe or config.data
    return min(limits.total_tokens or total, int(total * limits.max_passes))
