#!/usr/bin/env python
"""Write the results page of a finished run from its own files:  scripts/results_page.py RUN_DIR --command "…" > docs/results/NAME.md

Every measured figure comes from the run folder (report.json, the corpus manifest, the stages' manifests), so the page
cannot say what the run did not measure. Only the line on the machine is taken from where this script runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.pipeline.config import TRAINING_STAGES
from qaz_llm.pipeline.report import STEP_TITLES
from qaz_llm.progress import format_duration
from qaz_llm.records import LANGUAGE_NAMES
from qaz_llm.report.figures import interval_text, number_text, p_text


def main() -> None:
    """Read the run folder and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path, help="a run folder with a finished report")
    parser.add_argument("--command", required=True, help="the command that made it, to be shown")
    options = parser.parse_args()
    print(render(options.run_dir, options.command))


def render(run_dir: Path, command: str) -> str:
    """The page as Markdown."""
    report = _read(run_dir / "report" / "report.json")
    corpus = _read(run_dir / "corpus" / "manifest.json")
    stages = {name: _read(run_dir / "stages" / f"{name}.json") for name in report["stages"] if name != "report"}
    parts = [
        f"# {report['title']}",
        f"```\n{command}\n```",
        _machine(report, stages),
        "## What was kept of what was read",
        _funnel(corpus),
        "## Tokens per word on held-out sentences",
        _fertility(report),
        "## Bits per byte of held-out sentences, by stage",
        _bits(report),
        "## Scores and gaps",
        _parity(report),
        "## What adaptation changed",
        _changes(report),
        "## Training",
        _training(run_dir, stages),
        "## Samples of the adapted model, as they came",
        _samples(run_dir),
    ]
    return "\n\n".join(parts)


def _machine(report: Mapping[str, Any], stages: Mapping[str, Any]) -> str:
    total = format_duration(sum(stage["seconds"] for stage in stages.values()))
    times = ", ".join(f"{name} {format_duration(stage['seconds'])}" for name, stage in stages.items())
    packages = report["run"]["packages"]
    return (
        f"{os.cpu_count()} CPU cores ({platform.machine()}), no GPU; torch {packages['torch']}, "
        f"transformers {packages['transformers']}. All stages took {total}: {times}."
    )


def _funnel(corpus: Mapping[str, Any]) -> str:
    languages = [
        [LANGUAGE_NAMES.get(code, code), f"{v['documents']:,}", f"{v['words']:,}", f"{v['bytes'] / 1e6:.2f}"]
        for code, v in corpus["languages"].items()
    ]
    reasons = [[reason, f"{count:,}"] for reason, count in sorted(corpus["dropped"].items(), key=lambda kv: -kv[1])]
    pii = ", ".join(f"{kind} {count:,}" for kind, count in corpus["pii"].items()) or "none"
    made = corpus["conversations"]
    return "\n\n".join(
        [
            f"{corpus['documents_in']:,} documents in, {corpus['documents_out']:,} out; {made['in']:,} conversations in, "
            f"{made['out']:,} out. Personal data replaced: {pii}.",
            _table(["language", "documents", "words", "MB"], languages),
            _table(["dropped for", "documents"], reasons),
        ]
    )


def _fertility(report: Mapping[str, Any]) -> str:
    rows = [
        [
            LANGUAGE_NAMES[code],
            f"{report['fertility']['base'][code]:.3f}",
            f"{report['fertility']['extended'][code]:.3f}",
        ]
        for code in report["fertility"]["base"]
    ]
    return _table(["language", "base tokenizer", "extended"], rows)


def _bits(report: Mapping[str, Any]) -> str:
    codes = list(report["bits_per_byte"]["base"])
    bits = [[STEP_TITLES[n], *(f"{v[c]:.4f}" for c in codes)] for n, v in report["bits_per_byte"].items()]
    aligned = [[STEP_TITLES[n], *(f"{v[c]:.1f}" for c in codes)] for n, v in report["bits_per_sentence"].items()]
    headers = ["model", *(LANGUAGE_NAMES[code] for code in codes)]
    note = "Between languages only bits per aligned sentence compare:"
    return "\n\n".join([_table(headers, bits), note, _table(headers, aligned)])


def _parity(report: Mapping[str, Any]) -> str:
    scores = [
        [task, model, code, by[code]["metric"], str(by[code]["n"]), interval_text(by[code], "score")]
        for task in report["parity"]["adapted"]["scores"]
        for model in ("base", "adapted")
        for by in [report["parity"][model]["scores"][task]]
        for code in by
    ]
    gaps = [
        [
            task,
            pair,
            gap["metric"],
            interval_text(gap, "gap"),
            p_text(gap["p_holm"]),
            number_text(gap["minimum_detectable"]),
        ]
        for task, pairs in report["parity"]["adapted"]["gaps"].items()
        for pair, gap in pairs.items()
    ]
    return "\n\n".join(
        [
            _table(["task", "model", "language", "metric", "n", "score [95 %]"], scores),
            "Gaps of the adapted model on the same items:",
            _table(["task", "pair", "in", "gap [95 %]", "p (Holm)", "smallest detectable"], gaps),
        ]
    )


def _changes(report: Mapping[str, Any]) -> str:
    rows = [
        [task, code, change["metric"], interval_text(change, "change"), p_text(change["p_holm"])]
        for task, by in report["adaptation"].items()
        for code, change in by.items()
    ]
    return _table(["task", "language", "metric", "adapted − base [95 %]", "p (Holm)"], rows)


def _training(run_dir: Path, stages: Mapping[str, Any]) -> str:
    rows = []
    for name in TRAINING_STAGES:
        if name in stages:
            summary = stages[name]["summary"]
            seconds = json.loads((run_dir / name / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
            facts = _read(run_dir / name / "run.json")["plan"]
            rows.append(
                [
                    name,
                    f"{facts['parameters'] / 1e6:.2f} M",
                    f"{facts['trainable_parameters'] / 1e6:.2f} M",
                    f"{summary['steps']:,}",
                    f"{summary['tokens']:,}",
                    f"{summary['tokens'] / seconds:,.0f}",
                    f"{summary['final_loss']:.3f}",
                ]
            )
    headers = ["stage", "parameters", "trained", "steps", "tokens", "tokens/s", "last loss, nats/token"]
    return _table(headers, rows)


def _samples(run_dir: Path) -> str:
    blocks = []
    for line in (run_dir / "eval" / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["model"] == "adapted":
            blocks.append(
                f"- {row['language']}, {row['kind']}: «{row['prompt']}» → {' '.join(row['text'].split()) or '(nothing)'}"
            )
    return "\n".join(blocks)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
