"""A small base model on disk, and the settings of a short run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_runs import Settings, make_base

from qaz_llm.io import embedded_path, read_jsonl


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "model", tied=True)


@pytest.fixture(scope="session")
def untied_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("untied") / "model", tied=False)


@pytest.fixture(scope="session")
def extended_tokenizer(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from qaz_llm.tokenizer.extend import extend_tokenizer
    from qaz_llm.tokenizer.fast import load_fast_tokenizer

    folder = tmp_path_factory.mktemp("extended") / "tokenizer"
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extend_tokenizer(load_fast_tokenizer(str(base_model)), texts, num_new_tokens=50).save(folder)
    return folder


@pytest.fixture
def settings(base_model: Path, tmp_path: Path) -> Settings:
    """Values of a short run on dialogues, whose rows differ much in learned tokens, so that a mean of means would show."""

    def make(name: str, **values: Any) -> dict[str, Any]:
        base: dict[str, Any] = {
            "run_dir": str(tmp_path / name),
            "method": "sft",
            "model": {"checkpoint": str(base_model)},
            "data": {"mix": [{"name": "kk", "path": "embedded:dialogues.jsonl", "language": "kk"}]},
            "seq_len": 256,
            "micro_batch_size": 4,
            "max_steps": 4,
            "lr": 3e-3,
            "log_every_steps": 1,
            "checkpoint_every_steps": None,
            "device": "cpu",
        }
        return base | values

    return make
