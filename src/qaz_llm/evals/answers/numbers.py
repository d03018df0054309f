r"""Numbers in answers: how they may be written, and which one of an answer is meant.

Written numbers are compared by value. What one notation leaves open is read in every way it may be meant, and two numbers are equal where one
reading of each is: `2,125` is 2125 in an English text and 2.125 in a Kazakh one, and models mix both.

    12 000 · 12'000 · 12,000,000      thousands parted by a space of any width, an apostrophe, a comma or a dot
    3,5 · 3.5 · 2,125                 a comma or a dot before decimals; before three digits it may be either
    −5 · –5 · -5                      minus sign, en dash and hyphen before a number, where no number stands before them
    3/4 · 1 1/2 · \frac{3}{4}         fractions
    25 % · 70 тысяч · 3 млн           the number itself, or what the sign or word makes of it

Which number of an answer is meant is told by the first of these rules that finds one:

    boxed     the last \boxed{}                                     "\boxed{42}"
    said      after the last "Жауап:", "Ответ:", "Answer:", "####"   "Жауабы: 5 + 2 = 7 алма"
    equals    the last line ends in an equation                     "… барлығы 40 + 2 = 42."
    last      the last number of all                                "Сонымен, онда 42 алма бар."
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 40
"""A longer run of digits is no answer, but a model that repeats itself."""

_SPACES = " \u00a0\u2007\u2008\u2009\u202f"
_MINUS = "-−–‐‑"
_GROUPED = rf"\d{{1,3}}(?:(?P<sep>[{_SPACES}'’.,])\d{{3}}(?:(?P=sep)\d{{3}})*)(?!\d)"
_PLAIN = r"\d+"
_UNIT = r"%|(?:мың|тысяч\w*|тыс\b|thousand|миллион\w*|млн\b|million|миллиард\w*|млрд\b|billion)"
_NUMBER = re.compile(
    rf"(?P<sign>[{_MINUS}]\s?)?(?P<currency>[$€₸₽£]\s?)?(?:"
    rf"(?:(?P<whole>\d+)[{_SPACES}])?(?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?![\d/])"
    rf"|(?P<digits>(?:{_GROUPED}|\d+)(?:[.,]\d+)?)(?:[{_SPACES}]?(?P<unit>{_UNIT}))?)",
    re.IGNORECASE,
)
_FRAC = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_FORMATTING = re.compile(r"\\(?:text|mathrm|,|;|!|\(|\)|\[|\])|[*_`]{1,3}|\{,\}")
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_MARK = re.compile(
    r"(?:жауа[пб]\w*|ответ\w*|answer\w*|итог\w*)\b[^\d\n:=–—-]{0,40}?(?::|=|–|—|\bis\b|-(?=\s))|####", re.IGNORECASE
)
_UNITS = (
    ("%", Fraction(1, 100)),
    *((start, Fraction(10**3)) for start in ("мың", "тыс", "thousand")),
    *((start, Fraction(10**9)) for start in ("миллиард", "млрд", "billion")),
    *((start, Fraction(10**6)) for start in ("миллион", "млн", "million")),
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text, and the values that may be meant, the likeliest first."""

    written: str
    values: tuple[Fraction, ...]

    def equals(self, other: Number) -> bool:
        return not set(self.values).isdisjoint(other.values)


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """The number that an answer gives and the rule that found it; None and "" where there is none."""

    number: Number | None
    rule: str


def read_number(answer: str) -> ReadNumber:
    """The number an answer comes to.

    >>> read_number("5 алма, тағы 2. Жауабы: 5 + 2 = 7 алма.").number.values
    (Fraction(7, 1),)
    """
    for rule, text, takes_last in _places(answer):
        found = numbers_in(text.rpartition("=")[2]) or numbers_in(text)
        if found:
            return ReadNumber(found[-1] if takes_last else found[0], rule)
    return ReadNumber(None, "")


