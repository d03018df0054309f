"""One evaluation by several processes: those that torchrun or srun started, or `devices` of its own on this machine."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from qaz_llm.cluster.environment import free_port, launched_processes, read_environment, usable_cpus
from qaz_llm.errors import QazError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.part import WHOLE, Part
from qaz_llm.evals.run import EvalResult, run_eval
from qaz_llm.evals.scoring.processes import joined
from qaz_llm.progress import get_logger, set_up_logging

_logger = get_logger("eval")

END_S = 10.0
"""Processes that have not ended so long after the first one are ended."""


def run_spread(config: EvalConfig, *, part: Part = WHOLE) -> EvalResult:
    """`run_eval` by all processes there are; the scores are the same bytes, however many they are.

    Raises:
        InputError, DataError, ConfigError: as `run_eval`.
        WorkError: as `run_eval`.
        LostError: another process has ended.
    """
    if launched_processes() > 1:
        with joined(read_environment()) as processes:
            return run_eval(config, processes=processes, part=part)
    if config.devices == 1:
        return run_eval(config, part=part)
    port = free_port()
    spawn = multiprocessing.get_context("spawn")
    others = [
        spawn.Process(target=_other, args=(config, part, _place(rank, config.devices, port)), daemon=True)
        for rank in range(1, config.devices)
    ]
    with _variables(_place(0, config.devices, port)):
        for process in others:
            process.start()
        try:
            with joined(read_environment()) as processes:
                result = run_eval(config, processes=processes, part=part)
            for process in others:
                process.join(END_S)
        finally:
            for process in others:
                process.terminate()
    return result


def _other(config: EvalConfig, part: Part, place: Mapping[str, str]) -> None:
    """What a started process does. An error of its own is said here, since the first process only sees it go."""
    os.environ.update(place)
    set_up_logging(quiet=True)
    try:
        with joined(read_environment()) as processes:
            run_eval(config, processes=processes, part=part)
    except QazError as error:
        _logger.error("process %s: %s", place["RANK"], error)
        sys.exit(error.exit_code)


def _place(rank: int, devices: int, port: int) -> dict[str, str]:
    """Where a process stands, in torchrun's words, and its share of the processors."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(usable_cpus() // devices, 1))
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(devices), "LOCAL_WORLD_SIZE": str(devices),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": threads,
    }  # fmt: skip


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
