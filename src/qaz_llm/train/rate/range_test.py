"""`qaz train CONFIG --find-lr`: a short training whose learning rate rises step by step; what it shows is which rate is too high.

The rate starts at a thirtieth of what `auto` would take and ends at thirty times that. Two things end a useful rate (Smith 2015, arXiv
1506.01186, for the first):

    the loss       smoothed over steps, stops falling and rises
    forgetting     held-out text that is to be kept (watch.forgetting) becomes worse than before the first step by half of what is allowed:
                   a whole run stays at its rate for longer than this one passes it

What is suggested is a fifth of the rate at the lowest smoothed loss, or half of the rate at which something kept became worse, whichever
is lower. It is a guess by few steps: two or three runs at and around it tell more.

    smoothed losses 4.0 3.8 3.5 3.4 3.9 at rates 1e-5 3e-5 1e-4 3e-4 1e-3: lowest at 3e-4    →    6e-5

Nothing is kept but `find_lr.json`, the rows of metrics and the evaluations, in RUN_DIR/find_lr.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import WorkError
from qaz_llm.io import write_json
from qaz_llm.progress import get_logger, is_main_process
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.metrics import EVALS_FILE, METRICS_FILE, read_metrics
from qaz_llm.train.ranks.distributed import on_main
from qaz_llm.train.rate.default import default_lr
from qaz_llm.train.watching.forgetting import rises, watched_names

if TYPE_CHECKING:
    from qaz_llm.train.config.watching import ForgettingConfig
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.watching.watch import OnEval

FOLDER, RESULT = "find_lr", "find_lr.json"
STEPS = 60
SPAN = 30.0
"""The rates go from `auto`'s divided by this to `auto`'s times this."""

EVALUATIONS = 10
SMOOTHING = 0.8
"""Share of the mean that stays at each step."""

SHARE_OF_LOWEST, SHARE_OF_WORSE = 0.2, 0.5

_logger = get_logger("train")


@dataclass(frozen=True)
class Suggestion:
    """`lr` and why; `lowest` is the rate at the lowest smoothed loss, `worse` the first at which something kept was worse."""

    lr: float
    why: str
    lowest: float
    worse: float | None


@dataclass(frozen=True)
class RangeTest:
    """What was found, step by step: rates, losses, smoothed losses, and the held-out numbers at some of them."""

    suggestion: Suggestion
    rows: tuple[Mapping[str, Any], ...]
    held_out: tuple[Mapping[str, Any], ...]
    diverged_at: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_lr(
    plan: TrainPlan, *, on_eval: OnEval | None, heldout: Mapping[str, Sequence[str]], steps: int = STEPS
) -> RangeTest:
    """Train `steps` steps at rising rates in RUN_DIR/find_lr, and say what they show.

    Raises:
        WorkError: the very first steps diverged, so that no rate was found.
        QazError: whatever a training raises.
    """
    from qaz_llm.train.health.divergence import DivergedError
    from qaz_llm.train.run import train

    trial = trial_plan(plan, steps, evaluates=on_eval is not None)
    folder, diverged = trial.config.run_dir, False
    on_main(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        train(trial, on_eval=on_eval, heldout=heldout)
    except DivergedError as error:
        diverged = True
        _logger.info("%s: the test ends here", error.message)
    on_main(lambda: shutil.rmtree(folder / "checkpoints", ignore_errors=True))
    kept = watched_names(trial.config, tuple(heldout))
    result = read_result(folder, trial.config, diverged=diverged, kept=kept)
    if is_main_process():
        write_json(folder / RESULT, result.to_dict())
    return result


def trial_plan(plan: TrainPlan, steps: int, *, evaluates: bool) -> TrainPlan:
    """The plan of the test: the same rows, model and machine, rates that rise, nothing saved."""
    config = plan.config
    middle = default_lr(config.method, plan.parameters, is_lora=config.adapter.type == "lora")
    cache = config.data.cache_dir or config.run_dir / "packed"
    changed = config.model_copy(
        update={
            "run_dir": config.run_dir / FOLDER, "schedule": "range", "lr": middle * SPAN, "min_lr_frac": SPAN**-2, "max_steps": steps,
            "warmup_steps": 0, "warm_rows_steps": 0, "log_every_steps": 1, "checkpoint_every_steps": None, "resume": False,
            "on_divergence": "stop", "eval_every_steps": max(1, steps // EVALUATIONS) if evaluates else None,
            "data": config.data.model_copy(update={"cache_dir": cache}), "watch": type(config.watch)(forgetting=_warning(config)),
        }
    )  # fmt: skip
    return replace(plan, config=changed, steps=steps, steps_are_exact=True, is_trial=True)


def _warning(config: TrainConfig) -> ForgettingConfig:
    """As the config has it, but without an end: the test goes on past what is forgotten."""
    forgetting = config.watch.forgetting
    return forgetting.model_copy(update={"policy": "off" if forgetting.policy == "off" else "warn"})


def smoothed(losses: Sequence[float]) -> list[float]:
    """Running means in which each step keeps SMOOTHING of what was, corrected for the start.

    >>> [round(value, 3) for value in smoothed([4.0, 2.0, 2.0])]
    [4.0, 2.889, 2.525]
    """
    means, total = [], 0.0
    for number, loss in enumerate(losses, 1):
        total = SMOOTHING * total + (1 - SMOOTHING) * loss
        means.append(total / (1 - SMOOTHING**number))
    return means


def read_result(folder: Path, config: TrainConfig, *, diverged: bool, kept: Sequence[str]) -> RangeTest:
    """From the rows that the test wrote. Raises WorkError where there are too few of them."""
    rows, evals = read_metrics(folder / METRICS_FILE), read_metrics(folder / EVALS_FILE)
    if len(rows) < 3:
        raise WorkError(
            f"training diverged within {len(rows) + 1} steps, at rates from {config.peak_lr * config.min_lr_frac:.1e} on",
            hint="look at the text and at warm_rows_steps; a rate this low should not diverge",
        )
    means = smoothed([row["loss"] for row in rows])
    table = tuple(
        {"step": row["step"], "lr": row["lr"], "loss": row["loss"], "smoothed": mean, "grad_norm": row["grad_norm"]}
        for row, mean in zip(rows, means, strict=True)
    )
    lr_of = {row["step"]: row["lr"] for row in rows}
    held_out = tuple({**row, "lr": lr_of.get(row["step"], 0.0)} for row in evals)
    found = suggest(table, held_out, config.watch.forgetting, kept)
    return RangeTest(found, table, held_out, rows[-1]["lr"] if diverged else None)


def suggest(
    rows: Sequence[Mapping[str, Any]],
    held_out: Sequence[Mapping[str, Any]],
    settings: ForgettingConfig,
    kept: Sequence[str],
) -> Suggestion:
    """The rate by the rules above, to two digits."""
    lowest = min(rows, key=lambda row: row["smoothed"])["lr"]
    half = settings.model_copy(update={"max_rise_frac": settings.max_rise_frac / 2, "names": tuple(kept)})
    looked_at = ((row["lr"], rises(held_out[: n + 1], half)) for n, row in enumerate(held_out) if row["step"])
    worse, risen = next(((lr, found) for lr, found in looked_at if found), (None, []))
    by_loss = SHARE_OF_LOWEST * lowest
    if worse is not None and SHARE_OF_WORSE * worse < by_loss:
        names = ", ".join(rise.name for rise in risen)
        why = f"half of {worse:.1e}, at which {names} became worse"
        return Suggestion(_two_digits(SHARE_OF_WORSE * worse), why, lowest, worse)
    return Suggestion(_two_digits(by_loss), f"a fifth of {lowest:.1e}, at which the loss was lowest", lowest, worse)


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")
