"""What is watched decides which model is kept and when a run ends; interrupted or not, it decides the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import losses, run_here, weights

from qaz_llm.data.mixing.mix import plan_mix
from qaz_llm.errors import CheckpointError
from qaz_llm.io import read_json
from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.dataset import PackedDataset, StepSampler, mix_rows
from qaz_llm.train.status import read_status

BITS = {1: 2.0, 2: 1.5, 3: 1.6, 4: 1.7, 5: 1.4}
"""What the scripted evaluation says at each step: best at step 2, until step 5 is seen."""


class Evaluation:
    """Says BITS; dies at `dies_at`, as a process does that is killed while it evaluates."""

    def __init__(self, run_dir: Path, dies_at: int | None = None) -> None:
        self.run_dir, self.dies_at, self.phases = run_dir, dies_at, set()

    def __call__(self, model: Any, tokenizer: Any, step: int) -> dict[str, float]:
        self.phases.add(read_status(self.run_dir)["phase"])
        if step == self.dies_at:
            raise InterruptedError
        return {"kk": BITS[step], "ru": 9.0 - BITS[step]}


def rows_of(run_dir: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / name).read_text(encoding="utf-8").splitlines()]


def kept(run_dir: Path) -> list[str]:
    return sorted(p.name for p in (run_dir / "checkpoints").iterdir())


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_losses_by_language_add_up_and_do_not_depend_on_how_work_is_shared(settings, base_model: Path) -> None:
    data = {
        "mix": [
            {"name": "a", "path": "embedded:documents_kk_a.jsonl", "language": "kk"},
            {"name": "b", "path": "embedded:documents_ru.jsonl", "language": "ru"},
        ]
    }
    common = {"method": "cpt", "data": data, "seq_len": 64, "max_steps": 3, "packing": "on"}
    wide = settings("wide", micro_batch_size=8, **common)
    deep = settings("deep", micro_batch_size=2, grad_accum_steps=4, **common)
    for values in (wide, deep):
        run_here(values)
    folders = sorted((Path(wide["run_dir"]) / "packed").iterdir())
    parts = [PackedDataset.open(folder) for folder in folders]
    tokens = {name: part.meta["tokens"] for name, part in zip("ab", parts, strict=True)}
    mix = plan_mix(tokens, {"a": 1.0, "b": 1.0}, total_tokens=sum(tokens.values()), max_passes=4.0)
    passes = [entry.passes for entry in mix.entries]
    order = StepSampler(mix_rows([len(part) for part in parts], passes, seed=0), num_rows=24, seed=0)
    for step, (one, other) in enumerate(
        zip(*(rows_of(Path(v["run_dir"]), "metrics.jsonl") for v in (wide, deep)), strict=True), 1
    ):
        learned = [0, 0]
        for number in order.rows_of_step(step, 8):
            part, row = (0, number) if number < len(parts[0]) else (1, number - len(parts[0]))
            learned[part] += int((np.asarray(parts[part][int(row)]["labels"])[1:] != IGNORE_INDEX).sum())
        found = one["languages"]
        assert [found.get(name, {"learned_tokens": 0})["learned_tokens"] for name in ("kk", "ru")] == learned
        assert list(one["sources"].values()) == list(found.values())
        assert set(one["sources"]) <= {"a", "b"}
        total = sum(values["loss"] * values["learned_tokens"] for values in found.values())
        assert total == pytest.approx(one["loss"] * one["learned_tokens"], rel=1e-5)
        for name, values in found.items():
            assert other["languages"][name]["loss"] == pytest.approx(values["loss"], abs=2e-5)


def test_no_progress_ends_the_run_and_the_best_is_the_model(settings) -> None:
    watch = {"keep_best": "kk", "patience": 2, "final_model": "best"}
    common = {"max_steps": 5, "checkpoint_every_steps": 1, "keep_checkpoints": 1, "eval_every_steps": 1}
    whole, broken = settings("whole", **common, watch=watch), settings("broken", **common, watch=watch)
    run_dir, broken_dir = Path(whole["run_dir"]), Path(broken["run_dir"])
    evaluation = Evaluation(run_dir)
    result = run_here(whole, on_eval=evaluation)
    assert (result.steps, result.status) == (4, "trained") and evaluation.phases == {"evaluation"}
    assert kept(run_dir) == ["step-2", "step-4"]  # the best, and the newest one
    assert same_weights(run_dir / "model/model.safetensors", run_dir / "checkpoints/step-2/model.safetensors")
    assert not same_weights(run_dir / "model/model.safetensors", run_dir / "checkpoints/step-4/model.safetensors")
    facts, status = read_json(run_dir / "complete.json"), read_status(run_dir)
    assert (facts["steps"], facts["model_of_step"]) == (4, 2)
    assert (status["state"], status["step"], status["best"]["step"]) == ("done", 4, 2)
    assert status["message"].startswith("the run has ended at step 4 of 5: 2 evaluations in a row were no better")

    for step in (2, 4):  # killed while it evaluates for the best, and for the end
        with pytest.raises(InterruptedError):
            run_here(broken, on_eval=Evaluation(broken_dir, dies_at=step))
    assert run_here(broken, on_eval=Evaluation(broken_dir)).steps == 4
    assert rows_of(broken_dir, "evals.jsonl") == rows_of(run_dir, "evals.jsonl")
    assert losses(broken) == losses(whole) and kept(broken_dir) == kept(run_dir)
    assert same_weights(broken_dir / "model/model.safetensors", run_dir / "model/model.safetensors")
    assert [sitting["how"] for sitting in read_status(broken_dir)["sittings"]] == ["failed", "failed"]

    (broken_dir / "complete.json").unlink()  # killed before the end was written
    shutil.rmtree(broken_dir / "model")
    assert run_here(broken, on_eval=Evaluation(broken_dir)).steps == 4
    assert len(losses(broken)) == 4
    assert same_weights(broken_dir / "model/model.safetensors", run_dir / "model/model.safetensors")
    assert run_here(broken, on_eval=Evaluation(broken_dir)).status == "complete"

    last = whole | {"watch": watch | {"final_model": "last"}}
    assert run_here(last, on_eval=Evaluation(run_dir)).steps == 4  # only the model is made anew
    assert same_weights(run_dir / "model/model.safetensors", run_dir / "checkpoints/step-4/model.safetensors")
    longer = whole | {"watch": {"keep_best": "kk"}}
    assert run_here(longer, on_eval=Evaluation(run_dir)).steps == 5
    plain = settings("plain", **common)
    run_here(plain, on_eval=Evaluation(Path(plain["run_dir"])))
    assert losses(plain) == losses(whole)  # an early end, gone on from, is no other run
    model = "model/model.safetensors"
    assert same_weights(Path(plain["run_dir"]) / model, run_dir / model)


def test_the_best_adapter_is_the_model_and_a_damaged_one_is_refused(settings) -> None:
    values = settings(
        "lora", max_steps=4, checkpoint_every_steps=4, eval_every_steps=1, adapter={"type": "lora", "r": 4},
        watch={"keep_best": "mean", "final_model": "best"},
    )  # fmt: skip
    run_dir = Path(values["run_dir"])
    bits = {1: 2.0, 2: 1.0, 3: 1.0, 4: 1.5}
    run_here(values, on_eval=lambda model, tokenizer, step: {"kk": bits[step], "ru": bits[step] + 1})
    assert kept(run_dir) == ["step-2", "step-4"]
    adapter = "adapter_model.safetensors"
    assert same_weights(run_dir / "adapter" / adapter, run_dir / "checkpoints/step-2" / adapter)
    (run_dir / "complete.json").unlink()
    (run_dir / "checkpoints/step-2" / adapter).unlink()
    with pytest.raises(CheckpointError, match=r"step-2, the best held-out mean.*is missing"):
        run_here(values, on_eval=lambda *_: {})


def test_samples_are_greedy_and_leave_the_training_alone(settings) -> None:
    watch = {"samples_every_steps": 2, "prompts": ["Қазақстан", "Сәлем"], "sample_tokens": 6}
    watched, plain = settings("watched", watch=watch, max_steps=3), settings("plain", max_steps=3)
    for values in (watched, plain):
        run_here(values)
    assert losses(watched) == losses(plain)
    run_dir = Path(watched["run_dir"])
    samples = rows_of(run_dir, "samples.jsonl")
    assert [(row["step"], row["name"]) for row in samples] == [(2, "1"), (2, "2"), (3, "1"), (3, "2")]
    model, tokenizer = load_model(run_dir / "model"), load_tokenizer(run_dir / "model")
    for row in samples[2:]:
        ids = tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
        made: list[int] = []
        for _ in range(6):
            with torch.no_grad():
                made.append(int(model(input_ids=torch.tensor([ids + made])).logits[0, -1].argmax()))
            if made[-1] == tokenizer.eos_token_id:
                break
        assert row["text"] == tokenizer.decode(made) and row["tokens"] == len(made)
    assert weights(run_dir / "model").keys() == weights(Path(plain["run_dir"]) / "model").keys()
