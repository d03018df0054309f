"""FineWeb-2's rules against datatrove itself, which is the oracle: verdict and reason of every document."""

import gzip
import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import FilterConfig
from qaz_llm.data.quality.filters import make_filters
from qaz_llm.data.quality.fineweb2.preset import THRESHOLDS, FineWeb2Thresholds, judge_batch, judge_texts, measure_text
from qaz_llm.data.quality.fineweb2.rules import REASONS
from qaz_llm.data.quality.fineweb2.scan import inverse_of
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.language.buffer import encode_texts, scan_texts

CORPUS = os.environ.get("QAZ_CORPUS_DIR")
needs_corpus = pytest.mark.skipif(CORPUS is None, reason="needs the real text that QAZ_CORPUS_DIR names")
Judge = Callable[[str, FineWeb2Thresholds], str | None]


class RegexWords:
    """What datatrove asks a word tokenizer for, without a download."""

    def word_tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+|[^\w\s]", text)


@pytest.fixture(scope="module")
def datatrove() -> Iterator[Judge]:
    """The three filters as FineWeb-2's pipeline makes them, one after another."""
    filters = pytest.importorskip("datatrove.pipeline.filters")
    tokenizers = pytest.importorskip("datatrove.utils.word_tokenizers")
    document = pytest.importorskip("datatrove.data").Document
    made: dict[FineWeb2Thresholds, list[Any]] = {}

    def judge(text: str, limits: FineWeb2Thresholds) -> str | None:
        if limits not in made:
            made[limits] = [
                filters.GopherRepetitionFilter(
                    dup_para_frac=0,
                    dup_line_char_frac=0,
                    dup_para_char_frac=0,
                    dup_line_frac=limits.dup_line_frac,
                    top_n_grams=tuple(zip((2, 3, 4), limits.top_n_grams, strict=True)),
                    dup_n_grams=tuple(zip(range(5, 11), limits.dup_n_grams, strict=True)),
                ),
                filters.FineWebQualityFilter(
                    short_line_thr=999,
                    char_duplicates_ratio=0.1,
                    line_punct_thr=limits.line_punct_thr,
                    new_line_ratio=limits.new_line_ratio,
                ),
                filters.GopherQualityFilter(
                    max_avg_word_length=limits.max_avg_word_length,
                    min_avg_word_length=limits.min_avg_word_length,
                    stop_words=list(limits.stopwords),
                    max_non_alpha_words_ratio=limits.max_non_alpha_words_ratio,
                    min_stop_words=2,
                ),
            ]
        for rule in made[limits]:
            answer = rule.filter(document(text=text, id=""))
            if answer is not True:
                return str(answer[1])
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizers, "load_word_tokenizer", lambda language: RegexWords())
        yield judge


def assert_equal(texts: Sequence[str], limits: FineWeb2Thresholds, judge: Judge) -> set[str | None]:
    """The reasons found, which are the oracle's for every text."""
    found = judge_texts(texts, limits)
    expected = [judge(text, limits) for text in texts]
    wrong = [(ours, theirs, text) for ours, theirs, text in zip(found, expected, texts, strict=True) if ours != theirs]
    assert not wrong, f"{len(wrong)} of {len(texts)}, the first: {wrong[0]!r}"
    return set(found)


# A document for each rule that damaged prose does not break.
LONG_WORDS = " ".join(f"және су {a}қазақстандықтарымызданмын{b}қазақстандық" for a in "абвгдежзик" for b in "лмно")
LONE_WORDS = [f"{a}{b}{c}рм" for a in "абвгдежзик" for b in "лмнопрст" for c in "уфхцч"]
MADE = {
    "gopher_long_doc": "{}.",
    "gopher_below_avg_threshold": " ".join(f"{a}{b}" for a in "абвгдежзийклмн" for b in "опрстуфхц") + ".",
    "gopher_above_avg_threshold": f"{LONG_WORDS}.",
    "gopher_too_many_hashes": " # ".join(LONE_WORDS[:60]) + " # су.",
    "gopher_too_many_ellipsis": " … ".join(LONE_WORDS[:60]) + " су.",
    "gopher_too_many_bullets": "\n".join("- " + " ".join(LONE_WORDS[i : i + 8]) + "." for i in range(0, 160, 8)),
    "gopher_too_many_end_ellipsis": "\n".join(" ".join(LONE_WORDS[i : i + 20]) + "..." for i in range(0, 400, 20))
    + ".",
    "gopher_enough_stop_words": " ".join(LONE_WORDS[:80]) + ".",
    "list_ratio": ".\n".join(" ".join(LONE_WORDS[i : i + 4]) for i in range(0, 240, 4)) + ".",
    "empty": " \n\t",
}


def test_the_rules_that_damage_does_not_reach(datatrove: Judge) -> None:
    rng = random.Random(3)
    letters = "абвгдежзиклмнопрст"
    long_text = " ".join("".join(rng.choices(letters, k=4)) for _ in range(100_050))
    texts = [text.format(long_text) for text in MADE.values()]
    found = judge_texts(texts, THRESHOLDS["kk"])
    assert found == [datatrove(text, THRESHOLDS["kk"]) for text in texts]
    assert found == list(MADE)


