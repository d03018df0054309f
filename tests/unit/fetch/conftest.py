"""A hub on this machine, and libraries that ask it: the tests run with HF_HUB_OFFLINE=1 otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_hub import FakeHub, serve


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that was told nothing."""
    import datasets.config
    import huggingface_hub.constants

    from qaz_llm.io import hub as hub_module

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", hub_module.PROBLEM_VARIABLE):
        monkeypatch.setenv(name, "")  # and so taken back to what it was
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    hub_module._asked_once.cache_clear()


@pytest.fixture
def hub(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """An empty one, to which HF_ENDPOINT points."""
    with serve({}) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found
