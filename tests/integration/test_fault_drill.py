"""The drills of scripts/fault_drill.py in their short form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fault_drill.py"


@pytest.mark.slow
def test_a_few_of_each_kind(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--drills", "saving,damage", "--json", str(report)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    drills = json.loads(report.read_text())["drills"]
    assert [(d["drill"], d["passed"], d["faults"]) for d in drills] == [("saving", True, 1), ("damage", True, 3)]
