"""However the work is shared out, interrupted and saved, the model is the same."""

import itertools
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_runs import losses, run_here, run_launched, weights

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import CheckpointError
from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.dataset import PackedDataset, StepSampler


def assert_close(a: dict, b: dict, atol: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=atol, rtol=0, msg=name)


class CrashError(Exception):
    """A process that dies."""


def crash_at(step: int):
    def on_eval(model, tokenizer, now: int) -> dict[str, float]:
        if now == step:
            raise CrashError
        return {}

    return on_eval


def stop_at(step: int):
    def on_eval(model, tokenizer, now: int) -> dict[str, float]:
        if now == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"seen": float(now)}

    return on_eval


@pytest.mark.slow
def test_one_by_eight_is_eight_by_one_is_two_processes(settings) -> None:
    wide = settings("wide", micro_batch_size=8)
    deep = settings("deep", micro_batch_size=1, grad_accum_steps=8)
    shared = settings("shared", micro_batch_size=2, grad_accum_steps=2)
    run_here(wide)
    run_here(deep)
    run_launched(shared, processes=2)
    assert losses(deep) == pytest.approx(losses(wide), abs=2e-5)
    assert losses(shared) == pytest.approx(losses(wide), abs=2e-5)
    reference = weights(Path(wide["run_dir"]) / "model")
    assert_close(weights(Path(deep["run_dir"]) / "model"), reference, atol=2e-4)
    assert_close(weights(Path(shared["run_dir"]) / "model"), reference, atol=2e-4)


def test_the_first_loss_by_hand(settings, base_model: Path) -> None:
    """Sum of the losses of all learned tokens of the step, divided once by their number."""
    values = settings("hand", micro_batch_size=2, grad_accum_steps=3, max_steps=1, seq_len=1024)
    run_here(values)
    (folder,) = (Path(values["run_dir"]) / "packed").iterdir()
    data = PackedDataset.open(folder)
    import numpy as np

    order = list(StepSampler(np.arange(len(data)), num_rows=6, seed=0))
    assert sum(int((data[i]["position_ids"] == 0).sum()) for i in order) > 12  # several dialogues in a row
    model = load_model(base_model)
    total, count = 0.0, 0
    for row in (data[i] for i in order):
        starts = [*np.flatnonzero(row["position_ids"] == 0), len(row["labels"])]
        for start, end in itertools.pairwise(starts):
            ids, labels = (torch.from_numpy(row[key][start:end]) for key in ("input_ids", "labels"))
            with torch.no_grad():
                logprobs_TV = model(input_ids=ids[None]).logits[0].log_softmax(-1)
            for position in range(1, len(ids)):
                if labels[position] != IGNORE_INDEX:
                    total -= logprobs_TV[position - 1, labels[position]].item()
                    count += 1
    assert losses(values)[0] == pytest.approx(total / count, abs=2e-5)


@pytest.mark.parametrize("adapter", [{"type": "full"}, {"type": "lora", "r": 4, "dropout": 0.2}])
def test_interrupted_twice_is_uninterrupted(settings, adapter: dict) -> None:
    """Killed between checkpoints, then told to stop: step by step the same losses, bit by bit the same weights."""
    common = {"max_steps": 10, "checkpoint_every_steps": 3, "eval_every_steps": 1, "adapter": adapter}
    whole, broken = settings("whole", **common), settings("broken", **common)
    run_here(whole, on_eval=stop_at(99))
    with pytest.raises(CrashError):
        run_here(broken, on_eval=crash_at(5))
    run_dir = Path(broken["run_dir"])
    assert [p.name for p in (run_dir / "checkpoints").glob("step-*")] == ["step-3"]
    with pytest.raises(PreemptedError, match="step 7 of 10 is saved") as caught:
        run_here(broken, on_eval=stop_at(7))
    assert caught.value.exit_code == 75
    assert run_here(broken, on_eval=stop_at(99)).status == "resumed"
    assert losses(broken) == losses(whole)
    for name, tensor in weights(Path(whole["run_dir"]) / "model").items():
        assert torch.equal(tensor, weights(run_dir / "model")[name]), name
    seen = [json.loads(line)["step"] for line in (run_dir / "evals.jsonl").read_text().splitlines()]
    assert seen == list(range(1, 11))


def test_a_run_that_is_done_does_nothing_and_another_is_refused(settings, untied_model: Path, tmp_path: Path) -> None:
    values = settings("run", max_steps=2, checkpoint_every_steps=1)
    first = run_here(values)
    before = {p: p.stat().st_mtime_ns for p in Path(values["run_dir"]).rglob("*") if p.name != "train.log"}
    assert first.status == "trained"
    again = run_here(values)
    assert (again.status, again.final_loss, again.tokens) == ("complete", first.final_loss, first.tokens)
    assert before == {p: p.stat().st_mtime_ns for p in Path(values["run_dir"]).rglob("*") if p.name != "train.log"}
    with pytest.raises(CheckpointError, match=r"lr: 0\.003 then, 0\.001 now"):
        run_here(values | {"lr": 1e-3})
    other = {"mix": [{"name": "kk", "path": "embedded:dialogues.jsonl", "language": "ru"}]}
    with pytest.raises(CheckpointError, match=r"data_fingerprints\.kk"):
        run_here(values | {"data": other})
    tuned = shutil.copytree(values["model"]["checkpoint"], tmp_path / "tuned")
    tensors = {name: tensor * 1.01 for name, tensor in weights(tuned).items()}
    save_file(tensors, tuned / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"now$|model\.weights_fingerprint"):
        run_here(values | {"model": {"checkpoint": str(tuned)}})
    with pytest.raises(CheckpointError, match=r"model\.checkpoint"):
        run_here(values | {"model": {"checkpoint": str(untied_model)}})
    assert run_here(values | {"micro_batch_size": 2, "grad_accum_steps": 2}).status == "complete"


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_a_finished_run_whose_model_is_damaged_makes_it_again(settings, damage: str, caplog) -> None:
    values = settings("run", max_steps=2, checkpoint_every_steps=1)
    run_here(values)
    path = Path(values["run_dir"]) / "model" / "model.safetensors"
    whole = path.read_bytes()
    (path.parent / "README.md").write_text("a card of one's own")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:5000] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    with caplog.at_level("WARNING", logger="qaz_llm"):
        assert run_here(values).status == "resumed"
    assert path.read_bytes() == whole and "model.safetensors" in caplog.text
    (path.parent / "README.md").write_text("a card of one's own")
    assert run_here(values).status == "complete"  # people may write the texts beside the weights


