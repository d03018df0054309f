"""`qaz train`."""

from __future__ import annotations

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_plan_of_training
from qaz_llm.progress import is_main_process


def train(config: ConfigPath, overrides: Overrides = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Train a model; run again with the same arguments, it goes on where it stopped."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import load_config
    from qaz_llm.pipeline.watch import watch_files
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.run import train as train_model

    settings = load_config(TrainConfig, config, overrides or ())
    plan = make_plan(settings, read_environment())
    if dry_run:
        print_plan_of_training(plan, as_json)
        return
    watch = watch_files(settings.heldout) if settings.heldout else None
    result = train_model(plan, on_eval=watch)
    if as_json and is_main_process():
        print_json(vars(result))
