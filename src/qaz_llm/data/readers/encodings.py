"""In which encoding a text file is written: what the config says, what the file says of itself, or what reads best.

    a byte order mark                           → UTF-8, UTF-16 or UTF-32
    NULs, and every second byte like the other  → UTF-16 without a mark
    its bytes beyond ASCII are UTF-8            → UTF-8, rows that are not being bad rows
    else                                        → charset-normalizer's answer, then a closer look at Cyrillic ones

Windows-1251 and KZ-1048 differ in the Kazakh letters alone, so what tells them apart is which gives Kazakh letters where
Kazakh has them. A guess is never made in silence: the dry run, the log and the manifest name every encoding but UTF-8.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.io import compression_of, naming_damage, open_bytes

UTF8 = "utf-8"
SAMPLE_BYTES = 256 << 10
MIN_BEYOND_ASCII = 12
"""Fewer bytes beyond ASCII say nothing; the file is read as UTF-8, and the rows with them are bad rows."""

MIN_UTF8_RUNS_FRAC = 0.3
"""Where this share of the runs of bytes beyond ASCII is UTF-8, the file is, and is damaged in places. Of Cyrillic in one byte
a letter hardly any run is."""

MIN_READABLE_FRAC = 0.97
MIN_TELLING_FRAC = 0.15
"""Of the letters in which KZ-1048 is not windows-1251 at least so many are қ, ә and ң in Kazakh, and none in Ukrainian."""

MAX_ODD_FRAC, MAX_ODD_KAZAKH_FRAC = 0.05, 0.005
"""Oddities by letter in what may be taken for Cyrillic, and for one of the two encodings that have Kazakh letters: with more,
a font for Kazakh is meant, whose letters lie in the places of Serbian ones (see language/mojibake.py)."""

_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive, or a file of Word or Excel", "unzip it; save a table as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an old Word or Excel", "save it as text or CSV in UTF-8"),
    (b"%PDF-", "a PDF", "take the text out of it first, for instance with pdftotext"),
    (b"{\\rtf", "a file in RTF", "save it as text in UTF-8"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x"),
    (b"SQLite format 3\0", "a data base of SQLite", "write its table as CSV or JSONL first"),
    (b"PAR1", "a Parquet file", "say so in the source: format: parquet"),
    (b"ARROW1\0\0", "an Arrow file", "write it as Parquet first"),
)
_TAR_MARK, _TAR_PLACE = b"ustar", 257

_RUN = re.compile(rb"[\x80-\xff]+")
_PUNCTUATION = re.compile(rb"[\x82\x84\x85\x91-\x97\x99\xa0\xa7\xa9\xab\xae\xb0\xb1\xb7\xbb]+")
"""Quotes, dashes and signs that windows-1251, KZ-1048 and windows-1252 have in common."""

_WORD_BEYOND_ASCII = re.compile(rb"[\x80-\xff]{3,}")
_READABLE = re.compile(r"[\t\n\r -~\u00a0-\u052f\u0600-\u06ff\u1e00-\u1eff\u2000-\u206f\u20a0-\u20bf\u2116]")
_CYRILLIC = ("cp1251", "kz1048", "koi8_r", "cp866", "mac_cyrillic", "iso8859_5", "ptcp154")
_WESTERN = ("cp1252", "cp1254", "cp1250", "iso8859_9", "mac_roman")
_ALIKE = ("cp1251", "kz1048", "ptcp154", "mac_cyrillic")
"""Small Russian letters have the same bytes in all of them, but for я."""
_KAZAKH_ONES = ("kz1048", "ptcp154")

_KAZAKH_SMALL = "әғқңөұүһі"
_SMALL = f"а-яё{_KAZAKH_SMALL}"
_CAPITAL = f"А-ЯЁ{_KAZAKH_SMALL.upper()}"
_SIGNS = "‰±¤¦¬¶µ†‡¥£¢¨¯´¸ºª¹²³¼½¾¿×÷‹›©®√≈≥≤∙∞"
_ODD = re.compile(
    rf"[{_SMALL}][{_CAPITAL}]"  # a capital inside a word
    rf"|(?<=[{_SMALL}{_CAPITAL}])[{_SIGNS}]|[{_SIGNS}](?=[{_SMALL}{_CAPITAL}])"  # a sign at a letter
    rf"|[\x80-\x9f\u2500-\u25a0]"  # controls, and what tables are drawn with
)
_STRANGE = re.compile(rf"(?![{_SMALL}{_CAPITAL}])[\u0400-\u052f]")
"""A letter of neither Kazakh nor Russian."""


@dataclass(frozen=True, slots=True)
class TextForm:
    """How the bytes of a file are to be read as text."""

    encoding: str = UTF8
    """As Python calls it: `utf-8`, `cp1251`, `kz1048`, `utf-16`."""
    has_cr_ends: bool = False
    """Lines end with a carriage return alone, as on old Macs."""
    is_guess: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether its bytes can be read as they are."""
        return self.encoding == UTF8 and not self.has_cr_ends

    @property
    def is_one_byte_wide(self) -> bool:
        """Whether a line ends where a byte is a line feed, so that it can be cut there."""
        return not self.has_cr_ends and not self.encoding.startswith(("utf-16", "utf-32"))

    def __str__(self) -> str:
        ends = ", lines end with CR" if self.has_cr_ends else ""
        return f"{self.encoding}{' (recognised)' if self.is_guess else ''}{ends}"


