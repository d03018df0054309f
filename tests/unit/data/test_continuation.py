"""Texts to be continued, and in which language conversations are asked and answered."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.build import build
from qaz_llm.data.chat.continuation import parted, whole_sentences
from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.chat.converters import Made
from qaz_llm.data.chat.languages import answered_otherwise, asked_and_answered
from qaz_llm.data.chat.phrasings import CONTINUE
from qaz_llm.data.config import ConversationSourceConfig, DataConfig
from qaz_llm.data.protect.pii import redact
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
        ("12345 67890 11111. 22222 33333 44444.", "too_few_words", {"language": "kk"}),
    ],
)
def test_what_is_nothing_to_be_continued_is_dropped_for_a_reason(
    tmp_path: Path, text: Any, reason: str, values: dict[str, Any]
) -> None:
    assert [made.reason for made in made_of(tmp_path, text, **values)] == [reason]


def test_sentences_left_out_of_a_long_text_are_counted(tmp_path: Path) -> None:
    (made,) = made_of(tmp_path, TEXT, max_words=6)
    assert made.conversation.messages[1].content == "Жол жабылып қалды."
    assert (made.reason, made.notice) == (None, "continuations_shortened")
    inner = "Түнде қар жауды… Жол жабылып қалды… Мектеп ашылмады."
    (made,) = made_of(tmp_path, inner, max_words=6)
    assert (made.reason, made.conversation.messages[1].content) == (None, "Жол жабылып қалды…")


@pytest.mark.parametrize(
    "text",
    [
        "Менің телефоным +7 701 123 45 67 деген нөмір еді, ұмытып қалыппын мүлде.",
        "Төлем картасы 4111 1111 1111 1111 деген нөмірмен берілген екен кеше ғана.",
        "Менің шотым KZ86 125K ZT50 0410 0100 деген нөмірде тұр екен бәрі.",
    ],
)
def test_personal_data_is_not_cut_in_two(tmp_path: Path, text: str) -> None:
    kept = 0
    for lead in ("", "Иә, ", "Қысқасы, кеше айтқандай, ", "Бірінші айтарым, ең алдымен мынаны есте сақтаңдар: "):
        (made,) = made_of(tmp_path, lead + text)
        if made.reason is None:
            parts = [redact(message.content).text for message in made.conversation.messages]
            assert any("<" in part for part in parts) and not any("111" in part or "0410" in part for part in parts)
            kept += 1
        else:
            assert made.reason == "cut_in_personal_data"
    assert 0 < kept < 4


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("А. Құнанбаев ұлы ақын еді. Оны бүкіл ел біледі, сыйлайды. Өлеңдері көп.", "А. Құнанбаев ұлы ақын еді."),
        ("Абай 1845 ж. 10 тамызда туған екен. Ауылы Шыңғыстауда болған. Өзі ақын болды, әнші де болды.",
         "Абай 1845 ж. 10 тамызда туған екен."),
        ("Иә. Түнде тағы қар жауды. Жол жабылып қалды. Мектеп сол күні ашылмады.", "Иә. Түнде тағы қар жауды."),
    ],
)  # fmt: skip
def test_initials_numbers_and_short_forms_end_no_sentence(text: str, given: str) -> None:
    assert parted(text) == (given, text.removeprefix(given).strip(), "text")


def test_a_text_of_several_sentences_is_no_sentence_to_be_finished() -> None:
    text = "Бір кезде ауылда үлкен мектеп пен кітапхана, емхана мен дүкен болған екен. Енді жоқ қой бәрі."
    beginning, rest, asks = parted(text)
    assert asks == "text" and f"{beginning} {rest}" == text and len(words(beginning)) == 5


def conversation(*turns: tuple[str, str]) -> Conversation:
    return Conversation("c/1", tuple(Message(role, text) for role, text in turns), "c", "kk", "CC0-1.0")  # type: ignore[arg-type]


def test_languages_are_those_of_the_last_question_and_its_answer() -> None:
    russian = "Сегодня в нашей деревне открылась новая школа."
    assert asked_and_answered(conversation(("user", TEXT), ("assistant", SENTENCE))) == "kk→kk"
    assert asked_and_answered(conversation(("user", russian), ("assistant", TEXT))) == "ru→kk"
    turns = (("user", russian), ("assistant", russian), ("user", TEXT), ("assistant", russian))
    assert asked_and_answered(conversation(*turns)) == "kk→ru"
    assert asked_and_answered(conversation(("system", TEXT), ("user", SENTENCE), ("assistant", "5"))) == "kk→und"
    assert asked_and_answered(conversation(("user", f"{russian} {russian}"), ("assistant", TEXT)), SENTENCE) == "kk→kk"


def test_code_and_thoughts_are_in_no_language_and_kazakh_is_kazakh_in_any_script() -> None:
    thought = f"<think>First I have to find out what is being asked of me here.</think>\n\n{TEXT}"
    code = "```python\nfor name in names:\n    print(the_name_of_all)\n```"
    assert asked_and_answered(conversation(("user", TEXT), ("assistant", thought))) == "kk→kk"
    assert asked_and_answered(conversation(("user", TEXT), ("assistant", code))) == "kk→und"
    latin = "Būl kıtap öte qyzyq jäne paidaly boldy, sondyqtan barlyq adam oqydy."
    assert asked_and_answered(conversation(("user", latin), ("assistant", latin))) == "kk→kk"


def test_a_language_that_is_mostly_answered_in_another_is_said() -> None:
    sources = {
        "a": {"asked_answered": {"kk→kk": 10, "kk→und": 500, "ru→ru": 9}},
        "b": {"asked_answered": {"kk→ru": 11}},
    }
    (line,) = answered_otherwise(sources)
    assert line.startswith("of 21 conversations asked in Kazakh 10 are answered in it, 11 in Russian")
    assert answered_otherwise({"a": {"asked_answered": {"kk→kk": 11, "kk→ru": 11}}}) == []
    assert answered_otherwise({"old": {}}) == []
    assert "99 in other languages" in answered_otherwise({"a": {"asked_answered": {"kk→kk": 1, "kk→tr": 99}}})[0]


def test_a_passage_is_not_what_is_asked(tmp_path: Path) -> None:
    russian = "Казахстан это большая страна в центре Азии, столица которой город Астана."
    write_jsonl(
        tmp_path / "qa.jsonl", [{"question": "Астана қай елдің астанасы екен?", "context": russian, "answer": russian}]
    )
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "qa.jsonl"), kind="qa", context_field="context")
    (made,) = make_conversations(source, root=None, seed=0)
    assert asked_and_answered(made.conversation, made.question) == "kk→ru"


def test_a_source_of_which_nothing_is_kept_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": TEXT}, {"text": SENTENCE}])
    rows = {"path": str(tmp_path / "rows.jsonl"), "kind": "continuation"}
    both = [{"name": "some", **rows}, {"name": "none", "min_words": 50, **rows}]
    made = build(DataConfig.model_validate({"conversations": both, "out": str(tmp_path / "out")}))
    assert made.manifest is not None
    said = [
        (notice["where"], notice["count"]) for notice in made.manifest["notices"] if notice["kind"] == "nothing_kept"
    ]
    assert said == [("none", 2)] and "rows read of sources of which nothing is kept: 2 (none)" in made.describe()
    counted = made.manifest["conversations"]["sources"]
    assert (counted["some"]["asked_answered"], counted["none"]["asked_answered"]) == ({"kk→kk": 2}, {})
