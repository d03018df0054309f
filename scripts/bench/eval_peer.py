"""The lm-evaluation-harness side of `scripts/bench_eval.py`, run by the Python of its own environment.

    PYTHON scripts/bench/eval_peer.py MODEL TASKS_FOLDER OUT.json [--batch-size N]

TASKS_FOLDER holds a YAML and a JSONL per task, as the bench writes them. OUT.json gets for each task the processor time of
`simple_evaluate` (the model is loaded before), the tokens that went through the model, and of each item the texts that were
asked and their log-probabilities.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tasks", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batch-size", type=int, default=8)
    arguments = parser.parse_args()

    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    model = HFLM(
        pretrained=arguments.model,
        dtype="float32",
        device="cpu",
        batch_size=arguments.batch_size,
        trust_remote_code=False,
    )
    tokens = Counter()
    model.model.register_forward_pre_hook(tokens, with_kwargs=True)
    manager = TaskManager(include_path=str(arguments.tasks), include_defaults=False)
    names = sorted(path.stem for path in arguments.tasks.glob("*.yaml"))
    found = {name: evaluated(model, manager, name, tokens) for name in names}
    arguments.out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


class Counter:
    """Counts the tokens that go through a model, padding included."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = positional[0] if positional else named["input_ids"]
        self.count += ids.numel()


def evaluated(model: Any, manager: Any, name: str, tokens: Counter) -> dict[str, Any]:
    """One task: its time, its tokens, and what was asked and answered. No intervals are resampled, which would take longer."""
    from lm_eval import simple_evaluate

    before, started = tokens.count, time.process_time()
    result = simple_evaluate(
        model=model, tasks=[name], task_manager=manager, num_fewshot=0, bootstrap_iters=0, log_samples=True
    )
    spent = time.process_time() - started
    rows = sorted(result["samples"][name], key=lambda row: row["doc_id"])
    return {
        "cpu_s": spent,
        "tokens": tokens.count - before,
        "items": [
            {
                "asked": [[arguments[0], arguments[1]] for arguments in map(_texts, row["arguments"])],
                "logprobs": [float(answer[0][0]) for answer in row["resps"]],
            }
            for row in rows
        ],
    }


def _texts(arguments: Any) -> Any:
    return (arguments["arg_0"], arguments["arg_1"]) if isinstance(arguments, dict) else arguments


if __name__ == "__main__":
    main()
