"""Jobs that are to end: a person's error, work that fails, a disk that is full, a job that gets nowhere or is cancelled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

from drills import slurm
from drills.slurm_engines import shape_of
from drills.slurm_outcome import SAVE_EVERY, Outcome, Place


def _ends(outcome: Outcome, job: slurm.Job, state: str, code: int) -> None:
    found = job.wait()
    outcome.restarts = job.restarts
    outcome.check(found == (state, code), f"{found[0]}, exit code {found[1]}")


def user_error(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """A key that is not there, and a usage: said once, exit code 2 in Slurm's records, never requeued."""
    outcome.shape = shape_of(slurm.TWO_NODES)
    values = place.values(outcome.drill, max_stepz=3)
    job = slurm.train(place.folder, values, slurm.TWO_NODES)
    _ends(outcome, job, "FAILED", 2)
    outcome.faults = 1
    outcome.check(job.text().count("max_stepz: unknown key") == 1, "said once by two tasks")
    outcome.check(outcome.restarts == 0, "not requeued")
    bare = slurm.submit(place.folder, [], run_dir=place.folder / "runs" / f"{outcome.drill}-usage")
    outcome.check(bare.wait() == ("FAILED", 2), "without a config exit code 2")
    outcome.check("usage: sbatch slurm/train.sh CONFIG" in bare.text(), "usage as it was typed")


