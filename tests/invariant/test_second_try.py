"""What `auto` chose and does not work here is tried another way and said; what was asked for by name is one message."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from conftest import losses, run_here

from qaz_llm.errors import ConfigError
from qaz_llm.model.kernels import documents
from qaz_llm.train.loop.trainer import PackedTrainer
from qaz_llm.train.plan import settle

SHORT = {"max_steps": 3, "log_every_steps": 1}


@pytest.fixture
def document_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention within documents for rows of any length."""
    monkeypatch.setattr(settle, "SHORTEST_ROW", 1)


def identity(values: dict) -> dict:
    return json.loads((Path(values["run_dir"]) / "run.json").read_text())["identity"]


def test_documents_and_a_mask_learn_the_same(settings, document_rows) -> None:
    found = settings("documents", **SHORT)
    run_here(found)
    masked = settings("masked", **SHORT)
    masked["model"] = masked["model"] | {"attn_implementation": "sdpa"}
    run_here(masked)
    assert identity(found)["model"]["attn_implementation"] == "documents"
    assert losses(found) == pytest.approx(losses(masked), abs=2e-6)


def test_an_attention_that_refuses_the_model_gives_way_to_one_that_holds(
    settings, document_rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        documents, "UNKNOWN_TERMS", ("position_ids",)
    )  # as a family would that adds something of its own
    values = settings("refused", **SHORT)
    with caplog.at_level(logging.WARNING, logger="qaz"):
        run_here(values)
    assert identity(values)["model"]["attn_implementation"] == "sdpa"
    assert "attention documents has no position_ids; attention sdpa is taken" in caplog.text
    named = settings("named", **SHORT)
    named["model"] = named["model"] | {"attn_implementation": "documents"}
    with pytest.raises(ConfigError, match="attention documents has no position_ids") as caught:
        run_here(named)
    assert "model.attn_implementation=sdpa" in str(caught.value.hint)


def out_of_memory_until(checkpointed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    step = PackedTrainer.training_step

    def training_step(self, model, inputs, *rest):
        layers = self.model.model.layers
        if not (checkpointed and all(layer.gradient_checkpointing for layer in layers)):
            raise torch.OutOfMemoryError("tried to allocate 20.00 GiB")
        return step(self, model, inputs, *rest)

    monkeypatch.setattr(PackedTrainer, "training_step", training_step)


def test_out_of_memory_at_the_first_step_checkpoints_all_layers_where_that_was_left_to_the_plan(
    settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = settings("plain", **SHORT)
    run_here(plain)
    out_of_memory_until(True, monkeypatch)
    values = settings("auto", **SHORT, gradient_checkpointing="auto")
    with caplog.at_level(logging.WARNING, logger="qaz"):
        run_here(values)
    assert "out of memory with 0 of" in caplog.text
    assert losses(values) == pytest.approx(losses(plain), abs=1e-6)


def test_out_of_memory_with_what_was_asked_for_is_one_message_that_says_what_to_type(settings, monkeypatch) -> None:
    out_of_memory_until(False, monkeypatch)
    with pytest.raises(ConfigError, match=r"out of memory \(tried to allocate 20.00 GiB\)") as caught:
        run_here(settings("by_name", **SHORT, micro_batch_size=4, grad_accum_steps=1))
    assert caught.value.exit_code == 2
    assert caught.value.hint == "try micro_batch_size=2 grad_accum_steps=2"


def test_some_layers_computed_twice_learn_the_same(settings) -> None:
    plain, some = settings("plain", **SHORT), settings("some", **SHORT, gradient_checkpointing=1)
    run_here(plain)
    run_here(some)
    assert losses(some) == pytest.approx(losses(plain), abs=1e-6)
