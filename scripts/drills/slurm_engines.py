"""What a run without faults comes to under Slurm: the losses of one process, and how soon the first step is there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drills import slurm
from drills.slurm_outcome import Outcome, Place

COMPARED_STEPS = 30
TOLERANCE = 1e-4
STARTS = 3
AIM = 1.2
ONE_TASK = ("-N", "1", "--ntasks=1")


def engine(place: Place, outcome: Outcome, options: tuple[str, ...], overrides: dict[str, Any]) -> None:
    """Two tasks train as one process does: the same rows in each step, losses within TOLERANCE of its."""
    outcome.shape = shape_of(options)
    adapter = {key: value for key, value in overrides.items() if key.startswith("adapter.")}
    shared = {"max_steps": COMPARED_STEPS, **overrides}
    alone = {"max_steps": COMPARED_STEPS, "grad_accum_steps": 2, **adapter}
    expected = slurm.losses(place.whole(f"one{'-lora' if adapter else ''}", ONE_TASK, **alone))
    job = slurm.train(place.folder, place.values(outcome.drill, **shared), options)
    state, code = job.wait()
    outcome.check((state, code) == ("COMPLETED", 0), f"{state}, exit code {code}")
    if code != 0:
        outcome.notes.append(f"see {job.log}")
        return
    found = slurm.losses(job.run_dir)
    apart = max(abs(found[step] - loss) for step, loss in expected.items())
    same_steps = found.keys() == expected.keys() and len(found) == COMPARED_STEPS
    outcome.check(same_steps and apart < TOLERANCE, f"losses of {len(found)} steps within {apart:.1e} of one process's")


def shape_of(options: tuple[str, ...]) -> str:
    """What a table calls it: nodes × tasks on each."""
    return {slurm.TWO_NODES: "2 × 1", slurm.TWO_TASKS: "1 × 2", ONE_TASK: "1 × 1"}[options]


def start_time(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """Seconds from sbatch to the first step, beside those from `qaz train` typed by hand. A measurement, not a verdict."""
    outcome.shape = "1 × 1"
    bare, batch = [], []
    for number in range(1 if place.quick else STARTS):
        values = place.values(f"{outcome.drill}-bare-{number}", max_steps=1)
        bare.append(_bare_start(values))
        values = place.values(f"{outcome.drill}-sbatch-{number}", max_steps=1)
        started = time.monotonic()
        job = slurm.train(place.folder, values, ONE_TASK)
        job.wait_for_step(1)
        batch.append(time.monotonic() - started)
        job.wait()
    outcome.checks.append(
        f"first step {min(batch):.1f} s after sbatch, {min(bare):.1f} s after `qaz train` ({min(batch) / min(bare):.2f} times; "
        f"{AIM} is the aim), the best of {len(bare)}"
    )


def _bare_start(values: dict[str, Any]) -> float:
    config = slurm.write_config(values)
    variables = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    started = time.monotonic()
    with config.with_suffix(".out").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "qaz_llm", "train", str(config)], stdout=log, stderr=log, env=variables
        )
        metrics = Path(values["run_dir"]) / "metrics.jsonl"
        while not metrics.is_file() and process.poll() is None:
            time.sleep(slurm.LOOK_S)
        seconds = time.monotonic() - started
        if process.wait() != 0:
            raise RuntimeError(f"fails by hand, see {config.with_suffix('.out')}")
    return seconds
