"""What a config asks to watch, held against what there is; before any work, by `qaz train`, its --dry-run and `qaz plan` alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.watching.best import MEAN
from qaz_llm.train.watching.samples import prompts_of
from qaz_llm.train.watching.trackers import check_trackers


def check_watching(config: TrainConfig, *, has_eval: bool, heldout: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError where something is to be watched that is not there.

    Args:
        has_eval: there is something to evaluate on.
        heldout: the texts to evaluate on, by the names of the numbers; empty where these are not known beforehand.
    """
    if config.eval_every_steps is not None and not has_eval:
        raise ConfigError(
            f"eval_every_steps is {config.eval_every_steps}, and there is nothing to evaluate on",
            hint="name held-out text, heldout={kk: FILE}, or leave eval_every_steps out",
        )
    best = config.watch.keep_best
    if best is not None and heldout and best not in (*heldout, MEAN):
        raise ConfigError(
            f"watch.keep_best: '{best}' is no name of heldout, which has {', '.join(heldout)}",
            hint=f"name one of them, or {MEAN}",
        )
    if config.watch.samples_every_steps is not None:
        prompts_of(config.watch, heldout)
    check_trackers(config.watch.report_to)
