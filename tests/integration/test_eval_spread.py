"""An evaluation by two processes, or killed and begun again, writes what one process writes, and each text is scored once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from qaz_llm.io import embedded_path, read_jsonl
    from qaz_llm.model.architecture import ArchitectureConfig, make_model
    from qaz_llm.model.export import write_model
    from qaz_llm.tokenizer.base import train_base_tokenizer

    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=600)
    shape = ArchitectureConfig(
        hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, intermediate_size=64, max_position_embeddings=256
    )
    folder = tmp_path_factory.mktemp("spread") / "model"
    write_model(make_model(shape, tokenizer, seed=1, attn_implementation="sdpa"), tokenizer, folder, facts={})
    return folder


def command(model: Path, out: Path, *more: str) -> list[str]:
    given = ["--model", str(model), "--suite", "demo", "--out", str(out), "max_items=20", "sample_bytes=8"]
    return [sys.executable, "-m", "qaz_llm", "eval", "run", *given, *more]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def evaluated(model: Path, out: Path, *more: str) -> tuple[str, bytes, dict[str, Any]]:
    done = subprocess.run(
        command(model, out, *more), env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr, (out / "items.jsonl").read_bytes(), json.loads((out / "parity.json").read_text("utf-8"))


def keys_of(path: Path) -> list[str]:
    return [json.loads(line)[0] for line in path.read_text(encoding="utf-8").splitlines()]


def answers_in(out: Path) -> list[Path]:
    return sorted(path for path in (out / "answers").glob("*.jsonl") if "samples" not in path.name)


def test_two_processes_write_what_one_writes(model: Path, tmp_path: Path) -> None:
    _said, items, parity = evaluated(model, tmp_path / "one")
    _said, shared_items, shared_parity = evaluated(model, tmp_path / "two", "devices=2")
    assert shared_items == items
    assert (parity["setting"].pop("devices"), shared_parity["setting"].pop("devices")) == (1, 2)
    assert shared_parity == parity
    assert (tmp_path / "two" / "samples.jsonl").read_bytes() == (tmp_path / "one" / "samples.jsonl").read_bytes()
    (alone,) = answers_in(tmp_path / "one")
    first, second = answers_in(tmp_path / "two")
    own, others = keys_of(first), keys_of(second)
    assert own and others and sorted(own + others) == sorted(keys_of(alone))  # each text once

    said, again, _parity = evaluated(model, tmp_path / "two")  # one process reads what two have written
    assert again == items and said.count("answered before") == 2


@pytest.mark.thorough
def test_torchrun_writes_what_one_process_writes(model: Path, tmp_path: Path) -> None:
    _said, items, _parity = evaluated(model, tmp_path / "one")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    own = command(model, tmp_path / "two")
    done = subprocess.run(
        [own[0], *launcher, *own[1:]], env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "items.jsonl").read_bytes() == items
    assert len(answers_in(tmp_path / "two")) == 2


def test_a_killed_evaluation_goes_on_with_the_next_text(model: Path, tmp_path: Path) -> None:
    """Kill -9 once some answers are on disk: none of them is asked for again, and the end is that of one that was not killed."""
    _said, items, _parity = evaluated(model, tmp_path / "whole", "batch_tokens=64")
    out = tmp_path / "killed"
    running = subprocess.Popen(
        command(model, out, "batch_tokens=64"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while running.poll() is None and not any(path.stat().st_size for path in answers_in(out)):
        time.sleep(0.001)
    running.kill()
    assert running.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert not (out / "items.jsonl").exists()
    (before,) = answers_in(out)
    answered = before.read_bytes().rpartition(b"\n")[0]
    _said, again, _parity = evaluated(model, out, "batch_tokens=64")
    keys = [key for path in answers_in(out) for key in keys_of(path)]
    assert answered and before.read_bytes().startswith(answered)
    assert len(keys) == len(set(keys)) > len(answered.splitlines())
    for one, other in zip(map(json.loads, items.splitlines()), map(json.loads, again.splitlines()), strict=True):
        assert {**one, "score": 0, "detail": 0} == {**other, "score": 0, "detail": 0}
        assert other["score"] == pytest.approx(
            one["score"], abs=2e-4
        )  # other texts beside it in its batch: the last digits


def test_shares_of_the_tasks_put_together_are_the_whole(model: Path, tmp_path: Path) -> None:
    """As the jobs of an array do it: a share each, one of them by two processes, and a merge that loads no model."""
    _said, items, parity = evaluated(model, tmp_path / "whole")
    out = tmp_path / "parts"
    too_early = subprocess.run(
        command(model, out, "--merge-only"), env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert too_early.returncode == 2 and "not everything was answered" in too_early.stderr
    for share, more in (("0/2", ()), ("1/2", ("devices=2",))):
        done = subprocess.run(
            command(model, out, "--share", share, *more),
            env=environment(),
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    own = [
        {row["task"] for row in map(json.loads, (folder / "items.jsonl").read_text().splitlines())}
        for folder in sorted((out / "shares").iterdir())
    ]
    assert len(own) == 2 and not own[0] & own[1]

    said, merged, merged_parity = evaluated(model, out, "--merge-only")
    assert merged == items and merged_parity == parity
    assert said.count("answered before") == 2 and not (out / "answers").exists()
    assert (out / "samples.jsonl").read_bytes() == (tmp_path / "whole" / "samples.jsonl").read_bytes()

    none_left = subprocess.run(
        command(model, out, "--share", "2/3"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert none_left.returncode == 2 and "no task is left for it, the suite has 2" in none_left.stderr
