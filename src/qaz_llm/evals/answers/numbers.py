r"""Numbers in answers: how they may be written, and which one of an answer is meant.

Written numbers are compared by value. What one notation leaves open is read in every way it may be meant, and two numbers are equal where one
reading of each is: `2,125` is 2125 in an English text and 2.125 in a Kazakh one, and models mix both.

    12 000 · 12'000 · 12,000,000      thousands parted by a space of any width, an apostrophe, a comma or a dot
    3,5 · 3.5 · 2,125                 a comma or a dot before decimals; before three digits it may be either
    −5 · –5 · -5                      minus sign, en dash and hyphen before a number, where no number stands before them
    минус 5 · negative 5              the same in words
    3/4 · 1 1/2 · \frac{3}{4} · 1½     fractions
    3·10^5 · 2³ · 1e5                 powers
    25 % · 70 тысяч · 3 млн           the number itself, or what the sign or word makes of it
    5 мың 200 · 2 млн 300 тыс         the sum
    12:30 · 12.05.2020 · №5           a time, a date, a name: no number

Which number of an answer is meant is told by the first of these rules that finds one:

    boxed     the last \boxed{}                                     "\boxed{42}"
    said      after the last "Жауап:", "Ответ:", "Answer:", "####"   "Жауабы: 5 + 2 = 7 алма"
    equals    the last line ends in an equation                     "… барлығы 40 + 2 = 42."
    last      the last number of all                                "Сонымен, онда 42 алма бар."

A number that is denied ("не 5, а 6", "5 емес, 6") is not meant. An answer that gives two ("5 немесе 6", "от 5 до 6", "5–6"), or one with a root or
π, gives none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from qaz_llm.evals.answers.thinking import without_thinking

MAX_DIGITS = 40
"""A longer run of digits is no answer, but a model that repeats itself."""

_SPACES = " \u00a0\u2007\u2008\u2009\u202f"
_MINUS = "-−–‐‑"
_GROUPED = rf"\d{{1,3}}(?:(?P<sep>[{_SPACES}'’.,])\d{{3}}(?:(?P=sep)\d{{3}})*)(?!\d)"
_PLAIN = r"\d+"
_UNIT = r"%|(?:мың|тысяч\w*|тыс\b|thousand|миллион\w*|млн\b|million|миллиард\w*|млрд\b|billion)"
_EXPONENT = (
    r"(?:\s?(?:[·×⋅*xх]|\\times|\\cdot)\s?10\s?\^\s?\{?|[eе](?=[+-]?\d))(?P<exponent>[+−-]?\d{1,2})(?![\w.,]*\d)\}?"
)
_NUMBER = re.compile(
    rf"(?P<sign>[{_MINUS}]\s?|\b(?:минус|minus|negative)\s)?(?P<currency>[$€₸₽£]\s?)?(?:"
    rf"(?:(?P<whole>\d+)[{_SPACES}])?(?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?![\d/])"
    rf"|(?P<digits>(?:{_GROUPED}|\d+)(?:[.,]\d+)?)(?:\^\{{?(?P<power>\d{{1,2}})(?!\d)\}}?|{_EXPONENT})?(?:[{_SPACES}]?(?P<unit>{_UNIT}))?)",
    re.IGNORECASE,
)
_FRAC = re.compile(r"\\[dt]?frac\s*(?:\{\s*(-?\d+)\s*\}|\s(\d)|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_FORMATTING = re.compile(r"\\(?:text|mathrm|,|;|!|\(|\)|\[|\])|(?<!\d)\*{1,3}|\*{1,3}(?!\d)|[_`]{1,3}|\{,\}")
"""A star between digits is a sign of multiplication."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile(r"(?<=\d)[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_ONE_SIGN = re.compile(r"[¼-¾⅐-⅞]")
_NAMES = re.compile(r"(?:№|\bN[o°]\.?)\s*$")
_DENIED = re.compile(r"\b(?:не|not)\s+$", re.IGNORECASE)
_DENIED_AFTER = re.compile(r"\s+(?:\w+\s+)?емес\b", re.IGNORECASE)
_OR = re.compile(
    rf"\s*(?:[\w₸$%°/.]+\s+)?(?:или|либо|немесе|әлде|or|до|to|[{_MINUS}]|—|\.{{2,3}}|…)\s*(?:[a-zа-я]\w?\s*=?\s*)?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\bbetween\s+$", re.IGNORECASE)
_OTHER_ROOT = re.compile(r"=\s*\S+\s+(?:или|либо|немесе|әлде|or)\s+\w+\s*=\s*\S+", re.IGNORECASE)
_EQUALS = re.compile(r"(?:\b[a-zа-я]\w?)?\s*=\s*", re.IGNORECASE)
_IRRATIONAL = re.compile(r"\\(?:sqrt|pi)\b|[√π]")
_CHOICE = re.compile(r"(?<!\w)[A-JА-Д][).]\s+$")
"""The letter of a choice before its number: "C) -37"."""
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
    for rule, text, takes_last in _places(without_thinking(answer)):
        if _IRRATIONAL.search(text) and rule != "last":
            break
        for part in (text.rpartition("=")[2], text):
            if found := _meant(part):
                several = _gives_several(part, found[-2:] if takes_last else found[:2])
                return ReadNumber(None, "") if several else ReadNumber((found[-1] if takes_last else found[0])[0], rule)
    return ReadNumber(None, "")


def _places(answer: str) -> Iterator[tuple[str, str, bool]]:
    """Rule by rule: its name, where a number is looked for, and whether its last number counts rather than its first."""
    if boxed := _BOXED.findall(answer):
        yield "boxed", boxed[-1], True
    for mark in reversed(list(_MARK.finditer(answer))):
        yield "said", answer[mark.end() :].strip().partition("\n")[0], False
    lines = [line for line in answer.splitlines() if line.strip()]
    if lines and "=" in lines[-1]:
        roots = _OTHER_ROOT.search(lines[-1])
        last = _EQUALS.sub(" ", roots.group()) if roots else lines[-1].rpartition("=")[2]
        yield "equals", last, False
    yield "last", answer.replace("=", " "), True


Found = tuple["Number", int, int]
"""A number, where its digits begin in the plain text, and where it ends."""


def _meant(text: str) -> list[Found]:
    """The numbers that are not denied; all where each one is."""
    plain, found = _plain(text), _found(text)
    kept = [
        (number, start, end)
        for number, start, end in found
        if not _DENIED.search(plain[:start].removesuffix("-")) and not _DENIED_AFTER.match(plain[end:])
    ]
    return kept or found


def _gives_several(text: str, found: Sequence[Found]) -> bool:
    """Whether two numbers stand as alternatives or as the ends of a range."""
    if len(found) < 2 or found[0][0].equals(found[1][0]):
        return False
    plain, (_first, start, end), (_second, other, _end) = _plain(text), *found
    between = plain[end:other]
    is_between = bool(_BETWEEN.search(plain[:start])) and between.strip() == "and"
    return is_between or _OR.fullmatch(between) is not None


def numbers_in(text: str) -> list[Number]:
    """The numbers of a text in order.

    >>> [str(n.values[0]) for n in numbers_in("−5 °C, 12 000 ₸ және 3,5 кг, 2014–2017")]
    ['-5', '12000', '7/2', '2014', '2017']
    >>> [str(n.values[-1]) for n in numbers_in("5 мың 200 теңге, 3·10^5, 1½, 12:30")]
    ['5200', '300000', '3/2']
    """
    return [number for number, _start, _end in _found(text)]


def _plain(text: str) -> str:
    """Fractions and powers in one notation, and no signs of formatting."""
    text = _FRAC.sub(lambda m: f" {m[1] or m[2] or m[3]}/{m[4] or m[5]} ", text)
    text = _ONE_SIGN.sub(lambda m: f" {unicodedata.normalize('NFKC', m.group()).replace(chr(0x2044), '/')} ", text)
    text = _RAISED.sub(lambda m: f"^{m.group().translate(_SUPERSCRIPTS)}", text)
    return _FORMATTING.sub("", text)


def _found(text: str) -> list[Found]:
    plain = _plain(text)
    found: list[Found] = []
    unit_before = Fraction(0)
    for match in _NUMBER.finditer(plain):
        number = None if _is_a_name(match) else _number(match)
        if number is None:
            unit_before = Fraction(0)
            continue
        start = match.start("top" if match["whole"] is None else "whole") if match["top"] else match.start("digits")
        small = [value for value in number.values if 0 <= value < unit_before]
        if found and small and not plain[found[-1][2] : match.start()].strip():
            whole, begin, _end = found[-1]
            added = Number(f"{whole.written} {number.written}", (whole.values[-1] + small[-1],))
            found[-1] = (added, begin, match.end())
        else:
            found.append((number, start, match.end()))
        unit = (match["unit"] or "").lower()
        unit_before = (
            next((factor for begin, factor in _UNITS if unit.startswith(begin) and factor > 1), Fraction(0))
            if unit
            else Fraction(0)
        )
    return found


def _is_a_name(match: re.Match[str]) -> bool:
    """Whether digits are part of a time or a date, or the number of something."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return bool(re.match(r":\d|\.\d", after) or re.search(r"\d[:.]$", before) or _NAMES.search(before))


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
        values = [_raised(match, Fraction(reading)) for reading in _readings(match["digits"])]
    unit = (match["unit"] or "").lower()
    factors = [factor for start, factor in _UNITS if unit and unit.startswith(start)]
    values += [value * factor for value in values for factor in factors]
    return Number(written, tuple(dict.fromkeys(sign * value for value in values)))


def _raised(match: re.Match[str], value: Fraction) -> Fraction:
    """The number with its power or its power of ten."""
    if match["power"]:
        return value ** int(match["power"])
    return value * Fraction(10) ** int((match["exponent"] or "0").replace("−", "-"))


def _is_minus(match: re.Match[str]) -> bool:
    """A dash right before the number, with no number or word before it: that would be a range, or a subtraction."""
    if not match["sign"]:
        return False
    before = _CHOICE.sub("", match.string[: match.start()])
    last = before.rstrip()[-1:]
    if match["sign"][0].isalpha():
        return not (last.isdigit() or last == ")")
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
