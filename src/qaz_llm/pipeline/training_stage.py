"""The stages that train: what `qaz train` would be given for each, and what decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import QazError
from qaz_llm.io import resolve_path
from qaz_llm.pipeline.config import InstructStage, PreferenceStage, RunConfig, TextStage, training_stages
from qaz_llm.pipeline.inputs import base_model, folder_files, heldout_files, without
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.shares import forget_other_rows, packed_rows
from qaz_llm.pipeline.stages import Stage
from qaz_llm.progress import format_share, get_logger, is_main_process

if TYPE_CHECKING:
    from qaz_llm.rows.config import MixEntry
    from qaz_llm.train.config import TrainConfig, TrainSettings
    from qaz_llm.train.plan import TrainPlan

KEYS_WITHOUT_EFFECT = (
    "log_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "gradient_checkpointing",
    "preflight",
)
"""Keys of a training stage that may change without its result changing; a stage is not run again for them."""

STAGE_KEYS = {"mix", "total_tokens", "max_passes", "pairs", "shares"}
"""Keys of a stage that say what it learns from; `data` of `qaz train` is made of them."""

_logger = get_logger("run")

AnyStage = TextStage | InstructStage | PreferenceStage


def training_stage(config: RunConfig, layout: Layout, name: str) -> Stage:
    """The stage of this name: `pretrain`, `cpt`, `sft` or `preference`."""
    section = getattr(config, name)
    before = _stages_before(config, name)

    def work() -> Mapping[str, Any]:
        from qaz_llm.cluster.environment import read_environment
        from qaz_llm.pipeline.watch import watch_bits
        from qaz_llm.train.run import train
        from qaz_llm.train.start.others import plan_beside_others

        watch = watch_bits(config) if section.eval_every_steps else None
        heldout, fingerprints = (watch.texts, watch.fingerprints) if watch else (None, None)
        plan = plan_beside_others(train_config(config, layout, name), read_environment())
        if left_out := _left_out(config, section):
            _logger.warning(f"{name}.shares leaves out the conversations of {', '.join(left_out)}")
        result = train(plan, on_eval=watch, heldout=heldout, fingerprints=fingerprints)
        if is_main_process():
            forget_other_rows(plan.config)
        return {"steps": result.steps, "tokens": result.tokens, "final_loss": result.final_loss}

    return Stage(
        name=name,
        folder=layout.training(name),
        rooms=("tokenizer", "data/chat", "data/mixing", "data/readers", "rows", "model", "train", "pipeline/watch"),
        after=before,
        settings={**_training_settings(section), "model": config.model.to_dict()},
        inputs=lambda: [
            *folder_files(config.model.checkpoint, ""),
            *_pair_files(config, section),
            *(heldout_files(config) if section.eval_every_steps else ()),
        ],
        work=work,
        size=lambda: _training_size(section),
        estimate_s=lambda: _training_estimate_s(config, layout, name),
        distributed=True,
        shared=packed_rows(lambda: train_config(config, layout, name), layout.training(name)),
    )


def _training_settings(section: TrainSettings) -> dict[str, Any]:
    """What decides a training's result. Of `watch`, keys that choose the model are named where they are not at their default,
    as are shares of conversations, so that a run begun before there were such keys goes on."""
    default = type(section.watch)()
    choosing = {key: getattr(section.watch, key) for key in ("keep_best", "final_model", "patience", "min_gain")}
    chosen = {key: value for key, value in choosing.items() if value != getattr(default, key)}
    unused = ("shares", "max_passes") if isinstance(section, InstructStage) and not section.shares else ()
    return without(section.to_dict(), *KEYS_WITHOUT_EFFECT, "watch", *unused) | ({"watch": chosen} if chosen else {})


def _stages_before(config: RunConfig, name: str) -> tuple[str, ...]:
    chain = training_stages(config)
    return ("corpus", "tokenizer", *chain[: chain.index(name)])


def _training_estimate_s(config: RunConfig, layout: Layout, name: str) -> float | None:
    """From compute and the machine's speed; None while the model or the text it starts from is not there yet."""
    try:
        return _plan(config, layout, name).seconds
    except QazError:
        return None


def _plan(config: RunConfig, layout: Layout, name: str) -> TrainPlan:
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.train.plan import make_plan

    return make_plan(train_config(config, layout, name), read_environment())


