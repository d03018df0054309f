"""A job with dialogues is refused at its start where the model's tokenizer has no chat template."""

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import InputError
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.job import check_inputs, make_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.training_stage import train_config
from qaz_llm.tokenizer.base import train_base_tokenizer


def job(tmp_path: Path, **model: Any) -> RunConfig:
    folder = tmp_path / "base"
    tokenizer = train_base_tokenizer(["бір екі үш төрт бес"] * 50, vocab_size=270)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    source = {"name": "a", "path": "embedded:documents_kk_a.jsonl", "language": "kk", "licence": "CC0-1.0"}
    chat = {"name": "c", "path": "embedded:dialogues.jsonl", "kind": "chat", "licence": "CC0-1.0"}
    values = {
        "run_dir": str(tmp_path / "run"),
        "data": {"sources": [source], "conversations": [chat]},
        "model": {"checkpoint": str(folder), **model},
        "eval": {"suite": "demo"},
    }
    return config_from_values(RunConfig, values, where="test")


def test_a_base_without_a_template_is_refused_before_the_first_stage(tmp_path: Path) -> None:
    config = job(tmp_path)
    sft = [stage for stage in make_stages(config) if stage.name == "sft"]
    with pytest.raises(InputError, match="no chat template, method sft needs one"):
        check_inputs(config, sft)
    check_inputs(config, [])  # a job that ends before that stage


def test_the_template_of_the_config_goes_to_stage_sft(tmp_path: Path) -> None:
    config = job(tmp_path, chat_template="chatml")
    check_inputs(config, [stage for stage in make_stages(config) if stage.name == "sft"])
    assert train_config(config, Layout(tmp_path), "sft").model.chat_template == "chatml"
    assert train_config(config, Layout(tmp_path), "cpt").model.chat_template is None