def form_of(path: Path, declared: str | None = None) -> TextForm:
    """The form of a text file, by what the config declares, else by its first quarter of a megabyte.

    Raises InputError where the file is absent, or is no text but an archive or a file of another program.
    """
    sample = read_sample(path)
    _refuse_other_files(path, sample)
    form = form_of_bytes(sample, declared)
    if declared is None and form.encoding == UTF8 and sample.isascii() and len(sample) == SAMPLE_BYTES:
        form = form_of_bytes(sample + _further_samples(path))
    return form


def _further_samples(path: Path) -> bytes:
    """Pieces from within a long file whose beginning is all ASCII; none of a compressed one, where they would be dear."""
    if compression_of(path) is not None:
        return b""
    size = path.stat().st_size
    with path.open("rb") as stream:
        pieces = []
        for quarter in (1, 2, 3):
            stream.seek(max(size * quarter // 4, SAMPLE_BYTES))
            pieces.append(stream.read(SAMPLE_BYTES >> 2).partition(b"\n")[2])
    return b"\n".join(pieces)


def read_sample(path: Path) -> bytes:
    """The beginning of a file, unpacked; of a damaged one what can be read. Raises InputError where it is absent."""
    sample = b""
    try:
        with open_bytes(path) as stream, naming_damage(path):
            while len(sample) < SAMPLE_BYTES and (chunk := stream.read(min(1 << 14, SAMPLE_BYTES - len(sample)))):
                sample += chunk
    except DamagedFileError:  # who reads it to the damage says so
        pass
    return sample


def _refuse_other_files(path: Path, sample: bytes) -> None:
    for magic, what, hint in _OTHER_FILES:
        if sample.startswith(magic):
            raise InputError(f"{path}: is {what}; text was expected", hint=hint)
    if sample[_TAR_PLACE : _TAR_PLACE + len(_TAR_MARK)] == _TAR_MARK:
        raise InputError(f"{path}: is a tar archive; text was expected", hint=f"unpack it first: tar -xf {path.name}")


def form_of_bytes(sample: bytes, declared: str | None = None) -> TextForm:
    """The form of a file that begins with `sample`.

    >>> form_of_bytes("Қазақ халқының тарихы өте бай және ұзақ.".encode("kz1048")).encoding
    'kz1048'
    >>> form_of_bytes("\\ufeffҚар".encode("utf-16-le")).encoding
    'utf-16'
    """
    if declared is not None:
        encoding, is_guess = canonical_name(declared), False
    else:
        encoding, is_guess = _recognised(sample)
    text = sample.decode(encoding, "replace")
    has_cr_ends = "\r" in text[:-1] and "\n" not in text
    return TextForm(encoding, has_cr_ends, is_guess)


def canonical_name(encoding: str) -> str:
    """The name of an encoding as Python has it. Raises LookupError for what is none, or none of text.

    >>> canonical_name("Windows-1251"), canonical_name("UTF-8-SIG"), canonical_name("KZ-1048")
    ('cp1251', 'utf-8', 'kz1048')
    """
    name = codecs.lookup(encoding).name
    "a".encode(name)  # rot13 and hex are codecs too, but none of text
    return UTF8 if name == "utf-8-sig" else name


def _recognised(sample: bytes) -> tuple[str, bool]:
    """The encoding, and whether that is a guess."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding, False
    wide = _wide_encoding(sample)
    if wide is not None:
        return wide, True
    if _is_utf8(sample, is_whole=False):
        return UTF8, False
    runs = _RUN.findall(sample)
    if runs and all(map(_PUNCTUATION.fullmatch, runs)):
        return "cp1252", True
    if sum(map(len, runs)) < MIN_BEYOND_ASCII or sum(_is_utf8(run) for run in runs) >= MIN_UTF8_RUNS_FRAC * len(runs):
        return UTF8, False
    found = _one_byte_encoding(sample)
    return (UTF8, False) if found is None else (found, True)


def _is_utf8(data: bytes, *, is_whole: bool = True) -> bool:
    """Whether bytes are UTF-8; where they are not whole, up to a letter that they may end inside."""
    try:
        codecs.getincrementaldecoder(UTF8)().decode(data, final=is_whole)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: text in it has a NUL in every space and line end."""
    if b"\0" not in sample:
        return None
    even = sample[: len(sample) & ~1]
    for encoding in ("utf-16-le", "utf-16-be"):
        text = even.decode(encoding, "replace")
        if len(_READABLE.findall(text)) >= MIN_READABLE_FRAC * max(len(text), 1) and re.search(r"[ \n]", text):
            return encoding
    return None


def _one_byte_encoding(sample: bytes) -> str | None:
    """The encoding of text with one byte a letter, or None where none reads well."""
    from charset_normalizer import from_bytes  # 50 ms that files in UTF-8 do not need

    words = _WORD_BEYOND_ASCII.findall(sample)
    in_words = sum(map(len, words))
    is_cyrillic = 2 * in_words > sum(map(len, _RUN.findall(sample)))
    asked = b" ".join(words) if is_cyrillic else b"\n".join(line for line in sample.split(b"\n") if _RUN.search(line))
    best = from_bytes(asked[: SAMPLE_BYTES >> 2], cp_isolation=list(_CYRILLIC if is_cyrillic else _WESTERN)).best()
    first = None if best is None else best.encoding
    if is_cyrillic and (first is None or first in _ALIKE):
        first = _settled(asked) or (first and _ALIKE[0])
    return None if first is None else canonical_name(first)


def _settled(sample: bytes) -> str | None:
    """That of the encodings which have the small Russian letters in common, in which the text looks least odd."""
    oddness: dict[str, int] = {}
    for encoding in _ALIKE:
        text = sample.decode(encoding, "replace")
        odd, strange = len(_ODD.findall(text)), len(_STRANGE.findall(text))
        limit = MAX_ODD_FRAC * len(sample)
        if encoding in _KAZAKH_ONES:
            limit = MAX_ODD_KAZAKH_FRAC * len(sample) - strange if _gives_kazakh(sample, encoding) else -1
        if odd <= limit:
            oddness[encoding] = odd + strange
    return min(oddness, key=lambda encoding: oddness[encoding]) if oddness else None  # the first of equal ones


def _gives_kazakh(sample: bytes, encoding: str) -> bool:
    """Whether the bytes in which an encoding differs from windows-1251 are the letters of Kazakh, and as frequent as there."""
    text, other = sample.decode(encoding, "replace"), sample.decode("cp1251", "replace")
    differing = [letter for letter, russian in zip(text, other, strict=True) if letter != russian]
    telling = sum(letter in "қәңҚӘҢ" for letter in differing)
    return bool(telling) and telling >= MIN_TELLING_FRAC * len(differing)
