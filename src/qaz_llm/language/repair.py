"""Damage that real Kazakh web text has, undone before anything is judged.

    Ò\\u009bÐ°Ð·Ð°Ò\\u009b, Т›Р°Р·Р°Т›   bytes read in the wrong encoding         → қазақ
    бiлiм (Latin i)                       a Latin look-alike in a Cyrillic word  → білім
    е + U+0306, U+200B, U+00A0 …          other forms, invisible characters      → NFC, gone, a plain space
    &quot;бет&quot;<br/>                  left-over HTML                         → "бет"
    Алматы\\x96Астана, мек¬ / теп         controls, hyphens that are not seen    → Алматы–Астана, мектеп
    бір   екі                             white space that is no layout          → бір екі

Texts come in batches: one pass over the code points says what each could need (`repair_kernels.py`), most need nothing
and are returned as they are, and the others get those repairs alone, until a pass finds nothing more.

What is not repaired: Kazakh letters flattened to Russian ones (казак for қазақ) cannot be told from Russian words by
looking at them, so they are never guessed, only counted where the word tells. Repair is idempotent:
repair(repair(x).text).text == repair(x).text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from qaz_llm.language import repair_kernels as kernels
from qaz_llm.language.alphabet import FLATTENED_WORDS
from qaz_llm.language.buffer import Hashes, ScannedTexts, encode_texts, hash_words
from qaz_llm.language.code_parts import code_spans, hide_code
from qaz_llm.language.controls import join_hyphenated, mend_controls, mend_surrogates, remove_invisible, remove_joiners
from qaz_llm.language.legacy_fonts import undo_old_kazakh
from qaz_llm.language.lookalikes import one_alphabet
from qaz_llm.language.markup import decode_entities, may_have_markup, remove_markup
from qaz_llm.language.mojibake import MISREAD_BYTE_ORDER_MARKS, undo_mojibake
from qaz_llm.language.presentation import base_letters
from qaz_llm.language.selectors import remove_labels, remove_tags
from qaz_llm.language.variants import kazakh_forms
from qaz_llm.language.white_space import even_white_space, one_line_end
from qaz_llm.language.white_space import keep_layout as kept_layout

MAX_ROUNDS = 16
"""Repairs that uncover each other (mojibake of mojibake) settle in two or three rounds; this is the stop."""


@dataclass(frozen=True, slots=True)
class RepairedText:
    """The text after repair, and how often each kind of repair was made.

    Kinds: `label` (labels of machine-made text, whole or what is left of them); `mojibake`, `old_kazakh` (lines); `surrogate`; `c1` (controls that became the signs of cp1252 they stood for),
    `control` (those that became a space or a line break, or went); `invisible`, `presentation` (characters); `hyphenation` (words joined
    over a line end, ¬ inside words); `lookalike` (words); `tag`, `hidden_markup` (comments, scripts and styles with what is
    in them), `entity`; `nfc`, `whitespace` (1 where the text changed). `replacement` counts what cannot be repaired: U+FFFD
    in place of characters that are lost, which stay.
    """

    text: str
    counts: Mapping[str, int]


def repair(text: str, *, keep_layout: bool = False) -> RepairedText:
    """Undo mojibake, compose letters, put look-alike letters right, and take out what is not seen, what is left of a page
    and white space that is no layout.

    Code (`code_parts`) keeps its spaces, tags, entities and letters; damage of the encoding is undone in it too. With
    `keep_layout`, which answers of dialogues need, all indentation, runs of spaces, tabs and blank lines inside the text
    stay, and tags go only where they stand around paragraphs of prose.
    """
    return repair_texts([text], keep_layout=keep_layout)[0]


def repair_texts(texts: Sequence[str], *, keep_layout: bool = False) -> list[RepairedText]:
    """`repair` of each text; clean text costs one pass over it."""
    repaired = list(texts)
    counts: dict[int, Counter[str]] = {}
    for number, text in enumerate(texts):
        if text.startswith(MISREAD_BYTE_ORDER_MARKS):
            mark = next(filter(text.startswith, MISREAD_BYTE_ORDER_MARKS))
            repaired[number] = text.removeprefix(mark)
            counts[number] = Counter(mojibake=1)
    pending = list(range(len(repaired)))
    for _ in range(MAX_ROUNDS):
        damage = kernels.find_damage(encode_texts([repaired[number] for number in pending]))
        changed = []
        for index in np.flatnonzero(damage.flags_D).tolist():
            number = pending[index]
            before = repaired[number]
            own_counts = counts.setdefault(number, Counter())
            repaired[number] = _repair_once(
                before, int(damage.flags_D[index]), damage.mixed_words(index), own_counts, keep_layout
            )
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
    """The repairs that the flags ask for, each once; where there were labels or the encoding was wrong, all others wait for
    the next round, which finds mixed words where they then are."""
    before = text
    if flags & kernels.SELECTORS:
        text = remove_tags(remove_labels(text, counts), counts)
        if text != before:
            return text
    if flags & (kernels.MOJIBAKE | kernels.OLD_KAZAKH):
        if flags & kernels.MOJIBAKE:
            text, counts["mojibake"] = _added(undo_mojibake(text), counts["mojibake"])
        if flags & kernels.OLD_KAZAKH:
            text, counts["old_kazakh"] = _added(undo_old_kazakh(text), counts["old_kazakh"])
        if text != before:
            return text
    if mixed:
        spans = code_spans(text)
        words = [word for word in mixed if not any(start <= word[0] < end for start, end in spans)]
        text, counts["lookalike"] = _added(one_alphabet(text, words), counts["lookalike"])
    if flags & kernels.UNSEEN:
        text = _mend_unseen(text, flags, counts)
    if flags & kernels.UNCOMPOSED:
        text, counts["presentation"] = _added(base_letters(text), counts["presentation"])
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
            counts["nfc"] = 1
    if flags & kernels.MARKUP and not may_have_markup(text):
        flags &= ~kernels.MARKUP
    return _repair_prose(text, flags, counts, keep_layout=keep_layout) if flags & kernels.OF_PROSE else text


def _mend_unseen(text: str, flags: int, counts: Counter[str]) -> str:
    if flags & kernels.SURROGATE:
        text = mend_surrogates(text, counts)
    if flags & (kernels.CONTROL | kernels.INVISIBLE):
        text = join_hyphenated(text, counts)
    if flags & kernels.CONTROL:
        text = mend_controls(text, counts)
    if flags & kernels.INVISIBLE:
        text = remove_invisible(text, counts)
        counts["replacement"] = text.count("\ufffd")
    if flags & kernels.JOINED:
        text = remove_joiners(text, counts)
    return text


def _repair_prose(text: str, flags: int, counts: Counter[str], *, keep_layout: bool) -> str:
    """What is not done to code: forms of letters, markup, white space. Entities come last, when their neighbours are as
    they will stay."""
    has_rare = bool(flags & kernels.RARE_SPACE)
    one_ended = one_line_end(text, has_rare=has_rare)
    hidden = hide_code(one_ended)
    prose = hidden.prose
    if flags & kernels.VARIANT:
        prose, counts["lookalike"] = _added(kazakh_forms(prose), counts["lookalike"])
    marked = prose
    if flags & kernels.MARKUP:
        prose = remove_markup(prose, counts, keep_layout=keep_layout)
        if prose.count("`") != marked.count("`"):  # code of a page, to be put aside
            return hidden.show(prose)
    if flags & kernels.WHITE_SPACE:
        spaced = (kept_layout if keep_layout else even_white_space)(prose, has_rare=has_rare)
        if spaced != prose or one_ended != text:
            counts["whitespace"] = 1
        prose = spaced
    if flags & kernels.MARKUP:
        prose = decode_entities(prose, counts)
    return hidden.show(prose)


def _added(changed: tuple[str, int], before: int) -> tuple[str, int]:
    return changed[0], before + changed[1]


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
