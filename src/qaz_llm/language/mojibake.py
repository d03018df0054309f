"""Text whose bytes were read in the wrong encoding, read again in the right one, line by line.

    РљР°Р·Р°Т›, ÐšÐ°Ð·Ð°Ò›        UTF-8 read as cp1251, as cp1252 or Latin-1        → Қазақ, Казақ …
    п÷я─п╦п╡п╣я┌, ╨Я╤А╨╕╨▓╨╡╤В    UTF-8 read as KOI8-R, as cp866                   → Привет
    Ïðèâåò, ðÒÉ×ÅÔ                 cp1251 (KZ-1048) or KOI8-R read as Latin-1       → Привет
    Ќазаќ тілініѕ                  KZ-1048 read as cp1251                           → Қазақ тілінің

A line is only touched where it is plain that it is broken; in it the runs of broken characters are decoded and the rest
(good words, links) stays. Text broken twice takes two calls. What stays broken: letters whose second byte was lost (И in
cp1251 where the byte 98 was dropped is put back, others are not), and one Cyrillic encoding read as another (оПХБЕР).

KZ-1048 is the Kazakh national code page (STRK1048-2002), cp1251 with Kazakh letters in the places of other Slavic ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from qaz_llm.language.alphabet import FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.repair_kernels import BOX_DRAWING, OLD_KAZAKH_LETTERS, REAL_AFTER_CAPITALS
from qaz_llm.language.segment import match_words

MAX_LAYERS = 4
"""Text may be broken more than once, each time longer."""

MIN_PAIRS = 3
"""Broken letters that a line must have before any is touched; a line that is nothing else needs two."""


@dataclass(frozen=True)
class _Misreading:
    """An encoding that UTF-8 is misread in."""

    to_bytes: Mapping[int, int]
    """The byte of each of its characters."""
    letter: re.Pattern[str]
    """One broken letter of Russian or Kazakh (or, for `western`, of a Latin language), that sound text has not."""
    run: re.Pattern[str]
    """Characters whose bytes are UTF-8 as far as their ranges tell."""
    lost_space: re.Pattern[str]
    """The first half of a letter whose second half, a no-break space, became a plain one: Р of `Р РѕСЃСЃРёСЏ`."""
    lost_98: re.Pattern[str] | None
    """In cp1251, the first half of И or Ә whose second half, byte 98, is no character there and was dropped."""


def undo_mojibake(text: str) -> tuple[str, int]:
    """The text with its broken lines decoded again, and how many lines that changed."""
    lines = text.split("\n")
    changed = 0
    for index, line in enumerate(lines):
        repaired = _undo_line(line)
        if repaired != line:
            lines[index] = repaired
            changed += 1
    return ("\n".join(lines), changed) if changed else (text, 0)


def _undo_line(line: str) -> str:
    for _ in range(MAX_LAYERS):
        before = line
        if not line.isascii():
            line = _undo_layer(line)
        if line == before:
            break
    return line


def _undo_layer(line: str) -> str:
    found = [misreading.letter.findall(line) for misreading in _misreadings()]
    likeliest = max(range(len(found)), key=lambda index: len(found[index]))
    if not _enough(found[likeliest], line):
        return _undo_single_bytes(line)
    misreading = _misreadings()[likeliest]
    whole = misreading.lost_space.sub("\\1\u00a0", line)
    if misreading.lost_98:
        whole = misreading.lost_98.sub("\\1\x98", whole)
    repaired = misreading.run.sub(_decoder(misreading), whole)
    if repaired != whole:
        return repaired
    import ftfy

    return str(ftfy.fix_encoding(line))


def _enough(found: list[str], line: str) -> bool:
    """Whether that many broken letters make a broken line: many, or most of its letters, or two that are all it has."""
    if len(found) >= 2 * MIN_PAIRS:
        return True
    broken = sum(map(len, found))
    if len(found) >= MIN_PAIRS:
        return 2 * broken > sum(c.isalpha() and not c.isascii() for c in line)
    return len(found) == 2 and broken == sum(not c.isascii() for c in line)


def _decoder(misreading: _Misreading) -> Callable[[re.Match[str]], str]:
    def decode(match: re.Match[str]) -> str:
        run = match.group()
        if len(run) == 2 and _is_inside_word(match):
            return run
        try:
            return run.translate(misreading.to_bytes).encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return run

    return decode


def _is_inside_word(match: re.Match[str]) -> bool:
    """Whether letters stand beside one lone pair, as in `СССР»` and `ТІЛ`: then it is no broken letter."""
    around = match.string[max(0, match.start() - 1) : match.start()] + match.string[match.end() : match.end() + 1]
    return any(c.isalpha() for c in around)


@cache
def _misreadings() -> tuple[_Misreading, ...]:
    cp1251, western, koi8, cp866 = map(_bytes_of, ("cp1251", "cp1252", "koi8-r", "cp866"))
    cp1251["\x98"] = 0x98  # undefined in cp1251; readers pass it through
    western.update({chr(byte): byte for byte in range(0x80, 0x100)})
    sound = f"(?![{REAL_AFTER_CAPITALS}])"
    latin = f"|\xc3(?![\xa0\xad]){_trail(western)}|\xe2\u20ac{_trail(western)}"
    return (
        _misreading(western, f"[\xd0-\xd3]{_trail(western)}{latin}"),
        _misreading(cp1251, f"[РСТУ]{sound}{_trail(cp1251)}", lost_98=f"([РУ])(?=[РСТУ]{_trail(cp1251)})"),
        _misreading(koi8, f"[пярс][{BOX_DRAWING}⌠⌡°²·÷©ёЁ]"),
        _misreading(cp866, f"[╨╤╥╙]{_trail(cp866)}"),
    )


def _bytes_of(encoding: str) -> dict[str, int]:
    pairs = ((bytes([byte]).decode(encoding, "ignore"), byte) for byte in range(0x80, 0x100))
    return {character: byte for character, byte in pairs if character}


def _trail(bytes_of: Mapping[str, int]) -> str:
    return "[" + "".join(re.escape(c) for c, byte in bytes_of.items() if 0x80 <= byte < 0xC0) + "]"


def _misreading(bytes_of: Mapping[str, int], letter: str, lost_98: str | None = None) -> _Misreading:
    trails = _trail(bytes_of)
    two, three, four = (
        "[" + "".join(re.escape(c) for c, byte in bytes_of.items() if first <= byte < last) + "]"
        for first, last in ((0xC2, 0xE0), (0xE0, 0xF0), (0xF0, 0xF5))
    )
    d0 = next(character for character, byte in bytes_of.items() if byte == 0xD0)
    return _Misreading(
        {ord(character): byte for character, byte in bytes_of.items()},
        re.compile(letter),
        re.compile(f"(?:{two}{trails}|{three}{trails}{{2}}|{four}{trails}{{3}})+"),
        re.compile(f"({d0}) (?={letter})"),
        re.compile(lost_98) if lost_98 else None,
    )


# ------------------------------------------------------------------------------------------ one byte for each letter

_HIGH_RUN = re.compile("[\xc0-\xff]{3}")
_HIGH = re.compile("[\xa2-\xff]")
_MIN_COMMON_FRAC = 0.45
_COMMON = frozenset("аеоиныітрлдскАЕОИНЫІТРЛДСК")
"""The 13 commonest letters of Kazakh and Russian together: two thirds of a line in either, two fifths of letters
drawn at random."""


def _undo_single_bytes(line: str) -> str:
    """`Ïðèâåò`: a line most of whose letters are À–ÿ, which no language is, if it reads well as cp1251 or KOI8-R."""
    if not _HIGH_RUN.search(line):
        return line
    letters = [c for c in line if c.isalpha()]
    if sum("\xc0" <= c <= "\xff" for c in letters) < 0.6 * len(letters) or len(letters) < 6:
        return line
    readings = [line.translate(_single_bytes(encoding)) for encoding in ("kz1048", "koi8-r")]
    best = max(readings, key=_common_frac)
    return best if _common_frac(best) >= _MIN_COMMON_FRAC and "\ufffd" not in best else line


@cache
def _single_bytes(encoding: str) -> Mapping[int, str]:
    """What the characters of Latin-1 and cp1252 are once their bytes are read as `encoding`."""
    western = _misreadings()[0].to_bytes
    return {code: bytes([byte]).decode(encoding, "replace") for code, byte in western.items()}


def _common_frac(line: str) -> float:
    letters = [c for c in line if c.isalpha()]
    return sum(c in _COMMON for c in letters) / max(len(letters), 1)


# ---------------------------------------------------------------------------------------- KZ-1048 read as cp1251


@cache
def _old_kazakh() -> tuple[re.Pattern[str], dict[int, str]]:
    table = {ord(c): c.encode("cp1251").decode("kz1048") for c in OLD_KAZAKH_LETTERS}
    return re.compile(f"[{OLD_KAZAKH_LETTERS}]"), table


def undo_old_kazakh(text: str) -> tuple[str, int]:
    """`Ќазаќ тілініѕ` as `Қазақ тілінің`, and the number of lines changed.

    The letters ќ є ѕ ґ ї ў ј ћ are those of neighbours (Macedonian, Ukrainian, Belarusian, Serbian), so a text is only
    changed where they make Kazakh function words of it (жјне → және), two different ones or one in a short text.
    """
    pattern, table = _old_kazakh()
    suspects = {word for word in match_words(text) if pattern.search(word)}
    known = {word for word in suspects if word.translate(table) in _TELLING_WORDS}
    if not known or (len(known) < 2 and len(suspects) > 12):
        return text, 0
    lines = text.split("\n")
    changed = sum(pattern.search(line) is not None for line in lines)
    return text.translate(table), changed


_TELLING_WORDS = FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS
