"""Plain text as conversations: its beginning is given, its rest is the answer, both in one language.

    {"text": "Қар жауды. Жол жабылды. Мектеп ашылмады."}
    → user "Мәтінді жалғастыр:\\nҚар жауды."   assistant "Жол жабылды. Мектеп ашылмады."

    {"text": "Көктемде құстар жылы жақтан қайтып келеді"}   one sentence alone: its first third is given
    → user "Сөйлемді аяқта: Көктемде құстар"   assistant "жылы жақтан қайтып келеді"

Instruction data of a language for which there is little is mostly translations, and a model tuned on those answers Kazakh in Russian.
Continuing has examples wherever there is text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from qaz_llm.data.chat import phrasings
from qaz_llm.data.chat.converters import Made, clean_text, draw, language_of, licence_of
from qaz_llm.data.chat.identity import Example
from qaz_llm.data.chat.languages import language_of_text
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.data.protect.pii import redact_texts
from qaz_llm.language.detectors import UNDETERMINED
from qaz_llm.language.segment import sentences, words
from qaz_llm.records import Conversation, Message

CUT_OFF = ("…", "...", ",", ";", "-", "–", ":", "(", "«", "“")
"""What a text ends with that was cut: no answer to learn from."""

MIN_GIVEN = 3
"""Words of a sentence that is given by itself; `А.` and `1.` are no beginnings."""

_NO_END = re.compile(r"(?:^|[\s(«])(?:\w{1,2}|\w\.(?:\w\.)*\w|\d+)[.…]?$")
"""An end that is none of a sentence: an initial, a number, a short form such as ж., ғ., т.б. or б.з.б."""


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
    reason = _problem(whole, text, beginning, rest, source)
    if reason is None and language_of_text(text) not in {language, UNDETERMINED}:
        reason = "wrong_language"
    return Made(conversation, reason, example, repairs, notice, question=beginning)


def whole_sentences(text: str, max_words: int) -> str:
    """The beginning of a text in whole sentences of at most so many words together, and the text itself where it has no more.

    >>> whole_sentences("Қар жауды. Жол жабылды. Мектеп ашылмады.", 5)
    'Қар жауды. Жол жабылды.'
    """
    if len(words(text)) <= max_words:
        return text
    kept = taken = 0
    for sentence, end in _with_ends(text):
        taken += len(words(sentence))
        if taken > max_words:
            break
        kept = end
    return text[:kept]


def _with_ends(text: str) -> Iterator[tuple[str, int]]:
    """Each sentence, and where in the text it ends."""
    end = 0
    for sentence in sentences(text):
        end = text.index(sentence, end) + len(sentence)
        yield sentence, end


def parted(text: str) -> tuple[str, str, str]:
    """(what is given, the rest, `text` or `sentence`): behind the first sentences, where they have MIN_GIVEN words and no more than half
    of all, else behind a third of the words.

    >>> parted("Түнде қар жауды. Жол жабылды. Мектеп ашылмады.")
    ('Түнде қар жауды.', 'Жол жабылды. Мектеп ашылмады.', 'text')
    >>> parted("Көктемде құстар жылы жақтан қайтып келеді")
    ('Көктемде құстар', 'жылы жақтан қайтып келеді', 'sentence')
    """
    found = list(_with_ends(text))
    ends = [end for sentence, end in found if not _NO_END.search(sentence)]
    last = found[-1][1] if found else 0
    first = next((end for end in ends if end < last and len(words(text[:end])) >= MIN_GIVEN), None)
    if first is not None and 2 * len(words(text[:first])) <= len(words(text)):
        return text[:first].strip(), text[first:].strip(), "text"
    pieces = text.split(" ")
    third = max(1, round(len(pieces) / 3))
    return " ".join(pieces[:third]), " ".join(pieces[third:]), "text" if len(ends) > 1 else "sentence"


def _problem(whole: str, text: str, beginning: str, rest: str, source: ConversationSourceConfig) -> str | None:
    """Why a text is nothing to be continued."""
    if not whole.strip():
        return "missing_text"
    if not text:
        return "too_long"  # its first sentence alone has more than max_words
    if min(map(_count_words, (beginning, rest))) < source.min_words:
        return "too_few_words"
    if text == whole and rest.rstrip().endswith(CUT_OFF):
        return "cut_off"
    return "cut_in_personal_data" if _cuts_personal_data(text, beginning, rest) else None


def _count_words(text: str) -> int:
    """Words with a letter; a number is none that a language could be learned from."""
    return sum(any(map(str.isalpha, word)) for word in words(text))


def _cuts_personal_data(text: str, beginning: str, rest: str) -> bool:
    """Whether what is found in the text is no longer found in its parts: a telephone number of which each has a half."""
    whole, *parts = ("".join(found.text.split()) for found in redact_texts([text, beginning, rest]))
    return whole != "".join(parts)
