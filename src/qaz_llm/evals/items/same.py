"""When two items ask the same."""

from __future__ import annotations

import unicodedata

from qaz_llm.records import EvalItem


def what_is_asked(item: EvalItem) -> tuple[str, ...]:
    """What two items have in common that are one question: language and words, whatever the order of the choices, spaces and capitals."""
    words = (item.text, item.question, *sorted(item.choices))
    return (item.language, *(" ".join(unicodedata.normalize("NFC", text).casefold().split()) for text in words))
