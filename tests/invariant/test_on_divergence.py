"""Stop, skip, rollback: what a step that diverged leaves behind equals what a second way of leaving it out does."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import run_here, weights

from qaz_llm.config import dump_yaml
from qaz_llm.errors import CheckpointError, WorkError
from qaz_llm.io import read_jsonl, write_json
from qaz_llm.model.load import load_tokenizer
from qaz_llm.train.loop.trainer import PackedTrainer

COMMON = {"max_steps": 6, "checkpoint_every_steps": 2, "micro_batch_size": 2, "grad_accum_steps": 2}


def rows_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(values["run_dir"]) / "metrics.jsonl").read_text().splitlines()]


def same_model(one: dict[str, Any], other: dict[str, Any]) -> None:
    expected = weights(Path(other["run_dir"]) / "model")
    for name, tensor in weights(Path(one["run_dir"]) / "model").items():
        assert torch.equal(tensor, expected[name]), name


@contextmanager
def losses_times(factor: Callable[[PackedTrainer, Any], float]) -> Iterator[None]:
    """Each micro-batch's loss, and so its gradient, multiplied by what `factor` says of trainer and batch."""
    original = PackedTrainer.compute_loss

    def compute_loss(self: PackedTrainer, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        times = factor(self, inputs)
        return original(self, model, inputs, *rest, **named) * times

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackedTrainer, "compute_loss", compute_loss)
        yield


@contextmanager
def without_updates(steps: set[int]) -> Iterator[None]:
    """The oracle of skipping: the optimizer's call of these steps is left out."""
    original, calls = torch.optim.AdamW.step, [0]

    def step(self: torch.optim.AdamW, *rest: Any) -> Any:
        calls[0] += 1
        return None if calls[0] in steps else original(self, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        yield


def at_step(*steps: int, times: float = math.inf) -> Callable[[PackedTrainer, Any], float]:
    return lambda trainer, _inputs: times if trainer.state.global_step + 1 in steps else 1.0


def test_a_skipped_step_changes_nothing_and_is_counted(settings) -> None:
    """Not the weights, not the moments, not their count; by fused AdamW and by one that has to be told."""
    values, by_hand, oracle = settings("skip", **COMMON), settings("by_hand", **COMMON), settings("oracle", **COMMON)
    skip = {"on_divergence": "skip"}
    fed: list[list[int]] = []

    def noting_step_3(trainer: PackedTrainer, inputs: Any) -> float:
        if trainer.state.global_step + 1 == 3:
            fed.extend(inputs["input_ids"].tolist())
        return at_step(3, 4)(trainer, inputs)

    with losses_times(noting_step_3):
        run_here(values | skip)
    with losses_times(at_step(3, 4)), pytest.MonkeyPatch.context() as patch:
        patch.setattr("qaz_llm.train.health.divergence.skips_on_device", lambda _optimizer: False)
        run_here(by_hand | skip)
    with without_updates({3, 4}):
        run_here(oracle)
    same_model(values, oracle)
    same_model(by_hand, oracle)
    rows = rows_of(values)
    assert [row.get("skipped_steps", 0) for row in rows] == [0, 0, 1, 2, 2, 2]
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert [row["loss"] for row in rows if row["step"] in (1, 2, 5, 6)] == [
        row["loss"] for row in rows_of(oracle) if row["step"] in (1, 2, 5, 6)
    ]
    kept = list(read_jsonl(Path(values["run_dir"]) / "diverged" / "step-3.jsonl"))
    assert len(kept) == 4
    assert all(row["part"] == "kk" and row["text"] and 0 < row["loss"] < 20 for row in kept)
    tokenizer = load_tokenizer(Path(values["run_dir"]) / "model")
    learned, written = sorted(tokenizer.decode(ids) for ids in fed), sorted(row["text"] for row in kept)
    assert all(text.startswith(cut) for text, cut in zip(learned, written, strict=True))


@pytest.mark.parametrize("bad", [(2,), (1, 2), (5, 6)])
def test_a_skipped_step_that_is_saved_does_not_count_against_the_model(settings, bad: tuple[int, ...]) -> None:
    """Its rows were not learned, whatever their loss is: step 2 and the last are checkpoints."""
    values, oracle = settings("skip", **COMMON, on_divergence="skip"), settings("oracle", **COMMON)
    known: list[list[int]] = []
    original = PackedTrainer.loss_of

    def factor(trainer: PackedTrainer, inputs: Any) -> float:
        if trainer.state.global_step + 1 not in bad:
            return 1.0
        known.extend(inputs["input_ids"].tolist())
        return math.inf

    def loss_of(self: PackedTrainer, inputs: Any, model: Any) -> float:
        is_bad = self.state.global_step in bad and any(row in known for row in inputs["input_ids"].tolist())
        return math.inf if is_bad else original(self, inputs, model)

    with losses_times(factor), pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackedTrainer, "loss_of", loss_of)
        run_here(values)
    with without_updates(set(bad)):
        run_here(oracle)
    same_model(values, oracle)
    assert [row.get("skipped_steps", 0) for row in rows_of(values)][-1] == len(bad)


