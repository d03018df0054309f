"""The drill of slurm/chain.sh: a whole run as jobs, one of which fails once; its result is held against one process's."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drills import slurm
from drills.slurm_outcome import Outcome, Place
from qaz_llm.config import dump_yaml
from qaz_llm.io import read_json

LINKS = ("corpus-parts", "corpus", "tokenizer", "cpt-rows", "cpt", "eval-tasks", "eval", "report")
ARRAY = 2
STAGES = ("corpus", "tokenizer", "cpt", "eval", "report")
SIZE = "--cpus-per-task=1 --time=20"
BROKEN = "cpt"
"""The link that fails, since a file of the model that it starts from is gone for a while."""


def chain(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """The chain end to end with one link failing once, put right, and given again."""
    folder = place.folder / "chain"
    shutil.rmtree(folder, ignore_errors=True)
    run = Run(folder, place.base)
    run.plain()
    run.give(outcome, LINKS, "every link is submitted")
    run.wait(lambda: len(run.said("cpt-rows")) == ARRAY, "cpt-rows done")
    away = run.weights.rename(folder / "away")
    outcome.faults = 1
    run.wait(lambda: not run.in_queue(), "ended")
    outcome.check(True, "no job waits for ever")
    states = {row["link"]: row for row in json.loads(run.qaz("status", str(run.run_dir), "--json"))["chain"]}
    behind = LINKS[LINKS.index(BROKEN) + 1 :]
    outcome.check(
        states[BROKEN]["state"] == "failed" and {states[link]["state"] for link in behind} == {"cancelled"},
        "the failed link is named, and those behind it are out of the queue",
    )
    outcome.check("model.safetensors" in str(states[BROKEN]["why"]), "with its reason")
    outcome.check(run.weights.name in Path(states[BROKEN]["log"]).read_text(), "which its log has too")
    away.rename(run.weights)
    run.give(outcome, (BROKEN, *behind), "given again, what is missing is submitted")
    run.give(outcome, (), "given once more, nothing is submitted twice")
    run.wait(lambda: not run.in_queue(), "ended")
    _compare(run, outcome)
    run.give(outcome, (), "of a finished run nothing is submitted")


class Run:
    """A tiny run: the base grown by a few tokens, adapted and scored."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.run_dir, self.alone = folder, folder / "run", folder / "alone"
        checkpoint = folder / "checkpoint"
        shutil.copytree(base, checkpoint)
        self.weights = checkpoint / "model.safetensors"
        self.config = folder / "chain.yaml"
        self.config.write_text(dump_yaml(_values(checkpoint)), encoding="utf-8")
        variables = {"QAZ_ROOT": str(slurm.REPOSITORY), "QAZ_VENV": sys.prefix, "QAZ_STATE_DIR": str(folder / "state")}
        variables |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self.environment = os.environ | variables

    def _output(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=slurm.REPOSITORY, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:4])} …: {done.stderr[-2000:]}")
        return done.stdout

    def qaz(self, *arguments: str) -> str:
        return self._output(sys.executable, "-m", "qaz_llm", *arguments)

    def plain(self) -> None:
        """The same by one process, in the same folder, which is then moved away."""
        self.qaz("run", str(self.config), f"run_dir={self.run_dir}")
        self.run_dir.rename(self.alone)

    def give(self, outcome: Outcome, submitted: tuple[str, ...], what: str) -> None:
        """Give the line of slurm/chain.sh, and see which links it submits a job for."""
        before = self._jobs()
        sizes = [word for size in ("data", "tokenize", "train", "eval") for word in ("--sbatch", f"{size}={SIZE}")]
        script = str(slurm.REPOSITORY / "slurm" / "chain.sh")
        said = self._output(script, str(self.config), f"run_dir={self.run_dir}", "--array", str(ARRAY), *sizes)
        new = tuple(link for link, job in self._jobs().items() if before.get(link) != job)
        is_right = new == submitted and len(said.splitlines()) == len(LINKS)
        outcome.check(is_right, what if is_right else f"{what} (submitted: {', '.join(new)}; said: {said})")

    def _jobs(self) -> dict[str, str]:
        path = self.run_dir / "jobs.json"
        return {job["link"]: job["job_id"] for job in read_json(path)} if path.is_file() else {}

    def in_queue(self) -> list[str]:
        """The jobs of the chain that wait or run."""
        found = self._output("squeue", "--noheader", "--format=%F").split()
        return [job for job in self._jobs().values() if job in found]

    def said(self, link: str) -> list[str]:
        """What the chain's log says of the jobs of a link."""
        path = self.run_dir / "chain.log"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [line for line in lines if f" {link} job " in line and ": its log" not in line]

    def wait(self, is_time: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + 2 * slurm.PATIENCE_S
        while not is_time():
            if time.monotonic() > until:
                raise TimeoutError(f"the chain in {self.run_dir} is not {what}: {self.in_queue()} in the queue")
            time.sleep(0.1)


def _compare(run: Run, outcome: Outcome) -> None:
    """The run by jobs and the run by one process: fingerprints of stages, the report's values, the model's bytes."""
    stages = [[read_json(of / "stages" / f"{name}.json") for of in (run.run_dir, run.alone)] for name in STAGES]
    for key, timed in (("fingerprint", ()), ("outputs_fingerprint", ("report",))):  # a report says how long stages took
        unlike = [stage["stage"] for stage, other in stages if stage[key] != other[key] and stage["stage"] not in timed]
        outcome.check(
            not unlike, f"each stage's {key} is that of one process" + f" ({', '.join(unlike)})" * bool(unlike)
        )
    reports = [read_json(of / "report" / "report.json") for of in (run.run_dir, run.alone)]
    for report in reports:
        for stage in report["stages"].values():
            stage["seconds"] = 0
    outcome.check(reports[0] == reports[1], "the report is that of one process but for its times")
    models = [(of / "model" / "model.safetensors").read_bytes() for of in (run.run_dir, run.alone)]
    outcome.check(models[0] == models[1], "the model is, too, byte for byte")


def _values(checkpoint: Path) -> dict[str, Any]:
    licensed = {"id_field": "id", "licence": "CC0-1.0"}
    names = {"kk": "documents_kk_a", "ru": "documents_ru", "en": "documents_en"}
    sources = [{"name": c, "path": f"embedded:{file}.jsonl", "language": c, **licensed} for c, file in names.items()]
    return {
        "run_dir": "unset",
        "data": {"sources": sources},
        "tokenizer": {"num_new_tokens": 100},
        "model": {"checkpoint": str(checkpoint)},
        "cpt": {"seq_len": 64, "max_steps": 6, "warmup_steps": 1, "log_every_steps": 1, "checkpoint_every_steps": 3},
        "sft": None,
        "eval": {"suite": "demo", "max_items": 4, "sample_bytes": 12, "batch_tokens": 1024},
    }
