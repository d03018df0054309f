"""Behaviour as sections of the report: languages of answers, and agreement of twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qaz_llm.records import LANGUAGE_NAMES
from qaz_llm.report.figures import number_text
from qaz_llm.report.page import Section, paragraph, table

MOST_LANGUAGES = 5


def behaviour_sections(values: Mapping[str, Any]) -> Iterator[Section]:
    """`values` are those of parity.json's `behaviour`; none where no answer was written and no task has twins."""
    if languages := values.get("languages"):
        rows = [
            [
                task,
                LANGUAGE_NAMES.get(code, code),
                f"{found['answers']:,}",
                f"{found['untold']:,}",
                f"{found['wrong_answers']:,}",
                _shares(found["observed"]),
                _shares(found["corrected"]),
                _shares(found["scripts"]),
            ]
            for task, by in languages.items()
            for code, found in by.items()
        ]
        headers = [
            "task",
            "asked in",
            "answers",
            "nothing to tell",
            "mostly in another",
            "observed",
            "corrected",
            "scripts",
        ]
        note = (
            "Shares of sentences. Corrected for what the detector takes FLORES sentences for (Rogan and Gladen 1978); on short answers and formulas it errs "
            "more than that."
        )
        yield Section("Language of answers", (table(headers, rows), paragraph(note)))
    if agreement := values.get("agreement"):
        rows = [
            [task, pair, f"{found['n']:,}", number_text(found["agreement"]), number_text(found.get("kappa"))]
            for task, by in agreement.items()
            for pair, found in by.items()
        ]
        note = "The same choice, right or wrong, to the same question in two languages. Kappa is agreement beyond chance (Cohen 1960)."
        yield Section(
            "Agreement of twins", (table(["task", "languages", "twins", "agreement", "kappa"], rows), paragraph(note))
        )


def _shares(shares: Mapping[str, float]) -> str:
    shown = [f"{code} {100 * share:.1f} %" for code, share in shares.items() if share][:MOST_LANGUAGES]
    return ", ".join(shown) or "–"