def test_skipping_ends_where_it_does_not_help(settings) -> None:
    values = settings("skips", **COMMON, on_divergence="skip", divergence={"max_skips_in_row": 2})
    with pytest.raises(WorkError, match=r"at step 5 .*2 steps in a row were skipped"), losses_times(at_step(3, 4, 5)):
        run_here(values)


def bad_rows(run_dir: Path, step: int) -> Callable[[PackedTrainer, Any], float]:
    """NaN for the batches that hold the rows which step `step` of the untouched order learns from, whenever they come."""
    seen: list[torch.Tensor] = []

    def factor(trainer: PackedTrainer, inputs: Any) -> float:
        if not seen:
            from qaz_llm.rows.dataset import StepSampler

            whole = trainer.sampler
            order = StepSampler(whole.rows, num_rows=whole.num_rows, seed=whole.seed)
            numbers = order.rows_of_step(step, 4)
            seen.extend(torch.as_tensor(trainer.train_dataset[int(n)]["input_ids"]) for n in numbers)
        rows = inputs["input_ids"].cpu()
        return math.nan if any(torch.equal(row, bad) for row in rows for bad in seen) else 1.0

    return factor


def test_a_rollback_equals_a_run_told_to_leave_the_rows_out(settings) -> None:
    """Step 4 diverges after the checkpoint of step 2; the rest, and a resumption, go as without those rows."""
    common = {**COMMON, "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]}, "method": "cpt"}
    values = settings("rollback", **common, on_divergence="rollback", schedule="constant")
    run_dir = Path(values["run_dir"])
    with losses_times(bad_rows(run_dir, 4)):
        run_here(values)
    (entry,) = json.loads((run_dir / "left_out.json").read_text())["left_out"]
    assert (entry["place"], entry["step"]) == (4, 4) and "no longer a number" in entry["why"]
    assert len(list(read_jsonl(run_dir / "diverged" / "step-4.jsonl"))) == 4
    told = settings("told", **common, schedule="constant")
    write_json(Path(told["run_dir"]) / "left_out.json", {"left_out": [{"place": 4, "step": 4, "why": "told"}]})
    run_here(told)
    same_model(values, told)
    assert [row["loss"] for row in rows_of(values)] == [row["loss"] for row in rows_of(told)]
    (run_dir / "complete.json").unlink()
    shutil.rmtree(run_dir / "checkpoints" / "step-6")
    with losses_times(bad_rows(run_dir, 4)):
        run_here(values)  # goes on from step 4, without those rows
    same_model(values, told)
    (run_dir / "complete.json").unlink()
    (run_dir / "left_out.json").unlink()
    with pytest.raises(CheckpointError, match=r"without the rows of places \[4\]"):
        run_here(values)


@pytest.mark.parametrize(
    ("policy", "limits", "match", "every"),
    [
        ("stop", {}, "diverged at step 1", None),
        ("skip", {"max_skips_in_row": 2}, "diverged at step 1", 1),
        ("skip", {"max_skips_in_row": 2}, "2 steps in a row", 9),
        ("rollback", {"max_rollbacks": 1}, "after 1 rollbacks", 1),
    ],
)
def test_a_learning_rate_far_too_high_fails_under_every_policy(
    settings, policy: str, limits: dict[str, int], match: str, every: int | None
) -> None:
    """Its weights are numbers after the first step, and the only one: the model is asked before they are written."""
    values = settings("far", lr=1e38, max_steps=every or 1, checkpoint_every_steps=every)
    values |= {"on_divergence": policy, "divergence": limits}
    with pytest.raises(WorkError, match=match) as caught:
        run_here(values)
    assert caught.value.exit_code == 1
    run_dir = Path(values["run_dir"])
    assert not (run_dir / "model").exists()
    assert not list((run_dir / "checkpoints").glob("step-*"))
    assert list((run_dir / "diverged").glob("step-*.jsonl"))


def test_the_rows_of_a_diverged_step_of_pairs_are_kept(settings) -> None:
    """Each row with its own loss, which is the mean over its pairs: those of one row each average to the step's."""
    data = {"mix": [{"name": "pairs", "path": "embedded:preferences.jsonl"}]}
    common = {**COMMON, "method": "dpo", "data": data, "packing": "off", "schedule": "constant"}
    values = settings("pairs", **common, on_divergence="skip")
    with losses_times(at_step(3)):
        run_here(values)
    kept = list(read_jsonl(Path(values["run_dir"]) / "diverged" / "step-3.jsonl"))
    assert [row["part"] for row in kept] == ["pairs"] * 4
    assert all(row["text"] and row["tokens"] for row in kept)
    oracle = settings("oracle", **common)
    with without_updates({3}):
        run_here(oracle)
    assert sum(row["loss"] for row in kept) / 4 == pytest.approx(rows_of(oracle)[2]["loss"], rel=1e-5)


def test_a_jump_of_the_loss_is_seen_and_a_high_start_is_not(settings) -> None:
    values = settings("jump", **{**COMMON, "log_every_steps": 1}, divergence={"jump_after_steps": 3})
    with pytest.raises(WorkError, match="times the spread") as caught, losses_times(at_step(5, times=2.6)):
        run_here(values | {"divergence": {"jump_after_steps": 3, "jump": 10}})
    assert "step-4" in caught.value.message


SCRIPT = """
import math, os
from qaz_llm.cli import main
from qaz_llm.train.loop.trainer import PackedTrainer

original = PackedTrainer.compute_loss

def compute_loss(self, *rest, **named):
    is_bad = os.environ["RANK"] == "1" and self.state.global_step == 2
    return original(self, *rest, **named) * (math.inf if is_bad else 1.0)

PackedTrainer.compute_loss = compute_loss
main()
"""


@pytest.mark.slow
def test_two_processes_skip_the_same_step_and_save_the_same_one_when_one_is_told_to_stop(settings) -> None:
    """Only the second has the bad rows, and only the second gets the signal; they agree by what they reduce anyway."""
    values = settings("two", max_steps=100_000, schedule="constant", micro_batch_size=2, on_divergence="skip")
    run_dir = Path(values["run_dir"])
    run_dir.parent.joinpath("two.yaml").write_text(dump_yaml(values), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, "train", str(run_dir.with_suffix(".yaml"))],
            env=shared | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    limit = time.monotonic() + 900
    while time.monotonic() < limit and not (run_dir / "metrics.jsonl").is_file():
        time.sleep(0.1)
    while time.monotonic() < limit and len(rows_of(values)) < 5:
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGUSR1)
    said = [process.communicate(timeout=900)[1] for process in processes]
    assert [process.returncode for process in processes] == [75, 75], said
    rows = rows_of(values)
    assert [row.get("skipped_steps", 0) for row in rows[:4]] == [0, 0, 1, 1]
    assert all(math.isfinite(row["loss"]) for row in rows)
    (saved,) = (run_dir / "checkpoints").glob("step-*")
    assert f"step {saved.name.removeprefix('step-')} of 100000 is saved" in said[0]  # what is the same is said once
    assert len(list(read_jsonl(run_dir / "diverged" / "step-3.jsonl"))) == 4