def test_damaged_rows_are_never_learned(settings, caplog) -> None:
    """Ids of the vocabulary in another order would be learned without a word."""
    whole, values = (
        settings("whole", max_steps=4, checkpoint_every_steps=2),
        settings("run", max_steps=4, checkpoint_every_steps=2),
    )
    run_here(whole)
    run_here(values)
    run_dir = Path(values["run_dir"])
    (tokens,) = run_dir.glob("packed/kk-*/tokens.bin")
    tokens.write_bytes(np.fromfile(tokens, dtype=np.int32)[::-1].tobytes())
    for gone in ("model", "checkpoints/step-4"):
        shutil.rmtree(run_dir / gone)
    (run_dir / "complete.json").unlink()
    with caplog.at_level("WARNING", logger="qaz_llm"):
        run_here(values)
    assert "the bytes of tokens.bin are not those that were written; made anew" in caplog.text
    for name, tensor in weights(Path(whole["run_dir"]) / "model").items():
        assert torch.equal(tensor, weights(run_dir / "model")[name]), name


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new_embeddings", ["trainable_token_indices", "modules_to_save", "frozen"])
def test_merged_and_reloaded_is_what_was_in_memory(
    settings, base_model: Path, untied_model: Path, extended_tokenizer: Path, tied: bool, new_embeddings: str
) -> None:
    base = base_model if tied else untied_model
    tokenizer = load_tokenizer(extended_tokenizer)
    ids = torch.tensor([tokenizer("Қазақстан тауларында қар ерте түседі.")["input_ids"]])
    assert (ids >= 600).any()  # the new tokens are in use
    seen: dict[str, torch.Tensor] = {}

    def look(model, _tokenizer, step: int) -> dict[str, float]:
        with torch.no_grad():
            seen["logits"] = model(input_ids=ids).logits.clone()
        return {}

    values = settings(
        "lora",
        method="cpt",
        model={"checkpoint": str(base), "tokenizer": str(extended_tokenizer)},
        data={"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        seq_len=64,
        eval_every_steps=4,
        adapter={"type": "lora", "r": 4, "new_embeddings": new_embeddings},
    )
    result = run_here(values, on_eval=look)
    model = load_model(result.model_dir)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids).logits, seen["logits"], atol=1e-4, rtol=1e-4)
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied
    old = load_model(base).get_input_embeddings().weight
    new = model.get_input_embeddings().weight
    assert new.shape[0] == 650
    if new_embeddings != "modules_to_save":
        assert torch.equal(new[:600], old)  # only the new rows may have moved
        adapter = result.model_dir.parent / "adapter" / "adapter_model.safetensors"
        table_bytes = 4 * new.numel()
        assert adapter.stat().st_size < table_bytes  # no whole table beside the adapter


@pytest.mark.slow
@pytest.mark.parametrize("stage", [pytest.param(2, marks=pytest.mark.thorough), 3])
def test_zero_learns_what_one_process_learns(settings, stage: int) -> None:
    plain = settings("plain", micro_batch_size=4)
    config = Path(__file__).parents[2] / f"configs/deepspeed/zero{stage}.json"
    sharded = settings("sharded", micro_batch_size=2, distributed={"deepspeed": str(config)})
    run_here(plain)
    run_launched(sharded, processes=2)
    assert losses(sharded) == pytest.approx(losses(plain), abs=2e-5)
    assert_close(weights(Path(sharded["run_dir"]) / "model"), weights(Path(plain["run_dir"]) / "model"), atol=2e-4)


@pytest.mark.slow
@pytest.mark.thorough
def test_lora_under_zero_3_with_new_rows(settings, base_model: Path, extended_tokenizer: Path) -> None:
    config = Path(__file__).parents[2] / "configs/deepspeed/zero3.json"
    common = {
        "model": {"checkpoint": str(base_model), "tokenizer": str(extended_tokenizer)},
        "adapter": {"type": "lora", "r": 4, "new_embeddings": "modules_to_save"},
    }
    plain = settings("plain", micro_batch_size=4, **common)
    sharded = settings("sharded", micro_batch_size=2, distributed={"deepspeed": str(config)}, **common)
    run_here(plain)
    run_launched(sharded, processes=2)
    assert losses(sharded) == pytest.approx(losses(plain), abs=5e-5)
    assert_close(weights(Path(sharded["run_dir"]) / "model"), weights(Path(plain["run_dir"]) / "model"), atol=5e-4)
