"""Merges weighed by what they cost in kept languages, beside the same rule carried out by brute force."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from qaz_llm.tokenizer import weighed
from qaz_llm.tokenizer.merges import append_merges, learn_merges
from qaz_llm.tokenizer.weighed import weighed_merges
from qaz_llm.tokenizer.words import Cut, KeptWords, Unit, count_chunks, cut_words, words_of_chunks

Sides = tuple[tuple[Unit, ...], tuple[Unit, ...]]


def cuts(counts: dict[str, int]) -> list[Cut]:
    """Every letter a unit: its code point."""
    return [(tuple((ord(char),) for char in word), count) for word, count in counts.items()]


def spelled(side: tuple[Unit, ...]) -> str:
    return "".join(chr(unit[0]) for unit in side)


def worths(words: dict[tuple[str, ...], Fraction]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for word, weight in words.items():
        for pair in pairwise(word):
            counts[pair] += weight  # type: ignore[assignment]
    return counts


def joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for piece in word:
        out.append(piece)
        # two in a row that have not been joined themselves
        if len(out) > 1 and tuple(out[-2:]) == pair:
            out[-2:] = ["".join(pair)]
    return tuple(out)


def check_against_brute_force(merges: list[Sides], kk: dict[str, int], ru: dict[str, int], weight: int) -> None:
    """Each merge is one of those worth most when everything is counted anew before it; ties may go either way."""
    scale = Fraction(sum(kk.values()), sum(ru.values()))
    words: dict[tuple[str, ...], Fraction] = {}
    for word, count in kk.items():
        words[tuple(word)] = words.get(tuple(word), Fraction(0)) + count
    for word, count in ru.items():
        words[tuple(word)] = words.get(tuple(word), Fraction(0)) - weight * scale * count
    for left, right in merges:
        pair, counts = (spelled(left), spelled(right)), worths(words)
        assert counts[pair] == max(counts.values()), pair
        assert counts[pair] >= 2
        merged: dict[tuple[str, ...], Fraction] = {}
        for word, value in words.items():  # type: ignore[assignment]
            key = joined(word, pair)  # type: ignore[arg-type]
            merged[key] = merged.get(key, Fraction(0)) + value  # type: ignore[operator]
        words = merged
    assert all(count < 2 for count in worths(words).values())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weight", [0, 1, 3])
def test_each_merge_is_the_one_worth_most(seed: int, weight: int) -> None:
    rng = random.Random(seed)
    kk = {"".join(rng.choices("абқ", k=rng.randint(2, 7))): rng.randint(1, 32) for _ in range(20)}
    ru = {"".join(rng.choices("абв", k=rng.randint(2, 7))): rng.randint(1, 32) for _ in range(20)}
    ru = {**ru, "вв": sum(kk.values()) * 2 - sum(ru.values()) + ru.get("вв", 0)}  # a scale of 1/2: exact in binary
    merges = weighed_merges(
        cuts(kk), [KeptWords(cuts(ru), sum(ru.values()))], running_words=sum(kk.values()),
        num_merges=500, min_frequency=2, weight=weight,
    )  # fmt: skip
    check_against_brute_force(merges, kk, ru, weight)


def test_what_russian_uses_as_much_is_not_joined() -> None:
    kk, ru = cuts({"қала": 10, "ала": 2}), [KeptWords(cuts({"сала": 12}), 12)]
    free = weighed_merges(kk, ru, running_words=12, num_merges=9, min_frequency=1, weight=0)
    weighed_ones = weighed_merges(kk, ru, running_words=12, num_merges=9, min_frequency=1, weight=1)
    assert [spelled(a) + spelled(b) for a, b in weighed_ones] == ["қа", "қал", "қала"]
    assert any("қ" not in spelled(a) + spelled(b) for a, b in free)


def test_a_few_foreign_words_in_much_english_cost_little() -> None:
    """A language is scaled by all of its text, not by the few words of it that new merges can touch."""
    kk = cuts({"қала": 10, "ала": 90})
    names = cuts({"ала": 1})
    few = weighed_merges(kk, [KeptWords(names, 1000)], running_words=100, num_merges=9, min_frequency=1, weight=3)
    none = weighed_merges(kk, [], running_words=100, num_merges=9, min_frequency=1, weight=3)
    assert few == none
    much = weighed_merges(kk, [KeptWords(names, 1)], running_words=100, num_merges=9, min_frequency=1, weight=3)
    assert much != none


def test_rare_words_beyond_the_bound_are_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(weighed, "MAX_DISTINCT_WORDS", 1)
    with caplog.at_level("INFO", logger="qaz.tokenizer"):
        merges = weighed_merges(
            cuts({"қа": 10, "ңа": 5}), [], running_words=15, num_merges=9, min_frequency=1, weight=0
        )
    assert [spelled(a) + spelled(b) for a, b in merges] == ["қа"]
    assert "the others are 5 occurrences" in caplog.text


def test_russian_keeps_more_of_its_cuts(
    families: Any, kk_documents: tuple[str, ...], ru_documents: tuple[str, ...]
) -> None:
    """With the kept language in view fewer Russian words are cut anew, on text that nothing was learned from."""
    base = families("gpt2").base
    half = len(ru_documents) // 2
    counted = [count_chunks(texts) for texts in (kk_documents, ru_documents[:half])]
    kk, ru = ([cut_words(base, words_of_chunks(base, chunks))] for chunks in counted)
    heldout = count_chunks(ru_documents[half:])

    def cut_anew(keep_weight: float) -> int:
        learned = learn_merges(
            base, kk[0], num_new_tokens=300, kept=[KeptWords(ru[0], counted[1].total())], running_words=counted[0].total(), keep_weight=keep_weight,
        )  # fmt: skip
        made = append_merges(learned, num_new_tokens=300).tokenizer
        return sum(n for chunk, n in heldout.items() if base.tokenize(chunk) != made.tokenize(chunk))

    assert 0 < cut_anew(2.0) < cut_anew(0.0)
