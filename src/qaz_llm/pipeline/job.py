"""The stages of the main job: what each reads, does and makes.

    corpus ─► tokenizer ─► (pretrain) ─► cpt ─► (sft) ─► eval ─► report

Each `_…_stage` function ties one section of the config to the room that does the work; the work itself lies there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError, QazError
from qaz_llm.io import atomic_dir, expand_paths, read_json, resolve_path, write_json
from qaz_llm.pipeline.config import InstructStage, RunConfig, TextStage, training_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.stages import Stage
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from qaz_llm.tokenizer.curve import ModelCost
    from qaz_llm.train.config import TrainConfig, TrainSettings
    from qaz_llm.train.plan import TrainPlan

_logger = get_logger("run")

TOKENIZER_BYTES_PER_S = 900_000
"""UTF-8 bytes of corpus per second of the tokenizer stage, on one core; only for estimates."""

KEYS_WITHOUT_EFFECT = ("log_every_steps", "checkpoint_every_steps", "keep_checkpoints", "gradient_checkpointing")
"""Keys of a training stage that may change without its result changing; a stage is not run again for them."""

TEXT_STAGE_KEYS = {"mix", "total_tokens", "max_passes"}


def make_stages(config: RunConfig) -> tuple[Stage, ...]:
    """The stages of this config, in order."""
    layout = Layout(config.run_dir)
    stages = [_corpus_stage(config, layout), _tokenizer_stage(config, layout)]
    if config.pretrain is not None:
        stages.append(_training_stage(config, layout, "pretrain"))
    stages.append(_training_stage(config, layout, "cpt"))
    if config.sft is not None:
        stages.append(_training_stage(config, layout, "sft"))
    return (*stages, _eval_stage(config, layout), _report_stage(config, layout))


def check_inputs(config: RunConfig, stages: Sequence[Stage]) -> None:
    """Look for everything the stages read and need, so that nothing is found missing after an hour of training.

    Raises:
        InputError: a source, an evaluation file or a checkpoint that is not there, or is not what it was said to be.
        ConfigError: what a training stage asks for this machine does not have.
    """
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.model.folder import check_model_folder
    from qaz_llm.train.plan import check_machine
    from qaz_llm.train.watching.checks import check_watching

    for key, name in (("model.checkpoint", config.model.checkpoint), ("tokenizer.base", config.tokenizer.base)):
        if name and name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
            raise InputError(f"{key} {name}: no such folder", hint="check the path, or name a hub id")
    if config.model.checkpoint and Path(config.model.checkpoint).is_dir():
        check_model_folder(Path(config.model.checkpoint))
    if any(stage.name == "sft" for stage in stages):
        _check_dialogues(config)
    environment = read_environment()
    for stage in stages:
        stage.inputs()
        if stage.distributed:
            section = getattr(config, stage.name)
            check_machine(section, config.device, environment)
            names = _heldout_names(config) if section.eval_every_steps else ()
            check_watching(section, has_eval=True, names=names)


def _check_dialogues(config: RunConfig) -> None:
    """Whether stage sft can learn dialogues with the tokenizer that the job begins with; one made here can.

    A tokenizer of the hub is not fetched for this: it is looked at when the stage is planned.
    """
    from qaz_llm.model.load import load_tokenizer
    from qaz_llm.rows.chat import check_chat_template

    name = config.tokenizer.base or config.model.checkpoint
    if name is not None and Path(name).expanduser().is_dir():
        trust = config.model.trust_remote_code
        tokenizer = load_tokenizer(name, chat_template=config.model.chat_template, trust_remote_code=trust)
        check_chat_template(tokenizer, name)


def last_training(config: RunConfig) -> str:
    """The stage whose model is the adapted one."""
    return "cpt" if config.sft is None else "sft"


def base_model(config: RunConfig, layout: Layout) -> str:
    """The model before adaptation: the checkpoint, or what stage `pretrain` made."""
    return config.model.checkpoint or str(layout.trained_model("pretrain"))


# ------------------------------------------------------------------------------------------------------------ corpus


def _corpus_stage(config: RunConfig, layout: Layout) -> Stage:
    from qaz_llm.data.plan import make_build_plan

    build_config = config.data.model_copy(update={"out": layout.corpus})

    def work() -> Mapping[str, Any]:
        from qaz_llm.data.build import build

        return build(build_config).summary()

    def size() -> str:
        plan = make_build_plan(build_config)
        return f"{len(plan.tasks)} parts, about {plan.text_bytes / 1e6:,.1f} MB of text"

    return Stage(
        name="corpus",
        folder=layout.corpus,
        rooms=("language", "data"),
        after=(),
        settings=_without(config.data.to_dict(), "workers", "out", "work", "memory_gb"),
        inputs=lambda: _data_files(config),
        work=work,
        size=size,
        estimate_s=lambda: make_build_plan(build_config).estimated_s,
    )


def _data_files(config: RunConfig) -> list[Path]:
    """Every local file the corpus is built from or cleaned against."""
    from qaz_llm.data.protect.decontaminate import evaluation_files

    paths = [source.path for source in config.data.sources if source.format != "hub"]
    paths += [source.path for source in config.data.conversations]
    files = {file for path in paths for file in expand_paths(resolve_path(path, root=config.data.root))}
    return sorted(files.union(evaluation_files(config.data.decontaminate, root=config.data.root)))


# --------------------------------------------------------------------------------------------------------- tokenizer


def _tokenizer_stage(config: RunConfig, layout: Layout) -> Stage:
    needs_similar = config.model.embedding_init in {"fitted", "blend", "similar"}
    settings = config.tokenizer.model_copy(update={"similar": config.tokenizer.similar and needs_similar})

    def work() -> Mapping[str, Any]:
        from qaz_llm.tokenizer.base import train_base_tokenizer
        from qaz_llm.tokenizer.corpus import read_texts
        from qaz_llm.tokenizer.fast import load_fast_tokenizer
        from qaz_llm.tokenizer.make import make_from_files

        if settings.train_base is None:
            base = load_fast_tokenizer(settings.base or str(config.model.checkpoint))
        else:
            texts = (t for lang in settings.train_base.languages for t in read_texts(layout.corpus, language=lang))
            base = train_base_tokenizer(texts, vocab_size=settings.train_base.vocab_size)
        with atomic_dir(layout.base_tokenizer) as folder:
            base.save_pretrained(folder)
        extended, new_tokens = base, 0
        if settings.num_new_tokens:
            keep = {lang: layout.corpus for lang in settings.keep if _is_kept(layout, lang, settings.language)}
            result, facts = make_from_files(
                base, settings, [layout.corpus], keep=keep, cost=_model_cost(config, len(base))
            )
            result.save(layout.extended_tokenizer)
            write_json(layout.extension_facts, facts.to_dict())
            extended, new_tokens = result.tokenizer, facts.new_tokens
        fertility = _fertility(config, {"base": base, "extended": extended})
        write_json(layout.fertility, fertility)
        before, after = (fertility[name]["kk"]["tokens_per_word"] for name in ("base", "extended"))
        return {
            "tokens": len(extended),
            "new_tokens": new_tokens,
            "kk_tokens_per_word": f"{before:.2f} → {after:.2f}",
        }

    return Stage(
        name="tokenizer",
        folder=layout.tokenizer,
        rooms=("tokenizer", "evals/items", "evals/task"),
        after=("corpus",),
        settings={**settings.to_dict(), "checkpoint": config.model.checkpoint, "suite": config.eval.suite},
        inputs=lambda: [
            *_folder_files(settings.base or config.model.checkpoint, "tokenizer"),
            *_heldout_files(config),  # fertility is measured on them
        ],
        work=work,
        size=lambda: f"{_how_many(settings.num_new_tokens)} new tokens from the corpus's {settings.language} text",
        estimate_s=lambda: _tokenizer_estimate_s(layout),
    )


def _is_kept(layout: Layout, language: str, added: str) -> bool:
    """Whether a language to keep is another than the added one, and the corpus holds text in it; said where it does not."""
    if language == added:
        return False
    found = bool(read_json(layout.corpus / "manifest.json")["languages"].get(language, {}).get("bytes"))
    if not found:
        _logger.info("tokenizer.keep names %s, of which the corpus has no text: passed over", language)
    return found


def _how_many(num_new_tokens: int | str) -> str:
    return f"{num_new_tokens:,}" if isinstance(num_new_tokens, int) else "as many as the gain curve suggests of"


def _model_cost(config: RunConfig, vocab_size: int) -> ModelCost | None:
    """What a row of the vocabulary costs this model; only needed where the size is to be chosen."""
    if config.tokenizer.num_new_tokens != "auto":
        return None
    from qaz_llm.model.architecture import llama_config, model_cost
    from qaz_llm.model.load import load_config_of

    if config.model.architecture is not None:
        return model_cost(llama_config(config.model.architecture, vocab_size=vocab_size))
    trust = config.model.trust_remote_code
    return model_cost(load_config_of(str(config.model.checkpoint), trust_remote_code=trust), trust_remote_code=trust)


def _tokenizer_estimate_s(layout: Layout) -> float | None:
    """From the size of the corpus; None while there is none."""
    manifest = layout.corpus / "manifest.json"
    if not manifest.is_file():
        return None
    size: int = sum(language["bytes"] for language in read_json(manifest)["languages"].values())
    return 2.0 + size / TOKENIZER_BYTES_PER_S


def _fertility(config: RunConfig, tokenizers: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Fertility of each tokenizer per language, on the held-out sentences that bits per byte are measured on too."""
    from qaz_llm.evals.items import heldout_texts
    from qaz_llm.tokenizer.fertility import measure_fertility

    texts = heldout_texts(config.eval.suite, root=config.eval.root or config.data.root)
    return {
        name: {language: measure_fertility(tokenizer, texts[language]).to_dict() for language in texts}
        for name, tokenizer in tokenizers.items()
    }


