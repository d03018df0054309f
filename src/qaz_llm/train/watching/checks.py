"""What a config asks to watch, held against what there is; before any work, by `qaz train`, its --dry-run and `qaz plan` alike."""

from __future__ import annotations

from collections.abc import Collection

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.watching.best import MEAN
from qaz_llm.train.watching.forgetting import watched_names
from qaz_llm.train.watching.trackers import check_trackers


def check_watching(settings: TrainSettings, *, has_eval: bool, names: Collection[str]) -> None:
    """Raise ConfigError where something is to be watched that is not there.

    Args:
        has_eval: there is something to evaluate on.
        names: those of the held-out texts; empty where there are none that are known beforehand.
    """
    if settings.eval_every_steps is not None and not has_eval:
        raise ConfigError(
            f"eval_every_steps is {settings.eval_every_steps}, and there is nothing to evaluate on",
            hint="name held-out text, heldout={kk: FILE}, or leave eval_every_steps out",
        )
    best = settings.watch.keep_best
    if best is not None and names and best not in (*names, MEAN):
        raise ConfigError(
            f"watch.keep_best: '{best}' is no name of the held-out texts, which are {', '.join(names)}",
            hint=f"name one of them, or {MEAN}",
        )
    forgetting = settings.watch.forgetting
    unknown = [name for name in forgetting.names if names and name not in names]
    if "names" in forgetting.model_fields_set and unknown:
        raise ConfigError(
            f"watch.forgetting.names: {', '.join(unknown)}: no such held-out text, they are {', '.join(names)}",
            hint="name texts of heldout",
        )
    is_asked = "policy" in forgetting.model_fields_set and forgetting.policy == "stop" and settings.method != "pretrain"
    if is_asked and (names or not has_eval) and not watched_names(settings, tuple(names)):
        given = f"they are {', '.join(names)}" if names else "there is none"
        raise ConfigError(
            f"watch.forgetting.policy is stop, and no held-out text is watched: looked for {', '.join(forgetting.names)}, {given}",
            hint="name texts of heldout in watch.forgetting.names, for instance heldout={kk: FILE, ru: FILE}",
        )
    if settings.watch.samples_every_steps is not None and not settings.watch.prompts and not names:
        raise ConfigError(
            "watch.samples_every_steps is set, and there is nothing to continue",
            hint="give watch.prompts, or held-out text whose first words are continued",
        )
    check_trackers(settings.watch.report_to)
