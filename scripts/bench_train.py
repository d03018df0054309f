"""How fast training is, beside a bare torch loop, transformers.Trainer and TRL, in one run over the same real Kazakh text.

    python scripts/bench_train.py --corpus DIR [--model DIR] [--shapes NAME …] [--threads 1 2] [--quick] [--json FILE]
    python scripts/bench_train.py --corpus DIR --switches        each switch of `qaz train` alone, on one shape
    python scripts/bench_train.py --corpus DIR --gpu             on a GPU: 1 B in full and 8 B with LoRA, in bf16 and float8, beside the peers

`--gpu` is written for one H200 and to take under ten minutes; it has not been run on one. MFU there is model FLOPs (6 N or 4 N and causal
attention, `qaz plan`) over the data sheet's bf16 peak, for every contender by the same count.

DIR is a built corpus (documents-*.jsonl.zst, `qaz data build`); --model a real model's folder for the shape smollm2-1024. TRL 1.16
belongs into the same environment (pip install trl==1.16.0); without it its columns stay empty.

Every contender is a process of its own, which trains WARM steps and then STEPS more; a figure is the median of those, in tokens per
processor second (per second on a GPU). Contenders take turns, ROUNDS times, so that a busy moment of the machine meets all of
them; the best round of each counts. `--quick`: the two smallest shapes, one round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "bench"))

from train_shapes import GPU_SHAPES, SHAPES, Shape, config_of, make_checkpoint

from qaz_llm.io import read_jsonl, write_json

RUN = Path(__file__).parent / "bench" / "train_run.py"
CONTENDERS = ("ours", "bare", "bare-bf16", "trainer", "bfd", "wrapped")
WARM, STEPS, ROUNDS = 2, 5, 2
SWITCHES: dict[str, tuple[str, ...]] = {
    "none": ("precision=fp32", "model.attn_implementation=sdpa", "kernels.loss=full_logits", "kernels.norms=off"),
    "precision=bf16": ("precision=bf16", "model.attn_implementation=sdpa", "kernels.loss=full_logits", "kernels.norms=off"),
    "attention documents": ("precision=fp32", "model.attn_implementation=documents", "kernels.loss=full_logits", "kernels.norms=off"),
    "loss in blocks": ("precision=fp32", "model.attn_implementation=sdpa", "kernels.loss=in_blocks", "kernels.norms=off"),
    "all three": ("precision=bf16", "model.attn_implementation=documents", "kernels.loss=in_blocks", "kernels.norms=off"),
    "norms": (
        "precision=fp32", "model.attn_implementation=sdpa", "kernels.loss=full_logits", "kernels.norms=on",
    ),
    "all four": (
        "precision=bf16", "model.attn_implementation=documents", "kernels.loss=in_blocks", "kernels.norms=on",
    ),
    "all three, compiled": (
        "precision=bf16", "model.attn_implementation=documents", "kernels.loss=in_blocks", "kernels.compile=on",
    ),
    "all three, checkpointing": (
        "precision=bf16", "model.attn_implementation=documents", "kernels.loss=in_blocks", "gradient_checkpointing=true",
    ),
}  # fmt: skip


GPU_RUNS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "1b-4096": {
        "full": ("ours", ()),
        "full, not compiled": ("ours", ("kernels.compile=off",)),
        "full, float8": ("ours", ("kernels.fp8=rowwise",)),
        "trainer": ("trainer", ()),
        "bfd": ("bfd", ()),
    },
    "8b-4096": {
        "LoRA": ("ours", ("adapter.type=lora", "adapter.r=16")),
        "LoRA, float8": ("ours", ("adapter.type=lora", "adapter.r=16", "kernels.fp8=rowwise")),
    },
}


@dataclass(frozen=True)
class Measured:
    """One contender on one shape."""

    shape: str
    contender: str
    threads: int
    tokens_per_cpu_s: float
    tokens_per_s: float
    peak_bytes: int
    tokens_per_step: int
    bytes_per_token: float
    mfu_frac: float | None = None


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench_train_") as scratch:
        found: list[Measured] = []
        try:
            found.extend(_measure_all(options, Path(scratch)))
        finally:  # what was measured before something failed is shown all the same
            print("\n".join(_table(found)))
            if options.json is not None:
                write_json(options.json, [asdict(one) for one in found])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="a built corpus")
    parser.add_argument("--model", type=Path, help="a real model's folder, for smollm2-1024")
    parser.add_argument("--shapes", nargs="+", choices=[s.name for s in (*SHAPES, *GPU_SHAPES)])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--switches", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--override", action="append", default=[], help="of the config of `ours`")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.gpu:
        import torch

        if not torch.cuda.is_available():
            parser.error("--gpu: torch sees no GPU here")
    return options


def _measure_all(options: argparse.Namespace, scratch: Path) -> Iterator[Measured]:
    texts = [
        row["text"]
        for path in sorted(options.corpus.glob("documents-*"))
        for row in read_jsonl(path)
        if row["language"] == "kk"
    ]
    text = scratch / "kk.jsonl"
    text.write_text("".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in texts), encoding="utf-8")
    for shape in _shapes(options):
        spec = _spec(shape, options, texts, text, scratch)
        runs = _runs(shape, options)
        for threads in options.threads:
            yield from _take_turns(shape, spec, runs, threads, options, scratch)


def _runs(shape: Shape, options: argparse.Namespace) -> dict[str, tuple[str, list[str]]]:
    """Contenders by the name they have in the table, with overrides of the config of `ours`."""
    if options.switches:
        return {name: ("ours", list(overrides)) for name, overrides in SWITCHES.items()}
    if options.gpu:
        return {name: (contender, list(overrides)) for name, (contender, overrides) in GPU_RUNS[shape.name].items()}
    return {name: (name, list(options.override)) for name in options.contenders}


def _shapes(options: argparse.Namespace) -> list[Shape]:
    if options.shapes:
        return [shape for shape in (*SHAPES, *GPU_SHAPES) if shape.name in options.shapes]
    if options.gpu:
        return list(GPU_SHAPES)
    if options.switches:
        return [shape for shape in SHAPES if shape.name == "48m-1024"]
    return list(SHAPES[:2] if options.quick else SHAPES if options.model else SHAPES[:-1])


def _spec(shape: Shape, options: argparse.Namespace, texts: Sequence[str], text: Path, scratch: Path) -> dict[str, Any]:
    """What every contender is told; the rows are made here, once."""
    from qaz_llm.model.load import load_tokenizer
    from qaz_llm.rows.config import MixEntry, RowShape
    from qaz_llm.rows.dataset import build_dataset

    name = shape.name.partition("-")[0]
    checkpoint = make_checkpoint(shape, texts, scratch / name) if shape.size else options.model
    cache = scratch / "cache"
    entry = MixEntry(name="kk", path=str(text))
    rows = build_dataset(
        entry, load_tokenizer(checkpoint), RowShape(shape.seq_len, chat=False, splits=True), cache=cache
    )
    steps = WARM + (3 if options.quick else options.steps)
    config = config_of(checkpoint, text, shape, cache, scratch / "run", steps=steps)
    bytes_per_token = text.stat().st_size / rows.meta["tokens"]  # of the file: a few bytes of JSON a document
    return {
        "bytes_per_token": bytes_per_token,
        "config": config, "checkpoint": str(checkpoint), "packed": str(rows.folder), "rows": shape.rows, "seq_len": shape.seq_len,
        "steps": steps, "scratch": str(scratch / "peer"), "gpu": options.gpu,
    }  # fmt: skip


def _take_turns(
    shape: Shape,
    spec: dict[str, Any],
    runs: dict[str, tuple[str, list[str]]],
    threads: int,
    options: argparse.Namespace,
    scratch: Path,
) -> Iterator[Measured]:
    found: dict[str, list[Measured]] = {}
    for turn in range(1 if options.quick else options.rounds):
        for name, (contender, overrides) in runs.items():
            own = spec | {
                "overrides": [
                    *overrides,
                    f"run_dir={scratch / 'runs' / f'{shape.name}-{len(found)}-{turn}-{threads}-{name}'}",
                ]
            }
            result = _run(contender, own, threads, scratch)
            if result is not None:
                result["bytes_per_token"] = spec["bytes_per_token"]
                found.setdefault(name, []).append(_figures(shape, name, threads, result))
    for of_name in found.values():
        best = max(of_name, key=lambda one: one.tokens_per_cpu_s)
        print(
            f"{best.shape} {best.contender} {threads} threads: {best.tokens_per_cpu_s:,.0f}",
            file=sys.stderr,
            flush=True,
        )
        yield best


def _run(contender: str, spec: dict[str, Any], threads: int, scratch: Path) -> dict[str, Any] | None:
    path = scratch / "spec.json"
    path.write_text(json.dumps(spec))
    variables = os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, str(RUN), contender, "--spec", str(path)],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        print(f"{contender} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def _figures(shape: Shape, name: str, threads: int, result: dict[str, Any]) -> Measured:
    steps = result["steps"][WARM:]
    per_s = median(tokens / wall for _, wall, tokens in steps)
    per_token, peak = result.get("flops_per_token"), result.get("peak_flops")
    return Measured(
        shape.name,
        name,
        threads,
        median(tokens / cpu for cpu, _, tokens in steps),
        per_s,
        result["peak_bytes"],
        steps[-1][2],
        result["bytes_per_token"],
        per_s * per_token / peak if per_token and peak else None,
    )


def _table(found: Sequence[Measured]) -> Iterator[str]:
    """A line for each contender of a shape, with its ratio to the bare loop (or to the first): by processor time, on a GPU by time."""
    yield "| shape | threads | contender | tokens per CPU-s | bytes per CPU-s | tokens per s | times the first | peak GB | tokens of a step | MFU |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for one in found:
        group = {m.contender: m for m in found if (m.shape, m.threads) == (one.shape, one.threads)}
        first = group.get("bare") or group.get("none") or next(iter(group.values()))
        ratio = one.tokens_per_cpu_s / first.tokens_per_cpu_s
        if one.mfu_frac is not None:
            ratio = one.tokens_per_s / first.tokens_per_s
        yield (
            f"| {one.shape} | {one.threads} | {one.contender} | {one.tokens_per_cpu_s:,.0f} | {one.tokens_per_cpu_s * one.bytes_per_token:,.0f} | {one.tokens_per_s:,.0f} "
            f"| {ratio:.2f} | {one.peak_bytes / 1e9:.2f} | {one.tokens_per_step:,} "
            f"| {'' if one.mfu_frac is None else f'{one.mfu_frac:.1%}'} |"
        )


if __name__ == "__main__":
    main()
