"""The kernels against a slow reference that reads the text character by character or with regular expressions."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language import telling
from qaz_llm.language.alphabet import FORBIDDEN_LETTERS, FUNCTION_WORDS
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.identify_kernels import MIN_CODES, MIN_LETTERS, Kind, measure_pieces
from qaz_llm.language.verdicts import Verdict, judge_pieces

CUT = re.compile(r"(?<=[.!?…])[\"»”')\]]*\s+(?=[\"«“'(\[—–-]*\s*[A-ZА-ЯЁӘҒҚҢӨҰҮҺІ\d])|\n+")

WORDS = [
    "Қазақ", "тілі", "үшін", "және", "Это", "было", "сегодня", "работать", "The", "which", "of", "with", "Ўзбек", "келди",
    "биздиң", "һәм", "много", "ҚАР", "ҒЫЛЫМ", "1999", "ж", "С", "а", "ң", "3х4", "Straße", "ұлы",
]  # fmt: skip
MARKS = [
    " ",
    " ",
    " ",
    ". ",
    "! ",
    "? ",
    "… ",
    ".\n",
    "\n",
    "\n\n",
    '." ',
    ".» — ",
    ". «",
    ".) (",
    ", ",
    " – ",
    ".",
    "\u00a0",
    ". - ",
]
TEXTS = st.lists(st.sampled_from(WORDS) | st.sampled_from(MARKS), max_size=60).map("".join)


def letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def slow_cut(text: str) -> list[str]:
    """Spans between ends of sentences, joined until they are long enough; a rest that is too short joins the last."""
    pieces: list[str] = []
    start = 0
    for match in CUT.finditer(text):
        piece = text[start : match.end()]
        if letters(piece) >= MIN_LETTERS and len(piece) >= MIN_CODES:
            pieces.append(piece)
            start = match.end()
    rest = text[start:]
    if rest and pieces and letters(rest) < MIN_LETTERS:
        pieces[-1] += rest
    elif rest:
        pieces.append(rest)
    return pieces


@pytest.mark.parametrize("num_letters", [11, 12, 13])
@pytest.mark.parametrize("num_digits", [9, 10, 11, 12])
def test_a_piece_ends_where_it_is_just_long_enough(num_letters: int, num_digits: int) -> None:
    text = f"{'қ' * num_letters}{'1' * num_digits}. Қар. {'ә' * 30}"
    pieces = measure_pieces(scan_texts([text]))
    assert [text[start:end] for start, end in zip(pieces.starts_P, pieces.ends_P, strict=True)] == slow_cut(text)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_pieces_are_cut_as_a_regular_expression_cuts_them(texts: list[str]) -> None:
    scanned = scan_texts(texts)
    pieces = measure_pieces(scanned)
    whole = "".join(texts)
    for doc, text in enumerate(texts):
        first, last = pieces.doc_starts_P[doc], pieces.doc_starts_P[doc + 1]
        spans = zip(pieces.starts_P[first:last], pieces.ends_P[first:last], strict=True)
        assert [whole[start:end] for start, end in spans] == slow_cut(text)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_counts_are_those_of_a_plain_count(text: str) -> None:
    pieces = measure_pieces(scan_texts([text]))
    counts_K = pieces.counts_PK.sum(axis=0)
    lowered = text.lower()
    for kind, members in {
        Kind.U: "ұ", Kind.I: "і", Kind.Q: "қ", Kind.FRONT: "әөүһ", Kind.GH: "ғ", Kind.NG: "ң",
        Kind.FORBIDDEN: FORBIDDEN_LETTERS, Kind.SIGN: "ыэё", Kind.LATIN: "abcdefghijklmnopqrstuvwxyz",
        Kind.RUSSIAN: "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    }.items():  # fmt: skip
        assert counts_K[kind] == sum(lowered.count(letter) for letter in members), kind
    assert counts_K[Kind.LETTERS] == letters(text)
    found = [(match.group(), text[match.end() : match.end() + 1]) for match in re.finditer(r"[^\W_]+", lowered)]
    assert counts_K[Kind.WORDS] == len(found)
    words = [word for word, after in found if not (len(word) == 1 and after == ".")]
    assert counts_K[Kind.KK_WORDS] == sum(word in FUNCTION_WORDS["kk"] for word in words)
    assert counts_K[Kind.RU_WORDS] == sum(word in FUNCTION_WORDS["ru"] | telling.RUSSIAN_WORDS for word in words)
    assert counts_K[Kind.EN_WORDS] == sum(word in FUNCTION_WORDS["en"] | telling.ENGLISH_WORDS for word in words)
    assert counts_K[Kind.RU_TELLING] == sum(word in telling.RUSSIAN_WORDS for word in words)
    assert counts_K[Kind.EN_TELLING] == sum(word in telling.ENGLISH_WORDS for word in words)
    listed = {*telling.SHARED_SLAVIC_WORDS, *telling.RUSSIAN_WORDS, *telling.ENGLISH_WORDS, *telling.KARAKALPAK_WORDS}
    listed |= set().union(*FUNCTION_WORDS.values())
    others = [word for word in words if len(word) >= 4 and word not in listed]
    assert counts_K[Kind.RU_ENDINGS] == sum(word[-3:] in telling.RUSSIAN_ENDINGS for word in others)
    karakalpak = sum(word in telling.KARAKALPAK_WORDS for word in words)
    karakalpak += sum(word[-3:] in telling.KARAKALPAK_ENDINGS or word.endswith("иң") for word in others)
    assert counts_K[Kind.KAA_TELLING] == karakalpak


@pytest.mark.parametrize("number", [1022, 1023, 1024, 2046, 2047, 5000])
@pytest.mark.parametrize(("letter", "kind"), [("ә", Kind.FRONT), ("z", Kind.LATIN), ("ұ", Kind.U), ("ы", Kind.SIGN)])
def test_a_piece_of_many_letters_is_counted_to_the_last(letter: str, kind: Kind, number: int) -> None:
    pieces = measure_pieces(scan_texts([letter * number]))
    assert pieces.counts_PK[0, [kind, Kind.LETTERS]].tolist() == [number, number]
    assert pieces.counts_PK[0, : Kind.WORDS].sum() == 2 * number + (number if letter == "ы" else 0)  # ы is Russian too


def test_a_forbidden_letter_is_never_kazakh_and_letters_decide_without_words() -> None:
    texts = [
        "Қазақстан тілі ұлы халықтың тілі",
        "Қазақстан тілі ұлы ҳалықтың тілі",
        "12 3 4 5",
        "Бақыт пен Арман барған.",
    ]
    verdicts = judge_pieces(measure_pieces(scan_texts(texts)).counts_PK)
    assert verdicts.tolist() == [Verdict.SURE_KK, Verdict.DOUBTFUL, Verdict.UNTOLD, Verdict.LIKELY_KK]


def test_lists_of_words_fit_the_tables() -> None:
    assert all(len(ending) == 3 for ending in telling.RUSSIAN_ENDINGS | telling.KARAKALPAK_ENDINGS)
    assert not telling.RUSSIAN_WORDS & telling.ENGLISH_WORDS
    assert not telling.KARAKALPAK_WORDS & FUNCTION_WORDS["kk"]
    assert np.all([word == word.lower() for word in telling.RUSSIAN_WORDS | telling.ENGLISH_WORDS])
