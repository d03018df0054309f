"""Guards of the learning rate through the command line, on the tiny model."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from qaz_llm.io import embedded_path, read_jsonl, write_text

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "configs/train/tiny.yaml")


def qaz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "qaz_llm", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that knows a little Kazakh."""
    run_dir = tmp_path_factory.mktemp("base") / "run"
    assert qaz("train", TINY, f"run_dir={run_dir}", "max_steps=20", "checkpoint_every_steps=null").returncode == 0
    return run_dir / "model"


def config_of(folder: Path, model: Path) -> Path:
    """Continued training on Russian of a model that knows Kazakh: what it is to keep is Kazakh."""
    for name, source in {"kk": "documents_kk_a.jsonl", "ru": "documents_ru.jsonl"}.items():
        texts = [row["text"].splitlines()[0] for row in read_jsonl(embedded_path(source))][:6]
        write_text(folder / f"{name}.txt", "\n".join(texts) + "\n")
    values = {
        "method": "cpt", "run_dir": str(folder / "run"), "model": {"checkpoint": str(model)}, "seq_len": 128, "micro_batch_size": 4,
        "data": {"mix": [{"name": "ru", "path": "embedded:documents_ru.jsonl"}]}, "max_steps": 8, "eval_every_steps": 2,
        "heldout": {"kk": str(folder / "kk.txt"), "ru": str(folder / "ru.txt")}, "checkpoint_every_steps": None,
        "watch": {"forgetting": {"names": ["kk"], "max_rise_frac": 0.01, "policy": "stop"}},
    }  # fmt: skip
    path = folder / "config.yaml"
    write_text(path, json.dumps(values))
    return path


def test_a_rate_is_found_and_nothing_of_the_test_stays_but_its_figures(tmp_path: Path, model: Path) -> None:
    path = config_of(tmp_path, model)
    done = qaz("train", str(path), "--find-lr", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rates = [row["lr"] for row in found["rows"]]
    assert rates[-1] / rates[0] == pytest.approx(900, rel=1e-3) or found["diverged_at"] is not None
    assert all(b > a for a, b in itertools.pairwise(rates))
    assert found["held_out"][0]["step"] == 0 and found["suggestion"]["lr"] > 0
    left = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*.safetensors")}
    assert left == set() and json.loads((tmp_path / "run/find_lr/find_lr.json").read_text()) == found


def test_what_is_forgotten_stops_the_run_and_the_policy_lets_it_go_on(tmp_path: Path, model: Path) -> None:
    path = config_of(tmp_path, model)
    stopped = qaz("train", str(path), "lr=0.02")
    assert stopped.returncode == 1 and "forgetting: kk" in stopped.stderr and "policy=warn" in stopped.stderr
    assert "Traceback" not in stopped.stderr and not (tmp_path / "run/complete.json").exists()
    again = qaz("train", str(path), "lr=0.02")  # as it stands it stays stopped, at once
    assert again.returncode == 1 and "forgetting: kk" in again.stderr
    warned = qaz("train", str(path), "lr=0.02", "watch.forgetting.policy=warn")
    assert warned.returncode == 0 and "forgetting: kk" in warned.stderr, warned.stderr
    steps = [row["step"] for row in read_jsonl(tmp_path / "run/evals.jsonl")]
    assert steps == [0, 2, 4, 6, 8]
