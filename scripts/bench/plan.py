"""What `qaz plan` says of memory, beside the most that `qaz train` really holds, on this machine's CPU.

    python scripts/bench/plan.py [--sizes 120k 10m 50m] [--checkpoint DIR] [--adapters full lora] [--json FILE]

Made models of Llama's shape with fresh weights, and a real one by --checkpoint (2 rows of 512). Each run is a process of its own
that makes two steps; the peak is the kernel's count of its resident memory (VmHWM), read while it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qaz_llm.config import dump_yaml
from qaz_llm.io import embedded_path, read_jsonl, write_json

SHAPES = {  # hidden, layers, heads, heads of keys, intermediate, vocabulary; rows, seq_len
    "120k": ((64, 2, 4, 2, 128, 800), (8, 256)),
    "10m": ((256, 8, 4, 2, 704, 16_000), (4, 512)),
    "50m": ((512, 12, 8, 4, 1408, 32_000), (2, 1024)),
}
REAL_BATCH = (2, 512)
NAMES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
         "vocab_size")  # fmt: skip


def make_checkpoint(size: str, folder: Path) -> Path:
    """A model with fresh weights, and a small tokenizer, whose ids are the first of the vocabulary."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from qaz_llm.model.export import write_model
    from qaz_llm.tokenizer.base import train_base_tokenizer

    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=600)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    shape = dict(zip(NAMES, SHAPES[size][0], strict=True))
    write_model(LlamaForCausalLM(LlamaConfig(**shape, **ids, tie_word_embeddings=True)), tokenizer, folder, facts={})
    return folder


def config_of(checkpoint: Path, batch: tuple[int, int], adapter: str, run_dir: Path) -> dict[str, Any]:
    rows, seq_len = batch
    return {
        "run_dir": str(run_dir),
        "method": "cpt",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "seq_len": seq_len,
        "micro_batch_size": rows,
        "max_steps": 2,
        "checkpoint_every_steps": None,
        "adapter": {"type": adapter},
        "device": "cpu",
    }


def measured_bytes(config: Path) -> int:
    """The peak of resident memory of `qaz train`, by the kernel."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "qaz_llm", "train", str(config)], stdout=log, stderr=subprocess.STDOUT
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _high_water_bytes(process.pid))
            time.sleep(0.05)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{config}: qaz train ended with {process.returncode}\n{log.read().decode()[-2000:]}")
    return peak


def _high_water_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def compare(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """The plan of a config and what training it took."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import config_from_values
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan

    path.write_text(dump_yaml(config), encoding="utf-8")
    made = make_plan(config_from_values(TrainConfig, config, where=str(path)), read_environment({}))
    measured = measured_bytes(path)
    return {
        "parameters": made.parameters,
        "planned_bytes": made.memory_bytes,
        "measured_bytes": measured,
        "error_frac": made.memory_bytes / measured - 1,
        "moment": made.memory.peak.name,
        "parts": dict(made.memory.peak.parts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--checkpoint", type=Path, help="a real model's folder, measured too")
    parser.add_argument("--adapters", nargs="+", choices=["full", "lora"], default=["full", "lora"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    results = []
    print(f"{'model':16} {'':5} {'planned MiB':>12} {'measured MiB':>13} {'error':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        models = [(size, make_checkpoint(size, work / size), SHAPES[size][1]) for size in arguments.sizes]
        if arguments.checkpoint:
            models.append((arguments.checkpoint.name, arguments.checkpoint, REAL_BATCH))
        for name, checkpoint, batch in models:
            for adapter in arguments.adapters:
                config = config_of(checkpoint, batch, adapter, work / f"run-{name}-{adapter}")
                row = {"model": name, "adapter": adapter, "batch": batch} | compare(config, work / "config.yaml")
                results.append(row)
                planned, measured = row["planned_bytes"] / 2**20, row["measured_bytes"] / 2**20
                print(f"{name:16} {adapter:5} {planned:12,.0f} {measured:13,.0f} {row['error_frac']:+7.1%}", flush=True)
    if arguments.json:
        write_json(arguments.json, {"runs": results})


if __name__ == "__main__":
    main()
