"""Damage that real Kazakh web text has, undone before anything is judged.

    Ò\\u009bÐ°Ð·Ð°Ò\\u009b, Т›Р°Р·Р°Т›   bytes read in the wrong encoding         → қазақ
    бiлiм (Latin i)                       a Latin look-alike in a Cyrillic word  → білім
    е + U+0306, U+200B, U+00A0 …          other forms, invisible characters      → NFC, gone, a plain space
    &quot;бет&quot;<br/>                  left-over HTML                         → "бет"

Texts come in batches: one pass over the code points says what each could need (`repair_kernels.py`), most need nothing
and are returned as they are, and the others get those repairs alone, until a pass finds nothing more.

What is not repaired: Kazakh letters flattened to Russian ones (казак for қазақ) cannot be told from Russian words by
looking at them, so they are never guessed, only counted where the word tells. Repair is idempotent:
repair(repair(x).text).text == repair(x).text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html.entities import html5

import numpy as np

from qaz_llm.language import repair_kernels as kernels
from qaz_llm.language.alphabet import FLATTENED_WORDS
from qaz_llm.language.buffer import Hashes, ScannedTexts, encode_texts, hash_words
from qaz_llm.language.lookalikes import kazakh_forms, one_alphabet
from qaz_llm.language.mojibake import undo_mojibake, undo_old_kazakh

MAX_ROUNDS = 16
"""Repairs that uncover each other (mojibake of mojibake) settle in two or three rounds; this is the stop."""


@dataclass(frozen=True, slots=True)
class RepairedText:
    """The text after repair, and how often each kind of repair was made.

    Kinds: `mojibake`, `old_kazakh` (lines), `surrogate`, `control`, `invisible` (characters), `nfc`, `whitespace` (1
    where the text changed), `lookalike` (words), `tag`, `entity`.
    """

    text: str
    counts: Mapping[str, int]


def repair(text: str, *, keep_layout: bool = False) -> RepairedText:
    """Undo mojibake, compose letters, remove invisible characters and tags, put look-alike letters right, even out spaces.

    Code between lines of three backticks keeps its spaces and tags. With `keep_layout`, as answers of dialogues need it,
    all indentation, runs of spaces, tabs and blank lines inside the text stay.
    """
    return repair_texts([text], keep_layout=keep_layout)[0]


def repair_texts(texts: Sequence[str], *, keep_layout: bool = False) -> list[RepairedText]:
    """`repair` of each text; clean text costs one pass over it."""
    repaired = list(texts)
    counts: dict[int, Counter[str]] = {}
    pending = list(range(len(repaired)))
    for _ in range(MAX_ROUNDS):
        damage = kernels.find_damage(encode_texts([repaired[number] for number in pending]))
        changed = []
        for index in np.flatnonzero(damage.flags_D).tolist():
            number = pending[index]
            before = repaired[number]
            own_counts = counts.setdefault(number, Counter())
            repaired[number] = _repair_once(before, int(damage.flags_D[index]), damage.mixed_words(index), own_counts, keep_layout)
            if repaired[number] != before:
                changed.append(number)
        pending = changed
        if not pending:
            break
    return [RepairedText(text, _nonzero(counts.get(number))) for number, text in enumerate(repaired)]


def _nonzero(counts: Counter[str] | None) -> Mapping[str, int]:
    return {kind: number for kind, number in sorted(counts.items()) if number} if counts else {}


def _repair_once(
    text: str, flags: int, mixed: Sequence[tuple[int, int, bool]], counts: Counter[str], keep_layout: bool
) -> str:
    """The repairs that the flags ask for, each once. Words of mixed alphabets wait for the next round where mojibake
    before them moved them."""
    before = text
    if flags & kernels.MOJIBAKE:
        text, counts["mojibake"] = _added(undo_mojibake(text), counts["mojibake"])
    if flags & kernels.OLD_KAZAKH:
        text, counts["old_kazakh"] = _added(undo_old_kazakh(text), counts["old_kazakh"])
    if mixed and text is before:
        text, counts["lookalike"] = _added(one_alphabet(text, mixed), counts["lookalike"])
    if flags & kernels.VARIANT:
        text, counts["lookalike"] = _added(kazakh_forms(text), counts["lookalike"])
    for flag, kind, pattern in _REMOVED:
        if flags & flag:
            text, counts[kind] = _added(pattern.subn("", text), counts[kind])
    if flags & kernels.INVISIBLE:
        text, counts["invisible"] = _added(_remove_invisible(text), counts["invisible"])
    if flags & kernels.UNCOMPOSED and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        counts["nfc"] = 1
    if flags & kernels.MARKUP:
        text = _outside_code(text, lambda part: _undo_markup(part, counts))
    if flags & (kernels.SPACES | kernels.ODD_SPACE | kernels.RARE_SPACE):
        even = _keep_layout if keep_layout else _even_white_space
        spaced = even(text, has_rare=bool(flags & kernels.RARE_SPACE))
        if spaced != text:
            counts["whitespace"] = 1
        text = spaced
    return text


def _added(changed: tuple[str, int], before: int) -> tuple[str, int]:
    return changed[0], before + changed[1]


_CODE = re.compile("(^```.*?(?:^```|\\Z))", re.DOTALL | re.MULTILINE)


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change what is not between two lines of three backticks, where indentation and tags have a meaning."""
    if "```" not in text:
        return change(text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(_CODE.split(text)))


