"""Gateways for tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from fake_engine import FakeEngine, make_model_folder, running
from served import KEY, Kept, Service, Start

from qaz_llm.labels.keys import ROOT, make_keys, read_roots
from qaz_llm.serve.app import make_app
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.facts import read_facts
from qaz_llm.serve.keys import read_keys
from qaz_llm.serve.labelling import open_labels


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="session")
def label_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("label_keys") / "keys"
    make_keys(made, organisation="Мектеп")
    return made


@pytest.fixture(scope="session")
def roots(label_keys: Path) -> bytes:
    return read_roots([label_keys / ROOT])


@pytest.fixture
def start(folder: Path, label_keys: Path, tmp_path: Path) -> Start:
    @contextmanager
    def started(*, labelled: bool = True, model: Path = folder, **values: Any) -> Iterator[Service]:
        engine = FakeEngine()
        (tmp_path / "keys").write_text(f"tester:{KEY}\n")
        (tmp_path / "keys").chmod(0o600)
        with running(engine.app()) as upstream:
            config = ServeConfig.model_validate(
                {
                    "model": model,
                    "name": "demo",
                    "upstream": (upstream,),
                    "label_keys": label_keys if labelled else None,
                    **values,
                }
            )
            facts = read_facts(model, config.window_tokens)
            labels = open_labels(config.label_keys, "demo")
            with running(make_app(config, facts, read_keys(tmp_path / "keys"), labels)) as url:
                yield Service(url, engine, openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0))

    return started


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    logger, made = logging.getLogger("qaz.serve"), Kept()
    monkeypatch.setattr(logger, "handlers", [made])
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    return made
