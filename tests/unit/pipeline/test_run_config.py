"""Sections of a run's config that cannot go together are refused, with words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values, load_config
from qaz_llm.errors import ConfigError
from qaz_llm.pipeline.config import RunConfig

ROOT = Path(__file__).parents[3]
ARCHITECTURE = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "intermediate_size": 64}
SOURCE = {"name": "a", "path": "embedded:documents_kk_a.jsonl", "language": "kk", "licence": "CC0-1.0"}
FRESH: dict[str, Any] = {
    "run_dir": "run",
    "data": {"sources": [SOURCE]},
    "tokenizer": {"train_base": {}},
    "model": {"architecture": ARCHITECTURE},
    "pretrain": {},
    "sft": None,
    "eval": {"suite": "demo"},
}
CHECKPOINT = FRESH | {"tokenizer": {}, "model": {"checkpoint": "some/model"}, "pretrain": None}


def check(values: dict[str, Any]) -> RunConfig:
    return config_from_values(RunConfig, values, where="test")


def test_both_ways_to_start_are_accepted() -> None:
    fresh, checkpoint = check(FRESH), check(CHECKPOINT)
    assert fresh.pretrain is not None and fresh.pretrain.mix == {"ru": 1.0, "en": 1.0}
    assert checkpoint.pretrain is None and checkpoint.cpt.mix == {"kk": 0.8, "ru": 0.1, "en": 0.1}


@pytest.mark.parametrize(
    ("base", "change", "words"),
    [
        (FRESH, {"pretrain": None}, "add a pretrain section, or give model.checkpoint"),
        (FRESH, {"tokenizer": {}}, "set tokenizer.train_base or tokenizer.base"),
        (FRESH, {"model": {}}, "exactly one of checkpoint and architecture"),
        (FRESH, {"model": {"checkpoint": "a", "architecture": ARCHITECTURE}}, "exactly one of checkpoint"),
        (FRESH, {"tokenizer": {"train_base": {}, "base": "b"}}, "either base or train_base"),
        (FRESH, {"sft": {}}, "needs data.conversations; add a source, or set sft: null"),
        (CHECKPOINT, {"pretrain": {}}, "with model.checkpoint leave the section out"),
        (CHECKPOINT, {"tokenizer": {"train_base": {}}}, "cannot read; leave it out"),
        (FRESH, {"preference": {}}, "preference.pairs"),
        (FRESH, {"preference": {"pairs": [], "method": "dpo"}}, "preference.pairs"),
        (FRESH, {"preference": {"pairs": [{"name": "a", "path": "b"}], "method": "sft"}}, "preference.method"),
        (FRESH, {"cpt": {"mix": {}}}, "at least one language"),
        (FRESH, {"cpt": {"mix": {"kk": 1.0, "ru": 0.0}}}, "weight above 0"),
        (FRESH, {"cpt": {"mix": {"kz": 1.0}}}, "'kk' (ISO 639-1)"),
        (FRESH, {"cpt": {"method": "sft"}}, "cpt"),
        (FRESH, {"cpt": {"learning_rate": 1.0}}, "unknown key"),
        (FRESH, {"evals": {}}, "did you mean 'eval'?"),
        (FRESH, {"pretrain": {"adapter": {"type": "lora"}}}, "use adapter.type full"),
    ],
)
def test_what_does_not_fit_is_refused(base: dict[str, Any], change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(base | change)
    assert words in str(error.value)


def test_shares_of_conversations_name_sources_there_are() -> None:
    source = {"name": "talks", "path": "embedded:dialogues.jsonl", "kind": "chat"}
    data = {"sources": [SOURCE], "conversations": [source]}
    assert check(FRESH | {"data": data, "sft": {"shares": {"talks": 2}}}).sft is not None
    for shares, words in (({"talk": 1}, "sft.shares names talk; the sources of data.conversations are talks"),
                          ({"talks": 0}, "greater than 0")):  # fmt: skip
        with pytest.raises(ConfigError) as error:
            check(FRESH | {"data": data, "sft": {"shares": shares}})
        assert words in str(error.value)


def test_demo_is_a_whole_run() -> None:
    demo = load_config(RunConfig, ROOT / "configs" / "demo.yaml")
    assert demo.pretrain is not None and demo.sft is not None
    assert set(demo.pretrain.mix) == {"ru", "en"}, "the base model is not to know Kazakh"


def test_a_config_written_out_and_read_again_is_the_same(tmp_path: Path) -> None:
    from qaz_llm.config import dump_yaml

    demo = load_config(RunConfig, ROOT / "configs" / "demo.yaml")
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(demo.to_dict()), encoding="utf-8")
    assert load_config(RunConfig, path) == demo