def damage(text: str, kind: int, rng: random.Random) -> str:
    """The text with one fault of the web; the kinds together break nearly every rule."""
    pieces = text.split(" ")
    match kind:
        case 0:
            return " ".join(rng.sample(pieces, len(pieces)))
        case 1:
            return f"{text}\n{text}"
        case 2:
            return f"{text[: len(text) // rng.randint(2, 9)]} {text}"
        case 3:
            return text.replace(". ", "\n")
        case 4:
            return text.replace(". ", "…\n")
        case 5:
            return "\n".join(f"- {part}" for part in text.split(". "))
        case 6:
            return " # ".join(pieces)
        case 7:
            return "".join(
                rng.choice(["\r", "\x0b", "\x85", "\u2028", " ", ""]) if rng.random() < 0.03 else c for c in text
            )
        case 8:
            return re.sub(r"(\S+ \S+ \S+) ", r"\1. \1 ", text)
        case _:
            return "\n\n".join(rng.choices(text.split("\n") or [""], k=4)) + "\n"


def test_embedded_texts_whole_and_damaged(datatrove: Judge) -> None:
    rng = random.Random(5)
    for language, names in (("kk", ("kk_a", "kk_b")), ("ru", ("ru",))):
        texts = [row["text"] for name in names for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))]
        texts += ["\n".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
        texts += [damage(text, kind, rng) for text in texts for kind in range(10)]
        assert len(assert_equal(texts, THRESHOLDS[language], datatrove)) > 8


ODD_PIECES = [
    *[
        "және",
        "бұл",
        "жер",
        "Қар",
        "2024",
        "ab c",
        "a bc",
        "abc",
        "ал_",
        "__",
        "e\u0301",
        "ﬁ",
        "Ⅷ",
        "½",
        "😀",
        "\U0002000b",
    ],
    *[".", "...", "....", "…", "!", "?", "。", "؟", "»", ":", ",", "•", "-", "#", "１", "\x7f", "\x00"],
    *[" ", " ", " ", " ", "\n", "\n\n", "\r", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\u2028", "\u00a0"],
]
EASY = FineWeb2Thresholds(
    dup_line_frac=0.9,
    top_n_grams=(0.9, 0.8, 0.7),
    dup_n_grams=(0.9, 0.85, 0.8, 0.75, 0.7, 0.65),
    line_punct_thr=0.05,
    new_line_ratio=0.9,
    min_avg_word_length=1,
    max_avg_word_length=12,
    max_non_alpha_words_ratio=0.2,
    stopwords=("және", "бұл"),
)
"""Lets odd texts through to the last rules."""


def check_measured(text: str, limits: FineWeb2Thresholds) -> None:
    """Measured one by one, the rules say what they say in a row: the first that is broken, with its value and limit."""
    (verdict,) = judge_batch(encode_texts([text]), np.zeros(1, np.int64), limits)
    measured = measure_text(text, limits)
    first = next((rule for rule in measured if not rule.keep), None)
    assert verdict.reason == (first.rule if first is not None else None)
    if first is not None and first.rule != "empty":
        assert (verdict.value, verdict.limit) == (first.value, first.limit)
        assert first.value < first.limit if first.is_least else first.value > first.limit


def test_what_is_measured_is_what_decides() -> None:
    rng = random.Random(8)
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))][:12]
    texts += [damage(text, kind, rng) for text in texts for kind in range(10)]
    for text in [*texts, *(made.format("аб вг де " * 20_000) for made in MADE.values()), "", "...", "\n\n"]:
        check_measured(text, THRESHOLDS["kk"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ODD_PIECES), max_size=100).map("".join))
def test_what_is_measured_of_odd_texts(text: str) -> None:
    check_measured(text, EASY)


def test_measures_by_hand() -> None:
    text = "Қар ериді және су ағады.\nҚар ериді\nҚар ериді және су ағады.\nжер жер # жер"
    measured = {rule.rule: rule.value for rule in measure_text(text, THRESHOLDS["kk"])}
    words = re.findall(r"\w+|[^\w\s]", text)
    assert len(words) == 18
    expected = {
        "dup_line_frac": 1 / 4,
        "top_2_gram": len("Қар ериді") * 3 / len(text),
        "top_3_gram": len("Қар ериді және") * 2 / len(text),
        "line_punct_ratio": 2 / 4,
        "char_dup_ratio": len("Қар ериді және су ағады.") / len(text.replace("\n", "")),
        "list_ratio": 3 / 18,
        "gopher_short_doc": 15,  # of the words those with more than signs
        "gopher_too_many_hashes": 1 / 18,
        "gopher_enough_stop_words": 3,  # және, су, жер
    }
    assert {rule: measured[rule] for rule in expected} == pytest.approx(expected, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(ODD_PIECES), max_size=200).map("".join), st.sampled_from([*THRESHOLDS.values(), EASY]))
