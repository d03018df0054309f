"""The text that ships with the package: as much of it as is promised, in the right letters, with nothing leaked."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from typing import Any

import pytest

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.records import LANGUAGES, Conversation

DOCUMENTS = {
    "kk": ("documents_kk_a.jsonl", "documents_kk_b.jsonl"),
    "ru": ("documents_ru.jsonl",),
    "en": ("documents_en.jsonl",),
}
CLEAN_FILES = (
    *(name for names in DOCUMENTS.values() for name in names),
    "dialogues.jsonl",
    "preferences.jsonl",
    "mc_items.jsonl",
    "parallel_sentences.jsonl",
    "service_dialogues.jsonl",
    "service_items.jsonl",
    "law_items.jsonl",
    "school_items.jsonl",
)
SPECIAL = ("table", "forum", "verse", "terms")
"""Registers that are no running prose."""
CYRILLIC_WORD = re.compile(r"[^\W\d_]+")
KAZAKH_LETTERS = set("әғқңөұүһі")
NGRAM_WORDS = 8


@functools.cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(read_jsonl(embedded_path(name)))


def documents(language: str) -> list[dict[str, Any]]:
    return [row for name in DOCUMENTS[language] for row in rows(name)]


def strings(value: Any) -> list[str]:
    """All texts in a row, however deep."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in strings(part)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


# ---------------------------------------------------------------------------------------------------------------- counts


def test_documents_are_enough_and_of_the_promised_length() -> None:
    for language in LANGUAGES:
        lengths: dict[str, list[tuple[int, str]]] = {}
        for row in documents(language):
            kind = row["register"] if row["register"] in SPECIAL else "prose"
            lengths.setdefault(kind, []).append((len(row["text"].split()), row["id"]))
        assert len(documents(language)) >= {"kk": 110, "ru": 50, "en": 50}[language]
        assert set(lengths) == {"prose", *SPECIAL}
        long = [name for words_, name in lengths["prose"] if words_ > 600]
        assert len(long) >= {"kk": 3, "ru": 2, "en": 2}[language]
        odd = [pair for kind in lengths for pair in lengths[kind] if pair[1] not in long and not 70 <= pair[0] <= 215]
        assert not odd
        assert max(lengths["prose"])[0] <= 1200
        assert {row["language"] for row in documents(language)} == {language}
        assert len({row["register"] for row in documents(language)}) >= 9


def test_tables_forums_verse_and_terms_look_like_it() -> None:
    for language in LANGUAGES:
        of = {kind: [row["text"] for row in documents(language) if row["register"] == kind] for kind in SPECIAL}
        for text in of["table"]:
            cells = [line.strip(" |").count("|") for line in text.split("\n") if "|" in line]
            assert len(cells) >= 5 and len(set(cells)) == 1, "a table has as many columns in each row"
        assert all(len(re.findall(r"^[^\s:][^:\n]{0,20}: ", text, re.M)) >= 7 for text in of["forum"])
        assert all(len(line) <= 50 for text in of["verse"] for line in text.split("\n"))
        mark = ": " if language == "en" else " — "
        assert all(sum(mark in line for line in text.split("\n")) >= 10 for text in of["terms"])