# ---------------------------------------------------------------------------------------------------------- training


def _training_stage(config: RunConfig, layout: Layout, name: str) -> Stage:
    section = getattr(config, name)
    before = _stages_before(config, name)

    def work() -> Mapping[str, Any]:
        from qaz_llm.pipeline.watch import watch_bits
        from qaz_llm.train.run import train

        watch = watch_bits(config) if section.eval_every_steps else None
        heldout = watch.texts if watch else None
        result = train(_plan(config, layout, name), on_eval=watch, heldout=heldout)
        return {"steps": result.steps, "tokens": result.tokens, "final_loss": result.final_loss}

    return Stage(
        name=name,
        folder=layout.training(name),
        rooms=("tokenizer", "data/mix", "model", "train", "pipeline/watch"),
        after=before,
        settings={**_training_settings(section), "model": config.model.to_dict()},
        inputs=lambda: [
            *_folder_files(config.model.checkpoint, ""),
            *(_heldout_files(config) if section.eval_every_steps else ()),
        ],
        work=work,
        size=lambda: _training_size(section),
        estimate_s=lambda: _training_estimate_s(config, layout, name),
        distributed=True,
    )


def _training_settings(section: TrainSettings) -> dict[str, Any]:
    """What decides a training's result. Of `watch`, keys that choose the model are named where they are not at their default,
    so that a run begun before there were such keys goes on."""
    default = type(section.watch)()
    choosing = {key: getattr(section.watch, key) for key in ("keep_best", "final_model", "patience", "min_gain")}
    chosen = {key: value for key, value in choosing.items() if value != getattr(default, key)}
    return _without(section.to_dict(), *KEYS_WITHOUT_EFFECT, "watch") | ({"watch": chosen} if chosen else {})


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
    values = _without(section.to_dict(), *TEXT_STAGE_KEYS)
    return config_from_values(
        TrainConfig,
        {
            **values,
            "run_dir": str(layout.training(name)),
            "device": config.device,
            "model": _model_values(config, layout, name),
            "data": _mix_values(layout, section),
        },
        where=f"stage {name}",
    )


