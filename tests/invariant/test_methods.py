"""Each way of training trains, is interrupted without a trace, and gives the model that was in memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import losses, run_here, weights

from qaz_llm.errors import ConfigError
from qaz_llm.model.load import load_model

LORA = {"type": "lora", "r": 4}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Short rows of text, made once for all runs."""
    cache = str(tmp_path_factory.mktemp("rows"))
    mix = [{"name": "ru", "path": "embedded:documents_ru.jsonl"}]
    return {"method": "cpt", "data": {"mix": mix, "cache_dir": cache}, "seq_len": 32, "max_steps": 4}


METHODS = {
    "muon_dora_plus": {
        "adapter": LORA | {"weight_decomposed": True, "lora_plus_ratio": 4.0, "rank_stabilised": True, "dropout": 0.2},
        "optimizer": {"type": "muon", "muon_momentum": 0.9},
    },
    "freeze": {"freeze": ["embeddings", "norms", "layers 1", "self_attn.k_proj"], "gradient_checkpointing": True},
    "pull": {"pull_to_base": 3.0, "weight_decay": 0.0},
}

OF_PACKAGES = {
    "torchao": {"optimizer": {"states": "torchao_8bit"}},
    "bitsandbytes": {"optimizer": {"states": "bitsandbytes_8bit"}},
}


class CrashError(Exception):
    """A process that dies."""


@pytest.mark.parametrize("name", [*METHODS, *OF_PACKAGES])
def test_interrupted_is_uninterrupted_and_what_is_saved_is_what_was_in_memory(settings, text, name: str) -> None:
    """Killed after a checkpoint: the same losses, bit by bit the same weights; merged and reloaded, the same logits."""
    if name in OF_PACKAGES:
        pytest.importorskip(name)
    ids = torch.arange(5, 40)[None]
    seen: dict[str, torch.Tensor] = {}

    def look(model, _tokenizer, step: int) -> dict[str, float]:
        if step == crash_at:
            raise CrashError
        with torch.no_grad():
            seen["logits"] = model(input_ids=ids).logits.clone()
        return {}

    common = text | {"checkpoint_every_steps": 2, "eval_every_steps": 1, **(METHODS | OF_PACKAGES)[name]}
    whole, broken = settings("whole", **common), settings("broken", **common)
    crash_at = 3
    with pytest.raises(CrashError):
        run_here(broken, on_eval=look)
    crash_at = -1
    assert run_here(broken, on_eval=look).status == "resumed"
    result = run_here(whole, on_eval=look)
    assert losses(broken) == losses(whole)
    assert losses(whole)[-1] < losses(whole)[0], "nothing was learned"
    saved = weights(Path(whole["run_dir"]) / "model")
    for key, tensor in weights(Path(broken["run_dir"]) / "model").items():
        assert torch.equal(tensor, saved[key]), key
    with torch.no_grad():
        logits = load_model(result.model_dir)(input_ids=ids).logits
    torch.testing.assert_close(logits, seen["logits"], atol=1e-4, rtol=1e-4)


def test_frozen_parts_stay_and_the_rest_moves(settings, text, base_model: Path) -> None:
    result = run_here(settings("run", **text, freeze=["embeddings", "layers 0", "mlp.up_proj"]))
    before, after = weights(base_model), weights(result.model_dir)
    frozen = {n for n in before if "embed_tokens" in n or "layers.0." in n or n.endswith("mlp.up_proj.weight")}
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == (name in frozen), name


def test_a_strong_pull_ends_nearer_to_the_base(settings, text, base_model: Path) -> None:
    base = weights(base_model)

    def distance(name: str, **values) -> float:
        after = weights(run_here(settings(name, **text, weight_decay=0.0, **values)).model_dir)
        return sum(((after[n] - base[n]) ** 2).sum().item() for n in base) ** 0.5

    free, pulled = distance("free"), distance("pulled", pull_to_base=50.0)
    assert pulled < 0.95 * free


def test_beside_weights_in_four_bits(settings, text, base_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU's kernels, which the config refuses; the result holds the base as it was where no adapter is."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr("qaz_llm.model.quantised.check_quantised", lambda device, deepspeed: None)
    adapter = LORA | {"quantised": "nf4", "target_modules": ["q_proj"]}
    values = settings("run", **text, checkpoint_every_steps=2, adapter=adapter)
    result = run_here(values)
    assert losses(values)[-1] < losses(values)[0]
    before, after = weights(base_model), weights(result.model_dir)
    moved = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    assert moved == {name for name in before if "q_proj" in name}


def test_four_bits_without_a_gpu_are_refused_before_any_work(settings, text) -> None:
    with pytest.raises(ConfigError, match="quantised nf4 needs a GPU, this run is on cpu"):
        run_here(settings("run", **text, adapter=LORA | {"quantised": "nf4"}))
