"""The steps of a build in their order, the step at which each reason drops a document, and how a measure is written."""

from __future__ import annotations

from collections.abc import Mapping

STEPS = (
    "read",
    "repair",
    "script",
    "language",
    "boilerplate",
    "quality",
    "evaluation items",
    "personal data",
    "duplicates",
)

STEP_OF_REASON: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "missing_text",
            "bad_json",
            "bad_encoding",
            "bad_csv",
            "bad_xml",
            "wrong_columns",
            "line_too_long",
            "file_too_long",
            "too_many_values",
            "empty_file",
            "damaged_file",
            "licence",
            "opted_out",
            "no_messages",
            "no_answer",
        ),
        "read",
    ),
    "labelled": "repair",
    **dict.fromkeys(("no_letters", "script"), "script"),
    **dict.fromkeys(("language_unknown", "other_language", "kazakh_letters_missing"), "language"),
    "boilerplate": "boilerplate",
    "contaminated": "evaluation items",
    **dict.fromkeys(("duplicate_id", "exact_duplicate", "near_duplicate", "repeated_lines"), "duplicates"),
}
"""What is not named here is a quality rule (data/quality/rules.py, data/quality/fineweb2/rules.py)."""


def step_of(reason: str) -> str:
    """The step at which a reason drops."""
    return STEP_OF_REASON.get(reason, "quality")


def told(value: float | str) -> str:
    """A measured value or a limit as a person reads it.

    >>> told(0.30004321), told(500_000), told("non_commercial")
    ('0.3', '500,000', 'non_commercial')
    """
    return value if isinstance(value, str) else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
