"""Cyrillic spelling, put right after letters of another script were replaced one by one.

Latin alphabets since 2017 and the Arabic script write и and й with one letter, here `*`; none of them tells я from йа, ю from
йу, ц from с in loans, һ from х. What can be told by rule is decided here; loans that follow none are in `loans.py`.
The rules work on many words at once: one a line, in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

VOWELS = "аәеёиоөуұүыіэюя"
_NOT_U = VOWELS.replace("у", "")
_BACK = "аоұы"

_Rule = tuple[str, re.Pattern[str], "str | Callable[[re.Match[str]], str]"]
"""What has to be in the text for a rule to be tried at all, the pattern, and what replaces it."""


def _rule(sign: str, pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> _Rule:
    return sign, re.compile(pattern, re.MULTILINE), replacement


def _later_syllable(match: re.Match[str], vowels: int = 1) -> bool:
    """Whether so many vowels stand before the match in its word."""
    start = match.string.rfind("\n", 0, match.start()) + 1
    return sum(letter in VOWELS + "*" for letter in match.string[start : match.start()]) >= vowels


_I_RULES: tuple[_Rule, ...] = (
    # и + я is written in full by some, и + а by the rules of 2018 (химия: himiia, himia); и + й ends loans (Каспий)
    _rule("**", f"(?<=[^{VOWELS}*\n])\\*\\*(?=[ау])", "*"),
    _rule("**", f"(?<=[^{VOWELS}*\n])\\*\\*(?=[^*])|(?<=[^{VOWELS}*\n])\\*\\*$", "ий"),
    # names in -ауи, -ский, -оид
    _rule("у*", "(?<=[аә]у)\\*", "и"),
    _rule("ск*", "(?<=[^\n][^\n]ск)\\*(?=$|[днгм])", "ий"),
    _rule("о*д", "(?<=[рлпнзе]о)\\*(?=д)", lambda match: "и" if _later_syllable(match, 2) else "й"),
    # й after a vowel, but уи at the start of a word (Уикипедия)
    _rule("*", f"(?<=[{_NOT_U}])\\*|(?<=[^\n]у)\\*", "й"),
    # яғни, юбка; ия has no more letters
    _rule("*", "^\\*(?=[ау].)", "й"),
    _rule("*", "\\*", "и"),
)
_JOTTED: tuple[_Rule, ...] = (
    _rule("йа", "йа", "я"),
    _rule("йу", "йу(?!а)", "ю"),
    _rule("и", "(?<=и)а", "я"),
    _rule("иу", "(?<=и)у(?!а|[мс](?:$|[дгнсытіа]))", "ю"),
)


def _soft(match: re.Match[str], written: str, loan: str) -> str:
    """Soft consonants as the rules of 2021 write them: oträd, revolüsia, Sevastopöl. In the second syllable or later, and
    beside a vowel of the back, ә ү ө are no vowels of Kazakh; in the first syllable ә and ү may be (lüks is люкс)."""
    text = match.string
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end())
    others = text[start : match.start()] + text[match.end() : end if end >= 0 else len(text)]
    return loan if _later_syllable(match) and any(letter in "аоы" for letter in others) else written


def _with_ts(stem: str) -> str:
    """сикл → цикл, рос → роц: the с that begins or else ends the match."""
    return "ц" + stem[1:] if stem[0] == "с" and stem != "спес" else stem[:-1] + "ц"


_LOAN_RULES: tuple[_Rule, ...] = (
    # ts for ц: native words begin and end in no тс, but айтса, кетсін have it in the middle
    _rule("тс", "^тс(?=.)|(?<=.)тс$|тс(?=и|к)", "ц"),
    _rule("сия", "(?<=[а-яәіөүұ][аеиоуктпнюя])(?<!пен)(?<!анаста)(?<!гимна)сия(?!т|х)", "ция"),
    _rule("шш", "шш", "щ"),
    _rule("с", "сикл|сентр|ситопл|сеноз|рос(?=ит[^р])|коэффис|спес(?=иф|иал)", lambda match: _with_ts(match.group())),
    _rule(
        "е",
        "^е(?=кон|кол|кран|ксп|кзам|кв[аи]|ксту|кск|кстр|ктод|лект|лемент|лит|мбри|нерг|нцик|ндо|ндем|нтод|нтомо|пид|пит|пиг|пос"
        "|пох|рит[рм]|тап|тик|тиле|тил[бс]|тни|тно|фир|фф|стет|стон|стра|волю|мигр|мисс|моц|мпир|мпат|скал|скиз|гоист|гоц|гои|тим|квив|йнш|нтр)",
        "э",
    ),
)
_SOFT_RULES: tuple[_Rule, ...] = (
    _rule("әл", "(?<=[бвгднпрст])әл(?![аеиоуыіөү])", lambda match: _soft(match, "әл", "аль")),
    _rule("ә", "(?<=[дзлнрст])ә(?!рі|ул|м[ні]|руме|уле|тті|не|лім)", lambda match: _soft(match, "ә", "я")),
    _rule("ү", "(?<=[лн])ү", lambda match: _soft(match, "ү", "ю")),
    _rule("өл", "(?<=[бвгднпст])өл(?![аеиоуыіөү])", lambda match: _soft(match, "өл", "оль")),
)
_H_RULES: tuple[_Rule, ...] = (
    _rule("х", "(?<=гау)х(?=ар)|(?<=айда)х(?=ар)|(?<=жи)х(?=аз|ан)|(?<=қа)х(?=ар)|(?<=ша)х(?=ар)", "һ"),
    _rule("х", "(?<=жа)х(?=ан)|(?<=гү)х|(?<=шай)х(?!ы)|(?<=күнә)х|^х(?=әм$|ас$|ауа$)", "һ"),
)


def tell_i_apart(lines: str) -> str:
    """и or й in place of every `*`."""
    return _apply(_I_RULES, lines)


def respell_lines(lines: str, *, soft: bool = True) -> str:
    """Converted words, one a line, in their usual spelling. soft: ә ө ү may stand for я ё ю and vowels before ь.

    >>> respell_lines("қо*ан\\n*ағни\\nконституси*а\\nб*ік\\nа*у\\nкасп**").split()
    ['қоян', 'яғни', 'конституция', 'биік', 'аю', 'каспий']
    """
    lines = _apply((*_JOTTED, *_LOAN_RULES), tell_i_apart(lines))
    return _apply(_H_RULES, _apply(_SOFT_RULES, lines) if soft else lines)


def respell_after_stems(words: Sequence[tuple[str, str]], *, soft: bool = True) -> list[str]:
    """Words of a stem that is spelled as it should be, or none, and a rest that is not.

    >>> respell_after_stems([("материал", "дар"), ("", "қо*ан")])
    ['материалдар', 'қоян']
    """
    lines = "\n".join(_BEHIND[stem[-1:] in VOWELS] + rest if stem else rest for stem, rest in words)
    spelled = respell_lines(lines, soft=soft).split("\n")
    return [stem + line[1:] if stem else line for (stem, _), line in zip(words, spelled, strict=True)] if words else []


_BEHIND = ("н", "а")
"""A letter of the kind that a stem ends in, a consonant or a vowel, so that й is told from и behind it."""


def _apply(rules: Sequence[_Rule], lines: str) -> str:
    for sign, pattern, replacement in rules:
        if sign in lines:
            lines = pattern.sub(replacement, lines)
    return lines
