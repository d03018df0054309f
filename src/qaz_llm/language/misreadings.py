"""The encodings that UTF-8 is misread in, and what text misread so looks like.

    Қазақ in UTF-8 is the bytes d2 9a d0 b0 d0 b7 d0 b0 d2 9b; read as
    cp1252       ÒšÐ°Ð·Ð°Ò›              cp1251        Тљ Р° Р· Р° Т›  (without spaces)
    koi8-r       р п╟п╥п╟р⌡              cp866         ╥Ъ╨░╨╖╨░╥Ы
    iso-8859-5   ваАаЗаАв                mac-cyrillic  “Ъ–∞–Ј–∞“Ы
    mac-roman    “ö–∞–∑–∞“õ

Every encoding is a table of one character for each byte, so the bytes can be had back and read as UTF-8. Bytes that are no
character in it (98 in cp1251, 81 8d 8f 90 9d in cp1252), or one that tools change or drop (the no-break space, the soft
hyphen), get lost on the way; `Misreading.missing` has what the first half of a letter may have been then.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from qaz_llm.language.letter_pairs import LETTERS, SIGNS
from qaz_llm.language.repair_kernels import REAL_AFTER_CAPITALS

KNOWN = frozenset((*LETTERS, *LETTERS.upper(), *SIGNS, "‘"))
"""What a lost second half may make of a first: letters of the three languages and quotation marks."""

NAMES = ("cp1252", "cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic", "mac_roman")

_ALPHABETS = ((0xD0, 0xD4), (0xD8, 0xDC))
"""First bytes of the letters of Cyrillic, and of Arabic script."""

_FIRST_OF_TWO, _FIRST_OF_THREE, _FIRST_OF_FOUR, _FOLLOWING = (0xC2, 0xE0), (0xE0, 0xF0), (0xF0, 0xF5), (0x80, 0xC0)
_MAX_LOST = 8
"""ISO 8859-5 has 32 control characters there: where those were dropped, too much is gone to be guessed."""

_SOFT_HYPHEN, _NO_BREAK_SPACE = "\u00ad", "\u00a0"


@dataclass(frozen=True)
class Misreading:
    """An encoding that UTF-8 is misread in."""

    name: str
    to_bytes: Mapping[int, int]
    """The byte of each of its characters."""
    letter: re.Pattern[str]
    """A whole letter or sign of Kazakh, Russian or a Latin language."""
    unit: re.Pattern[str]
    """One misread character, whole, or its first part where the rest was lost, then perhaps with a plain space."""
    whole_run: re.Pattern[str]
    run: re.Pattern[str]
    missing: Mapping[str, tuple[str, ...]]
    """What a first part without the rest may have been; with a space behind it, where that was a no-break space."""
    never_alone: str
    """First halves that no text of the three languages has: `Ã©` is é though it is one letter."""
    drops: re.Pattern[str]
    """Letters that only this encoding shows so: where there is none, more than `missing` says may have got lost."""

    def decode(self, unit: str) -> str | None:
        """The character of a whole unit; None where its bytes are not UTF-8, or make a letter of no language in question:
        `аЁў` is three letters of cp866 read as cp1251, no letter of Gurmukhi."""
        try:
            character = unit.translate(self.to_bytes).encode("latin-1").decode("utf-8")
        except UnicodeError:
            return None
        if self.name != "cp1252" and not _MEANT.fullmatch(character):
            return None
        return character

    def shows_damage(self, units: Sequence[str]) -> bool:
        """Whether whole units side by side are two letters of Kazakh or Russian then, or of Arabic script where the code
        page is one that everything is read in, and not all are pairs that sound text has: `С–` in С–С–С, `“А`.

        One first half that no sound text has is enough: `Ã©`.
        """
        if any(unit[0] in self.never_alone for unit in units):
            return True
        letters = [unit for unit in units if self._is_letter(self.decode(unit) or "")]
        return len(letters) > 1 and not all(map(self.may_be_sound, letters))

    def may_be_sound(self, unit: str) -> bool:
        """Whether sound text has such a pair: a capital and what follows capitals, a dash or quotation mark and a letter."""
        sound = _REAL_AFTER_DASHES if self.name.startswith("mac_") else REAL_AFTER_CAPITALS
        return len(unit) == 2 and unit[-1] in sound

    def _is_letter(self, character: str) -> bool:
        if not character.isalpha() and character > "\u2000" and ord(character) in self.to_bytes:
            return True  # text broken twice
        is_arabic = self.name in ("cp1251", "cp1252") and "\u0621" <= character <= "\u06d5"
        return is_arabic or (character.isalpha() and character in KNOWN)


_REAL_AFTER_DASHES = frozenset(
    (*map(chr, range(ord("А"), ord("я") + 1)), *"ÄÅÇÉÑÖÜÆØŒŸÀÃÕÂÊÁËÈÍÎÏÌÓÔÒÚÛÙáàâäãåçéèêëíìîïñóòôöõúùûüæøœÿ")
)
_MEANT = re.compile(
    "[\u0080-\u024f\u03a9\u03c0\u0400-\u052f\u0621-\u06d5\u2010-\u2bff\ufeff\ufe0f]|[\U0001f000-\U0001faff]"
)
"""Letters of Latin, Cyrillic and Arabic script, signs, pictures, and controls, of which text broken twice is full."""


@cache
def misreadings() -> tuple[Misreading, ...]:
    """All of them, the commonest first."""
    return tuple(map(_misreading, NAMES))


def characters_of(encoding: str) -> dict[int, str]:
    """What the bytes 80–FF are in an encoding; those that it does not define are control characters, as web browsers
    read them (WHATWG Encoding Standard)."""
    return {byte: bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in range(0x80, 0x100)}


def _misreading(name: str) -> Misreading:
    character_of = characters_of(name)
    to_bytes = {ord(character): byte for byte, character in character_of.items()}
    if name == "cp1252":  # also Latin-1, where the bytes 80–9F are control characters
        to_bytes.update({byte: byte for byte in range(0x80, 0x100)})
    class_of = {span: _class_of(to_bytes, span) for span in (_FIRST_OF_TWO, _FIRST_OF_THREE, _FIRST_OF_FOUR)}
    rest = _class_of(to_bytes, _FOLLOWING)
    two, three = class_of[_FIRST_OF_TWO] + rest, class_of[_FIRST_OF_THREE] + rest + "{2}"
    whole = f"{class_of[_FIRST_OF_FOUR]}{rest}{{3}}|{three}|{two}"
    missing = _missing(name, character_of)
    lone = "".join(
        "|" + re.escape(first) + ("" if first.endswith(" ") else f"(?!{rest})")
        for first in sorted(missing, key=len, reverse=True)
    )
    letters = "|".join(_class_of(to_bytes, span) + rest for span in _ALPHABETS)
    letters += f"|{re.escape(character_of[0xE2] + character_of[0x80])}{rest}"
    if name == "cp1252":
        letters += f"|[ÂÃ]{rest}|[Ä-Ï]{rest}"
    return Misreading(
        name,
        to_bytes,
        re.compile(letters),
        re.compile(f"{whole}{lone}"),
        re.compile(f"(?:{whole})+"),
        re.compile(f"(?:{whole}{lone})+"),
        missing,
        "".join(map(chr, (0xC2, 0xC3, 0xE2))) if name == "cp1252" else "",
        re.compile("[\xd0-\xd3][€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€" if name == "cp1252" else letters),
    )


def _class_of(to_bytes: Mapping[int, int], span: tuple[int, int]) -> str:
    return "[" + "".join(re.escape(chr(code)) for code, byte in to_bytes.items() if span[0] <= byte < span[1]) + "]"


def _missing(name: str, character_of: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    """First parts and what the lost rest makes of them: in cp1251 {Р: (И, Э), "Р ": (Р,), У: (Ә,), вЂ: (‘,)}."""
    lost = [byte for byte in range(*_FOLLOWING) if _gets_lost(character_of[byte])]
    if len(lost) > _MAX_LOST:
        lost = []
    space = next((byte for byte in range(*_FOLLOWING) if character_of[byte] == _NO_BREAK_SPACE), None)
    missing: dict[str, tuple[str, ...]] = {}
    firsts = [bytes([byte]) for byte in range(0xD0, 0xD4)] + [b"\xe2\x80"]
    if name == "cp1252":
        firsts += [b"\xc2", b"\xc3"]  # Â and à, which are letters that sound text of the three languages has not
    for first in firsts:
        written = "".join(character_of[byte] for byte in first)
        meant = [_decoded(first, byte) for byte in lost if first not in (b"\xc2", b"\xc3")]
        if found := tuple(character for character in meant if character in KNOWN):
            missing[written] = found
        if space is not None and (spaced := _decoded(first, space)) in KNOWN | {_NO_BREAK_SPACE, "à"}:
            missing[written + " "] = (spaced,)
    return missing


def _decoded(first: bytes, last: int) -> str:
    return (first + bytes([last])).decode("utf-8", "ignore")


def _gets_lost(character: str) -> bool:
    return character == _SOFT_HYPHEN or unicodedata.category(character) == "Cc"