_REMOVED = (
    (kernels.SURROGATE, "surrogate", re.compile(f"[{kernels.SURROGATES}]")),
    (kernels.CONTROL, "control", re.compile(f"[{kernels.CONTROLS}]")),
    (kernels.JOINED, "invisible", re.compile(f"(?<=[^\\W\\d_])[{kernels.JOINERS}](?=[^\\W\\d_])")),
)


def _remove_invisible(text: str) -> tuple[str, int]:
    length = len(text)
    for character in kernels.INVISIBLES:
        if character in text:
            text = text.replace(character, "")
    return text, length - len(text)


# ----------------------------------------------------------------------------------------------------------- markup

_ENTITY = re.compile(r"&(?:amp;)*((?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,5});)")
_TAG = re.compile(
    r"</?(?:p|br|hr|div|span|a|b|i|u|em|strong|small|font|center|img|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|seg|prop|tuv?)"
    r"(?:\s[^<>]{0,300})?/?>",
    re.IGNORECASE,
)
"""Tags of web pages and translation memories by name; `Vec<String>` and `<PHONE>` are none of them."""


def _undo_markup(text: str, counts: Counter[str]) -> str:
    if "<" in text:
        text, counts["tag"] = _added(_TAG.subn(" ", text), counts["tag"])
    if "&" in text:
        unescaped, number = _ENTITY.subn(_unescape, text)
        counts["entity"] += number if unescaped != text else 0
        text = unescaped
    return text


def _unescape(match: re.Match[str]) -> str:
    """The character of an entity, however often it was escaped: `&amp;amp;quot;` is a quotation mark."""
    name = match[1]
    return html.unescape(f"&{name}") if name.startswith("#") else html5.get(name, f"&{name}")


# ------------------------------------------------------------------------------------------------------ white space

_LINE_END = re.compile("\r\n?")
_RARE_LINE_END = re.compile("[\x85\u2028\u2029]")
_RARE_SPACE = re.compile("[^\\S \n]")
_MANY_LINES = re.compile("\n\n\n+")


def _even_white_space(text: str, *, has_rare: bool) -> str:
    """One kind of line end, one space between words, none at line ends, one blank line at most."""
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    if has_rare:
        text = _RARE_LINE_END.sub("\n", text)
        text = _outside_code(text, lambda part: _RARE_SPACE.sub(" ", part))
    text = _outside_code(text, _even_spaces)
    if "\n\n\n" in text:
        text = _MANY_LINES.sub("\n\n", text)
    return text.strip()


def _keep_layout(text: str, *, has_rare: bool) -> str:
    """One kind of line end, none of the other spaces; nothing before the first line and after the last one."""
    text = _LINE_END.sub("\n", text)
    if has_rare:
        text = _RARE_LINE_END.sub("\n", text)
    text = _outside_code(text, lambda part: re.sub("[^\\S \n\t]", " ", part))
    return re.sub("\\A(?:[ \t]*\n)+", "", text).rstrip()


def _even_spaces(text: str) -> str:
    text = text.replace("\t", " ").replace("\u00a0", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    return text.removeprefix(" ").removesuffix(" ")


# -------------------------------------------------------------------------------------------------- flattened words


def count_flattened(scanned: ScannedTexts) -> list[int]:
    """How many words of each text are Kazakh ones with flattened letters, such as `жане`, as far as a word can tell."""
    words = scanned.words
    return [int(number) for number in kernels.count_words(words.hashes_W, words.doc_starts_D, _flattened_hashes())]


@cache
def _flattened_hashes() -> Hashes:
    return kernels.hash_slots(hash_words(FLATTENED_WORDS))


# ------------------------------------------------------------------------------------------------------ punctuation

_BEFORE_CLOSING = re.compile(r" +(?=[,.!?;:…»”)\]%])(?!\.{2})")
_AFTER_OPENING = re.compile(r"(?<=[«“(\[]) +")
_AFTER_APOSTROPHE = re.compile(r"(?<=[A-Za-z]) (?=(?:'s|'ll|'re|'ve|'d|'m|n't)\b)")


def detokenise(text: str) -> str:
    """Undo the spaces that word-tokenised corpora put around punctuation.

    >>> detokenise("« Қара сөздерінің » аудиодискісін тыңдауға болады .")
    '«Қара сөздерінің» аудиодискісін тыңдауға болады.'
    """
    text = _BEFORE_CLOSING.sub("", text)
    return _AFTER_APOSTROPHE.sub("", _AFTER_OPENING.sub("", text))
