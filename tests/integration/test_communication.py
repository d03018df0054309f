"""The bytes that a plan says a step sends, against those of real trainings on two and on four processes: equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINES = {
    "ddp": "",
    "zero2": "distributed.deepspeed=configs/deepspeed/zero2.json",
    "zero3": "distributed.deepspeed=configs/deepspeed/zero3.json",
    "fsdp2": "distributed.backend=fsdp2",
}
LORA = (
    "method=cpt,model.architecture=null,model.train_vocab_size=null,model.checkpoint={out}/ddp/model,adapter.type=lora"
)
MORE = {
    "fsdp2-kept": "distributed.backend=fsdp2,distributed.reshard_after_forward=false",
    "zero3-bf16": f"{ENGINES['zero3']},precision=bf16",
    "zero2-bf16": f"{ENGINES['zero2']},precision=bf16",
    "fsdp2-bf16": f"{ENGINES['fsdp2']},precision=bf16",
    "lora": LORA,
    "lora-fsdp2-bf16": f"{LORA},{ENGINES['fsdp2']},precision=bf16",
}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.thorough)])
def test_the_bytes_of_a_step_are_those_that_were_counted(tmp_path: Path, processes: int) -> None:
    asked = ENGINES | (MORE if processes == 2 else {})
    script = Path(__file__).with_name("counted_trainings.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    named = [f"{name}:{overrides.format(out=tmp_path)}" for name, overrides in asked.items()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, str(script), str(tmp_path), *named],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == list(asked)
    for name, found in results.items():
        assert found["counted"] == found["expected"], name
    by_hand = 4 * results["ddp"]["trainable"]  # float32, once a step, however many processes and micro-batches
    assert results["ddp"]["counted"] == {"all_reduce": by_hand}
    assert results["fsdp2"]["counted"] == {"all_gather": 4 * by_hand, "reduce_scatter": 2 * by_hand}
