"""`qaz train` from the command line, as a person and as CI type it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
COMMAND = [sys.executable, "-m", "qaz_llm", "train", str(ROOT / "configs/train/tiny.yaml")]


def qaz_train(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False
    )


def steps(run_dir: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def wait_for(run_dir: Path, step: int, process: subprocess.Popen[str]) -> None:
    path = run_dir / "metrics.jsonl"
    for _ in range(1200):
        if process.poll() is not None or (path.is_file() and f'"step": {step},' in path.read_text()):
            return
        time.sleep(0.1)


def listen_to_ctrl_c() -> None:
    """In the child: a shell that starts the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_tiny_stands_alone_survives_being_killed_and_ends_once(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    arguments = [f"run_dir={run_dir}", "max_steps=34"]
    process = subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stderr=subprocess.DEVNULL, text=True)
    wait_for(run_dir, 13, process)
    process.kill()
    process.wait()
    (run_dir / "checkpoints" / "step-30").mkdir(parents=True, exist_ok=True)  # a copy that was cut off: never trusted
    done = qaz_train(*arguments)
    assert done.returncode == 0, done.stderr
    assert "step-30: incomplete" in done.stderr
    assert steps(run_dir) == list(range(1, 35))
    row = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"step", "loss", "tokens", "tokens_per_s", "lr", "grad_norm"} <= row.keys()
    assert row["tokens"] == pytest.approx(34 * 8 * 128, rel=0.02)
    again = qaz_train(*arguments)
    assert again.returncode == 0 and "complete: 34 steps are done" in again.stderr
    other = qaz_train(f"run_dir={run_dir}", "max_steps=34", "lr=1e-4")
    assert other.returncode == 2 and "lr: 0.003 then, 0.0001 now" in other.stderr
    assert (run_dir / "model" / "model.safetensors").is_file()
    facts = json.loads((run_dir / "run.json").read_text())
    assert {"packages", "git_commit", "identity", "data"} <= facts.keys()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), pytest.param("SIGINT", 1, marks=pytest.mark.thorough)])
def test_being_told_to_stop(tmp_path: Path, name: str, code: int) -> None:
    run_dir = tmp_path / "run"
    command = [*COMMAND, f"run_dir={run_dir}", "max_steps=4000"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_ctrl_c)
    wait_for(run_dir, 12, process)
    process.send_signal(getattr(signal, name))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr and "goes on" in stderr
    names = {p.name for p in (run_dir / "checkpoints").iterdir()}
    assert all((run_dir / "checkpoints" / n / "complete.json").is_file() for n in names - {".unfinished"})
    assert "step-10" in names
