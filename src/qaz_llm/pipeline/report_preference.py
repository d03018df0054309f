"""What the report of a run says of learning from preferences: how far apart the answers of a pair have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qaz_llm.pipeline.config import RunConfig
from qaz_llm.report.charts import line_chart
from qaz_llm.report.page import paragraph

Rows = Sequence[Mapping[str, Any]]

FIGURES = ("loss", "reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy_frac")


def preference_values(rows: Rows) -> dict[str, Any]:
    """`{"preference": {"first": …, "last": …}}` of report.json; nothing where there was no such stage."""
    if not rows:
        return {}
    ends = {"first": rows[0], "last": rows[-1]}
    return {
        "preference": {name: {key: row[key] for key in ("step", *FIGURES) if key in row} for name, row in ends.items()}
    }


def preference_parts(config: RunConfig, rows: Rows) -> list[str]:
    """The curve of both rewards, and a sentence that says what they are, and where the pairs came from."""
    assert config.preference is not None
    told = [row for row in rows if "reward_margin" in row]
    names = {"reward_chosen": "preferred answer", "reward_rejected": "other answer"}
    curves = {name: [(float(row["step"]), float(row[key])) for row in told] for key, name in names.items()}
    chart = line_chart(
        curves, title="Learning from preferences: rewards", x_label="step", y_label="β × log-ratio to the start, nats"
    )
    pairs = ", ".join(f"{pair.name} ({pair.path})" for pair in config.preference.pairs)
    sources = f"Pairs: {pairs}, read as they are: neither cleaned nor compared with the evaluation's texts."
    if not told:
        return [paragraph(sources)]
    last = told[-1]
    found = (
        f"At the end {last['reward_accuracy_frac']:.0%} of the pairs have the higher reward for the preferred answer, "
        f"by {last['reward_margin']:.3f} nats on average; both rewards are 0 at the start, where the loss of DPO is ln 2. {sources}"
    )
    return [chart, paragraph(found)]
