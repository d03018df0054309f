"""The stages of the main job: what each reads, does and makes.

    corpus ─► tokenizer ─► (pretrain) ─► cpt ─► (sft) ─► (preference) ─► eval ─► report

Each `…_stage` function ties one section of the config to the room that does the work; the work itself lies there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.io import atomic_dir, expand_paths, resolve_path
from qaz_llm.pipeline.config import RunConfig, training_stages
from qaz_llm.pipeline.inputs import base_model, heldout_names, last_training, without
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.shares import cleaned_parts, eval_tasks
from qaz_llm.pipeline.stages import Stage
from qaz_llm.pipeline.tokenizer_stage import tokenizer_stage
from qaz_llm.pipeline.training_stage import training_stage


def make_stages(config: RunConfig) -> tuple[Stage, ...]:
    """The stages of this config, in order."""
    layout = Layout(config.run_dir)
    trained = (training_stage(config, layout, name) for name in training_stages(config))
    first = (_corpus_stage(config, layout), tokenizer_stage(config, layout))
    return (*first, *trained, _eval_stage(config, layout), _report_stage(config, layout))


def check_inputs(config: RunConfig, stages: Sequence[Stage]) -> None:
    """Look for everything the stages read and need, so that nothing is found missing after an hour of training.

    Raises:
        InputError: a source, an evaluation file or a checkpoint that is not there, or is not what it was said to be.
        ConfigError: what a training stage asks for this machine does not have.
    """
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.model.folder import check_model_folder
    from qaz_llm.model.load import load_config_of
    from qaz_llm.train.plan import check_machine
    from qaz_llm.train.watching.checks import check_watching

    for key, name in (("model.checkpoint", config.model.checkpoint), ("tokenizer.base", config.tokenizer.base)):
        if name and name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
            raise InputError(f"{key} {name}: no such folder", hint="check the path, or name a hub id")
    if config.model.checkpoint and Path(config.model.checkpoint).is_dir():
        check_model_folder(Path(config.model.checkpoint))
    elif config.model.checkpoint:  # of the hub: its config alone is fetched now, the weights when they are needed
        load_config_of(config.model.checkpoint, trust_remote_code=config.model.trust_remote_code)
    if any(stage.name in ("sft", "preference") for stage in stages):
        _check_dialogues(config)
    environment = read_environment()
    for stage in stages:
        stage.inputs()
        if stage.distributed:
            section = getattr(config, stage.name)
            check_machine(section, config.device, environment)
            names = heldout_names(config) if section.eval_every_steps else ()
            check_watching(section, has_eval=True, names=names)


def _check_dialogues(config: RunConfig) -> None:
    """Whether stages sft and preference can learn dialogues with the tokenizer that the job begins with; one made here can.

    A tokenizer of the hub is not fetched for this: it is looked at when the stage is planned.
    """
    from qaz_llm.model.load import load_tokenizer
    from qaz_llm.rows.chat import check_chat_template

    name = config.tokenizer.base or config.model.checkpoint
    if name is not None and Path(name).expanduser().is_dir():
        trust = config.model.trust_remote_code
        tokenizer = load_tokenizer(name, chat_template=config.model.chat_template, trust_remote_code=trust)
        check_chat_template(tokenizer, name)


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
        settings=without(config.data.to_dict(), "workers", "out", "work", "memory_gb"),
        inputs=lambda: _data_files(config),
        work=work,
        size=size,
        estimate_s=lambda: make_build_plan(build_config).estimated_s,
        shared=cleaned_parts(build_config),
    )


def _data_files(config: RunConfig) -> list[Path]:
    """Every local file the corpus is built from or cleaned against."""
    from qaz_llm.data.opt_outs import opt_out_files
    from qaz_llm.data.protect.decontaminate import evaluation_files

    paths = [source.path for source in config.data.sources if source.format != "hub"]
    paths += [source.path for source in config.data.conversations]
    files = {file for path in paths for file in expand_paths(resolve_path(path, root=config.data.root))}
    files.update(opt_out_files(config.data.opt_outs.lists, root=config.data.root))
    return sorted(files.union(evaluation_files(config.data.decontaminate, root=config.data.root)))


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
        settings={
            **without(config.eval.to_dict(), "quick_items"),
            "embedding_init": config.model.embedding_init,
            "device": config.device,
        },
        inputs=lambda: _eval_files(config),
        work=work,
        size=lambda: f"suite '{config.eval.suite}', before and after adaptation",
        estimate_s=lambda: None,
        shared=eval_tasks(config, layout),
    )


def _eval_files(config: RunConfig) -> list[Path]:
    """The data files of the tasks. Raises InputError where one is missing, or none of them measures bits per byte."""
    from qaz_llm.evals.items.load import heldout_task, task_files
    from qaz_llm.evals.summary.family import Family
    from qaz_llm.evals.summary.gaps import pairs_to_test
    from qaz_llm.evals.task import choose_tasks

    tasks = choose_tasks(config.eval)
    Family(config.eval.family).check(pairs_to_test(tasks))
    needed = heldout_task(config.eval.suite).name
    if needed not in {task.name for task in tasks}:
        raise InputError(f"eval.tasks: the report needs task {needed}", hint=f"add {needed}, or leave out eval.tasks")

    root = config.eval.root or config.data.root
    return [path for task in tasks for _language, path in task_files(task, root)]


def _publish(model_dir: Path, target: Path) -> None:
    """The trained model under its final name: the same files, linked where the file system allows it, else copied."""
    with atomic_dir(target) as folder:
        shutil.copytree(model_dir, folder, dirs_exist_ok=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _report_stage(config: RunConfig, layout: Layout) -> Stage:
    """The end of the run: the adapted model under its final name, and the report. Which model that is may change."""

    def work() -> Mapping[str, Any]:
        from qaz_llm.pipeline.report import write_report

        _publish(layout.trained_model(last_training(config)), layout.model)
        return write_report(config, layout)

    return Stage(
        name="report",
        folder=layout.report,
        rooms=("report", "pipeline/report", "pipeline/report_preference"),
        after=("corpus", "tokenizer", *training_stages(config), "eval"),
        settings={"title": config.title},
        work=work,
        also=(layout.model,),
        size=lambda: "one HTML file and its JSON, and the model under its final name",
        estimate_s=lambda: 1.0,
    )
