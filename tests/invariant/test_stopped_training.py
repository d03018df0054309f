"""A signal at any moment of a training: what is saved, what is said, and that the rest equals an uninterrupted run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import losses, run_here, weights

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.io import read_jsonl
from qaz_llm.train.saving.checkpoint import newest_complete

LONG_S = 300


def told(name: str = "SIGTERM") -> None:
    """The process gets a signal and then waits much longer than the test, unless it is interrupted."""
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(LONG_S)


def same_model(one: dict[str, Any], other: dict[str, Any]) -> None:
    expected = weights(Path(other["run_dir"]) / "model")
    for name, tensor in weights(Path(one["run_dir"]) / "model").items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(("at", "is_wrapped"), [(2, False), (4, False), (4, True)])
def test_an_evaluation_is_broken_off_and_made_up_for(settings, at: int, is_wrapped: bool) -> None:
    """Also that of the last step, after which nothing would be left to do but to write the model; and where a library makes an
    error of its own of the interruption."""

    def on_eval(_model: Any, _tokenizer: Any, step: int) -> dict[str, float]:
        if step == at and not met:
            met.append(step)
            try:
                told()
            except BaseException as error:
                if is_wrapped:
                    raise RuntimeError("a kernel ended") from error
                raise
        return {"kk": float(step)}

    met: list[int] = []
    values = settings("broken_off", eval_every_steps=2)
    with pytest.raises(PreemptedError, match=f"step {at} of 4 is saved"):
        run_here(values, on_eval=on_eval)
    run_dir = Path(values["run_dir"])
    newest = newest_complete(run_dir / "checkpoints")
    assert newest is not None and newest.step == at
    assert run_here(values, on_eval=on_eval).status == "resumed"
    assert [row["step"] for row in read_jsonl(run_dir / "evals.jsonl")] == [2, 4]
    whole = settings("whole", eval_every_steps=2)
    run_here(whole, on_eval=on_eval)
    assert losses(values) == losses(whole)
    same_model(values, whole)


def test_an_export_is_broken_off_and_done_by_the_next_start(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    values = settings("export")
    with monkeypatch.context() as patch:
        patch.setattr("qaz_llm.train.saving.result.save_result", lambda *_: told("SIGUSR1"))
        with pytest.raises(PreemptedError, match="stopped by SIGUSR1; step 4 is saved"):
            run_here(values)
    assert not (Path(values["run_dir"]) / "model").exists()
    with monkeypatch.context() as patch:  # no step is made again
        patch.setattr("qaz_llm.train.loop.trainer.PackedTrainer.training_step", lambda *_: pytest.fail("trained again"))
        assert run_here(values).steps == 4
    whole = settings("whole")
    run_here(whole)
    same_model(values, whole)


@pytest.mark.parametrize("phase", ["prepare_files", "make_model_to_train"])
def test_before_the_first_step_nothing_waits(settings, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    module = {"prepare_files": "start.prepare", "make_model_to_train": "loop.sitting"}[phase]
    monkeypatch.setattr(f"qaz_llm.train.{module}.{phase}", lambda *_: told())
    with pytest.raises(PreemptedError, match="stopped by SIGTERM before the first step was saved") as caught:
        run_here(settings("early"))
    assert caught.value.exit_code == 75


def test_a_step_is_ended_and_saved(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first step of a sitting nothing is new; in the second the first would be lost."""
    from qaz_llm.train.loop.trainer import PackedTrainer

    original = PackedTrainer.training_step

    def training_step(self: Any, *rest: Any) -> Any:
        if self.state.global_step == moment[0]:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *rest)

    moment = [0]
    values = settings("step", checkpoint_every_steps=100)
    monkeypatch.setattr(PackedTrainer, "training_step", training_step)
    for step, line in ((0, "before the first step was saved"), (1, "step 2 of 4 is saved"), (2, "step 2 is saved")):
        moment[0] = step
        with pytest.raises(PreemptedError, match=line):
            run_here(values)
