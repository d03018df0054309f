"""Rows are made before the processes of a run meet, since making them may take longer than they wait for each other.

The first process makes what is missing, the others look at the disk until it is there. The launcher ends them where the
first one fails; where neither a file nor the first one's heartbeat has moved for `distributed.timeout_minutes`, they fail
themselves and say what they missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from qaz_llm.cluster.preemption import LostError
from qaz_llm.cluster.preflight import preflight
from qaz_llm.cluster.stopping import stopped_by_signals
from qaz_llm.io import only_one
from qaz_llm.progress import format_duration, get_logger, log_to_file
from qaz_llm.train.plan import TrainPlan
from qaz_llm.train.ranks.heartbeat import first_beat
from qaz_llm.train.start.tokenize import MB_PER_SECOND, Files, make_files

_logger = get_logger("train")

LOOK_EVERY_S = 2.0
LONG_S = 600.0
"""Where the others would wait longer than this, they are better not started yet."""


def make_files_first(plan: TrainPlan) -> None:
    """Make tokenizer and rows, or wait until they are there. Does nothing where a process is alone.

    Raises as `make_files`; PreemptedError where a signal comes; LostError after a time without a sign of the first process.
    """
    if plan.environment.world_size == 1:
        return
    files = Files(plan.config)
    if plan.environment.is_main:
        run_dir = plan.config.run_dir
        preflight(run_dir, needed_bytes=plan.disk_bytes)
        with ExitStack() as held:
            held.enter_context(only_one(run_dir))
            held.enter_context(log_to_file(run_dir / "train.log"))
            _check_room(files)
            _warn_of_waiting(plan, files)
            make_files(plan.config)
        return
    with stopped_by_signals(lambda name: f"stopped by {name} while waiting for the rows; start again"):
        if plan.environment.local_rank == 0 and not files.are_there:
            _logger.warning(f"{plan.environment.host} waits until the first process has made the rows in {files.cache}")
        wait_for(
            lambda: files.are_there,
            lambda: (_signs(files), first_beat(plan.config.run_dir)),
            files,
            plan.config.distributed.timeout_minutes * 60,
        )


def wait_for(
    is_there: Callable[[], bool],
    signs: Callable[[], object],
    files: Files,
    timeout_s: float,
    look_s: float = LOOK_EVERY_S,
) -> None:
    """Look until something is there. Raises LostError where `signs` has not changed for `timeout_s`."""
    seen, since = signs(), time.monotonic()
    while not is_there():
        time.sleep(look_s)
        now = signs()
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > timeout_s:
            raise LostError(
                f"{files.cache}: no rows, and no sign of the first process for {format_duration(timeout_s)}",
                hint="run_dir and data.cache_dir have to lie on a disk that all nodes see; `qaz data tokenize` makes the "
                "rows beforehand; distributed.timeout_minutes says how long to wait",
            )


def _signs(files: Files) -> object:
    """What changes as the first process gets on."""
    if files.lacks_tokenizer or files.lacks_entries:
        return files.lacks_tokenizer
    return [(rows.is_done, len(list(rows.work.glob("*"))) if rows.work.is_dir() else 0) for rows in files.sets]


def _check_room(files: Files) -> None:
    """Raise InputError where the rows that are missing would not fit on their disk, twice while parts are put together."""
    if not files.lacks_tokenizer and not files.lacks_entries:
        preflight(files.cache, needed_bytes=2 * files.missing_row_bytes())


def _warn_of_waiting(plan: TrainPlan, files: Files) -> None:
    if files.lacks_tokenizer or files.lacks_entries:
        return
    seconds = files.missing_bytes() / 1e6 / MB_PER_SECOND / files.workers
    if seconds > LONG_S:
        _logger.warning(
            f"{plan.environment.world_size} processes wait about {format_duration(seconds)} for the rows of "
            f"{files.missing_bytes() / 1e9:,.1f} GB of text; stop them and run `qaz data tokenize CONFIG` first, "
            "as a job array without GPUs (slurm/tokenize.sh)"
        )
