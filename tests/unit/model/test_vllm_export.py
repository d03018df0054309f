"""The folder for vLLM: the model as transformers reads it, and settings that fit it; vLLM itself is not asked."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from transformers import AutoModelForCausalLM, AutoTokenizer

from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.architecture import make_model
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.export import write_model
from qaz_llm.model.vllm import check_loads, export_vllm
from qaz_llm.tokenizer.base import train_base_tokenizer

SHAPE = ArchitectureConfig(hidden_size=32, num_layers=1, num_heads=4, num_kv_heads=2, intermediate_size=48)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=400)
    out = tmp_path_factory.mktemp("v") / "kk-run"
    write_model(make_model(SHAPE, tokenizer, seed=0, attn_implementation="sdpa"), tokenizer, out / "model", facts={})
    return out


def test_the_settings_fit_the_model_and_nothing_names_a_path(run: Path, tmp_path: Path) -> None:
    out = export_vllm(run, tmp_path / "out")
    config = json.loads((out / "model/config.json").read_text())
    text = (out / "vllm.yaml").read_text()
    assert YAML(typ="safe").load(text) == {
        "served-model-name": "kk-run",
        "dtype": config["dtype"],
        "max-model-len": config["max_position_embeddings"],
        "generation-config": "./model",
        "host": "127.0.0.1",
        "port": 8000,
    }
    assert "label" in text and str(tmp_path) not in text + (out / "serve.sh").read_text()
    AutoModelForCausalLM.from_pretrained(out / "model")
    assert len(AutoTokenizer.from_pretrained(out / "model")) == 400


def test_the_script_starts_vllm_in_its_own_folder(run: Path, tmp_path: Path) -> None:
    out = export_vllm(run, tmp_path / "out", served_name="qaz")
    stand_in = tmp_path / "bin/vllm"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\npwd; echo "$@"\n')
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [out / "serve.sh", "--port", "9"], capture_output=True, text=True, check=True, cwd="/", env={"PATH": path}
    )
    assert done.stdout.splitlines() == [str(out.resolve()), "serve ./model --config vllm.yaml --port 9"]


def test_a_folder_of_others_is_kept_and_what_does_not_fit_is_seen(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("x")
    with pytest.raises(InputError, match="other files"):
        export_vllm(run, tmp_path / "mine")
    out = export_vllm(run, tmp_path / "out") / "model"
    config = json.loads((out / "config.json").read_text()) | {"vocab_size": 399}
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(WorkError, match="token 399 has no row"):
        check_loads(out)
