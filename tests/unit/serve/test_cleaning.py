"""What an engine says can be labelled, whatever a model writes, and comes to the same in pieces as in one."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Kept, Start

from qaz_llm.labels.keys import open_keys
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.reading import read_labels
from qaz_llm.language.selectors import MAGIC, has_label
from qaz_llm.serve.cleaning import _MAYBE_MARKS, MAX_MARKS, Cleaner, _is_mark, cleaned

ZALGO = "а" + "\u0301" * 40
HALF_WIDE = "ка" + "\uff9e" * 40
"""Marks by what they are decomposed into, letters by their class."""


@pytest.fixture(scope="module")
def labeller(label_keys: Path) -> Labeller:
    return Labeller(open_keys(label_keys))


SIGNS = ["а", " ", "❤", "-", "—", "\ufeff", "\ufe0f", "\ufe01", "\U000e0101", "\u0301", "\u0344", "\uff9e", "\u0f73"]
NASTY = st.text(st.sampled_from([*SIGNS, "\ud83d", "\ude00", *MAGIC]), max_size=60)


@settings(max_examples=60)
@given(NASTY, st.integers(0, 3), st.integers(0, 99))
def test_pieces_give_what_the_whole_gives(text: str, marks: int, seed: int) -> None:
    text += "\u0301" * (20 * marks) + text
    counts, in_pieces = Counter[str](), Counter[str]()
    cleaner, made, rng, place = Cleaner(in_pieces), "", random.Random(seed), 0
    while place < len(text):
        step = rng.randint(1, 5)
        made += cleaner.feed(text[place : place + step])
        place += step
    made += cleaner.flush()
    assert (made, in_pieces) == (cleaned(text, counts), counts)
    assert not has_label(made)
    made.encode("utf-8")
    assert cleaned(made, again := Counter[str]()) == made
    assert not again


@settings(max_examples=25, deadline=None)
@given(NASTY, st.integers(0, 3))
def test_what_is_cleaned_can_be_labelled(labeller: Labeller, text: str, marks: int) -> None:
    labeller.label("а" + cleaned(text + "\u0344" * (30 * marks) + text, Counter()))


def test_no_letter_that_is_a_mark_is_overlooked() -> None:
    """By each code point there is: what the pattern does not see is not counted."""
    letters = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    marks = [x for x in letters if unicodedata.combining(unicodedata.normalize("NFKD", x)[0])]
    assert len(marks) > 900
    assert [x for x in marks if not _MAYBE_MARKS.fullmatch(x * (MAX_MARKS + 1)) or not _is_mark(x)] == []
    assert max(len(unicodedata.normalize("NFKD", x)) for x in marks) * MAX_MARKS <= 24


def test_texts_of_people_stay_as_they_are() -> None:
    for text in (
        "Сәлем ❤\ufe0f!",
        "👩‍❤️‍👨 葛\U000e0100",
        "й ё ế \u0e01\u0e34\u0e48",
        "שָׁלוֹם",
        "—" * 50 + "…" * 50,
        "\ufeffа",
    ):
        assert cleaned(text, counts := Counter()) == text
        assert not counts


SWITCHES = [
    "Сәлем" + MAGIC + " иә",
    "Сәлем" + MAGIC[:5] + "\ufe01 иә",
    ZALGO,
    HALF_WIDE,
    "жарты \ud83d",
    "\ude00 жарты",
]


@pytest.mark.parametrize("said", SWITCHES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_cannot_switch_its_label_off(start: Start, roots: bytes, kept: Kept, said: str, stream: bool) -> None:
    with start() as service:
        service.engine.pieces = tuple(said) if "\ud83d" not in said and "\ude00" not in said else ("х",)
        if service.engine.pieces == ("х",):
            service.engine.reply = halves(said)
        if stream:
            text, pieces = service.text_of()
            field = pieces[-1].model_extra["qaz_label"]
        else:
            made = service.chat()
            text, field = made.choices[0].message.content, made.model_extra["qaz_label"]
    assert field["c2pa"] is True
    assert sum(field["removed"].values()) > 0
    assert read_labels(text, roots=roots).counts == {"trusted": 1}
    assert kept.requests()[-1]["removed"] == field["removed"]


def test_two_halves_in_two_pieces_are_a_letter(start: Start) -> None:
    with start(labelled=False) as service:
        service.engine.reply = halves("бір \ud83d\ude00")
        text, pieces = service.text_of()
        assert text == "бір 😀"
        assert "removed" not in pieces[-1].model_extra["qaz_label"]


def halves(said: str):  # type: ignore[no-untyped-def]
    """An engine that writes each letter, and half of one, as JSON writes it: \\uXXXX."""
    import json

    from fastapi import Response

    def reply(body):  # type: ignore[no-untyped-def]
        if not body["stream"]:
            choice = {"message": {"content": said}, "finish_reason": "stop"}
            return Response(json.dumps({"choices": [choice]}), media_type="application/json")
        events = [{"choices": [{"delta": {"content": letter}}]} for letter in said]
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        return Response("".join(f"data: {json.dumps(x)}\n\n" for x in events), media_type="text/event-stream")

    return reply


def test_a_label_of_somebody_else_is_taken_out_and_ours_is_set(start: Start, labeller: Labeller, roots: bytes) -> None:
    with start() as service:
        assert isinstance(service.engine, FakeEngine)
        service.engine.pieces = (labeller.label("Сөз."),)
        made = service.chat()
        assert made.model_extra["qaz_label"] == {"ai_generated": True, "c2pa": True, "removed": {"label": 1}}
        verdict = read_labels(made.choices[0].message.content, roots=roots)
        assert (verdict.counts, verdict.segments[0].model) == ({"trusted": 1}, "demo")