def _model_values(config: RunConfig, layout: Layout, name: str) -> dict[str, Any]:
    asked = config.model.to_dict()
    shared = {key: asked[key] for key in ("attn_implementation", "trust_remote_code")}
    if name == "pretrain":
        return shared | {"architecture": asked["architecture"], "tokenizer": str(layout.base_tokenizer)}
    if name == "sft":
        chosen = {"checkpoint": str(layout.trained_model("cpt")), "chat_template": config.model.chat_template}
        return shared | chosen
    extended = layout.extended_tokenizer if config.tokenizer.num_new_tokens else layout.base_tokenizer
    init = config.model.embedding_init
    return shared | {"checkpoint": base_model(config, layout), "tokenizer": str(extended), "embedding_init": init}


def _mix_values(layout: Layout, section: TextStage | InstructStage) -> dict[str, Any]:
    if isinstance(section, InstructStage):
        return {"mix": [{"name": "conversations", "path": str(layout.corpus)}]}
    entries = [
        {"name": language, "path": str(layout.corpus), "language": language, "weight": weight}
        for language, weight in section.mix.items()
    ]
    return {"mix": entries, "total_tokens": section.total_tokens, "max_passes": section.max_passes}


def _training_size(section: TextStage | InstructStage) -> str:
    per_step = section.seq_len * section.micro_batch_size * section.grad_accum_steps
    if section.max_steps:
        length = f"{section.max_steps:,} steps"
    elif isinstance(section, TextStage) and section.total_tokens:
        length = f"{section.epochs * section.total_tokens:,.0f} tokens"
    else:
        length = f"{section.epochs:g} passes over the corpus"
    mix = ""
    if isinstance(section, TextStage):
        whole = sum(section.mix.values())
        mix = " (" + ", ".join(f"{language} {w / whole:.0%}" for language, w in section.mix.items()) + ")"
    kind = "LoRA" if section.adapter.type == "lora" else "all weights"
    return f"{length}{mix}, {per_step:,} per step and process, {kind}"