def test_dialogues_span_three_languages_and_are_well_formed() -> None:
    dialogues = rows("dialogues.jsonl")
    assert len(dialogues) >= 90
    by_language = Counter(row["language"] for row in dialogues)
    assert set(by_language) == set(LANGUAGES)
    assert min(by_language.values()) >= 20
    for row in dialogues:
        conversation = Conversation.from_row(row)
        roles = [message.role for message in conversation.messages]
        if roles[0] == "system":
            roles = roles[1:]
        assert roles == ["user", "assistant"] * (len(roles) // 2), row["id"]
        assert roles
        assert all(message.content.strip() for message in conversation.messages), row["id"]


def test_multiple_choice_items_exist_in_all_languages_with_equal_answers() -> None:
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows("mc_items.jsonl"):
        assert row["language"] not in groups.setdefault(row["group_id"], {})
        groups[row["group_id"]][row["language"]] = row
    assert len(groups) >= 120
    for name, twins in groups.items():
        assert set(twins) == set(LANGUAGES), name
        assert len({row["answer"] for row in twins.values()}) == 1, name
        assert len({row["subject"] for row in twins.values()}) == 1, name
        for row in twins.values():
            assert len(set(row["choices"])) == 4, row["item_id"]
            assert 0 <= row["answer"] < 4
    answers = Counter(twins["kk"]["answer"] for twins in groups.values())
    assert max(answers.values()) <= len(groups) * 0.35, f"one letter is right too often: {answers}"


def test_parallel_sentences_are_enough_and_aligned() -> None:
    sentences = rows("parallel_sentences.jsonl")
    assert len(sentences) >= 60
    for row in sentences:
        lengths = [len(row[language]) for language in LANGUAGES]
        assert min(lengths) > 15, row["id"]
        assert max(lengths) < 3 * min(lengths), row["id"]
        assert Counter(re.findall(r"\d+", row["kk"])) == Counter(re.findall(r"\d+", row["ru"])), row["id"]


def test_ids_are_unique_and_all_is_cc0() -> None:
    for name in CLEAN_FILES:
        ids = [row.get("item_id") or row["id"] for row in rows(name)]
        assert len(ids) == len(set(ids)), name
        assert {row.get("licence", "CC0-1.0") for row in rows(name)} == {"CC0-1.0"}, name
    everything = [row["id"] for language in LANGUAGES for row in documents(language)]
    assert len(everything) == len(set(everything))


# --------------------------------------------------------------------------------------------------------------- letters


@pytest.mark.parametrize("name", CLEAN_FILES)
def test_text_is_nfc_without_control_or_look_alike_letters(name: str) -> None:
    for row in rows(name):
        for text in strings(row):
            assert unicodedata.normalize("NFC", text) == text, text[:60]
            odd = [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cn", "Cs"} and c != "\n"]
            assert not odd, (odd, text[:60])
            for word in CYRILLIC_WORD.findall(text):
                scripts = {unicodedata.name(c).split(" ")[0] for c in word if c.isalpha()}
                assert not {"LATIN", "CYRILLIC"} <= scripts, (word, [unicodedata.name(c) for c in word])


def test_each_text_is_in_its_language() -> None:
    def share(text: str, letters: set[str]) -> float:
        alphabetic = [c for c in text.lower() if c.isalpha()]
        return sum(c in letters for c in alphabetic) / len(alphabetic)

    cyrillic = {chr(code) for code in range(0x400, 0x530)}
    texts = [(row["language"], row["text"]) for language in LANGUAGES for row in documents(language)]
    texts += [(language, row[language]) for row in rows("parallel_sentences.jsonl") for language in LANGUAGES]
    texts += [
        (row["language"], row["question"] + " ".join(row["choices"]))
        for row in rows("mc_items.jsonl")
        if len(row["question"]) > 30
    ]
    for language, text in texts:
        if language == "en":
            assert share(text, cyrillic) < 0.02, text
        else:
            assert share(text, cyrillic) > 0.85, text
        if language == "ru":
            assert share(text, KAZAKH_LETTERS) < 0.01, text
    assert all(share(row["text"], KAZAKH_LETTERS) > 0.04 for row in documents("kk"))


# ----------------------------------------------------------------------------------------------------------------- style


YO_STEMS = re.compile(
    r"\b(?:ее|еще|нее|мое|твое|свое|ребен\w+|зелен(?:ый|ая|ое|ые|ого|ым|ых|ую|ой)|черн(?:ый|ая|ое|ые|ого|ым|ых)|идет|дает|берет"
    r"|придет|пришел|ушел|нашел|объем\w*|самолет\w*|четыре[хм]|тре[хм]|молодеж\w*|учен(?:ый|ые|ого|ых)|тяжел(?:ый|ая|ое|ые|ого|ым|ых|ой)|веревк\w+)\b",
    re.IGNORECASE,
)
"""Words that are written with ё in every sense they have."""


def test_one_dash_one_kind_of_quotation_marks_and_yo_in_russian() -> None:
    """Kazakh and Russian: — and « »; English: straight quotes and no dash. A range of numbers keeps its –."""
    texts = [
        (row["id"], row["language"], text) for code in LANGUAGES for row in documents(code) for text in strings(row)
    ]
    texts += [(row["id"], code, row[code]) for row in rows("parallel_sentences.jsonl") for code in LANGUAGES]
    texts += [(row["item_id"], row["language"], text) for row in rows("mc_items.jsonl") for text in strings(row)]
    for name, language, text in texts:
        assert not re.search(r"(?<!\d)–|–(?!\d)", text), name
        assert not re.search("[“”„‘’]", text), name
        assert not re.search("[\"']" if language != "en" else "[«»—]", text), name
        assert text.count("«") == text.count("»"), name
        assert text.count('"') % 2 == 0, name
        if language == "ru":
            assert not YO_STEMS.search(text), (name, YO_STEMS.findall(text))
    assert YO_STEMS.search("Еще зеленый")


# --------------------------------------------------------------------------------------------------------------- leakage


def ngrams(text: str) -> set[tuple[str, ...]]:
    row = words(text)
    return {tuple(row[start : start + NGRAM_WORDS]) for start in range(len(row) - NGRAM_WORDS + 1)}


def test_evaluation_text_is_not_in_the_training_text() -> None:
    training: dict[tuple[str, ...], str] = {}
    for language in LANGUAGES:
        for row in documents(language):
            training.update(dict.fromkeys(ngrams(row["text"]), row["id"]))
    for row in rows("noise.jsonl"):
        training.update(dict.fromkeys(ngrams(row["text"]), row["id"]))
    for row in rows("dialogues.jsonl"):
        for message in row["messages"]:
            training.update(dict.fromkeys(ngrams(message["content"]), row["id"]))
    held_out = [(row["id"], row[language]) for row in rows("parallel_sentences.jsonl") for language in LANGUAGES]
    held_out += [
        (row["item_id"], text) for row in rows("mc_items.jsonl") for text in (row["question"], *row["choices"])
    ]
    leaked = {(name, training[gram]) for name, text in held_out for gram in ngrams(text) if gram in training}
    assert not leaked
    assert any(ngrams(text) for _name, text in held_out)


def test_no_document_is_there_twice() -> None:
    for language in LANGUAGES:
        texts = [" ".join(words(row["text"])) for row in documents(language)]
        assert len(set(texts)) == len(texts)
        seen: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(documents(language)):
            for gram in ngrams(row["text"]):
                assert seen.setdefault(gram, number) == number, (row["id"], " ".join(gram))


# ---------------------------------------------------------------------------------------------------------- planted noise


def test_noise_of_every_kind_is_planted() -> None:
    noise = rows("noise.jsonl")
    kinds = Counter(row["plant"] for row in noise)
    promised = {
        "exact_duplicate", "near_duplicate", "boilerplate", "mojibake", "lookalike", "mixed", "latin_script",
        "arabic_script", "personal_data",
    }  # fmt: skip
    assert promised <= set(kinds)
    assert len({row["id"] for row in noise}) == len(noise)
    originals = {row["id"]: row["text"] for language in LANGUAGES for row in documents(language)}
    for row in noise:
        assert row["licence"] == "CC0-1.0"
        text, kind = row["text"], row["plant"]
        if kind == "exact_duplicate":
            assert text == originals[row["of"]]
        elif kind == "near_duplicate":
            same, other = ngrams(text), ngrams(originals[row["of"]])
            assert text != originals[row["of"]]
            assert len(same & other) > 0.3 * len(same | other), row["id"]
        elif kind == "lookalike":
            mixed = [w for w in CYRILLIC_WORD.findall(text) if re.search("[a-z]", w) and re.search("[а-яәғқңөұүһі]", w)]
            assert mixed, row["id"]
        elif kind == "arabic_script":
            assert re.search("[\u0600-\u06ff]", text)
        elif kind == "latin_script":
            assert not re.search("[а-я]", text.lower())
        elif kind == "mojibake":
            assert re.search("[ÐÑÒÓ]|[РС][\u0400-\u040f\u0080-\u00bf°±²і]", text), row["id"]
