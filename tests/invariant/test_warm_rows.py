"""The first steps move the rows of new tokens and nothing else; then all; interrupted or not, the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import Settings, run_here, run_launched, weights

from qaz_llm.errors import ConfigError
from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.model.vocabulary import extension_of, fit_vocabulary

TABLES = ("model.embed_tokens.weight", "lm_head.weight")


@pytest.fixture
def values(settings: Settings, base_model: Path, untied_model: Path, extended_tokenizer: Path) -> Any:
    def make(name: str, *, tied: bool = True, **more: Any) -> dict[str, Any]:
        checkpoint = base_model if tied else untied_model
        model = {"checkpoint": str(checkpoint), "tokenizer": str(extended_tokenizer), "embedding_init": "blend"}
        data = {"mix": [{"name": "text", "path": "embedded:documents_kk_a.jsonl"}]}
        common = {"method": "cpt", "model": model, "data": data, "seq_len": 64, "warm_rows_steps": 3} | more
        return settings(name, **common)

    return make


def start(base: Path, tokenizer: Path) -> dict[str, torch.Tensor]:
    """All weights before the first step."""
    model = load_model(base, dtype="float32")
    fit_vocabulary(model, load_tokenizer(tokenizer), extension_of(tokenizer), init="blend", seed=0)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("adapter", ["full", "trainable_token_indices", "modules_to_save"])
def test_only_the_new_rows_move(
    values: Any, base_model: Path, untied_model: Path, extended_tokenizer: Path, tied: bool, adapter: str
) -> None:
    """Bit by bit; with weight decay, and a norm to which gradients are clipped."""
    lora = {} if adapter == "full" else {"adapter": {"type": "lora", "r": 4, "new_embeddings": adapter}}
    run = values("warm", tied=tied, max_steps=3, weight_decay=0.5, max_grad_norm=0.1, **lora)
    run_here(run)
    trained = weights(Path(run["run_dir"]) / "model")
    before = start(base_model if tied else untied_model, extended_tokenizer)
    new = list(extension_of(extended_tokenizer).new_ids)  # type: ignore[union-attr]
    for name, tensor in trained.items():
        if name in TABLES:
            assert torch.equal(tensor[: min(new)], before[name][: min(new)]), name
            assert not torch.equal(tensor[new], before[name][new]), name
        else:
            assert torch.equal(tensor, before[name]), name


def test_clipping_sees_the_new_rows_alone(values: Any, base_model: Path, extended_tokenizer: Path) -> None:
    """A step by hand: AdamW on the rows, from the gradient of the plain loss, clipped by the norm of the rows' part."""
    run = values("hand", max_steps=1, warm_rows_steps=1, schedule="constant", max_grad_norm=0.01, adam_eps=1e-2)
    run_here(run)
    from qaz_llm.rows.dataset import PackedDataset, StepSampler
    from qaz_llm.train.batches.collate import collate

    (folder,) = (Path(run["run_dir"]) / "packed").iterdir()
    data = PackedDataset.open(folder)
    import numpy as np

    model = load_model(base_model, dtype="float32")
    extended = extension_of(extended_tokenizer)
    fit_vocabulary(model, load_tokenizer(extended_tokenizer), extended, init="blend", seed=0)
    new = list(extended.new_ids)  # type: ignore[union-attr]
    model.config.use_cache = False
    batch = collate([data[i] for i in list(StepSampler(np.arange(len(data)), num_rows=4, seed=0))], pad_id=0)
    table = model.get_input_embeddings().weight
    start_ND = table[new].detach().clone()
    model(**batch).loss.backward()
    gradient_ND = table.grad[new]
    clipped_ND = gradient_ND * min(1.0, 0.01 / (gradient_ND.norm().item() + 1e-6))
    expected_ND = start_ND - 3e-3 * clipped_ND / (clipped_ND.abs() + 1e-2)
    found = weights(Path(run["run_dir"]) / "model")[TABLES[0]][new]
    torch.testing.assert_close(found, expected_ND, rtol=0, atol=1e-6)
    assert (found - start_ND).abs().max() > 1e-5


def test_then_all_move_as_if_they_began_there(values: Any, base_model: Path, extended_tokenizer: Path) -> None:
    """After one warm step of no learning rate a second step is what it would have been as the first of a run."""
    run = values("after", max_steps=4)
    run_here(run)
    before = start(base_model, extended_tokenizer)
    trained = weights(Path(run["run_dir"]) / "model")
    assert all(not torch.equal(trained[name], before[name]) for name in trained)
    moved = (trained["model.norm.weight"] - before["model.norm.weight"]).abs().max().item()
    # one step of AdamW's own first: its size is the learning rate itself; as a fourth it would be far less
    lr = 3e-3 * 0.1 + 3e-3 * 0.9 * 0.5 * (1 + torch.cos(torch.tensor(3 / 4 * torch.pi)).item())
    assert moved == pytest.approx(lr, rel=0.02)


@pytest.mark.parametrize("lora", [False, True])
def test_interrupted_in_the_warm_steps_and_after_is_uninterrupted(values: Any, lora: bool) -> None:
    adapter = {"adapter": {"type": "lora", "r": 4, "dropout": 0.2}} if lora else {}
    common = {"max_steps": 6, "checkpoint_every_steps": 2, **adapter}
    whole, broken = values("whole", **common), values("broken", **common)
    run_here(whole)

    class CrashError(Exception):
        pass

    def crash_at(step: int) -> Any:
        def on_eval(_model: Any, _tokenizer: Any, now: int) -> dict[str, float]:
            if now == step:
                raise CrashError
            return {}

        return on_eval

    for step in (3, 5):  # after the checkpoints of steps 2, within the warm steps, and 4
        with pytest.raises(CrashError):
            run_here({**broken, "eval_every_steps": 1}, on_eval=crash_at(step))
    assert run_here({**broken, "eval_every_steps": 1}, on_eval=crash_at(99)).status == "resumed"
    for name, tensor in weights(Path(whole["run_dir"]) / "model").items():
        assert torch.equal(tensor, weights(Path(broken["run_dir"]) / "model")[name]), name


@pytest.mark.slow
@pytest.mark.thorough
def test_two_processes_do_the_same(values: Any) -> None:
    one, two = values("one", max_steps=4), values("two", max_steps=4, micro_batch_size=2)
    run_here(one)
    run_launched(two, processes=2)
    for name, tensor in weights(Path(one["run_dir"]) / "model").items():
        torch.testing.assert_close(tensor, weights(Path(two["run_dir"]) / "model")[name], rtol=0, atol=2e-4)


def test_what_is_refused(values: Any, base_model: Path) -> None:
    run = values("none")
    with pytest.raises(ConfigError, match="gets no new rows here"):
        run_here({**run, "model": {"checkpoint": str(base_model)}})
    frozen = {"adapter": {"type": "lora", "new_embeddings": "frozen"}}
    with pytest.raises(ConfigError, match="frozen leaves them as they start"):
        run_here(values("frozen", **frozen))
    with pytest.raises(ConfigError, match="DeepSpeed"):
        run_here(values("zero", distributed={"deepspeed": "zero2.json"}))
