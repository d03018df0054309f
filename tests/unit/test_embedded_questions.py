"""The embedded questions and held-out sentences: answerable as asked, not given away by length, by place, or by what is trained on.

They are scored without the choices in view (`scoring: text`), by length in bytes; so a question that points at its choices
cannot be answered, and an answer that is the longest or the shortest more often than one in four is half a hint.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qaz_llm.evals.samples import PROMPTS
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.records import LANGUAGES

DOCUMENT_FILES = ("documents_kk_a.jsonl", "documents_kk_b.jsonl", "documents_ru.jsonl", "documents_en.jsonl")
PIECE_WORDS = 200
"""Longer documents are read piece by piece: two words of a question and its answer, pages apart, say nothing."""
STEM = 5
"""Letters that stand for a word: endings follow in Kazakh and Russian (кітапхана, кітапханада → кітап)."""
SAYING_NOTHING = """
    қандай қалай қанша неше неге нені қай кім болады болды болса үшін деген бойынша кейін дейін арқылы кезде кезінде
    келген сондай күні барлығы барлық істеген істейді дұрыс адам үлкен күнде сонда түрде ішінде жылдан екі үш төрт бес алты жеті сегіз тоғыз он
    какой какая какое какие каким какого какому какую сколько когда почему чтобы если самый самая самое самом этот всего
    нужно можно было была были будет между перед который которая которые того человек старше два три четыре пять шесть
    what which where when does that this with from have been called name most into your there than they their about how many
    much who whose will would first should before after made year years time people small take took number numbers ones
    without one two three four five six seven eight nine ten