def _places(answer: str) -> Iterator[tuple[str, str, bool]]:
    """Rule by rule: its name, where a number is looked for, and whether its last number counts rather than its first."""
    if boxed := _BOXED.findall(answer):
        yield "boxed", boxed[-1], True
    for mark in reversed(list(_MARK.finditer(answer))):
        yield "said", answer[mark.end() :].strip().partition("\n")[0], False
    lines = [line for line in answer.splitlines() if line.strip()]
    if lines and "=" in lines[-1]:
        yield "equals", lines[-1].rpartition("=")[2], False
    yield "last", answer.replace("=", " "), True


def numbers_in(text: str) -> list[Number]:
    """The numbers of a text in order.

    >>> [str(n.values[0]) for n in numbers_in("−5 °C, 12 000 ₸ және 3,5 кг, 2014–2017")]
    ['-5', '12000', '7/2', '2014', '2017']
    """
    plain = _FORMATTING.sub("", _FRAC.sub(r" \1/\2 ", text))
    return [number for match in _NUMBER.finditer(plain) if (number := _number(match)) is not None]


def canonical(text: str) -> str:
    """The text with its numbers in one notation: digits together, a dot before decimals, a hyphen as minus.

    For comparing words: a separator before three digits counts as one of thousands.

    >>> canonical("3 000 теңге, −5 °C, 3,14, 2014 – 2017")
    '3000 теңге, -5 °C, 3.14, 2014 – 2017'
    """

    def one(match: re.Match[str]) -> str:
        if match["digits"] is None:
            return match.group()
        start, end = match.span("digits")
        before, after = match.string[match.start() : start], match.string[end : match.end()]
        sign = match["sign"] or ""
        return ("-" + before[len(sign) :] if _is_minus(match) else before) + _readings(match["digits"])[0] + after

    return _NUMBER.sub(one, text)


def _number(match: re.Match[str]) -> Number | None:
    written = match.group().strip()
    if sum(c.isdigit() for c in written) > MAX_DIGITS:
        return None
    sign = -1 if _is_minus(match) else 1
    if match["top"] is not None:
        if not int(match["bottom"]):
            return None
        values = [int(match["whole"] or 0) + Fraction(int(match["top"]), int(match["bottom"]))]
    else:
        values = [Fraction(reading) for reading in _readings(match["digits"])]
    unit = (match["unit"] or "").lower()
    factors = [factor for start, factor in _UNITS if unit and unit.startswith(start)]
    values += [value * factor for value in values for factor in factors]
    return Number(written, tuple(dict.fromkeys(sign * value for value in values)))


def _is_minus(match: re.Match[str]) -> bool:
    """A dash right before the number, with no number or word before it: that would be a range, or a subtraction."""
    if not match["sign"]:
        return False
    before = match.string[: match.start()]
    last = before.rstrip()[-1:]
    if match["sign"][-1].isspace():
        return last in ("", "=", "(", ":")
    return not (last.isdigit() or last in (")", "%")) and not before[-1:].isalnum()


def _readings(digits: str) -> list[str]:
    """The ways in which digits with separators may be meant, as Python writes them; thousands come first.

    >>> _readings("2,125"), _readings("12 000,5"), _readings("0.125")
    (['2125', '2.125'], ['12000.5'], ['0.125'])
    """
    plain = re.sub(rf"[{_SPACES}'’]", "", digits)
    grouped = re.fullmatch(_GROUPED, digits)
    if not grouped or grouped["sep"] not in ",.":
        whole, _mark, decimals = plain.replace(",", ".").rpartition(".")
        return [f"{whole.replace('.', '')}.{decimals}" if whole else decimals]
    thousands, decimal = re.sub("[.,]", "", plain), plain.replace(",", ".")
    if digits[0] == "0":
        return [decimal]
    return [thousands, decimal] if digits.count(grouped["sep"]) == 1 else [thousands]
