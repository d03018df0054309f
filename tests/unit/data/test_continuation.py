"""Texts to be continued, and in which language conversations are asked and answered."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.chat.continuation import parted, whole_sentences
from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.chat.converters import Made
from qaz_llm.data.chat.languages import answered_otherwise, asked_and_answered
from qaz_llm.data.chat.phrasings import CONTINUE
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.io import write_jsonl
from qaz_llm.language.segment import words
from qaz_llm.records import Conversation, Message

TEXT = "Түнде қар жауды. Жол жабылып қалды. Мектеп сол күні ашылмады."
SENTENCE = "Көктемде құстар жылы жақтан біздің ауылға қайтып келеді."


def made_of(tmp_path: Path, *texts: Any, **values: Any) -> list[Made]:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": text} for text in texts])
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "rows.jsonl"), kind="continuation", **values)
    return list(make_conversations(source, root=None, seed=0))


def test_what_is_given_and_the_answer_are_the_text(tmp_path: Path) -> None:
    (made,) = made_of(tmp_path, TEXT)
    user, assistant = made.conversation.messages
    assert made.reason is None and made.conversation.language == "kk"
    assert assistant.content == "Жол жабылып қалды. Мектеп сол күні ашылмады."
    assert user.content in {wording.format(text="Түнде қар жауды.") for wording in CONTINUE["text"]["kk"]}


def test_one_sentence_is_given_to_a_third(tmp_path: Path) -> None:
    (made,) = made_of(tmp_path, SENTENCE)
    user, assistant = made.conversation.messages
    assert assistant.content == "жақтан біздің ауылға қайтып келеді."
    assert user.content in {wording.format(text="Көктемде құстар жылы") for wording in CONTINUE["sentence"]["kk"]}


@pytest.mark.parametrize(("language", "text"), [("ru", "Снег шёл всю ночь и засыпал все дороги вокруг нашего села."),
                                                ("en", "It snowed all night and every road to the village was closed.")])  # fmt: skip
def test_it_is_asked_in_the_language_of_the_text(tmp_path: Path, language: str, text: str) -> None:
    asked = Counter(made.conversation.messages[0].content.replace(parted(text)[0], "{text}") for made in
                    made_of(tmp_path, *(f"{text[:-1]} {number}." for number in range(60))))  # fmt: skip
    assert set(asked) == set(CONTINUE["sentence"][language])


def test_parts_are_the_whole_text_whatever_it_is() -> None:
    draw = random.Random(0)
    for _ in range(500):
        text = "".join(
            draw.choice(["сөз", " ", ". ", "! ", "\n", "қар", "…", "A.", "5"]) for _ in range(draw.randrange(1, 30))
        ).strip()
        beginning, rest, _ = parted(text)
        assert "".join((beginning + rest).split()) == "".join(text.split())
        shortened = whole_sentences(text, 5)
        assert text.startswith(shortened) and (shortened == text or len(words(shortened)) <= 5)


@pytest.mark.parametrize(
    ("text", "reason", "values"),
    [
        ("", "missing_text", {}),
        (None, "missing_text", {}),
        ("Бір екі үш.", "too_few_words", {"min_words": 3}),
        (SENTENCE[:-1] + "…", "cut_off", {}),
        (SENTENCE, "wrong_language", {"language": "ru"}),
        (SENTENCE, "too_long", {"max_words": 4}),
    ],
)
def test_what_is_nothing_to_be_continued_is_dropped_for_a_reason(
    tmp_path: Path, text: Any, reason: str, values: dict[str, Any]
) -> None:
    assert [made.reason for made in made_of(tmp_path, text, **values)] == [reason]


def test_sentences_left_out_of_a_long_text_are_counted(tmp_path: Path) -> None:
    (made,) = made_of(tmp_path, TEXT, max_words=7)
    assert made.conversation.messages[1].content == "Жол жабылып қалды."
    assert made.notice == "continuations_shortened"


def conversation(*turns: tuple[str, str]) -> Conversation:
    return Conversation("c/1", tuple(Message(role, text) for role, text in turns), "c", "kk", "CC0-1.0")  # type: ignore[arg-type]


def test_languages_are_those_of_the_last_question_and_its_answer() -> None:
    russian = "Сегодня в нашей деревне открылась новая школа."
    assert asked_and_answered(conversation(("user", TEXT), ("assistant", SENTENCE))) == "kk→kk"
    assert asked_and_answered(conversation(("user", russian), ("assistant", TEXT))) == "ru→kk"
    turns = (("user", russian), ("assistant", russian), ("user", TEXT), ("assistant", russian))
    assert asked_and_answered(conversation(*turns)) == "kk→ru"
    assert asked_and_answered(conversation(("system", TEXT), ("user", SENTENCE), ("assistant", "5"))) == "kk→und"


def test_a_language_that_is_mostly_answered_in_another_is_said() -> None:
    sources = {
        "a": {"asked_answered": {"kk→kk": 10, "kk→und": 500, "ru→ru": 9}},
        "b": {"asked_answered": {"kk→ru": 11}},
    }
    (line,) = answered_otherwise(sources)
    assert line.startswith("of 21 conversations asked in Kazakh 10 are answered in it, 11 in Russian")
    assert answered_otherwise({"a": {"asked_answered": {"kk→kk": 11, "kk→ru": 11}}}) == []
    assert answered_otherwise({"old": {}}) == []