def _publish(model_dir: Path, target: Path) -> None:
    """The trained model under its final name: the same files, linked where the file system allows it, else copied."""
    with atomic_dir(target) as folder:
        shutil.copytree(model_dir, folder, dirs_exist_ok=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


# --------------------------------------------------------------------------------------------- evaluation and report


def _eval_stage(config: RunConfig, layout: Layout) -> Stage:

    def work() -> Mapping[str, Any]:
        from qaz_llm.pipeline.evaluate import evaluate_models

        return evaluate_models(config, layout, base=base_model(config, layout))

    return Stage(
        name="eval",
        folder=layout.evaluation,
        rooms=("evals", "language", "tokenizer", "model", "pipeline/evaluate"),
        after=("tokenizer", *training_stages(config)),
        settings={**config.eval.to_dict(), "embedding_init": config.model.embedding_init, "device": config.device},
        inputs=lambda: _eval_files(config),
        work=work,
        size=lambda: f"suite '{config.eval.suite}', before and after adaptation",
        estimate_s=lambda: None,
    )


def _eval_files(config: RunConfig) -> list[Path]:
    """The data files of the tasks. Raises InputError where one is missing, or none of them measures bits per byte."""
    from qaz_llm.evals.family import Family
    from qaz_llm.evals.gaps import pairs_to_test
    from qaz_llm.evals.items import heldout_task, task_files
    from qaz_llm.evals.task import choose_tasks

    tasks = choose_tasks(config.eval)
    Family(config.eval.family).check(pairs_to_test(tasks))
    needed = heldout_task(config.eval.suite).name
    if needed not in {task.name for task in tasks}:
        raise InputError(f"eval.tasks: the report needs task {needed}", hint=f"add {needed}, or leave out eval.tasks")

    root = config.eval.root or config.data.root
    return [path for task in tasks for _language, path in task_files(task, root)]


def _heldout_names(config: RunConfig) -> tuple[str, ...]:
    """The languages of the sentences that bits per byte are measured on."""
    from qaz_llm.evals.items import heldout_texts

    return tuple(heldout_texts(config.eval.suite, root=config.eval.root or config.data.root))


def _heldout_files(config: RunConfig) -> list[Path]:
    """The files of the sentences that fertility and bits per byte are measured on. Raises InputError where missing."""
    from qaz_llm.evals.items import heldout_task, task_files

    task = heldout_task(config.eval.suite)
    return [path for _language, path in task_files(task, config.eval.root or config.data.root)]


def _report_stage(config: RunConfig, layout: Layout) -> Stage:
    """The end of the run: the adapted model under its final name, and the report. Which model that is may change."""

    def work() -> Mapping[str, Any]:
        from qaz_llm.pipeline.report import write_report

        _publish(layout.trained_model(last_training(config)), layout.model)
        return write_report(config, layout)

    return Stage(
        name="report",
        folder=layout.report,
        rooms=("report", "pipeline/report"),
        after=("corpus", "tokenizer", *training_stages(config), "eval"),
        settings={"title": config.title},
        work=work,
        also=(layout.model,),
        size=lambda: "one HTML file and its JSON, and the model under its final name",
        estimate_s=lambda: 1.0,
    )


# ----------------------------------------------------------------------------------------------------------- helpers


def _without(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _folder_files(name: str | None, part: str) -> Sequence[Path]:
    """The files of a local model folder whose names hold `part`; none for a hub id."""
    folder = Path(name) if name else None
    if folder is None or not folder.is_dir():
        return ()
    return sorted(p for p in folder.iterdir() if p.is_file() and part in p.name)
