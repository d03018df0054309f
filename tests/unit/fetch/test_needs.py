"""Which names of which configs mean a repository of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values, load_config
from qaz_llm.data.config import DataConfig, MixConfig, SourceConfig
from qaz_llm.evals.config import EvalConfig
from qaz_llm.fetch.needs import Need, is_hub_id, needs_of
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.train.config import TrainConfig

ROOT = Path(__file__).parents[3]


def needs(cls: Any, values: dict[str, Any]) -> dict[str, Need]:
    return {need.repo: need for need in needs_of(config_from_values(cls, values, where="test"))}


def test_a_name_is_a_hub_id_where_it_may_be_one_and_no_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "here").mkdir(parents=True)
    assert [is_hub_id(n) for n in ("org/name", "gpt2", "org/here", "./a/b", "/a", "runs/a/model", "", None)] == [
        True, True, False, False, False, False, False, False,
    ]  # fmt: skip


def test_a_training_config() -> None:
    values = {
        "run_dir": "r",
        "method": "cpt",
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
    }
    found = needs(TrainConfig, values | {"model": {"checkpoint": "org/base", "tokenizer": "org/words"}})
    assert (found["org/base"].weights, found["org/words"].weights) == (True, False)
    assert found["org/base"].why == ("model.checkpoint",)
    same = needs(TrainConfig, values | {"model": {"checkpoint": "org/base", "tokenizer": "org/base"}})
    assert [(n.weights, n.why) for n in same.values()] == [(True, ("model.checkpoint", "model.tokenizer"))]


def test_a_run_config_names_models_sources_and_tasks() -> None:
    config = load_config(
        RunConfig,
        ROOT / "configs" / "demo.yaml",
        [
            "pretrain=null", "model.architecture=null", "tokenizer.train_base=null", "model.checkpoint=org/base",
            "data.sources=[{name: w, path: org/web, format: hub, hub_files: ['kk/*.parquet'], licence: CC0-1.0}]",
            "data.conversations.0={name: c, path: org/talk, format: hub, kind: chat, licence: CC0-1.0}",
            "eval.suite=own", "eval.tasks=[belebele]",
        ],
    )  # fmt: skip
    found = {need.repo: need for need in needs_of(config)}
    assert found["org/base"].weights
    assert (found["org/web"].patterns, found["org/web"].subsets) == (("kk/*.parquet",), ())
    assert found["org/talk"].subsets == ("",)
    belebele = found["facebook/belebele"]
    assert belebele.type == "dataset" and {"rus_Cyrl", "eng_Latn"} <= set(belebele.subsets)
    assert "eval: belebele" in belebele.why


def test_one_own_copy_of_a_set_is_not_fetched(tmp_path: Path) -> None:
    values = {"name": "w", "path": "org/web", "format": "hub", "licence": "CC0-1.0"}
    build = {"sources": [values], "out": "o", "root": str(tmp_path)}
    assert set(needs(DataConfig, build)) == {"org/web"}
    (tmp_path / "org" / "web").mkdir(parents=True)
    assert needs(DataConfig, build) == {}
    assert set(needs(SourceConfig, values)) == {"org/web"}


def test_pinned_sets_and_models_behind_servers() -> None:
    values = {"model": "org/base", "suite": "own", "tasks": ["kazmmlu", "belebele"], "out": "o"}
    found = needs_of(config_from_values(EvalConfig, values, where="test"))
    assert found[0].repo == "org/base"
    pinned = [need for need in found if need.revision is not None]
    assert all(need.key[2] == need.revision for need in pinned)
    behind = needs(EvalConfig, values | {"server": {"url": "http://localhost:1/v1"}})
    assert "org/base" not in behind and behind
    assert set(needs(MixConfig, {"corpus": "c", "tokenizer": "org/words"})) == {"org/words"}
