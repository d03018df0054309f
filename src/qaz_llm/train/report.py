"""`qaz train report`: what a training did, as one HTML page, from the files of its run_dir; also while it runs.

Curves of more than POINTS rows are drawn by the means of even stretches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.io import read_json, write_text
from qaz_llm.progress import format_duration
from qaz_llm.report.charts import line_chart
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table
from qaz_llm.train.metrics import EVALS_FILE, METRICS_FILE, SAMPLES_FILE, read_metrics
from qaz_llm.train.status import STATUS_FILE, read_status
from qaz_llm.train.watching.clock import APART
from qaz_llm.train.watching.overlap import OVERLAP_FILE, Overlap
from qaz_llm.train.watching.texts import comparable_evals

POINTS = 400
SHOWN_STEPS = 4
"""Samples of so many steps are shown: the first, the last, and between them."""

Points = list[tuple[float, float]]
Rows = Sequence[Mapping[str, Any]]


def write_report(run_dir: Path, out: Path) -> Path:
    """Write the page. Raises InputError where the folder holds no training, or none that has written a row yet."""
    rows = read_metrics(run_dir / METRICS_FILE)
    if not rows:
        raise InputError(
            f"{run_dir}: no rows in {METRICS_FILE}, so nothing to report",
            hint="name the run_dir of a training that has logged a step; of `qaz run` it is RUN_DIR/cpt or another stage's",
        )
    evals, samples = read_metrics(run_dir / EVALS_FILE), read_metrics(run_dir / SAMPLES_FILE)
    status = read_status(run_dir) if (run_dir / STATUS_FILE).is_file() else {}
    facts = read_json(run_dir / "run.json") if (run_dir / "run.json").is_file() else {}
    sections = [
        _loss(rows),
        *([_held_out(evals, comparable_evals(run_dir), status, _overlap_lines(run_dir))] if evals else []),
        _step(rows),
        _speed(rows),
        *([_samples(samples)] if samples else []),
        _sittings(status),
        _config(run_dir, facts),
    ]
    title = f"Training {run_dir.resolve().name}"
    write_text(out, render_page(title, sections, subtitle=_subtitle(status), facts=_head(rows, status, facts)))
    return out


def _subtitle(status: Mapping[str, Any]) -> str:
    state = {"gone": "stopped: its process is gone", "silent": "silent"}.get(
        status.get("state", ""), status.get("state")
    )
    message = str(status.get("message") or status.get("why") or "").partition("\n")[0]
    return ": ".join(part for part in (state or "", message) if part)


def _head(rows: Rows, status: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    last, plan = rows[-1], facts.get("plan", {})
    steps = status.get("steps") or facts.get("steps")
    found = {
        "step": f"{last['step']:,}" + (f" of {steps:,}" if steps else ""),
        "loss": f"{rows[0]['loss']:.4f} → {last['loss']:.4f}",
        "tokens": f"{last['tokens']:,}",
        "time": format_duration(last["seconds"]),
        "tokens/s (median)": f"{_median([row['tokens_per_s'] for row in rows]):,.0f}",
    }
    if "parameters" in plan:
        found["parameters"] = f"{plan['parameters'] / 1e6:,.1f} M, {plan['trainable_parameters'] / 1e6:,.1f} M trained"
    if facts.get("environment"):
        found["on"] = str(facts["environment"])
    return found


# ---------------------------------------------------------------------------------------------------------- sections


def _loss(rows: Rows) -> Section:
    charts = [line_chart({"loss": _series(rows, "loss")}, title="Loss", x_label="step", y_label="nats per token")]
    for key, title in (("languages", "Loss by language"), ("sources", "Loss by source")):
        series = {name: _part_series(rows, key, name) for name in _names(rows, key)}
        if len(series) > 1:
            charts.append(line_chart(series, title=title, x_label="step", y_label="nats per token"))
            charts.append(details(f"{title}, in numbers", _part_table(rows, key)))
    lead = "Of the tokens that are learned from, each step's mean; the parts' losses, weighted by their tokens, add up to it."
    return Section("Loss", tuple(charts), lead)


def _part_table(rows: Rows, key: str) -> str:
    lines = []
    for name in _names(rows, key):
        points = _part_series(rows, key, name)
        tokens = sum(row[key][name]["learned_tokens"] for row in rows if name in row.get(key, {}))
        lines.append([name, points[0][1], points[-1][1], tokens])
    return table([key.removesuffix("s"), "first", "last", "learned tokens (logged steps)"], lines)


def _overlap_lines(run_dir: Path) -> list[str]:
    """What was found of the held-out text in the training data."""
    path = run_dir / OVERLAP_FILE
    found = dict(read_json(path)) if path.is_file() else {}
    searched = found.pop("searched", "")
    return [Overlap(**values).in_words(name, searched) for name, values in found.items() if values["found"]]


def _held_out(evals: Rows, comparable: Rows, status: Mapping[str, Any], overlaps: Sequence[str]) -> Section:
    """`comparable`: those numbers of `evals` that are of the same text as the last row's, which alone make a curve."""
    names = list(dict.fromkeys(name for row in evals for name in row if name != "step"))
    series = {name: points for name in names if (points := _series(comparable, name))}
    chart = line_chart(series, title="Held-out text", x_label="step", y_label="bits per byte")
    lines = [[f"{row['step']:,}", *(_number(row.get(name)) for name in names)] for row in evals]
    parts = [chart, details("Held-out text, in numbers", table(["step", *names], lines))]
    parts[:0] = [paragraph(line) for line in [*overlaps, *_other_texts(evals, comparable)]]
    best = status.get("best")
    if best:
        parts.insert(
            0, paragraph(f"Best {best['by']}: {best['value']:.4f} at step {best['step']:,}; its checkpoint is kept.")
        )
    return Section("Held-out text", tuple(parts), "Bits per byte of text that is not trained on; lower is better.")


