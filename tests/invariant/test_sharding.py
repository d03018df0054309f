"""Shared out by FSDP2, and gone on with by another number of processes: the same losses, the same weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import losses, run_here, run_launched, weights

from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import config_from_values, dump_yaml
from qaz_llm.errors import CheckpointError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan
from qaz_llm.train.saving.checkpoint import Checkpoint
from qaz_llm.train.saving.universal import start_point

ROOT = Path(__file__).parents[2]
FSDP2 = {"backend": "fsdp2"}
DYING = """
import os, signal, sys
from pathlib import Path
from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import load_config
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan
from qaz_llm.train.run import train

def die(model, tokenizer, step):
    if step == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return {}

for path, on_eval in zip(sys.argv[1:], (None, die)):
    train(make_plan(load_config(TrainConfig, Path(path)), read_environment()), on_eval=on_eval)
"""
"""One training to its end, and another whose second process is killed after step 3."""


class CrashError(Exception):
    """A process that dies."""


def look_and_crash_at(step: int):
    """An evaluation that reads the model, as evaluations do, and dies at `step`."""

    def on_eval(model, tokenizer, now: int) -> dict[str, float]:
        with torch.no_grad():
            total = model(input_ids=torch.arange(8)[None]).logits.float().sum()
        if now == step:
            raise CrashError
        return {"logits": float(total)}

    return on_eval


def evals(values: dict) -> list[float]:
    lines = (Path(values["run_dir"]) / "evals.jsonl").read_text().splitlines()
    return [json.loads(line)["logits"] for line in lines]


def grad_norms(values: dict) -> list[float]:
    lines = (Path(values["run_dir"]) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["grad_norm"] for line in lines]


def assert_same(a: Path, b: Path) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("kind", ["full", "lora", "pull"])
def test_one_process_under_fsdp2_learns_and_resumes_as_a_plain_one(
    settings, base_model: Path, extended_tokenizer: Path, kind: str
) -> None:
    """LoRA with rows of new tokens, tied to the output, and dropout; a strong pull to the weights that training began with.

    The oracle is a run that nothing shares out.
    """
    common = {
        "method": "cpt",
        "model": {"checkpoint": str(base_model), "tokenizer": str(extended_tokenizer)},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "adapter": {"type": "lora", "r": 4, "dropout": 0.2} if kind == "lora" else {"type": "full"},
        "seq_len": 64,
        "max_grad_norm": 0.5,
        "checkpoint_every_steps": 2,
        "eval_every_steps": 1,
    } | ({"pull_to_base": 200.0, "weight_decay": 0.0} if kind == "pull" else {})
    plain = settings("plain", **common)
    run_here(plain, on_eval=look_and_crash_at(99))
    sharded = settings("sharded", distributed=FSDP2, **common)
    with pytest.raises(CrashError):
        run_here(sharded, on_eval=look_and_crash_at(3))
    assert run_here(sharded, on_eval=look_and_crash_at(99)).status == "resumed"
    assert losses(sharded) == pytest.approx(losses(plain), abs=1e-6)
    assert grad_norms(sharded) == pytest.approx(grad_norms(plain), rel=1e-5)
    assert max(grad_norms(plain)) > 0.5  # so that they were clipped
    assert evals(sharded) == pytest.approx(evals(plain), rel=1e-4)
    learned, expected = (weights(Path(values["run_dir"]) / "model") for values in (sharded, plain))
    assert learned.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(learned[name], expected[name], atol=1e-5, rtol=0, msg=name)


def run_whole_and_dying(whole: dict, broken: dict) -> None:
    """Both under one torchrun, the second killed with signal 9 after step 3."""
    paths = [Path(values["run_dir"]).with_suffix(".yaml") for values in (whole, broken)]
    for path, values in zip(paths, (whole, broken | {"eval_every_steps": 1}), strict=True):
        path.write_text(dump_yaml(values), encoding="utf-8")
    script = paths[0].with_suffix(".py")
    script.write_text(DYING, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, str(script), *map(str, paths)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr or "exitcode  : -9" in done.stderr, done.stderr[-4000:]


@pytest.mark.slow
def test_fsdp2_killed_and_gone_on_with_by_two_and_by_one(settings) -> None:
    """By as many processes bit by bit the same weights; by another number the same losses. With a pull to the base, of
    which each process holds its part."""
    common = {"max_steps": 6, "checkpoint_every_steps": 2, "distributed": FSDP2, "micro_batch_size": 2}
    common |= {"pull_to_base": 50.0, "weight_decay": 0.0}
    whole, broken, other = (settings(name, **common) for name in ("whole", "broken", "other"))
    run_whole_and_dying(whole, broken)
    shutil.copytree(broken["run_dir"], other["run_dir"])
    run_launched(broken, processes=2)
    assert losses(broken) == losses(whole)
    assert_same(Path(broken["run_dir"]) / "model", Path(whole["run_dir"]) / "model")
    run_here(other | {"micro_batch_size": 4})
    assert losses(other) == pytest.approx(losses(whole), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "before", "after"), [pytest.param(2, 2, 1, marks=pytest.mark.thorough), (3, 1, 2)])
def test_zero_goes_on_with_another_number_of_processes(settings, stage: int, before: int, after: int) -> None:
    """Weight decay is large, so that it shows where it reaches tensors that have none; the oracle is a run of one process."""
    config = {"deepspeed": str(ROOT / f"configs/deepspeed/zero{stage}.json")}
    common = {"schedule": "constant", "weight_decay": 0.5, "checkpoint_every_steps": 2, "distributed": config}
    whole = settings("whole", max_steps=5, **common)
    run_here(whole)
    changed = settings("changed", **common)
    for processes, steps in ((before, 2), (after, 5)):
        values = changed | {"micro_batch_size": 4 // processes, "max_steps": steps}
        if processes == 1:
            run_here(values)
        else:
            run_launched(values, processes=processes)
    assert losses(changed) == pytest.approx(losses(whole), abs=1e-5)
    run_dir = Path(changed["run_dir"])
    assert f"going on with {after}" in (run_dir / "train.log").read_text()
    assert not (run_dir / "checkpoints" / ".universal").exists()


def test_what_cannot_be_converted_is_refused_before_any_compute(settings) -> None:
    config = {"deepspeed": str(ROOT / "configs/deepspeed/zero2.json")}
    values = settings("run", distributed=config)
    plan = make_plan(config_from_values(TrainConfig, values, where="test"), read_environment({}))
    folder = Path(values["run_dir"]) / "checkpoints" / "step-1"
    (folder / "global_step1").mkdir(parents=True)  # without anything in it
    with pytest.raises(CheckpointError, match="could not convert it for another number of processes") as caught:
        start_point(plan, Checkpoint(folder, step=1, identity={}, world_size=2))
    assert "as many processes as wrote it" in (caught.value.hint or "")
    assert not (folder.parent / ".universal").exists()
