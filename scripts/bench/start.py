"""How much of a processor it takes to begin: `qaz plan`, and `qaz train` to the end of its first step, beside what they stand on.

    python scripts/bench/start.py [--runs 5] [--config configs/train/tiny.yaml] [--json FILE]

CPU-seconds (user and system) of a process of its own with one thread, the fewest of some runs; the runs of all contenders
take turns, so that a busy machine meets them alike. Rows are made once before. `qaz train` is read off when the row of its first
step is in metrics.jsonl.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from qaz_llm.io import write_json

QAZ = (sys.executable, "-m", "qaz_llm")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def commands(config: str, folder: Path) -> Mapping[str, Sequence[str]]:
    """What is measured, by name."""
    return {
        "qaz plan": (*QAZ, "plan", config),
        "qaz train to its first step": train_command(config, folder),
        "import torch": (sys.executable, "-c", "import torch"),
        "from transformers import Trainer": (sys.executable, "-c", "from transformers import Trainer"),
    }


def train_command(config: str, folder: Path) -> tuple[str, ...]:
    return (*QAZ, "train", config, f"run_dir={folder / 'run'}", f"data.cache_dir={folder / 'rows'}", "max_steps=1",
            "warmup_steps=0", "checkpoint_every_steps=null", "resume=false")  # fmt: skip


def cpu_seconds(command: Sequence[str], until: Path) -> float:
    """User and system time of a process until it ends, or until a file is there."""
    seconds = 0.0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | ENVIRONMENT)
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if not seconds and until.exists():
                seconds = _used(process.pid)
            time.sleep(0.01)
        seconds = seconds or _used(process.pid)  # of one that has ended and is not waited for yet
        if process.wait():
            log.seek(0)
            sys.exit(f"{' '.join(command)}: ended with {process.returncode}\n{log.read().decode()[-2000:]}")
    return seconds


def _used(pid: int) -> float:
    """By the kernel: fields 14 and 15 of /proc/PID/stat, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--config", default="configs/train/tiny.yaml")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first_row = folder / "run" / "metrics.jsonl"
        cpu_seconds(train_command(options.config, folder), first_row)  # makes the rows
        for _ in range(options.runs):
            for label, command in commands(options.config, folder).items():
                shutil.rmtree(folder / "run", ignore_errors=True)
                found.setdefault(label, []).append(cpu_seconds(command, first_row))
    for label, seconds in found.items():
        print(f"{label:34} {min(seconds):5.2f} CPU-s   (up to {max(seconds):.2f} of {len(seconds)} runs)")
    if options.json:
        write_json(options.json, {label: {"cpu_s": min(seconds), "runs": seconds} for label, seconds in found.items()})


if __name__ == "__main__":
    main()