def _other_texts(evals: Rows, comparable: Rows) -> list[str]:
    """What of the evaluations is left out of the curves, as it was measured on other text."""
    left_out: dict[str, list[int]] = {}
    for row, kept in zip(evals, comparable, strict=True):
        for name in row.keys() - kept.keys():
            left_out.setdefault(name, []).append(row["step"])
    return [
        f"{name}: {len(steps)} of {len(evals)} evaluations, the last at step {steps[-1]:,}, are of other text than the newest; the curve leaves them out."
        for name, steps in sorted(left_out.items())
    ]


def _step(rows: Rows) -> Section:
    charts = (
        line_chart({"lr": _series(rows, "lr")}, title="Learning rate", x_label="step", y_label="lr", height=220),
        line_chart(
            {"gradient norm": _series(rows, "grad_norm")},
            title="Norm of the gradient, before it is clipped",
            x_label="step", y_label="norm", height=220,
        ),
    )  # fmt: skip
    return Section("Steps", charts)


def _speed(rows: Rows) -> Section:
    charts = [
        line_chart({"tokens/s": _series(rows, "tokens_per_s")}, title="Tokens per second", x_label="step", y_label="tokens/s", height=220)
    ]  # fmt: skip
    if any("mfu_frac" in row for row in rows):
        points = [(step, 100 * share) for step, share in _series(rows, "mfu_frac")]
        charts.append(line_chart({"MFU": points}, title="MFU", x_label="step", y_label="% of peak", height=220))
    spent = {name: sum(row.get(f"{name}_s", 0.0) for row in rows) for name in APART}
    whole = rows[-1]["seconds"]
    lines = [["training", format_duration(whole - sum(spent.values()))]]
    lines += [[name, format_duration(seconds)] for name, seconds in spent.items()]
    charts.append(table(["on what", "time up to the last row"], [*lines, ["in all", format_duration(whole)]]))
    return Section("Speed", tuple(charts), "tokens/s and MFU leave out saving, evaluation and samples.")


def _samples(samples: Rows) -> Section:
    steps = list(dict.fromkeys(row["step"] for row in samples))
    count = min(SHOWN_STEPS, len(steps))
    chosen = (
        sorted({steps[round(n * (len(steps) - 1) / max(count - 1, 1))] for n in range(count)}) if count > 1 else steps
    )
    parts = []
    for step in chosen:
        texts = [f"{row['name']}: {row['prompt']} ‖ {row['text']}" for row in samples if row["step"] == step]
        parts.append(details(f"Step {step:,}", *(preformatted(text) for text in texts)))
    lead = f"The most likely token again and again; {len(chosen)} of {len(steps)} steps. ‖ parts prompt and answer, special tokens are shown."
    return Section("Samples", tuple(parts), lead)


def _sittings(status: Mapping[str, Any]) -> Section:
    if not status:
        return Section("Sittings", (paragraph("This run has no status.json; an earlier version made it."),))
    lines = [
        [
            _time(sitting["started"]),
            _time(sitting.get("ended")),
            sitting.get("step"),
            sitting["how"],
            _first_line(sitting.get("message")),
        ]
        for sitting in status["sittings"]
    ]
    last = [
        _time(status["started"]),
        _time(status.get("ended")),
        status.get("step"),
        status["state"],
        _first_line(status.get("message")),
    ]
    lead = f"The run was restarted {len(lines)} time{'' if len(lines) == 1 else 's'}; times are UTC."
    return Section("Sittings", (table(["started", "ended", "step", "how it ended", "why"], [*lines, last]),), lead)


def _config(run_dir: Path, facts: Mapping[str, Any]) -> Section:
    path = run_dir / "config.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else "config.yaml is not there"
    packages = [[name, version] for name, version in facts.get("packages", {}).items()]
    versions = table(["package", "version"], [*packages, ["commit of qaz-llm", facts.get("git_commit")]])
    return Section("Config and versions", (details("Config", preformatted(text)), details("Versions", versions)))


# ----------------------------------------------------------------------------------------------------------- numbers


def _series(rows: Rows, key: str) -> Points:
    return thinned([(row["step"], row[key]) for row in rows if row.get(key) is not None])


def _part_series(rows: Rows, key: str, name: str) -> Points:
    return thinned([(row["step"], row[key][name]["loss"]) for row in rows if name in row.get(key, {})])


def thinned(points: Points, *, most: int = POINTS) -> Points:
    """At most so many points, each the mean of an even stretch of them.

    >>> thinned([(1, 4.0), (2, 2.0), (3, 1.0), (4, 1.0)], most=2)
    [(1.5, 3.0), (3.5, 1.0)]
    """
    if len(points) <= most:
        return points
    bounds = [n * len(points) // most for n in range(most + 1)]
    stretches = [points[low:high] for low, high in pairwise(bounds)]
    return [(_mean([x for x, _ in stretch]), _mean([y for _, y in stretch])) for stretch in stretches]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _names(rows: Rows, key: str) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.get(key, {})))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _time(written: str | None) -> str:
    """`2026-01-31 10:15` of a time as status.json has it."""
    return (written or "").replace("T", " ")[:16]


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
