"""One contender trains one model for a few steps; what it took goes to standard output as one line of JSON.

    python scripts/bench/train_run.py CONTENDER --spec FILE

Contenders: `ours` (qaz train, as its config says), `bare` and `bare-bf16` (a loop of model, loss, backward, clip, fused AdamW over
the same rows; documents of a row see each other, which costs nothing), `trainer` (transformers.Trainer over the same rows), `bfd` and
`wrapped` (TRL's SFTTrainer with its own packing of the same documents). FILE is what bench_train.py wrote.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


class StepClock:
    """Processor and wall seconds of each step, and its tokens."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, int]] = []
        self.last = (time.process_time(), time.perf_counter())

    def tick(self, tokens: int) -> None:
        self._wait()
        now = (time.process_time(), time.perf_counter())
        self.rows.append((now[0] - self.last[0], now[1] - self.last[1], tokens))
        self.last = now

    @staticmethod
    def _wait() -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()


def run_ours(spec: dict[str, Any], clock: StepClock) -> None:
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.config import config_from_values
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.run import train

    end_of_step = PackedTrainer._maybe_log_save_evaluate

    def timed(trainer: Any, loss: Any, *rest: Any, **named: Any) -> Any:
        result = end_of_step(trainer, loss, *rest, **named)
        clock.tick(spec["rows"] * spec["seq_len"])
        return result

    PackedTrainer._maybe_log_save_evaluate = timed  # type: ignore[method-assign]
    config = config_from_values(TrainConfig, spec["config"], where="bench", overrides=spec["overrides"])
    train(make_plan(config, read_environment()))
    clock.rows = clock.rows[: spec["steps"]]  # without the last one, after which the run saves


def rows_of(spec: dict[str, Any]) -> Iterator[list[list[int]]]:
    """The rows of each step, over and over."""
    from qaz_llm.rows.packed import PackedDataset

    rows = PackedDataset.open(Path(spec["packed"]))
    number = 0
    while True:
        yield [rows[(number + i) % len(rows)]["input_ids"].tolist() for i in range(spec["rows"])]
        number += spec["rows"]


def load(spec: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(spec["checkpoint"], dtype=torch.float32)
    model.config.use_cache = False
    return model.to(device).train()


def run_bare(spec: dict[str, Any], clock: StepClock, *, half: bool) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    model = load(spec)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    device = next(model.parameters()).device
    casts = torch.autocast(device.type, torch.bfloat16) if half else nullcontext()
    for step, rows in enumerate(rows_of(spec)):
        if step == spec["steps"]:
            break
        ids = torch.tensor(rows, device=device)
        with casts:
            logits = model(input_ids=ids, use_cache=False).logits
        loss = cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(ids.numel())


def run_peer(spec: dict[str, Any], clock: StepClock, *, packing: str | None) -> None:
    """transformers.Trainer over the rows, or TRL over their documents."""
    from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

    options: dict[str, Any] = {
        "output_dir": spec["scratch"], "max_steps": spec["steps"], "per_device_train_batch_size": spec["rows"], "learning_rate": 1e-4,
        "lr_scheduler_type": "constant", "weight_decay": 0.1, "logging_steps": 1, "save_strategy": "no", "report_to": [], "bf16": spec["gpu"],
        "disable_tqdm": True, "use_cpu": not spec["gpu"], "dataloader_pin_memory": spec["gpu"], "optim": "adamw_torch_fused",
    }  # fmt: skip

    class Tick(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.tokens = 0

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick(self.tokens)

    tick = Tick()
    model = load(spec)
    if packing is None:
        rows = next(rows_of({**spec, "rows": spec["rows"] * spec["steps"]}))
        data = [{"input_ids": row, "labels": row} for row in rows]
        trainer = Trainer(model=model, args=TrainingArguments(**options), train_dataset=data, callbacks=[tick])
    else:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        arguments = SFTConfig(**options, packing=True, packing_strategy=packing, max_length=spec["seq_len"])
        trainer = SFTTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_list(documents_of(spec)), callbacks=[tick],
            processing_class=AutoTokenizer.from_pretrained(spec["checkpoint"]),
        )  # fmt: skip
    one = trainer.training_step

    def counted(model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        mask = inputs.get("attention_mask")
        tick.tokens = int(inputs["input_ids"].numel() if mask is None or mask.dim() != 2 else mask.sum())
        return one(model, inputs, *rest, **named)

    trainer.training_step = counted
    clock.last = (time.process_time(), time.perf_counter())
    trainer.train()


def documents_of(spec: dict[str, Any]) -> list[dict[str, list[int]]]:
    """The documents in the rows of all steps, twice over, for a packing that leaves some of the text out."""
    import numpy as np

    from qaz_llm.rows.packed import PackedDataset

    rows, found = PackedDataset.open(Path(spec["packed"])), []
    for number in range(2 * spec["rows"] * spec["steps"]):
        row = rows[number % len(rows)]
        cuts = np.flatnonzero(np.asarray(row["position_ids"]) == 0)[1:]
        found += [{"input_ids": part.tolist()} for part in np.split(np.asarray(row["input_ids"]), cuts)]
    return found


def flops_of(spec: dict[str, Any]) -> dict[str, float | None]:
    """Model FLOPs of a token as `qaz plan` counts them, for every contender alike, and the GPU's peak by its data sheet."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.cluster.machines import peak_flops
    from qaz_llm.config import config_from_values
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import make_plan

    environment = read_environment()
    config = config_from_values(TrainConfig, spec["config"], where="bench", overrides=spec["overrides"])
    return {
        "flops_per_token": make_plan(config, environment).flops_per_token,
        "peak_flops": peak_flops(environment.device_name),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", choices=["ours", "bare", "bare-bf16", "trainer", "bfd", "wrapped"])
    parser.add_argument("--spec", type=Path, required=True)
    options = parser.parse_args()
    spec, clock = json.loads(options.spec.read_text()), StepClock()
    match options.contender:
        case "ours":
            run_ours(spec, clock)
        case "bare" | "bare-bf16":
            run_bare(spec, clock, half=options.contender == "bare-bf16")
        case "trainer":
            run_peer(spec, clock, packing=None)
        case packing:
            run_peer(spec, clock, packing=packing)
    import torch

    peak = (
        torch.cuda.max_memory_allocated() if spec["gpu"] else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    found = {"steps": clock.rows, "peak_bytes": peak} | (flops_of(spec) if spec["gpu"] else {})
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