def test_odd_characters(datatrove: Judge, text: str, limits: FineWeb2Thresholds) -> None:
    assert_equal([text, f"{text} {text}", f"{text}\n{text}\n"], limits, datatrove)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), max_size=5))
def test_any_text(datatrove: Judge, texts: list[str]) -> None:
    assert_equal(texts, EASY, datatrove)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["аб", "ба", "а", "б", "абба", ",", ".", "\n"]), max_size=150).map(" ".join))
def test_hashes_that_collide_change_no_verdict(text: str) -> None:
    """By the multiplier 1 a run's key is the sum of its letters: words of the same letters in any order collide."""
    batch = encode_texts([text, text.replace(" ", "")])
    places = np.arange(2, dtype=np.int64)
    for limits in (*THRESHOLDS.values(), EASY):
        colliding = judge_batch(batch, places, limits, multiplier=np.uint64(1))
        assert colliding == judge_batch(batch, places, limits)


def test_runs_are_the_same_where_their_letters_are(datatrove: Judge) -> None:
    """`аб в …` and `а бв …` are one to datatrove, which joins words without a space."""
    text = "аб в г д е ж з и к л м н о п. а бв г д е ж з и к л м н о п."
    limits = FineWeb2Thresholds(**{**{name: getattr(EASY, name) for name in EASY.__slots__}, "dup_n_grams": (0.2,) * 6})
    assert assert_equal([text], limits, datatrove) == {"duplicated_5_n_grams"}


def test_a_multiplication_is_undone() -> None:
    for multiplier in (1, 3, 0x9E3779B97F4A7C15):
        assert multiplier * int(inverse_of(np.uint64(multiplier))) % 2**64 == 1


def test_the_filter_leaves_other_languages_to_ours() -> None:
    (rule,) = make_filters(FilterConfig(preset="fineweb2"))
    text = " ".join(LONE_WORDS[:80]) + "."
    verdicts = rule.judge(scan_texts([text, text, "three words only", text]), ["en", "kk", "en", "ru"])
    assert [verdict.reason for verdict in verdicts] == [
        "few_function_words",
        "gopher_enough_stop_words",
        "too_few_words",
        "gopher_enough_stop_words",
    ]


# ------------------------------------------------------------------------------------------------------- real text


def read_corpus(*parts: str) -> list[dict[str, Any]]:
    path = Path(CORPUS or "", *parts)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@needs_corpus
@pytest.mark.parametrize(("language", "name"), [("kk", "kaz_Cyrl.yml"), ("ru", "rus_Cyrl.yml")])
def test_thresholds_are_those_of_the_files(language: str, name: str) -> None:
    yaml = pytest.importorskip("yaml")
    published = yaml.safe_load(Path(CORPUS or "", "fineweb2_cfg", name).read_text(encoding="utf-8"))
    limits = THRESHOLDS[language]
    assert published["top_n_grams"] == [list(pair) for pair in zip((2, 3, 4), limits.top_n_grams, strict=True)]
    assert published["dup_n_grams"] == [list(pair) for pair in zip(range(5, 11), limits.dup_n_grams, strict=True)]
    assert tuple(published["stopwords"]) == limits.stopwords
    for field in ("dup_line_frac", "line_punct_thr", "new_line_ratio", "min_avg_word_length", "max_avg_word_length"):
        assert published[field] == getattr(limits, field)
    assert published["max_non_alpha_words_ratio"] == limits.max_non_alpha_words_ratio


def real_documents(rng: random.Random) -> list[str]:
    """Passages, and government lines and interface texts joined to documents of all sizes: some 2,400."""
    texts = sorted({row["context"] for row in read_corpus("kazqad", "kazqad_rc_validation.jsonl.gz")})
    for lines in (
        [row["text"] for row in read_corpus("apertium_kaz_rus", "gov_corpus_kk.jsonl.gz")],
        [row["kk"] for row in read_corpus("l10n_po", "gnome_cinnamon_en_kk_ru.jsonl.gz")],
    ):
        start = 0
        while start < len(lines):
            size = rng.choice([2, 5, 10, 20, 60])
            texts.append("\n".join(lines[start : start + size]))
            start += size
    return texts


@needs_corpus
def test_real_documents_whole_and_damaged(datatrove: Judge) -> None:
    rng = random.Random(11)
    texts = real_documents(rng)
    texts += [damage(text, rng.randrange(10), rng) for text in texts for _ in range(2)]
    assert len(texts) > 5_000
    found = assert_equal(texts, THRESHOLDS["kk"], datatrove)
    assert set(REASONS) - found <= set(MADE)


@needs_corpus
def test_russian_prose(datatrove: Judge) -> None:
    rng = random.Random(13)
    slices = []
    for row in read_corpus("ruslit", "ruslit_prose.jsonl.gz")[:25]:
        start = rng.randrange(max(len(row["text"]) - 3000, 1))
        slices += [row["text"][start : start + size] for size in (300, 1000, 3000)]
    slices += [damage(text, kind, rng) for text in slices for kind in range(0, 10, 3)]
    assert_equal(slices, THRESHOLDS["ru"], datatrove)