def train_config(config: RunConfig, layout: Layout, name: str) -> TrainConfig:
    """The config that `qaz train` would be given for this stage."""
    from qaz_llm.config import config_from_values
    from qaz_llm.train.config import TrainConfig

    section = getattr(config, name)
    values = without(section.to_dict(), *STAGE_KEYS)
    return config_from_values(
        TrainConfig,
        {
            **values,
            "run_dir": str(layout.training(name)),
            "device": config.device,
            "model": _model_values(config, layout, name),
            "data": _mix_values(config, layout, section),
        },
        where=f"stage {name}",
    )


def _model_values(config: RunConfig, layout: Layout, name: str) -> dict[str, Any]:
    asked = config.model.to_dict()
    shared = {key: asked[key] for key in ("attn_implementation", "trust_remote_code")}
    if name == "pretrain":
        return shared | {"architecture": asked["architecture"], "tokenizer": str(layout.base_tokenizer)}
    if name in ("sft", "preference"):
        before = str(layout.trained_model(_stages_before(config, name)[-1]))
        return shared | {"checkpoint": before, "chat_template": config.model.chat_template}
    extended = layout.extended_tokenizer if config.tokenizer.num_new_tokens else layout.base_tokenizer
    init = config.model.embedding_init
    return shared | {"checkpoint": base_model(config, layout), "tokenizer": str(extended), "embedding_init": init}


def _mix_values(config: RunConfig, layout: Layout, section: AnyStage) -> dict[str, Any]:
    if isinstance(section, PreferenceStage):
        return {"mix": [pair.to_dict() for pair in _found_pairs(config, section)]}
    if isinstance(section, InstructStage):
        return _conversation_mix(config, layout, section)
    entries = [
        {"name": language, "path": str(layout.corpus), "language": language, "weight": weight}
        for language, weight in section.mix.items()
    ]
    return {"mix": entries, "total_tokens": section.total_tokens, "max_passes": section.max_passes}


def _conversation_mix(config: RunConfig, layout: Layout, section: InstructStage) -> dict[str, Any]:
    path = str(layout.corpus)
    if not section.shares:
        return {"mix": [{"name": "conversations", "path": path}]}
    entries = [{"name": name, "path": path, "source": name, "weight": share} for name, share in section.shares.items()]
    return {"mix": entries, "max_passes": section.max_passes}


def _left_out(config: RunConfig, section: AnyStage) -> list[str]:
    """Sources of conversations that a stage's shares do not name."""
    shares = section.shares if isinstance(section, InstructStage) else {}
    return [source.name for source in config.data.conversations if shares and source.name not in shares]


def _pair_files(config: RunConfig, section: AnyStage) -> list[Path]:
    """The files of the pairs. Raises InputError where one is missing or holds no pairs; of a stage of another kind none."""
    if not isinstance(section, PreferenceStage):
        return []
    from qaz_llm.rows.preference.read import check_first_pairs
    from qaz_llm.rows.sources import training_files

    files: list[Path] = []
    for pair in _found_pairs(config, section):
        check_first_pairs(pair)
        files += training_files(pair, chat=True)
    return files


def _found_pairs(config: RunConfig, section: PreferenceStage) -> list[MixEntry]:
    """The parts of the pairs, each with the path where it lies."""
    root = config.data.root
    return [pair.model_copy(update={"path": str(resolve_path(pair.path, root=root))}) for pair in section.pairs]


def _training_size(section: AnyStage) -> str:
    per_step = section.seq_len * section.micro_batch_size * section.grad_accum_steps
    if section.max_steps:
        length = f"{section.max_steps:,} steps"
    elif isinstance(section, TextStage) and section.total_tokens:
        length = f"{section.epochs * section.total_tokens:,.0f} tokens"
    else:
        length = f"{section.epochs:g} passes over the {'pairs' if isinstance(section, PreferenceStage) else 'corpus'}"
    mix = ""
    if isinstance(section, TextStage):
        whole = sum(section.mix.values())
        shares = [f"{language} {format_share(w / whole, digits=3)}" for language, w in section.mix.items()]
        mix = f" ({', '.join(shares)})"
    kind = "LoRA" if section.adapter.type == "lora" else "all weights"
    return f"{length}{mix}, {per_step:,} per step and process, {kind}"
