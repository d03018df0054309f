"""Plain text as conversations: its beginning is given, its rest is the answer, both in one language.

    {"text": "Қар жауды. Жол жабылды. Мектеп ашылмады."}
    → user "Мәтінді жалғастыр:\\nҚар жауды."   assistant "Жол жабылды. Мектеп ашылмады."

    {"text": "Көктемде құстар жылы жақтан қайтып келеді"}   one sentence alone: its first third is given
    → user "Сөйлемді аяқта: Көктемде құстар"   assistant "жылы жақтан қайтып келеді"

Instruction data of a language for which there is little is mostly translations, and a model tuned on those answers Kazakh in Russian.
Continuing has examples wherever there is text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qaz_llm.data.chat import phrasings
from qaz_llm.data.chat.converters import Made, clean_text, draw, language_of, licence_of
from qaz_llm.data.chat.identity import Example
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.language.detectors import UNDETERMINED
from qaz_llm.language.identify import identify
from qaz_llm.language.segment import sentences, words
from qaz_llm.records import Conversation, Message

CUT_OFF = ("…", "...", ",", "-", "–", ":")
"""What a text ends with that was cut: no answer to learn from."""


def of_text(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig, seed: int) -> Made:
    """How does this text go on? Of a text with more than `max_words` as many whole sentences as fit."""
    repairs: Counter[str] = Counter()
    whole = clean_text(row.get(source.text_field), source, repairs)
    text = whole_sentences(whole, source.max_words)
    language = language_of(row, source, text)
    beginning, rest, asks = parted(text)
    wordings = phrasings.CONTINUE[asks][language]
    user = wordings[draw(seed, row_id) % len(wordings)].format(text=beginning)
    conversation = Conversation(
        row_id, (Message("user", user), Message("assistant", rest)), source.name, language, licence_of(row, source)
    )
    example = Example("continuation", asked=(beginning,), answered=(rest,))
    notice = "continuations_shortened" if text != whole else None
    return Made(conversation, _problem(whole, beginning, rest, language, source), example, repairs, notice)


def whole_sentences(text: str, max_words: int) -> str:
    """The beginning of a text in whole sentences of at most so many words together, and the text itself where it has no more.

    >>> whole_sentences("Қар жауды. Жол жабылды. Мектеп ашылмады.", 5)
    'Қар жауды. Жол жабылды.'
    """
    if len(words(text)) <= max_words:
        return text
    end = taken = 0
    for sentence in sentences(text):
        taken += len(words(sentence))
        if taken > max_words:
            break
        end = text.index(sentence, end) + len(sentence)
    return text[:end]


def parted(text: str) -> tuple[str, str, str]:
    """(what is given, the rest, `text` or `sentence`): after the first sentence, where that has no more than half of all words, else
    after a third of the words.

    >>> parted("Қар жауды. Жол жабылды. Мектеп ашылмады.")
    ('Қар жауды.', 'Жол жабылды. Мектеп ашылмады.', 'text')
    >>> parted("Көктемде құстар жылы жақтан қайтып келеді")
    ('Көктемде құстар', 'жылы жақтан қайтып келеді', 'sentence')
    """
    found = sentences(text)
    if len(found) > 1 and 2 * len(words(found[0])) <= len(words(text)):
        end = text.index(found[0]) + len(found[0])
        return text[:end].strip(), text[end:].strip(), "text"
    pieces = text.split(" ")
    third = max(1, round(len(pieces) / 3))
    return " ".join(pieces[:third]), " ".join(pieces[third:]), "sentence"


def _problem(whole: str, beginning: str, rest: str, language: str, source: ConversationSourceConfig) -> str | None:
    """Why a text is nothing to be continued; what costs most last."""
    if not whole.strip():
        return "missing_text"
    if not beginning and not rest:
        return "too_long"  # its first sentence alone has more than max_words
    if min(len(words(beginning)), len(words(rest))) < source.min_words:
        return "too_few_words"
    if rest.rstrip().endswith(CUT_OFF):
        return "cut_off"
    if identify(f"{beginning} {rest}").main not in {language, UNDETERMINED}:
        return "wrong_language"
    return None
