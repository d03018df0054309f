"""tensorboard, trackio and wandb: the numbers of each row, and the hyperparameters once. No texts, no paths, no host, no user.

Each writes below RUN_DIR/trackers and needs no network: wandb is offline unless WANDB_MODE says otherwise (`wandb sync` sends
it later), trackio keeps a local database, tensorboard files. What the libraries collect by themselves (command line, git remote,
host name, code) is turned off.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from qaz_llm.errors import ConfigError
from qaz_llm.io import fingerprint_value, make_dir
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainConfig

_logger = get_logger("train")

TRACKERS_FOLDER = "trackers"

NOT_TOLD = ("run_dir", "model", "data", "heldout", "watch", "resume", "device")


class Tracker(Protocol):
    """Takes numbers by name at a step."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def check_trackers(names: Sequence[str]) -> None:
    """Raises ConfigError naming the packages of `watch.report_to` that are not installed."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"watch.report_to: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f"pip install {' '.join(missing)}, or leave it out of watch.report_to",
        )


@contextmanager
def open_trackers(config: TrainConfig, *, run_id: str, first_step: int) -> Iterator[Sequence[Tracker]]:
    """The trackers of `watch.report_to` while the block runs. `run_id` is the same in each sitting of a run."""
    makers: dict[str, Callable[[Path, TrainConfig, str, int], Tracker]] = {
        "tensorboard": TensorBoard,
        "trackio": Trackio,
        "wandb": Wandb,
    }
    folder = config.run_dir / TRACKERS_FOLDER
    with ExitStack() as held:
        trackers: list[Tracker] = []
        for name in config.watch.report_to:
            make_dir(folder / name)
            try:
                tracker = makers[name](folder / name, config, run_id, first_step)
            except Exception as error:  # no account, no network, another version
                raise ConfigError(
                    f"watch.report_to: {name} could not be started ({error})",
                    hint="see to it, or leave it out of watch.report_to; metrics.jsonl has all rows in any case",
                ) from error
            held.callback(tracker.close)
            trackers.append(tracker)
        yield trackers


def run_id(config: TrainConfig, identity: Mapping[str, Any]) -> str:
    """The name of run_dir with the beginning of a hash of what identifies the run: the same in each sitting."""
    return f"{config.run_dir.resolve().name}-{fingerprint_value(dict(identity))[:8]}"


def telling(tracker: Tracker) -> Callable[[Mapping[str, Any], float | None], None]:
    """A listener for rows of metrics. A tracker that fails is told nothing more, which is said; the run goes on."""
    failed: list[Exception] = []

    def tell(row: Mapping[str, Any], _left_s: float | None) -> None:
        if failed:
            return
        try:
            tracker.log(row["step"], numbers_of(row))
        except Exception as error:  # whatever a library or its network raises
            failed.append(error)
            name = type(tracker).__name__.lower()
            _logger.warning(
                "step %d: %s fails (%s) and is told nothing more; the run goes on", row["step"], name, error
            )

    return tell


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """What trackers are told of a config: numbers and names that were chosen, and of what is trained on its names and weights."""
    values = {key: value for key, value in config.to_dict().items() if key not in NOT_TOLD}
    values["distributed"] = {**values["distributed"], "deepspeed": config.distributed.deepspeed is not None}
    if config.data.mix is not None:
        values["mix"] = {entry.name: entry.weight for entry in config.data.mix}
    return values


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """All finite numbers of a row under flat names: `loss`, `languages/kk/loss` …; the step itself is left out."""
    flat: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}/{name}": number for name, number in numbers_of(value).items()}
        elif isinstance(value, (int, float)) and math.isfinite(value) and key != "step":
            flat[key] = value
    return flat


class TensorBoard:
    """Event files; what a resumed run does again replaces what was written of it."""

    def __init__(self, folder: Path, config: TrainConfig, run_id: str, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)
        shown = "\n".join(f"    {key}: {value}" for key, value in hyperparameters(config).items())
        self.writer.add_text("config", shown, global_step=first_step)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Trackio:
    """A local database, in RUN_DIR/trackers unless TRACKIO_DIR names another place. What it prints goes to stderr, as all else."""

    def __init__(self, folder: Path, config: TrainConfig, run_id: str, first_step: int) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(folder.resolve()))
        import trackio

        with redirect_stdout(sys.stderr):
            trackio.init(
                project=config.watch.project, name=run_id, config=hyperparameters(config), resume="allow", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        self.trackio = trackio

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.trackio.log(dict(numbers), step=step)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self.trackio.finish()


class Wandb:
    """Offline unless WANDB_MODE says otherwise; the same run goes on in each sitting."""

    def __init__(self, folder: Path, config: TrainConfig, run_id: str, first_step: int) -> None:
        import wandb

        quiet = wandb.Settings(
            x_disable_meta=True, x_disable_stats=True, x_save_requirements=False, disable_git=True, disable_code=True,
            console="off", silent=True,
        )  # fmt: skip
        self.run = wandb.init(
            project=config.watch.project, id=run_id, name=run_id, dir=str(folder), config=hyperparameters(config),
            mode=os.environ.get("WANDB_MODE", "offline"), resume="allow", settings=quiet,
        )  # fmt: skip

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        self.run.finish()
