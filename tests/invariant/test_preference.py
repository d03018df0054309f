"""Learning from preference pairs through the public commands: exact whatever shares, interrupts or packs the work."""

import json
import os
import signal
from itertools import pairwise
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import Settings, losses, run_here, run_launched, weights

from qaz_llm.cluster.environment import read_environment
from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.config import config_from_values
from qaz_llm.errors import InputError, WorkError
from qaz_llm.model.load import load_model
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.dataset import PackedDataset, StepSampler
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.loop.trainer import PackedTrainer
from qaz_llm.train.plan import make_plan
from qaz_llm.train.preference import reference
from qaz_llm.train.ranks.heartbeat import Heartbeat


class CrashError(Exception):
    """A process that dies."""


@pytest.fixture
def pairs(settings, tmp_path: Path) -> Settings:
    """Values of a short run over 16 pairs of very different lengths, so that a mean of means would show."""
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"Вопрос {n}", "chosen": "Да, это так. " * (1 + n % 5), "rejected": "Нет. " * (1 + (n * 7) % 6)}
        for n in range(16)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    mix = {"mix": [{"name": "pairs", "path": str(path)}], "cache_dir": str(tmp_path / "cache")}

    def make(name: str, **values: Any) -> dict[str, Any]:
        base = {"method": "dpo", "data": mix, "seq_len": 160, "micro_batch_size": 2, "weight_decay": 0.0}
        return settings(name, **base | values)

    return make


def reference_folders(values: dict[str, Any]) -> list[Path]:
    return sorted(Path(values["data"]["cache_dir"]).glob("reference-*"))


@pytest.mark.parametrize(
    "values", [{}, {"adapter": {"type": "lora", "r": 4}}, {"precision": "bf16"}, {"packing": "off"}]
)
def test_the_first_loss_is_ln_2(pairs, values: dict) -> None:
    run = pairs("run", max_steps=1, **values)
    run_here(run)
    assert losses(run)[0] == pytest.approx(log(2), abs=2e-2 if "precision" in values else 1e-6)


