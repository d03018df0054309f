"""The results as a page of charts, and its picture.

    python scripts/experiments/page.py RESULTS OUT.html [--picture OUT.png]

RESULTS is the folder that adaptation.py fills. The picture, of SmolLM2's chart of each language, needs `chromium`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from arms import SMOLLM2
from table import change, read_results

from qaz_llm.io import write_text
from qaz_llm.report.charts import line_chart
from qaz_llm.report.forest import ROW_PX, ForestRow, forest_chart
from qaz_llm.report.page import Section, render_page

LEAD = "Less is better. Lines are 95 % intervals over sentences and seeds."
PICTURE_WIDTH, HEAD_PX, CHART_PX = 860, 175, 150
"""Of the picture: its width, what stands above the charts, and of a chart all but its rows."""

SHOWN = {
    "main": "main: 8,000 new tokens", "old-tokenizer": "no new tokens", "plus-4000": "4,000 new tokens",
    "plus-16000": "16,000 new tokens", "replay-0": "no Russian, no English text", "replay-10": "5 % Russian, 5 % English text",
    "trl": "TRL's trainer, its defaults", "trl-lr1e-4": "TRL's trainer, our rate",
}  # fmt: skip
"""Arms in words, where their names do not say it; each differs from the main one in that alone."""

LANGUAGES = {"kk": "Kazakh", "ru": "Russian", "en": "English"}
Results = Mapping[str, Sequence[Mapping[str, Any]]]


def forests(results: Results, model: str) -> list[str]:
    """For each language the change of bits per byte from the model as it comes, on FLORES: an arm a row, the best in Kazakh first."""
    base = [row["scores"] for row in results[f"start-{model}"]]
    changes = {}
    for code in LANGUAGES:
        for name, rows in results.items():
            if name != f"start-{model}" and _model_of(rows) == model:
                changes[name, code] = change([row["scores"] for row in rows], base, "flores_bpb", code)
    names = sorted({name for name, _ in changes}, key=lambda name: changes[name, "kk"][0])
    charts = []
    for code, language in LANGUAGES.items():
        rows = [ForestRow(_shown(name), *(100 * part for part in changes[name, code]), series=code) for name in names]
        title = f"{language}: change of bits per byte on FLORES, %"
        charts.append(forest_chart(rows, title=title, x_label="% against the model as it comes", zero_line=True))
    return charts


def _shown(name: str) -> str:
    """An arm in words; a start by what it is."""
    is_start = name.startswith("start-")
    return f"{int(name.rpartition('-plus')[2]):,} new tokens, untrained" if is_start else SHOWN.get(name, name)


def _model_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The model an arm, or a start that was grown, comes from."""
    row = rows[0]
    return str(row["arm"]["model"]) if "arm" in row else str(row["start"]).rpartition("-plus")[0] or str(row["start"])


def curve(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Bits per byte of held-out sentences while an arm was trained (its first seed)."""
    row = rows[0]
    per_step = row["tokens"] / row["steps"] / 1000
    series = {code: [(seen["step"] * per_step, seen[code]) for seen in row["watched"]] for code in LANGUAGES}
    return line_chart(series, title=f"{name}: held-out sentences", x_label="thousand tokens", y_label="bits per byte")


def frontier(results: Results, model: str) -> str:
    """What each arm brought in Kazakh, and what it did to English: to the right and down is better."""
    base = [row["scores"] for row in results[f"start-{model}"]]
    series = {}
    for name, rows in results.items():
        if not name.startswith("start-") and _model_of(rows) == model:
            scores = [row["scores"] for row in rows]
            gain = -100 * change(scores, base, "flores_bpb", "kk")[0]
            loss = 100 * change(scores, base, "flores_bpb", "en")[0]
            series[name] = [(gain, loss)]
    return line_chart(
        series, title="Kazakh gained, English lost", x_label="Kazakh bits per byte saved, %",
        y_label="English bits per byte added, %", height=380,
    )  # fmt: skip


def page(results: Results) -> str:
    sections = []
    for model in sorted({row["start"] for rows in results.values() for row in rows if "start" in row}):
        arms = {
            name: rows for name, rows in results.items() if not name.startswith("start-") and _model_of(rows) == model
        }
        if arms:
            sections.append(Section(model, tuple(forests(results, model)), lead=LEAD))
            curves = tuple(curve(rows, name) for name, rows in arms.items() if rows[0].get("watched"))
            sections.append(Section(f"{model}: while training", curves))
            sections.append(Section(f"{model}: gained and lost", (frontier(results, model),)))
    return render_page("A real model learns Kazakh", sections)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    write_text(options.out, page(read_results(options.results)))
    if options.picture:
        picture(read_results(options.results), options.picture)


def picture(results: Results, out: Path) -> None:
    """SmolLM2's charts alone, as chromium shows them."""
    charts = Section("Change of bits per byte", tuple(forests(results, SMOLLM2)), lead=LEAD)
    rows = sum(_model_of(rows) == SMOLLM2 for rows in results.values()) - 1
    size = f"--window-size={PICTURE_WIDTH},{HEAD_PX + len(LANGUAGES) * (CHART_PX + ROW_PX * rows)}"
    page_file = out.resolve().with_suffix(".html")
    write_text(page_file, render_page("SmolLM2-135M learns Kazakh", [charts]))
    command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=2", size]
    subprocess.run([*command, f"--screenshot={out.resolve()}", page_file.as_uri()], check=True, capture_output=True)
    page_file.unlink()


if __name__ == "__main__":
    main()
