"""In which language each conversation is asked and answered: what a model tuned on them will answer in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from qaz_llm.language.identify import UNDETERMINED, identify
from qaz_llm.language.scripts import to_cyrillic
from qaz_llm.records import LANGUAGE_NAMES, Conversation

OTHER = "other"
"""A language that is none of ours."""
UNTOLD = "not told"
"""None that can be told: a label, a number, code."""

FEW_FRAC = 0.5
"""Where less than half of what is asked in a language is answered in it, a model tuned so will answer in another one."""

_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_CODE_LINE = re.compile(r"^(?:[ \t]+\S.*|.*[(){}=;<>].*)$", re.MULTILINE)
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)


def prose_of(texts: Iterable[str]) -> str:
    """The texts without code, which reads as English."""
    return _CODE_LINE.sub("", _FENCED.sub("", "\n".join(texts)))


def language_of_text(text: str) -> str:
    """The code of the language that most of a text is in, whatever Kazakh is written with; `und` where it cannot be told."""
    converted = to_cyrillic(text)
    return identify(converted.text if converted is not None else text).main


def asked_and_answered(conversation: Conversation, question: str | None = None) -> str:
    """The languages of its last question and of its last answer, as the detector names them, without code and thoughts.

    `kk→ru` is a Kazakh question with a Russian answer; `und` where a text is too short to be told (a label, a number). A request for a
    translation counts as what most of it is in, mostly the text to be translated. `question`: it alone, where the turn holds a passage too.
    """
    last: dict[str, str] = {}
    for message in conversation.messages:
        last[message.role] = message.content
    texts = (question or last.get("user", ""), last.get("assistant", ""))
    asked, answered = (language_of_text(prose_of([_THOUGHTS.sub("", text)])) for text in texts)
    return f"{asked}→{answered}"


def by_language(counts: Mapping[str, int]) -> dict[str, Counter[str]]:
    """Of each language of questions how many are answered in which; others than ours are OTHER, what cannot be told is UNTOLD.

    >>> by_language({"kk→kk": 2, "kk→ru": 3, "kk→und": 1, "tt→kk": 1})
    {'kk': Counter({'ru': 3, 'kk': 2, 'not told': 1}), 'other': Counter({'kk': 1})}
    """
    found: dict[str, Counter[str]] = {}
    for code in (*LANGUAGE_NAMES, OTHER, UNTOLD):
        answers: Counter[str] = Counter()
        for pair, count in counts.items():
            asked, answered = map(_of_ours, pair.split("→"))
            if asked == code:
                answers[answered] += count
        if answers:
            found[code] = answers
    return found


def _of_ours(code: str) -> str:
    return code if code in LANGUAGE_NAMES else UNTOLD if code == UNDETERMINED else OTHER


def answered_otherwise(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each language of which less than FEW_FRAC of the questions are answered in it, over all sources of a manifest."""
    total: Counter[str] = Counter()
    for entry in sources.values():
        total.update(entry.get("asked_answered", {}))
    lines = []
    for code, answers in by_language(total).items():
        told = {answer: count for answer, count in answers.items() if answer != UNTOLD}
        asked = sum(told.values())
        if code not in LANGUAGE_NAMES or not asked or told.get(code, 0) >= FEW_FRAC * asked:
            continue
        other = max((answer for answer in told if answer != code), key=lambda answer: told[answer])
        lines.append(
            f"of {asked:,} conversations asked in {LANGUAGE_NAMES[code]} {told.get(code, 0):,} are answered in it, {told[other]:,} in "
            f"{LANGUAGE_NAMES.get(other, 'other languages')}: a model tuned on them as they lie answers so too (shares by source: sft.shares; "
            "more examples: kind continuation)"
        )
    return lines
