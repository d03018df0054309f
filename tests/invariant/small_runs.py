"""Small trainings: a base model, runs in this process and under torchrun, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import config_from_values, dump_yaml
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan
from qaz_llm.train.run import train
from qaz_llm.train.start.resume import TrainResult

ARCHITECTURE = {
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "num_kv_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 1024,
}


def make_base(folder: Path, *, tied: bool) -> Path:
    """A model with fresh weights and a tokenizer, saved as a folder."""
    from qaz_llm.model.architecture import make_model
    from qaz_llm.model.config import ArchitectureConfig
    from qaz_llm.model.export import write_model
    from qaz_llm.tokenizer.base import train_base_tokenizer

    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=600)
    shape = ArchitectureConfig(**ARCHITECTURE, tie_embeddings=tied)
    model = make_model(shape, tokenizer, seed=1, attn_implementation="sdpa")
    for parameter in model.parameters():  # larger weights, so that attending to a wrong document shows
        parameter.data.mul_(3)
    write_model(model, tokenizer, folder, facts={})
    return folder


Settings = Callable[..., dict[str, Any]]


def run_here(values: dict[str, Any], *, on_eval: Any = None) -> TrainResult:
    config = config_from_values(TrainConfig, values, where="test")
    return train(make_plan(config, read_environment({})), on_eval=on_eval)


def run_launched(values: dict[str, Any], *, processes: int) -> None:
    """The same through `torchrun … -m qaz_llm train`."""
    run_dir = Path(values["run_dir"])
    path = run_dir.with_suffix(".yaml")
    path.write_text(dump_yaml(values), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*command, "-m", "qaz_llm", "train", str(path)],
        env=environment | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def losses(values: dict[str, Any]) -> list[float]:
    rows = [json.loads(line) for line in (Path(values["run_dir"]) / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
