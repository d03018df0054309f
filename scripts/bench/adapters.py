"""Fused adapters beside PEFT's own: operations, processor seconds and memory of a forward and backward pass under LoRA.

    python scripts/bench/adapters.py --model SMOLLM2_DIR [--r 64] [--rows 2] [--seq-len 1024] [--rounds 3] [--precisions fp32 bf16]

Weights of the model, random tokens, adapters beside all linear layers, the loss in blocks, norms that keep their input alone, as `qaz train` has
them. No optimizer: its step is the same for both. One thread; each figure comes from a process of its own, and the two take turns, so that a
busy machine meets both; the least of all rounds counts.

  products     matrix products of a pass (aten::mm, addmm, bmm): each is one kernel on a GPU
  operations   those and all else that computes or copies (casts, sums, scaling); views and allocations are left out. Counted by
               torch.profiler in eager mode, where their number does not depend on the length of a row
  CPU-s        processor seconds of a pass, the least
  peak         resident memory at its highest, GB (10⁹ bytes)
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PRODUCTS = frozenset(f"aten::{name}" for name in ("mm", "addmm", "addmm_", "bmm", "baddbmm"))
FREE = frozenset(
    f"aten::{name}"
    for name in (
        "view", "as_strided", "empty", "empty_strided", "empty_like", "resize_", "detach", "t", "transpose", "expand", "slice", "narrow", "split",
        "select", "unsqueeze", "reshape", "_unsafe_view", "result_type", "lift_fresh", "resolve_conj", "set_", "alias", "permute", "item",
        "_local_scalar_dense", "detach_", "_reshape_alias", "is_nonzero", "unbind", "squeeze", "numpy_T", "broadcast_to", "to", "_has_compatible_shallow_copy_type",
    )
)  # fmt: skip
"""What starts no kernel; a cast that does something is a copy_ inside `to`."""
WAYS = ("peft", "fused")


def prepared(options: argparse.Namespace) -> Any:
    import torch

    from qaz_llm.model.adapters import add_lora
    from qaz_llm.model.kernels.fused_adapters import fuse_adapters
    from qaz_llm.model.kernels.loss_head import give_losses
    from qaz_llm.model.kernels.norms import keep_less
    from qaz_llm.model.load import load_model

    torch.manual_seed(0)
    half = options.precision == "bf16"
    model = load_model(str(options.model), dtype="bfloat16" if half else "float32", attn_implementation="sdpa")
    model.train()
    keep_less(model)
    give_losses(model)
    adapted = add_lora(model, r=options.r, alpha=2.0 * options.r, dropout=0.0)
    if options.way == "fused":
        fuse_adapters(adapted)
    return adapted


def one_pass(model: Any, ids_BL: Any, precision: str) -> None:
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        nats = model(input_ids=ids_BL, targets_BL=ids_BL, use_cache=False)["nats"]
    (nats / ids_BL.numel()).backward()
    model.zero_grad()


def count(event: Any) -> dict[str, int]:
    """Operations of an event of the profiler and of those inside it, by name."""
    if event.name in PRODUCTS:
        return {event.name: 1}
    inside: dict[str, int] = {}
    for child in event.cpu_children:
        for name, number in count(child).items():
            inside[name] = inside.get(name, 0) + number
    computes = event.name.startswith("aten::") and event.name not in FREE
    return inside or ({event.name: 1} if computes and not event.cpu_children else {})


def operations(model: Any, precision: str) -> dict[str, int]:
    import torch
    from torch.profiler import ProfilerActivity, profile

    ids_BL = torch.randint(5, 1000, (2, 16))
    one_pass(model, ids_BL, precision)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        one_pass(model, ids_BL, precision)
    total: dict[str, int] = {}
    for event in profiler.events():
        if event.cpu_parent is None:
            for name, number in count(event).items():
                total[name] = total.get(name, 0) + number
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    model = prepared(options)
    if options.count:
        return {"operations": operations(model, options.precision)}
    ids_BL = torch.randint(5, 1000, (options.rows, options.seq_len))
    seconds = []
    for _ in range(2):
        started = time.process_time()
        one_pass(model, ids_BL, options.precision)
        seconds.append(time.process_time() - started)
    return {"cpu_s": min(seconds), "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def child(options: argparse.Namespace, way: str, precision: str, *extra: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--model", str(options.model), "--way", way, "--precision", precision, *extra]
    command += [f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("r", "rows", "seq-len")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(options: argparse.Namespace) -> None:
    keys = [(way, precision) for precision in options.precisions for way in WAYS]
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {key: [] for key in keys}
    counts = {key: child(options, *key, "--count")["operations"] for key in rows}
    for _ in range(options.rounds):
        for key in rows:
            rows[key].append(child(options, *key))
            print(*key, rows[key][-1], file=sys.stderr, flush=True)
    print("| precision | adapters | products | operations | CPU-s | peak GB |\n|---|---|---|---|---|---|")
    for (way, precision), found in rows.items():
        names = counts.get((way, precision), {})
        products = sum(number for name, number in names.items() if name in PRODUCTS)
        seconds = min((one["cpu_s"] for one in found), default=float("nan"))
        peak = min((one["peak_bytes"] for one in found), default=float("nan")) / 1e9
        print(f"| {precision} | {way} | {products:,} | {sum(names.values()):,} | {seconds:.2f} | {peak:.2f} |")
    for key, names in counts.items():
        print(*key, dict(list(names.items())[:12]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    for name, default in (("--r", 64), ("--rows", 2), ("--seq-len", 1024), ("--rounds", 3)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=["fp32", "bf16"], help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way is None:
        table(options)
    else:
        print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
