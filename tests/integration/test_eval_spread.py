"""An evaluation by two processes writes what one process writes, and each text is scored once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
