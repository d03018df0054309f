r"""Which choice an answer in words names: rules in a fixed order, each with a name, so that a reader sees how an answer was read.

    said      after the last "Жауап:", "Ответ:" or "Answer:", a letter                 "… Демек. **Жауап: B) Ертіс**"
    said_text after it, the words of one choice; of short ones nothing else            "Жауабы: Ертіс."
    whole     the answer is the words of one choice and nothing else                   "Ертіс"
    boxed     a letter in the last \boxed{}                                             "\boxed{B) 3}"
    opens     the answer begins with a letter and does not list all of them            "B) Ертіс. Себебі …"
    line      one letter alone begins lines or stands in bold                          "Дұрыс нұсқа:\n\nD) Ұйқы безі."
    text      the words of one choice alone stand in the last sentence                 "… Демек, бұл – Ертіс."
    letter    one letter alone is named at all                                         "Меніңше, C) дұрыс."
    alone     the answer is one letter, small ones too                                  "b"

No rule holds: there is no answer, which counts as wrong; nor is there one where two letters are named ("A немесе B"). Cyrillic letters that
look like A, B, C are read as such, since that is what models write in a Cyrillic text. What is no letter of a choice:

    a word           "В 1991 году", "А вот", "A man walks": a preposition, a conjunction, an article
    initials         "А. С. Пушкин", where that is a choice: its words count
    denied           "A емес, C", "не A, а C", "not A but C": C
    another alphabet "В) Шу" where Шу is the third choice (А, Б, В): of a Cyrillic letter the words beside it count

What a model thinks aloud before its answer (`thinking.py`) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qaz_llm.evals.answers.thinking import without_thinking
from qaz_llm.evals.prompts.render import LETTERS

LOOK_ALIKE = str.maketrans("АВСЕНДавсендΑΒΕΗＡＢＣＤＥＦＧＨＩＪ", "ABCEHDabcehdABEHABCDEFGHIJ")
"""Cyrillic, Greek and full-width letters. Д is no look-alike, but what a Cyrillic keyboard has for D."""

SHORTEST_TEXT = 3
"""Characters of a choice that is looked for by its words: `1` stands in any calculation."""

SHORTEST_BEGUN = SHORTEST_TEXT + 2
"""The same with the spaces that `_plain` puts around."""

OPENING = 40
"""Characters in which an answer opens with its letter."""

_LATEX = r"\\(?:text(?:bf|it|rm)?|math(?:bf|it|rm|sf)|[(\[])"
_MARK = rf"(?:[*_`#\s«»\"“”'(\[{{$]|{_LATEX})*+"
"""Signs that may stand before a letter. They are never given back: spaces without an end would be tried in every way."""
_ANY_LETTER = "A-JАВСЕНДΑΒΕΗＡ-Ｊ"
_LETTER = rf"([{_ANY_LETTER}])(?![\w’'-])"
_SAID_LETTER = rf"((?-i:[{_ANY_LETTER}](?![\w’'-])|[a-jавсенд](?=[*_]*\s*(?:[).]|$))))"
"""A small letter only where a bracket, a full stop or the end follows: `a, e, i` is a row of letters."""
_OPTION = r"(?:дұрыс|правильн\w+|верн\w+|correct|right)\s+(?:нұсқа\w*|вариант\w*|option|choice)"
_SAID = re.compile(
    rf"(?:жауа[пб]\w*|ответ\w*|answer|дұрысы|{_OPTION})\b{_MARK}((?:\w+\s+){{0,2}}?){_MARK}[:\-–—=]?{_MARK}(?:is\s+)?{_SAID_LETTER}",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:не|not|isn't)(?:\s+the)?\s+$", re.IGNORECASE)
_DENIED_AFTER = re.compile(r"[)*_.»\"”]*\s+(?:емес|неверн\w+|is\s+(?:not|wrong|incorrect))\b", re.IGNORECASE)
_JOINED = r"(?:[,/&+]|\b(?:or|and|или|либо|и|немесе|және|әлде|мен)\b)"
_AND_ANOTHER = re.compile(
    rf"[)*_.»\"”]*\s*{_JOINED}{_MARK}(?-i:{_LETTER})"
    rf"(?=[)*_»\"”$]*(?:\.?[*_]*\s*$|\s*(?:{_JOINED}|[;:(–—-])|\s+(?:нұсқа|дұрыс|вариант|екеуі|are)))",
    re.IGNORECASE,
)
"""Another letter that is named; not the initial in "D, А. С. Пушкин" nor the preposition in "C, В Алматы"."""
_WORD_LETTERS = "AIАВС"
"""English and Russian have words of these letters; Latin B, C and D are none."""
_AFTER_A_LETTER = re.compile(
    r"\s+(?:нұсқа|жауап|дұрыс|деп|бол|емес|себебі|өйткені|вариант|ответ|верн|правильн|потому|так как|поскольку|because|since|as|is|option)",
    re.IGNORECASE,
)
"""What may follow such a letter without a sign between, where it is that of a choice."""
_SAID_TEXT = re.compile(r"(?:жауа[пб]\w*|ответ\w*|answer)\b[*_\s]*(?::|–|—|-|is\b)(.*)", re.IGNORECASE | re.DOTALL)
_OPENS = re.compile(rf"^{_MARK}{_LETTER}(?=[*_\s]*(?:[).:,;\]–—-]|$))", re.MULTILINE)
_LINE = re.compile(rf"(?:^[*_#>\s-]*|\*\*\s*){_LETTER}[*_\s]*[).:,]", re.MULTILINE)
_ANY_LINE = re.compile(r"^[*_#>\s-]*([A-ZА-Я])[*_]*[).]\s", re.MULTILINE)
_BOXED = re.compile(rf"\\boxed\s*{_MARK}{_LETTER}")
_ALONE = re.compile(rf"\A{_MARK}([a-jавсенд{_ANY_LETTER}])[)\].:*_`$}}\s]*\Z")
_ONE = re.compile(rf"(?<!\w){_LETTER}(?!\s+\w)")
_NAMED = re.compile(rf"(?<!\w){_LETTER}(?=[*_]*\s*[)])")


@dataclass(frozen=True, slots=True)
class Extracted:
    """The index of the choice that an answer names, and the rule that found it; None and "" where none did."""

    choice: int | None
    rule: str


class _Several(Exception):
    """Two choices are named, which no further rule may choose from."""


def extract_choice(answer: str, choices: Sequence[str]) -> Extracted:
    """Read an answer to a question with lettered choices.

    >>> extract_choice("Ойланайық. **Жауап: B) Ертіс**", ["Іле", "Ертіс"])
    Extracted(choice=1, rule='said')
    >>> extract_choice("Жауап: A немесе B", ["Іле", "Ертіс"])
    Extracted(choice=None, rule='')
    """
    answer = without_thinking(answer)
    letters = LETTERS[: len(choices)]
    listed = _lists(answer, letters)
    rules: tuple[tuple[str, Callable[[], int | None]], ...] = (
        ("said", lambda: _said(answer, choices, letters)),
        ("said_text", lambda: _said_text(_after_mark(answer), choices)),
        ("whole", lambda: _same_text(answer, choices)),
        ("boxed", lambda: _last(_BOXED.findall(answer), letters)),
        ("opens", lambda: None if listed else _opens(answer.lstrip(), choices, letters)),
        ("line", lambda: _only(_named_at(answer, _LINE, choices, letters))),
        ("text", lambda: _only_text(_last_sentence(answer, letters), choices)),
        ("letter", lambda: _only(_indices(_NAMED.findall(answer), letters))),
        ("alone", lambda: _last(_ALONE.findall(answer), letters)),
    )
    try:
        found = ((rule, find()) for rule, find in rules)
        return next((Extracted(choice, rule) for rule, choice in found if choice is not None), Extracted(None, ""))
    except _Several:
        return Extracted(None, "")


def _said(answer: str, choices: Sequence[str], letters: str) -> int | None:
    """The last letter behind a mark that is one; raises _Several where another stands beside it."""
    for match in reversed(list(_SAID.finditer(answer))):
        if _DENIED.search(answer[: match.start()]):
            continue
        rest = answer[match.end() :].partition("\n")[0]
        if _DENIED.search(match.group(1)) or _DENIED_AFTER.match(rest):
            named = set(_indices(_ONE.findall(rest), letters)) - {_index(match.group(2), letters)}
            if len(named) == 1:
                return named.pop()
            continue
        own = _index(match.group(2), letters)
        if own is not None and own == _begun(rest, choices):
            return own
        other = _AND_ANOTHER.match(rest)
        if other and _index(other.group(1), letters) not in (None, own):
            raise _Several
        if (named_one := _named(answer[match.start(2) :], choices, letters)) is not None:
            return named_one
    return None


def _opens(answer: str, choices: Sequence[str], letters: str) -> int | None:
    first = next((match for match in _OPENS.finditer(answer) if match.start() < OPENING), None)
    return None if first is None else _named(answer[first.start(1) :], choices, letters)


def _named_at(answer: str, pattern: re.Pattern[str], choices: Sequence[str], letters: str) -> list[int]:
    named = (_named(answer[match.start(1) :], choices, letters) for match in pattern.finditer(answer))
    return [index for index in named if index is not None]


def _named(text: str, choices: Sequence[str], letters: str) -> int | None:
    """The choice that a letter at the start of a text stands for; None where it is a word.

    The words of a choice count before the letter where they begin with it (initials, an article), and where the letter is Cyrillic.
    """
    line = text.partition("\n")[0]
    if line[1:2] != ")" and (own := _begun(line, choices)) is not None:
        return own
    if text[0] in _WORD_LETTERS and re.match(r"\s+\w", line[1:]) and not _AFTER_A_LETTER.match(line[1:]):
        return None
    beside = _begun(line[1:], choices) if text[0] in "АВСЕНДавсенд" else None
    return _index(text[0], letters) if beside is None else beside


def _begun(text: str, choices: Sequence[str]) -> int | None:
    """The choice whose words a text begins with, of several the longest."""
    plain = _plain(text)
    begun = [
        (len(own), n)
        for n, own in enumerate(map(_plain, choices))
        if len(own) >= SHORTEST_BEGUN and plain.startswith(own)
    ]
    longest = [n for size, n in begun if size == max(begun)[0]]
    return longest[0] if len(longest) == 1 else None


def _lists(answer: str, letters: str) -> bool:
    """Whether more than half of the letters begin lines, or as many of another alphabet: the choices are gone through one by one."""
    named = {_index(letter, letters) for letter in _LINE.findall(answer)} - {None}
    return 2 * max(len(named), len(set(_ANY_LINE.findall(answer)))) > len(letters)


def _index(letter: str, letters: str) -> int | None:
    position = letters.find(letter.translate(LOOK_ALIKE).upper())
    return position if position >= 0 else None


def _indices(found: Sequence[str], letters: str) -> list[int]:
    return [index for letter in found if (index := _index(letter, letters)) is not None]


def _last(found: Sequence[str], letters: str) -> int | None:
    named = _indices(found, letters)
    return named[-1] if named else None


def _only(found: Sequence[int]) -> int | None:
    return found[0] if len(set(found)) == 1 else None


def _said_text(text: str, choices: Sequence[str]) -> int | None:
    same = _same_text(text, choices)
    return same if same is not None else _only_text(text, choices)


def _same_text(text: str, choices: Sequence[str]) -> int | None:
    """The one choice that the text is, whatever its length."""
    same = [n for n, choice in enumerate(choices) if _plain(choice).strip() and _plain(choice) == _plain(text)]
    return same[0] if len(same) == 1 else None


def _only_text(text: str, choices: Sequence[str]) -> int | None:
    """The choice whose words stand in the text; of choices within one another the longest. A digit or two are no words."""
    plain = _plain(text)
    words = [_plain(choice).strip() for choice in choices]
    there = [n for n, own in enumerate(words) if len(own) >= SHORTEST_TEXT and f" {own} " in plain]
    there = [
        n for n in there if not re.search(rf" (?:не|not) {re.escape(words[n])} | {re.escape(words[n])} емес ", plain)
    ]
    longest = [n for n in there if not any(n != m and words[n] in words[m] for m in there)]
    return longest[0] if len(longest) == 1 else None


def _after_mark(answer: str) -> str:
    found = list(re.finditer(r"(?:жауа[пб]\w*|ответ\w*|answer)\b", answer, re.IGNORECASE))
    for mark in reversed(found):
        if match := _SAID_TEXT.match(answer[mark.start() :]):
            return match.group(1).strip().partition("\n")[0]
    return ""


def _last_sentence(answer: str, letters: str) -> str:
    """Of the last line; nothing where that only ends a list of all choices."""
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    if not lines or (_lists(answer, letters) and _LINE.match(lines[-1])):
        return ""
    return re.split(r"(?<=[.!?])\s+", lines[-1])[-1]


def _plain(text: str) -> str:
    return " " + " ".join(re.sub(r"[^\w.,/^+=<>-]|(?<!\d)[.,]|[.,](?!\d)", " ", text.casefold()).split()) + " "
