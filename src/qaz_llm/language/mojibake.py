"""UTF-8 whose bytes were read in another encoding, read again, line by line, where that makes the line more probable.

    РљР°Р·Р°Т›, ÐšÐ°Ð·Ð°Ò›             as cp1251, as cp1252 or Latin-1         → Казақ
    п÷я─п╦п╡п╣я┌, ╨Я╤А╨╕╨▓╨╡╤В         as KOI8-R, as cp866                    → Привет
    Â«MaÐ·Ð´Ð°Â»                         broken by plain letters                → «Maзда»
    СССР», 20 °С–25 °С, ТІЛ              sound text with the same characters    unchanged

Only runs of broken characters change, the rest of the line (good words, links) stays. A line may be broken several times.
Lost second halves (`Р` for И, `Ñ` for с or я) are put back where the line shows what they were. Which readings there are:
`misreadings.py`; text with one byte for each letter: `single_bytes.py`.
"""

from __future__ import annotations

import codecs

from qaz_llm.language.likelihood import bits_of
from qaz_llm.language.misreadings import NAMES, Misreading, characters_of, misreadings
from qaz_llm.language.single_bytes import undo_single_bytes

MISREAD_BYTE_ORDER_MARKS = tuple(
    mark for name in NAMES if not (mark := "".join(characters_of(name)[byte] for byte in codecs.BOM_UTF8)).isalpha()
)
"""`п»ї`, `ï»¿` … at the beginning of a text; where all three are letters they may be a word."""

_CLOSING = {"«": "»", "“": "”", "‘": "’", "‹": "›", "„": "“"}

MAX_LAYERS = 4
"""Text may be broken more than once, each time longer."""

MIN_GAIN_BITS = 20.0
"""What a broken line is taken to cost: one line in 2 to the 20 of sound text may look broken by chance."""

MIN_GAIN_BITS_PER_CHARACTER = 11.0
"""For each character that a line loses. `20 °С–25` gains 8 by reading С– as і, real mojibake 20 to 30 per letter."""

MIN_RUN_GAIN_BITS = 6.0
MIN_SURE_RUN_GAIN_BITS = 0.0
"""For each letter of one run, on the way, and once other runs of the line have shown that it is broken: the inner layers
of text broken twice gain less than the last."""

MIN_LETTERS = 3
"""Whole letters that a line must have before lost halves are guessed in it."""

SOUND_HALF_BITS = 10.0
"""What it costs to take a first half among broken letters for a sound letter, as Р in `Р РѕСЃСЃРёСЏ`."""

BEAM_WIDTH = 8


def undo_mojibake(text: str) -> tuple[str, int]:
    """The text with its broken lines decoded again, and how many lines that changed."""
    lines = text.split("\n")
    letters = [misreading.letter for misreading in misreadings() if misreading.letter.search(text)]
    repaired = [_undo_line(line) if any(letter.search(line) for letter in letters) else line for line in lines]
    repaired = undo_single_bytes(lines, repaired)
    changed = sum(before != after for before, after in zip(lines, repaired, strict=True))
    return ("\n".join(repaired), changed) if changed else (text, 0)


def _undo_line(line: str) -> str:
    repaired = line
    for _ in range(MAX_LAYERS):
        before = repaired
        repaired = _undo_layer(repaired)
        if repaired == before:
            break
    if repaired == line:
        return line
    gain = bits_of(line) - bits_of(repaired)
    lost = len(line) - len(repaired)
    return repaired if gain >= max(MIN_GAIN_BITS, MIN_GAIN_BITS_PER_CHARACTER * lost) else line


def _undo_layer(line: str) -> str:
    """The line with its runs of one misreading decoded: of the one that has most letters in it and gains by it."""
    found = [(len(misreading.letter.findall(line)), misreading) for misreading in misreadings()]
    for number, misreading in sorted(found, key=lambda pair: -pair[0]):
        if not number:
            break
        repaired, letters = _decode_runs(line, misreading, sure=False)
        if letters >= MIN_LETTERS:
            repaired, _ = _decode_runs(line, misreading, sure=True)
        if repaired != line:
            return repaired
    return line


def _decode_runs(line: str, misreading: Misreading, *, sure: bool) -> tuple[str, int]:
    """The line with those runs decoded that it is more probable with, and how many letters they have.

    Single letters and halves of letters change only where it is sure already that the line is broken so: `Р–` is also in
    КНР–Россия, `С–` in 20 °С–25, `Ð²` in mathematics.
    """
    least = MIN_SURE_RUN_GAIN_BITS if sure else MIN_RUN_GAIN_BITS
    drops = misreading.drops.search(line) is not None
    letters = 0
    pieces: list[str] = []
    done = 0
    for match in (misreading.run if sure else misreading.whole_run).finditer(line):
        before = line[match.start() - 1] if match.start() else "\n"
        after = line[match.end()] if match.end() < len(line) else "\n"
        units = _broken_units(misreading.unit.findall(match.group()), misreading, before, sure=sure)
        broken = "".join(units)
        start = match.end() - len(broken)
        before = line[start - 1] if start else "\n"
        decoded = _read(units, misreading, before, after, drops=drops)
        gain = bits_of(broken, before, after) - bits_of(decoded, before, after)
        if decoded != broken and gain >= least * len(units):
            pieces += line[done:start], decoded
            done = match.end()
            letters += len(units)
    return "".join((*pieces, line[done:])), letters


def _broken_units(units: list[str], misreading: Misreading, before: str, *, sure: bool) -> list[str]:
    """The units without halves that belong to a sound word before them and letters in quotation marks (`«Â»`), and none where
    sound text is like them: halves alone, and single letters where it is not sure that the line is broken, or a word or
    number ends in their first half."""
    while units and (
        (units[0] in misreading.missing and _ends_word(before))
        or (before in _CLOSING and units[0][1:] == _CLOSING[before])
    ):
        before, units = units[0][-1], units[1:]
    whole = [unit for unit in units if unit not in misreading.missing]
    if not sure:
        return units if misreading.shows_damage(whole) else []
    if len(whole) == 1 and _ends_word(before) and misreading.may_be_sound(whole[0]):
        return []
    return units if whole or misreading.name == "cp1252" else []


def _ends_word(character: str) -> bool:
    return character.isdigit() or character == "°" or (character.isalpha() and not character.isascii())


def _read(units: list[str], misreading: Misreading, before: str, after: str, *, drops: bool) -> str:
    """The likeliest text of a run: a whole unit has one reading, a first half alone several, itself included."""
    beam = [(0.0, "")]
    for unit in units:
        readings = _readings(unit, misreading, drops=drops)
        extended = [
            (bits + bits_of(reading, (before + text)[-1], "") + SOUND_HALF_BITS * (reading == unit), text + reading)
            for bits, text in beam
            for reading in readings
        ]
        beam = sorted(extended)[:BEAM_WIDTH]
    return min(beam, key=lambda path: path[0] + bits_of(after, (before + path[1])[-1], ""))[1]


def _readings(unit: str, misreading: Misreading, *, drops: bool) -> tuple[str, ...]:
    if unit not in misreading.missing:
        return (misreading.decode(unit) or unit,)
    if not unit.endswith(" "):
        return (unit, *misreading.missing[unit]) if drops else (unit,)
    dropped = misreading.missing.get(unit[:-1], ()) if drops else ()
    return (unit, *misreading.missing[unit], *(letter + " " for letter in dropped))
