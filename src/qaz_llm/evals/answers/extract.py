r"""Which choice an answer in words names: rules in a fixed order, each with a name, so that a reader sees how an answer was read.

    said      after the last "Жауап:", "Ответ:" or "Answer:", a letter                 "… Демек. **Жауап: B) Ертіс**"
    said_text after it, the words of one choice; of short ones nothing else            "Жауабы: Ертіс."
    whole     the answer is the words of one choice and nothing else                   "Ертіс"
    boxed     a letter in the last \boxed{}                                             "\boxed{B) 3}"
    opens     the answer begins with a letter and does not list all of them            "B) Ертіс. Себебі …"
    line      one letter alone begins lines or stands in bold                          "Дұрыс нұсқа:\n\nD) Ұйқы безі."
    text      the words of one choice alone stand in the last sentence                 "… Демек, бұл – Ертіс."
    letter    one letter alone is named at all                                         "Меніңше, C) дұрыс."

No rule holds: there is no answer, which counts as wrong. Cyrillic letters that look like A, B, C are read as such, since that is what models
write in a Cyrillic text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LETTERS = "ABCDEFGHIJ"
LOOK_ALIKE = str.maketrans("АВСЕНДавсенд", "ABCEHDabcehd")
"""Д is no look-alike, but what a Cyrillic keyboard has for D."""

SHORTEST_TEXT = 3
"""Characters of a choice that is looked for by its words: `1` stands in any calculation."""

OPENING = 40
"""Characters in which an answer opens with its letter."""

_MARK = r"[*_`#\s«»\"“”'(\[]*"
_LETTER = r"([A-JАВСЕНД])(?![\w’'-])"
_SAID_LETTER = r"((?-i:[A-JАВСЕНД](?![\w’'-])|[a-jавсенд](?=[*_]*\s*(?:[).]|$))))"
"""A small letter only where a bracket, a full stop or the end follows: `a, e, i` is a row of letters."""
_SAID = re.compile(
    rf"(?:жауа[пб]\w*|ответ\w*|answer)\b{_MARK}(?:\w+\s+){{0,2}}?{_MARK}[:\-–—=]?{_MARK}(?:is\s+)?{_SAID_LETTER}",
    re.IGNORECASE,
)
_SAID_TEXT = re.compile(r"(?:жауа[пб]\w*|ответ\w*|answer)\b[*_\s]*(?::|–|—|-|is\b)(.*)", re.IGNORECASE | re.DOTALL)
_OPENS = re.compile(rf"^{_MARK}{_LETTER}(?=[*_\s]*(?:[).:,;\]–—-]|$))", re.MULTILINE)
_LINE = re.compile(rf"(?:^[*_#>\s-]*|\*\*\s*){_LETTER}[*_\s]*[).:,]", re.MULTILINE)
_ANY_LINE = re.compile(r"^[*_#>\s-]*([A-ZА-Я])[*_]*[).]\s", re.MULTILINE)
_BOXED = re.compile(rf"\\boxed\s*\{{\s*(?:\\text\s*\{{)?\s*{_LETTER}")
_NAMED = re.compile(rf"(?<!\w){_LETTER}(?=[*_]*\s*[)])")


@dataclass(frozen=True, slots=True)
class Extracted:
    """The index of the choice that an answer names, and the rule that found it; None and "" where none did."""

    choice: int | None
    rule: str


def extract_choice(answer: str, choices: Sequence[str]) -> Extracted:
    """Read an answer to a question with lettered choices.

    >>> extract_choice("Ойланайық. **Жауап: B) Ертіс**", ["Іле", "Ертіс"])
    Extracted(choice=1, rule='said')
    """
    letters = LETTERS[: len(choices)]
    openings = [] if _lists(answer, letters) else [m for m in _OPENS.finditer(answer.lstrip()) if m.start() < OPENING]
    rules: tuple[tuple[str, Callable[[], int | None]], ...] = (
        ("said", lambda: _last(_SAID.findall(answer), letters)),
        ("said_text", lambda: _said_text(_after_mark(answer), choices)),
        ("whole", lambda: _same_text(answer, choices)),
        ("boxed", lambda: _last(_BOXED.findall(answer), letters)),
        ("opens", lambda: _first([m.group(1) for m in openings], letters)),
        ("line", lambda: _only(_LINE.findall(answer), letters)),
        ("text", lambda: _only_text(_last_sentence(answer, letters), choices)),
        ("letter", lambda: _only(_NAMED.findall(answer), letters)),
    )
    found = ((rule, find()) for rule, find in rules)
    return next((Extracted(choice, rule) for rule, choice in found if choice is not None), Extracted(None, ""))


def _lists(answer: str, letters: str) -> bool:
    """Whether more than half of the letters begin lines, or as many of another alphabet: the choices are gone through one by one."""
    named = {_index(letter, letters) for letter in _LINE.findall(answer)} - {None}
    return 2 * max(len(named), len(set(_ANY_LINE.findall(answer)))) > len(letters)


def _index(letter: str, letters: str) -> int | None:
    position = letters.find(letter.translate(LOOK_ALIKE).upper())
    return position if position >= 0 else None


def _last(found: Sequence[str], letters: str) -> int | None:
    named = [index for letter in found if (index := _index(letter, letters)) is not None]
    return named[-1] if named else None


def _first(found: Sequence[str], letters: str) -> int | None:
    return _index(found[0], letters) if found else None


def _only(found: Sequence[str], letters: str) -> int | None:
    named = {index for letter in found if (index := _index(letter, letters)) is not None}
    return named.pop() if len(named) == 1 else None


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