def test_the_second_loss_by_hand(pairs, base_model: Path) -> None:
    """Each answer alone through the model after one step and through the base: the mean over the pairs of −log σ(β (c − r))."""
    values = pairs(
        "hand", micro_batch_size=1, grad_accum_steps=4, max_steps=2, checkpoint_every_steps=1, schedule="constant"
    )
    run_here(values)
    (folder,) = Path(values["data"]["cache_dir"]).glob("pairs-*")
    data = PackedDataset.open(folder)
    order = list(StepSampler(np.arange(len(data)), num_rows=8, seed=0))[4:]
    models = load_model(Path(values["run_dir"]) / "checkpoints/step-1"), load_model(base_model)

    def logp(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> float:
        with torch.no_grad():
            logprobs_TV = model(input_ids=ids[None]).logits[0].log_softmax(-1)
        learned = [n for n in range(1, len(ids)) if labels[n] != IGNORE_INDEX]
        return sum(logprobs_TV[n - 1, ids[n]].item() for n in learned)

    ratios = []
    for row in (data[n] for n in order):
        for start, end in pairwise([*np.flatnonzero(row["position_ids"] == 0), len(row["labels"])]):
            ids, labels = (torch.from_numpy(row[key][start:end]) for key in ("input_ids", "labels"))
            if (labels != IGNORE_INDEX).any():
                ratios.append(logp(models[0], ids, labels) - logp(models[1], ids, labels))
    apart = [0.1 * (chosen - rejected) for chosen, rejected in zip(ratios[::2], ratios[1::2], strict=True)]
    assert len(apart) > 4  # several pairs in a row
    by_hand = sum(np.log1p(np.exp(-x)) for x in apart) / len(apart)
    assert losses(values)[1] == pytest.approx(by_hand, abs=2e-5)
    told = json.loads((Path(values["run_dir"]) / "metrics.jsonl").read_text().splitlines()[1])
    assert told["reward_margin"] == pytest.approx(sum(apart) / len(apart), abs=2e-4)
    assert told["reward_accuracy_frac"] == pytest.approx(sum(x > 0 for x in apart) / len(apart))


def test_wide_is_deep_is_padded(pairs) -> None:
    """Four rows at once or one by one: the same losses; pairs in rows of their own, in the same order: the same too."""
    wide, deep = (
        pairs(name, micro_batch_size=rows, grad_accum_steps=4 // rows, max_steps=3)
        for name, rows in (("wide", 4), ("deep", 1))
    )
    run_here(wide)
    run_here(deep)
    assert losses(deep) == pytest.approx(losses(wide), abs=2e-5)
    packed, padded = (
        pairs(name, seq_len=1024, micro_batch_size=rows, max_steps=2, packing=packing)
        for name, rows, packing in (("packed", 2, "on"), ("padded", 16, "off"))
    )
    run_here(packed)
    run_here(padded)
    assert [len(PackedDataset.open(folder)) for folder in Path(packed["data"]["cache_dir"]).glob("pairs-*")].count(
        2
    ) == 1
    assert losses(padded) == pytest.approx(losses(packed), abs=2e-5)


@pytest.mark.slow
@pytest.mark.thorough
def test_two_processes_are_one(pairs) -> None:
    alone, shared = pairs("alone", micro_batch_size=4), pairs("shared", micro_batch_size=1, grad_accum_steps=2)
    run_here(alone)
    for folder in reference_folders(shared):  # made anew, by both processes
        folder.rename(folder.with_name("away"))
    run_launched(shared, processes=2)
    assert losses(shared) == pytest.approx(losses(alone), abs=2e-5)
    for one, other in zip(*(read_rows(Path(v["run_dir"])) for v in (alone, shared)), strict=True):
        assert other["reward_margin"] == pytest.approx(one["reward_margin"], abs=1e-4)


def read_rows(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_interrupted_is_uninterrupted_and_the_reference_is_made_once(pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop in the reference pass, and killed between checkpoints."""
    monkeypatch.setattr(reference, "CHUNK_ROWS", 2)
    common = {"max_steps": 4, "checkpoint_every_steps": 2, "eval_every_steps": 1}
    whole, broken = pairs("whole", **common), pairs("broken", **common)
    write = reference._write

    def stop_after_two(path: Path, values: Any) -> None:
        write(path, values)
        if path.name == "00001.npy":
            os.kill(os.getpid(), signal.SIGTERM)

    def crash(_model: Any, _tokenizer: Any, step: int) -> dict[str, float]:
        if step == 3:
            raise CrashError
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(reference, "_write", stop_after_two)
        with pytest.raises(PreemptedError, match="stopped by SIGTERM"):
            run_here(broken, on_eval=crash)
    (folder,) = reference_folders(broken)
    first = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert sorted(path.name for path in first) == ["00000.npy", "00001.npy"]
    with pytest.raises(CrashError):
        run_here(broken, on_eval=crash)
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert first.items() < made.items()
    assert run_here(broken, on_eval=lambda *_: {}).status == "resumed"
    run_here(whole, on_eval=lambda *_: {})
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")} == made
    assert losses(broken) == losses(whole)
    for name, tensor in weights(Path(whole["run_dir"]) / "model").items():
        assert torch.equal(tensor, weights(Path(broken["run_dir"]) / "model")[name]), name


def test_other_weights_have_a_reference_of_their_own(pairs, base_model: Path, tmp_path: Path) -> None:
    """Of the same size and the same rows: one bit of one weight is another."""
    model = load_model(base_model)
    before = reference.fingerprint_weights(model)
    bits = model.model.norm.weight.data.view(torch.int32)
    bits[0] ^= 1
    assert reference.fingerprint_weights(model) != before
    bits[0] ^= 1
    assert reference.fingerprint_weights(model) == before


def test_the_heartbeat_hears_of_the_same_passes_as_in_other_methods(pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of none where one process asks the model by itself, for the rows of a diverged step: the ranks' marks are compared."""
    marks: list[str] = []
    monkeypatch.setattr(Heartbeat, "mark", lambda _beat, what, **_named: marks.append(what))
    passes = ["reading rows", "counting tokens", *["the forward pass", "the backward pass"] * 2, "the update"]
    run_here(pairs("whole", max_steps=2, micro_batch_size=1, grad_accum_steps=2))
    whole = list(marks)
    start = whole.index("reading rows")
    assert whole[start : start + 7] == passes
    marks.clear()
    original = PackedTrainer.compute_loss
    monkeypatch.setattr(
        PackedTrainer, "compute_loss", lambda self, *rest, **named: original(self, *rest, **named) * inf
    )
    with pytest.raises(WorkError, match="diverged at step 1"):
        run_here(pairs("bad", max_steps=2, micro_batch_size=1, grad_accum_steps=2))
    assert (Path(pairs("bad")["run_dir"]) / "diverged/step-1.jsonl").is_file()
    assert marks[marks.index("reading rows") :] == passes


def test_another_loss_trains(pairs) -> None:
    values = pairs("run", preference={"loss": "ipo", "sft_weight": 1.0}, micro_batch_size=4)
    run_here(values)
    assert losses(values)[-1] < losses(values)[0]


def test_the_plan_counts_the_reference_pass(pairs) -> None:
    """Once over all tokens, forward only: 2 FLOPs per parameter and token beside the 6 of each trained one."""
    plan = make_plan(config_from_values(TrainConfig, pairs("run"), where="test"), read_environment({}))
    assert plan.reference_tokens > 0
    assert plan.flops == plan.tokens * plan.flops_per_token + 2 * plan.parameters * plan.reference_tokens


def test_text_in_place_of_pairs_is_refused_before_any_work(pairs) -> None:
    with pytest.raises(InputError, match=r"a chosen and a rejected answer; the fields found are: .*messages"):
        run_here(pairs("run", data={"mix": [{"name": "kk", "path": "embedded:dialogues.jsonl"}]}))