"""
EMPTY_WORDS = frozenset(SAYING_NOTHING.split())
POINTING = re.compile(
    r"төменде|осылардың|мыналардың|нижеследующ|из этих|из перечисленных|of these|of the following|\bbelow\b",
    re.IGNORECASE,
)


@functools.cache
def items(language: str) -> tuple[dict[str, Any], ...]:
    return tuple(row for row in read_jsonl(embedded_path("mc_items.jsonl")) if row["language"] == language)


def asked(row: dict[str, Any]) -> str:
    """The question without its passage, which stands on the lines before."""
    return str(row["question"].split("\n")[-1])


def answer(row: dict[str, Any]) -> str:
    return str(row["choices"][row["answer"]])


# ------------------------------------------------------------------------------------------------------------- the form


def test_there_are_enough_questions_of_many_kinds_and_passages_are_told_by_their_cluster() -> None:
    kazakh = items("kk")
    assert len(kazakh) >= 120
    assert len({row["subject"] for row in kazakh}) >= 8
    clusters = Counter(row["cluster_id"] for row in kazakh)
    for row in kazakh:
        has_passage = "\n" in row["question"]
        assert has_passage == row["cluster_id"].startswith("passage-") == (row["subject"] == "reading"), row["item_id"]
        assert clusters[row["cluster_id"]] >= 2 if has_passage else row["cluster_id"] == row["group_id"]
    for language in LANGUAGES:
        passages: dict[str, set[str]] = {}
        for row in items(language):
            if "\n" in row["question"]:
                passages.setdefault(row["cluster_id"], set()).add(row["question"].split("\n")[0])
        assert {len(texts) for texts in passages.values()} == {1}
        assert len({asked(row) for row in items(language) if "\n" not in row["question"]}) == len(
            [row for row in items(language) if "\n" not in row["question"]]
        )


def test_twins_have_the_same_cluster_and_the_same_numbers() -> None:
    twins = zip(*(items(language) for language in LANGUAGES), strict=True)
    for trio in twins:
        assert len({(row["group_id"], row["cluster_id"], row["subject"], row["answer"]) for row in trio}) == 1
        numbers = [
            [re.sub(r"[\s,]", "", c) for c in row["choices"]]
            for row in trio
            if all(re.fullmatch(r"[\d\s,]+", c) for c in row["choices"])
        ]
        assert not numbers or all(row == numbers[0] for row in numbers), trio[0]["group_id"]


def test_no_question_points_at_choices_that_are_not_shown() -> None:
    pointing = [row["item_id"] for language in LANGUAGES for row in items(language) if POINTING.search(asked(row))]
    assert not pointing
    assert POINTING.search("Төмендегі құстардың қайсысы ұша алмайды?")
    assert POINTING.search("Какая из этих птиц не умеет летать?")


# --------------------------------------------------------------------------------------------------- length and position


def found_by(rows: tuple[dict[str, Any], ...], pick: Callable[[list[int]], int]) -> tuple[float, float]:
    """What always taking the longest (max) or the shortest (min) answer finds: ties drawn by lot; and ties left out."""
    by_lot, unique = 0.0, []
    for row in rows:
        sizes = [len(choice.encode()) for choice in row["choices"]]
        best = pick(sizes)
        hit, ties = sizes[row["answer"]] == best, sizes.count(best)
        by_lot += hit / ties
        if ties == 1:
            unique.append(hit)
    return by_lot / len(rows), sum(unique) / len(unique)


@pytest.mark.parametrize("language", LANGUAGES)
def test_length_does_not_give_the_answer_away(language: str) -> None:
    for pick in (max, min):
        by_lot, unique = found_by(items(language), pick)
        assert 0.20 < by_lot < 0.30, (pick, by_lot)
        assert 0.15 < unique < 0.35, (pick, unique)


def test_every_place_is_right_equally_often() -> None:
    places = Counter(row["answer"] for row in items("kk"))
    assert max(places.values()) - min(places.values()) <= 1


# ------------------------------------------------------------------------------------------------------------- given away


def words(text: str) -> list[str]:
    """Words and numbers; a time or a fraction is one (11:15, 36,6)."""
    return re.findall(r"\d+(?:[:.,]\d+)*|[^\W\d_]+", text.lower())


def stem(word: str) -> str:
    return word if word[0].isdigit() else word[:STEM]


def content(text: str) -> set[str]:
    """Stems of the words of four letters and more that mean something, and numbers."""
    return {stem(w) for w in words(text) if (w[0].isdigit() or len(w) >= 4) and w not in EMPTY_WORDS}


def answer_stems(text: str) -> set[str]:
    """As `content`, with words of three letters; all words where nothing else is left."""
    kept = {stem(w) for w in words(text) if w[0].isdigit() or len(w) >= 3}
    return kept or set(words(text))


@functools.cache
def training_pieces() -> tuple[tuple[str, str, frozenset[str], frozenset[str]], ...]:
    """(id, language, words, stems) of every piece of a document; dialogues may hold any language."""
    pieces: list[tuple[str, str, str]] = []
    for name in DOCUMENT_FILES:
        for row in read_jsonl(embedded_path(name)):
            pieces += [(row["id"], row["language"], part) for part in parts(f"{row['title']}\n\n{row['text']}")]
    for row in read_jsonl(embedded_path("dialogues.jsonl")):
        for part in parts("\n\n".join(message["content"] for message in row["messages"])):
            pieces.append((row["id"], "", part))
    return tuple((name, lang, frozenset(words(t)), frozenset(map(stem, words(t)))) for name, lang, t in pieces)


def parts(text: str) -> Iterator[str]:
    """A text of up to PIECE_WORDS as it is, a longer one as runs of paragraphs, each with the paragraph before."""
    paragraphs = text.split("\n\n")
    if len(text.split()) <= PIECE_WORDS:
        yield text
        return
    for before, paragraph in zip(["", *paragraphs], paragraphs, strict=False):
        yield f"{before}\n\n{paragraph}"


def says(answer_set: set[str], whole: frozenset[str], stems: frozenset[str]) -> bool:
    """Whether every word of an answer is there: short ones whole (or, from four letters, with an ending)."""
    return all(
        s in stems
        if s.isdigit() or len(s) >= STEM
        else s in whole or (len(s) == 4 and any(w.startswith(s) for w in whole))
        for s in answer_set
    )


def giving_away(question: str, right: str, language: str) -> list[tuple[str, list[str]]]:
    """Training pieces in this language that hold the answer and two content words of the question."""
    wanted = answer_stems(right)
    about = content(question) - wanted
    found = []
    for name, piece_language, whole, stems in training_pieces():
        shared = sorted(about & stems) if piece_language in ("", language) else []
        if len(shared) >= 2 and says(wanted, whole, stems):
            found.append((name, shared))
    return found


def test_no_training_text_holds_an_answer_and_two_content_words_of_its_question() -> None:
    """Twins share a group, so a text in any one language that gives an answer away would bias kk − ru and kk − en."""
    given_away = [
        (row["item_id"], answer(row), *where)
        for language in LANGUAGES
        for row in items(language)
        for where in giving_away(asked(row), answer(row), language)
    ]
    assert not given_away, "\n".join(map(str, given_away))


def test_what_is_given_away_would_be_found() -> None:
    """Three questions that training texts do answer."""
    assert "kk-0077" in dict(
        giving_away("Қай көлдің бір бөлігінің суы тұщы, екінші бөлігінің суы тұзды?", "Балқаш", "kk")
    )
    assert "ru-0017" in dict(giving_away("Какой газ выделяет растение при фотосинтезе?", "кислород", "ru"))
    assert "en-0041" in dict(
        giving_away("What happens to the boiling point of water in kilometres up?", "degrees", "en")
    )


def test_no_held_out_sentence_says_what_a_training_text_says() -> None:
    """No piece holds seven in ten of the content words of a held-out sentence of five and more."""
    for row in read_jsonl(embedded_path("parallel_sentences.jsonl")):
        for language in LANGUAGES:
            about = content(row[language])
            near = {
                name: sorted(about & stems)
                for name, piece_language, _whole, stems in training_pieces()
                if piece_language in ("", language) and len(about) >= 5 and len(about & stems) >= 0.7 * len(about)
            }
            assert not near, (row["id"], near)


def test_sample_prompts_are_not_answered_by_training_texts() -> None:
    """No training text shares all but one of the content words of a prompt, and two at least."""
    for prompt in PROMPTS:
        if prompt.kind == "chat":
            about = content(prompt.text)
            near = [
                (name, sorted(about & stems))
                for name, language, _whole, stems in training_pieces()
                if language in ("", prompt.language) and len(about & stems) >= max(2, len(about) - 1)
            ]
            assert not near, (prompt.id, near)
