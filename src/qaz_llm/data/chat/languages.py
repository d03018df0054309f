"""In which language each conversation is asked and answered: what a model tuned on them will answer in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qaz_llm.language.identify import identify
from qaz_llm.records import LANGUAGE_NAMES, Conversation

NEITHER = "other"
"""Another language than ours, or none that can be told: a label, a number."""

FEW_FRAC = 0.5
"""Where less than half of what is asked in a language is answered in it, a model tuned so will answer in another one."""


def asked_and_answered(conversation: Conversation) -> str:
    """The languages of its last question and of its last answer, as the detector names them.

    `kk→ru` is a Kazakh question with a Russian answer; `und` where a text is too short to be told (a label, a number). A request for a
    translation counts as what most of it is in, mostly the text to be translated.
    """
    last: dict[str, str] = {}
    for message in conversation.messages:
        last[message.role] = message.content
    asked, answered = (identify(last.get(role, "")).main for role in ("user", "assistant"))
    return f"{asked}→{answered}"


def by_language(counts: Mapping[str, int]) -> dict[str, Counter[str]]:
    """Of each language of questions how many are answered in which; what is none of ours, or cannot be told, is NEITHER.

    >>> by_language({"kk→kk": 2, "kk→ru": 3, "kk→und": 1, "tt→kk": 1})
    {'kk': Counter({'ru': 3, 'kk': 2, 'other': 1}), 'other': Counter({'kk': 1})}
    """
    found: dict[str, Counter[str]] = {}
    for code in (*LANGUAGE_NAMES, NEITHER):
        answers: Counter[str] = Counter()
        for pair, count in counts.items():
            asked, answered = (one if one in LANGUAGE_NAMES else NEITHER for one in pair.split("→"))
            if asked == code:
                answers[answered] += count
        if answers:
            found[code] = answers
    return found


def answered_otherwise(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each language of which less than FEW_FRAC of the questions are answered in it, over all sources of a manifest."""
    total: Counter[str] = Counter()
    for entry in sources.values():
        total.update(entry.get("asked_answered", {}))
    lines = []
    for code, answers in by_language(total).items():
        told = {answer: count for answer, count in answers.items() if answer != NEITHER}
        asked = sum(told.values())
        if code == NEITHER or not asked or told.get(code, 0) >= FEW_FRAC * asked:
            continue
        other = max((answer for answer in told if answer != code), key=lambda answer: told[answer])
        lines.append(
            f"of {asked:,} conversations asked in {LANGUAGE_NAMES[code]} {told.get(code, 0):,} are answered in it, {told[other]:,} in "
            f"{LANGUAGE_NAMES[other]}: a model tuned on them as they lie answers so too (shares by source: sft.shares; "
            "more examples: kind continuation)"
        )
    return lines
