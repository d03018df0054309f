"""The drill of slurm/chain.sh on the two-node test cluster: end to end, with one link failing once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_slurm import on_test_cluster

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm_drills.py"


@pytest.mark.slow
@pytest.mark.skipif(not on_test_cluster(), reason="no test cluster; scripts/slurm_test_cluster.sh up")
def test_a_chain_with_one_link_failing_once_ends_as_one_process_does(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(SCRIPT), "--drills", "chain", "--json", str(report)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    (drill,) = json.loads(report.read_text())["drills"]
    assert (drill["drill"], drill["problems"], drill["faults"]) == ("chain", [], 1)
