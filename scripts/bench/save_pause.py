"""How long a save stops training: with `async_save` off and on, in one run each, one after the other.

    python scripts/bench/save_pause.py --model DIR [--steps 30] [--every 10] [--out DIR] [--json FILE]

Trains the model, all weights, on rows of 64 tokens, and saves it with its moments every so many steps. `pause` is what
training waits for a save, by the run's own log; the first save beside training also makes the copy's buffers. `steps` is
the mean time of the steps after a save and of all others: what the writing takes from training that runs beside it.
"""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import config_from_values
from qaz_llm.io import read_jsonl, write_json
from qaz_llm.progress import get_logger
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan
from qaz_llm.train.run import train

_SAVED = re.compile(r"step (\d+) saved in ([\d.]+) s; training waited ([\d.]+) s")
_WAITED = re.compile(r"waited ([\d.]+) s for the save under way")


class Listener(logging.Handler):
    """Keeps what the run says of its saves."""

    def __init__(self) -> None:
        super().__init__()
        self.saves: list[dict[str, float]] = []
        self.waited_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := _SAVED.search(text):
            self.saves.append({"step": int(found[1]), "whole_s": float(found[2]), "pause_s": float(found[3])})
        elif found := _WAITED.search(text):
            self.waited_s += float(found[1])


def measure(mode: str, model: Path, run_dir: Path, *, steps: int, every: int) -> dict[str, Any]:
    """One run. `pauses_s` are of its saves, in order."""
    values = {
        "run_dir": str(run_dir),
        "method": "cpt",
        "model": {"checkpoint": str(model)},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "seq_len": 64,
        "micro_batch_size": 1,
        "max_steps": steps,
        "lr": 1e-5,
        "log_every_steps": 1,
        "checkpoint_every_steps": every,
        "keep_checkpoints": 1,
        "async_save": mode,
        "device": "cpu",
    }
    listener = Listener()
    logger = get_logger("train")
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        train(make_plan(config_from_values(TrainConfig, values, where="save_pause"), read_environment({})))
    finally:
        logger.removeHandler(listener)
    ends = [0.0] + [row["seconds"] for row in read_jsonl(run_dir / "metrics.jsonl")]
    durations = [later - earlier for earlier, later in pairwise(ends)]
    # a row is written before its step is saved, so a save lies in the time of the step after it
    after = [durations[save["step"]] for save in listener.saves if save["step"] < steps]
    others = [d for n, d in enumerate(durations) if n and n not in {save["step"] for save in listener.saves}]
    return {
        "async_save": mode,
        "saves": listener.saves,
        "waited_for_the_one_before_s": round(listener.waited_s, 2),
        "step_with_save_s": [round(d, 2) for d in after],
        "step_s": round(mean(others), 3),
        "seconds": ends[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        results = [
            measure(mode, options.model, Path(folder) / mode, steps=options.steps, every=options.every)
            for mode in ("off", "on")
        ]
    print("async_save   pause of each save, s        until whole, s               other steps, s")
    for result in results:
        pauses = " ".join(f"{save['pause_s']:7.2f}" for save in result["saves"])
        whole = " ".join(f"{save['whole_s']:7.1f}" for save in result["saves"])
        print(f"{result['async_save']:<10} {pauses:<28} {whole:<28} {result['step_s']:.2f}")
    off, on = (mean(save["pause_s"] for save in result["saves"]) for result in results)
    print(f"training stops for {on / off:.1%} of the time that it stops without (mean of all saves)")
    if options.json:
        write_json(options.json, {"results": results, "pause_frac": on / off})


if __name__ == "__main__":
    main()
