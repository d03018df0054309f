"""What `auto` chose and does not work here is tried another way and said; what was asked for by name is one message."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from small_runs import losses, run_here

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


def test_what_is_asked_for_by_name_and_cannot_be_had_is_refused(settings, untied_model) -> None:
    lora = {"type": "lora", "target_modules": ["q_proj", "lm_head"]}
    head = settings("head", **SHORT, kernels={"loss": "in_blocks"}, adapter=lora)
    with pytest.raises(ConfigError, match=r"kernels\.loss in_blocks: its output table carries an adapter"):
        run_here(head | {"model": {"checkpoint": str(untied_model)}})
    with pytest.raises(ConfigError, match="dpo needs the log-probability of each answer"):
        run_here(settings("pairs", **SHORT, kernels={"loss": "in_blocks"}, method="dpo"))
    with pytest.raises(ConfigError, match="takes true, false, auto, or a number of layers from 1"):
        run_here(settings("layers", **SHORT, gradient_checkpointing=0))


def test_a_run_may_go_on_with_full_logits(settings) -> None:
    values = settings("blocks", **SHORT, schedule="constant")
    run_here(values)
    assert run_here({**values, "max_steps": 4, "kernels": {"loss": "full_logits"}}).status == "resumed"


@pytest.mark.parametrize("kind", ["gpt2", "mixtral"])
def test_families_that_do_not_fit_get_another_attention(
    settings, base_model, tmp_path, document_rows, kind: str
) -> None:
    """GPT-2 drops out under a name of its own; Mixtral's balance of experts reads the mask."""
    from transformers import GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM

    from qaz_llm.model.export import write_model
    from qaz_llm.model.load import load_tokenizer

    tokenizer = load_tokenizer(base_model)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "vocab_size": len(tokenizer)}
    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **ids))
    else:
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
        model = MixtralForCausalLM(
            MixtralConfig(**shape, num_key_value_heads=1, num_local_experts=2, output_router_logits=True, **ids)
        )
    write_model(model, tokenizer, tmp_path / kind, facts={})
    values = settings(f"run-{kind}", **SHORT) | {"model": {"checkpoint": str(tmp_path / kind)}}
    run_here(values)
    assert identity(values)["model"]["attn_implementation"] == "sdpa"
