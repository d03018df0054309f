"""The model that a run starts from: fresh or loaded, grown for its tokenizer, with its adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from qaz_llm.errors import ConfigError
from qaz_llm.model.adapters import add_lora
from qaz_llm.model.architecture import has_experts, make_model
from qaz_llm.model.frozen import freeze_parts
from qaz_llm.model.kernels.fused_adapters import fuse_adapters
from qaz_llm.model.kernels.layers import compile_layers, compute_twice, multiply_in_8_bit
from qaz_llm.model.kernels.new_rows import look_up_apart
from qaz_llm.model.kernels.norms import keep_less
from qaz_llm.model.load import describe_model, load_model
from qaz_llm.model.quantised import quantise_blocks
from qaz_llm.model.vocabulary import extension_of, fit_vocabulary, mark_rows
from qaz_llm.progress import get_logger
from qaz_llm.train.loop.warm_rows import fit_to_mix

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun

_logger = get_logger("train")


def make_model_to_train(plan: TrainPlan, run: PreparedRun) -> tuple[Any, tuple[int, ...] | None]:
    """The model to train, on the CPU and whole: it gets its new rows and adapters before an engine may shard it.

    And the ids that it got new rows for, or None.
    """
    config, adapter = plan.config, plan.config.adapter
    attention = plan.attn_implementation
    extended = extension_of(config.model.tokenizer)
    if config.model.architecture is not None:
        model = make_model(config.model.architecture, run.tokenizer, seed=config.seed, attn_implementation=attention)
        new_tokens = None
        if extended is not None:
            mark_rows(model, extended)  # all rows are fresh, those of the new tokens too
    else:
        assert config.model.checkpoint is not None
        half = config.precision == "bf16" and (adapter.type == "lora" or plan.zero_stage > 0)
        model = load_model(
            config.model.checkpoint,
            dtype="bfloat16" if half else "float32",
            attn_implementation=attention,  # type: ignore[arg-type]
            trust_remote_code=config.model.trust_remote_code,
        )
        init, rows = config.model.embedding_init, config.model.new_rows
        new_tokens = fit_vocabulary(model, run.tokenizer, extended, init=init, seed=config.seed, new_rows=rows)
        if new_tokens and extended is not None:
            fit_to_mix(model, extended, run.rows.parts, config)
    if config.gradient_checkpointing:
        asked = config.gradient_checkpointing
        compute_twice(model, None if asked is True else int(asked))
    model.config.use_cache = False  # see collate.py: a cache would switch off the separation of packed documents
    _logger.info(describe_model(model))
    if adapter.type == "full" and has_experts(model.config):
        _logger.warning(
            "the loss that balances experts is not added to ours: all weights are trained, the router's too"
        )
    if config.kernels.norms == "on":
        _logger.info("%d norms keep their input alone", keep_less(model))
    if config.kernels.fp8 != "off":
        count = multiply_in_8_bit(model, config.kernels.fp8)
        _logger.info("float8, %s: the products of %d matrices", config.kernels.fp8, count)
    if adapter.type == "full":
        freeze_parts(model, config.freeze)
        return _compiled(model.train(), config), new_tokens
    if adapter.quantised:
        quantise_blocks(model, torch.bfloat16 if config.precision == "bf16" else torch.float32)
    if config.gradient_checkpointing:
        model.enable_input_require_grads()  # frozen embeddings would cut the graph off at the first layer
    set_seed(config.seed)  # the adapters start from random numbers, the same on every rank and after a resume
    adapted = add_lora(model, **adapter.lora_options, new_tokens=new_tokens)
    look_up_apart(adapted)
    if config.kernels.adapters == "on":
        _fuse(adapted, asked="adapters" not in plan.auto)
    _compiled(adapted.get_base_model(), config)
    return adapted, new_tokens


def _fuse(adapted: Any, *, asked: bool) -> None:
    """Raises ConfigError where fused adapters were asked for by name and none can be."""
    fused = fuse_adapters(adapted)
    if asked and not fused.layers:
        raise ConfigError(
            f"kernels.adapters on: {type(adapted.get_base_model()).__name__}: {fused}",
            hint="use kernels.adapters=auto, which leaves them to PEFT here",
        )
    _logger.info("%s", fused)


def _compiled(model: Any, config: TrainConfig) -> Any:
    if config.kernels.compile == "on":
        _logger.info("%d layers are compiled at the first step", compile_layers(model))
    return model