def divergence(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """A learning rate that nothing survives: exit code 1, said once, never requeued."""
    outcome.shape = shape_of(slurm.TWO_NODES)
    job = slurm.train(place.folder, place.values(outcome.drill, lr=1e6, max_grad_norm=1e9), slurm.TWO_NODES)
    _ends(outcome, job, "FAILED", 1)
    outcome.faults = 1
    said = sum(line.startswith("error") for line in job.text().splitlines())
    outcome.check(said == 1, "said once by two tasks")
    outcome.check(outcome.restarts == 0, "not requeued")


FULL_SHM = """#!/bin/sh
# Stands before the command of each task: on one node /dev/shm is full but for 64 MB, a quarter of what is asked for.
if [ "$SLURMD_NODENAME" != "$QAZ_TEST_BAD_NODE" ]; then exec "$@"; fi
exec unshare --mount sh -c 'mount -t tmpfs -o size=320m tmpfs /dev/shm && fallocate -l 256M /dev/shm/left && exec "$@"' sh "$@"
"""


def bad_node(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """A node without room in /dev/shm: found before anything is loaded, named and left out.

    A job of one node goes on on the other one. A job that needs both ends, since there are no two without it.
    """
    outcome.shape = "2 × 1, 1 × 2"
    whole = slurm.weights(place.whole("struck", slurm.TWO_NODES, async_save="off"))  # two tasks, wherever they are
    wrapper = _script(place.folder / "full-shm.sh", FULL_SHM)
    both = slurm.train(
        place.folder, place.values(f"{outcome.drill}-both"), slurm.TWO_NODES,
        QAZ_RUN_IN=str(wrapper), QAZ_TEST_BAD_NODE="n2",
    )  # fmt: skip
    one = slurm.train(
        place.folder, place.values(outcome.drill), slurm.TWO_TASKS, QAZ_RUN_IN=str(wrapper), QAZ_TEST_BAD_NODE="n1"
    )
    outcome.faults = 2
    outcome.check(both.wait() == ("FAILED", 69), "a job that needs both nodes ends with 69")
    said = both.text()
    outcome.check("node n2 is left out: 0.07 GB free in /dev/shm" in said, "the node is named, with what it lacks")
    outcome.check("2 are needed" in said and both.restarts == 0, "said that too few are left; not requeued")
    outcome.check(both.step() == 0, "before any step")
    _ends(outcome, one, "COMPLETED", 0)
    outcome.check(
        outcome.restarts == 1 and "node n1 is left out" in one.text(), "a job of one node is put on the other"
    )
    outcome.check(slurm.weights(one.run_dir) == whole, "weights equal bit by bit")


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def gives_up(place: Place, outcome: Outcome, dice: random.Random) -> None:
    """Killed at each start: it goes back into the queue QAZ_MAX_RESTARTS times, and then no more."""
    outcome.shape = shape_of(slurm.TWO_NODES)
    allowed = 2
    environment = {"QAZ_MAX_RESTARTS": str(allowed), "QAZ_BACKOFF_S": "3"}
    values = place.values(outcome.drill)
    config = slurm.write_config(values)
    run_dir = place.folder / "runs" / outcome.drill
    job = slurm.submit(place.folder, [str(config)], run_dir=run_dir, options=slurm.TWO_NODES, environment=environment)
    for number in range(allowed + 1):
        job.wait_until(lambda number=number: job.restarts == number and len(job.tasks()) == 2, f"at start {number}")
        time.sleep(dice.uniform(0, 2))
        job.kill(dice.randrange(2))
        outcome.faults += 1
        job.wait_until(lambda: not job.tasks(), "ended")
    _ends(outcome, job, "FAILED", 1)
    outcome.check(outcome.restarts == allowed, f"{outcome.restarts} restarts, {allowed} are allowed")
    outcome.check("restarts without getting on" in job.text(), "said why")


def cancelled(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """Scancel by a person ends the job for good; submitted again, it goes on to the same weights."""
    options = slurm.TWO_NODES
    outcome.shape = shape_of(options)
    whole = slurm.weights(place.whole("struck", options, async_save="off"))
    values = place.values(outcome.drill, async_save="off")
    job = slurm.train(place.folder, values, options)
    job.wait_for_step(SAVE_EVERY + 1)
    job.cancel()
    outcome.faults = 1
    outcome.check(job.wait()[0] == "CANCELLED", "stays cancelled")
    outcome.restarts = job.restarts
    outcome.check(outcome.restarts == 0, "not requeued")
    again = slurm.train(place.folder, values, options)
    outcome.check(again.wait() == ("COMPLETED", 0), "submitted again it goes on")
    outcome.check(slurm.weights(again.run_dir) == whole, "weights equal bit by bit")


def full_disk(place: Place, outcome: Outcome, dice: random.Random) -> None:
    """A file system that is full in the middle: the job fails and says so; with room, submitted again, it goes on."""
    options = slurm.TWO_NODES
    outcome.shape = shape_of(options)
    whole = slurm.weights(place.whole("struck", options, async_save="off"))
    disk = place.folder / "disk"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)], check=True)
    try:
        values = place.values(outcome.drill, async_save="off") | {"run_dir": str(disk / "run")}
        log = place.folder / "runs" / f"{outcome.drill}.out"  # not on the disk that will be full
        job = slurm.train(place.folder, values, options, log=log)
        step = SAVE_EVERY + dice.randrange(1, 2 * SAVE_EVERY)
        job.wait_for_step(step, tasks=2)
        held = job.tasks().values()  # a step takes less time than filling the disk
        for task in held:
            os.kill(task, signal.SIGSTOP)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            size = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            os.posix_fallocate(stream.fileno(), 0, size)
            while True:
                stream.seek(0, os.SEEK_END)
                stream.write(bytes(4096))
        for task in held:
            os.kill(task, signal.SIGCONT)
        outcome.faults = 1
        _ends(outcome, job, "FAILED", 1)
        text = job.text()
        outcome.check("could not be written" in text or "No space left" in text, "said why")
        outcome.check(outcome.restarts == 0, "not requeued")
        filler.unlink()
        again = slurm.train(place.folder, values, options, log=log)
        outcome.check(again.wait() == ("COMPLETED", 0), "with room and submitted again it goes on")
        outcome.check(slurm.weights(again.run_dir) == whole, "weights equal bit by bit")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
