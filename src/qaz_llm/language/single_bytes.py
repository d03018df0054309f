"""Text of one byte for each letter, read in the wrong encoding, read again where the line is far more probable so.

    Ïðèâåò, ðÒÉ×ÅÔ        cp1251 and KOI8-R read as Latin-1      → Привет
    оПХБЕР, рТЙЧЕФ        cp1251 as KOI8-R and the other way     → Привет
    ЏаЁўҐв                cp866 read as cp1251                   → Привет

Kazakh was written in KZ-1048 (STRK1048-2002: cp1251 with Kazakh letters in the places of other Slavic ones) and in PT154.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from qaz_llm.language.likelihood import bits_of
from qaz_llm.language.misreadings import characters_of
from qaz_llm.language.repair_kernels import BOX_DRAWING, WORD_SIGNS

WRITTEN = ("cp1251", "kz1048", "ptcp154", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic")
READ_AS = ("cp1252", "cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic")

SAMPLE_CHARACTERS = 300
MAX_BITS_PER_CHARACTER = 7.0
"""Sound lines have 4 to 6, short ones a little more; letters drawn at random 8 and more."""

MIN_GAIN_BITS_PER_CHANGE = 2.0
MIN_GAIN_BITS = 28.0

CHARACTERS_PER_BENT_WORD = 80
MIN_BENT_BITS_PER_CHARACTER = 5.8
"""Sound lines have 4 to 6; a Cyrillic encoding read as another 7.7 and more, but for cp1251 and mac-cyrillic, which differ in
capitals and я: 4.5, with a bent word in every line."""

_HIGH_RUN = re.compile("[\xc0-\xff]{3}")
_MIN_HIGH_FRAC = 0.6
_MIN_LETTERS = 6
_WORD = re.compile(r"[^\W\d_]{3,}")
_MIN_IN_WORDS = 6
_BENT_WORD = re.compile(f"[а-яё](?:[А-ЯЁ]{{2}}|Я)|[Ѐ-ӿ][{WORD_SIGNS}{BOX_DRAWING}]|[{BOX_DRAWING}][Ѐ-ӿ]")
"""Two capitals or Я after a small letter, or signs in words: one Cyrillic encoding read as another."""
_FOREIGN = re.compile("[ЂЃЉЊЌЏђѓљњќџѕєў]")
_CAPITAL_INSIDE = re.compile("[а-яё][А-ЯЁ]")
"""One capital is as telling where there are letters of other alphabets too."""


def undo_single_bytes(lines: Sequence[str], repaired: Sequence[str]) -> list[str]:
    """The lines, as far as repaired, with each read in the likeliest encoding where that is better still.

    A line of capitals (`ЙЮЙ ДЕКЮ`, как дела) is looked at where another line shows which encoding it is.
    """
    best = list(repaired)
    shown: set[tuple[str, str]] = set()
    for number, line in enumerate(lines):
        read_as = () if line.isascii() else READ_AS[:1] if _is_western(line) else READ_AS[1:] if _is_bent(line) else ()
        pairs = [(written, read) for read in read_as for written in WRITTEN if written != read]
        best[number], pair = _likelier(line, best[number], pairs)
        shown |= {pair} if pair else set()
    if not shown:
        return best
    return [
        _likelier(line, line, shown)[0] if line == done and not line.isascii() else done
        for line, done in zip(lines, best, strict=True)
    ]


def _likelier(line: str, repaired: str, pairs: Iterable[tuple[str, str]]) -> tuple[str, tuple[str, str] | None]:
    """The line read as the best pair (written, read as) says, and that pair; `repaired` and None if no pair is better."""
    pairs = sorted(pairs)
    if not pairs:
        return repaired, None
    sample = line[:SAMPLE_CHARACTERS]
    bits, best = min((bits_of(sample.translate(_table(*pair))), pair) for pair in pairs)
    likelier = sample.translate(_table(*best))
    gain = min(bits_of(sample), bits_of(repaired[:SAMPLE_CHARACTERS])) - bits
    changed = sum(old != new for old, new in zip(sample, likelier, strict=False))
    if gain < max(MIN_GAIN_BITS, MIN_GAIN_BITS_PER_CHANGE * changed) or not _is_prose(sample, likelier):
        return repaired, None
    return line.translate(_table(*best)), best


def _is_prose(before: str, after: str) -> bool:
    """Whether the changed words of three letters or more are enough to tell, and as probable as those of sound text.

    `20 С°, 25 С°` and `├── src` have none, whatever they are read as.
    """
    words = " ".join(word for word in _WORD.findall(after) if word not in before)
    return len(words) >= _MIN_IN_WORDS and bits_of(words) <= MAX_BITS_PER_CHARACTER * len(words)


def _is_western(line: str) -> bool:
    """Most letters À–ÿ, several side by side, which no language has."""
    if not _HIGH_RUN.search(line):
        return False
    letters = [c for c in line if c.isalpha()]
    return len(letters) >= _MIN_LETTERS and sum("\xc0" <= c <= "\xff" for c in letters) >= _MIN_HIGH_FRAC * len(letters)


def _is_bent(line: str) -> bool:
    """Bent words in numbers, or one and a line that does not read well: `МемСауда ЖШС` alone is sound."""
    bent = len(_BENT_WORD.findall(line))
    if _FOREIGN.search(line):
        bent += len(_CAPITAL_INSIDE.findall(line))
    sample = line[:SAMPLE_CHARACTERS]
    return bent > max(1, len(line) // CHARACTERS_PER_BENT_WORD) or (
        bent > 0 and bits_of(sample) > MIN_BENT_BITS_PER_CHARACTER * len(sample)
    )


@cache
def _table(written: str, read_as: str) -> Mapping[int, str]:
    """What the characters of one encoding are once their bytes are read in another."""
    meant = characters_of(written)
    table = {ord(character): meant[byte] for byte, character in characters_of(read_as).items()}
    if read_as == "cp1252":  # also Latin-1
        table.update({byte: character for byte, character in meant.items() if byte < 0xA0})
    return table
