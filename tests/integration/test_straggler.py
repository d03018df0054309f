"""Two processes, of which one takes longer for its forward pass: it is named in the log, the metrics and the status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import os, time
from qaz_llm.cli import main
from qaz_llm.train.loop.trainer import PackedTrainer

original = PackedTrainer.batch_loss
def slow(self, *rest, **named):
    if os.environ["RANK"] == "1" and self.state.global_step < 8:
        time.sleep({seconds})
    return original(self, *rest, **named)

PackedTrainer.batch_loss = slow
main()
"""


@pytest.mark.slow
def test_a_slow_process_is_named_until_it_is_not(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SCRIPT.format(seconds=2.0))
    run_dir = tmp_path / "run"
    arguments = [
        "train", str(ROOT / "configs/train/tiny.yaml"), f"run_dir={run_dir}", "max_steps=12", "log_every_steps=2",
        "watch.straggler_ratio=4", "model.architecture.num_layers=1", "schedule=constant",
    ]  # fmt: skip
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*launcher, str(script), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    forward = [row["ranks"]["forward_s"] for row in rows]
    assert all(one["rank"] == 1 and one["by_rank"][1] - one["by_rank"][0] > 1 for one in forward[1:4])
    named = [row["step"] for row in rows if any("rank 1 on" in line for line in row.get("stragglers", ()))]
    assert named == [6, 8]  # in the first step all wait for one another once, and two rows make it no chance
    log = (run_dir / "train.log").read_text()
    assert log.count("the forward pass takes it") == 2 and "takes it no longer than others" in log
    assert json.loads((run_dir / "status.json").read_text())["stragglers"] == []
