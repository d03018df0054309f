import json
import string
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.chat import phrasings
from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.chat.converters import Made
from qaz_llm.data.chat.dialogues import dialogue_problem
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import write_jsonl
from qaz_llm.records import Message


def make(tmp_path: Path, rows: list[dict[str, Any]], **values: Any) -> list[Made]:
    write_jsonl(tmp_path / "rows.jsonl", rows)
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "rows.jsonl"), **values)
    return list(make_conversations(source, root=None, seed=0))


PAIR = {
    "kk": "Ауылда жаңа мектеп салынып жатыр.",
    "ru": "В ауле строится новая школа.",
    "en": "A new school is being built in the village.",
}


def test_pairs_go_both_ways_and_always_with_kazakh(tmp_path: Path) -> None:
    made = make(tmp_path, [PAIR], kind="parallel", texts={"kk": "kk", "ru": "ru", "en": "en"})
    assert {item.conversation.id.rpartition("/")[2] for item in made} == {"kk-ru", "ru-kk", "kk-en", "en-kk"}
    for item in made:
        first, second = item.conversation.id.rpartition("/")[2].split("-")
        user, assistant = item.conversation.messages
        assert item.reason is None
        assert PAIR[first] in user.content
        assert assistant.content == PAIR[second]
        assert item.conversation.language == second


def test_wordings_vary_and_say_the_direction(tmp_path: Path) -> None:
    rows = [{"kk": f"{PAIR['kk'][:-1]} {i}.", "ru": f"{PAIR['ru'][:-1]} {i}."} for i in range(200)]
    made = make(tmp_path, rows, kind="parallel", texts={"kk": "kk", "ru": "ru"})
    starts = Counter(
        item.conversation.messages[0].content.replace(rows[i // 2]["kk"], "…").replace(rows[i // 2]["ru"], "…")
        for i, item in enumerate(made)
    )
    into = {"kk-ru": ("орыс", "русск"), "ru-kk": ("қазақ", "казахск")}
    assert len(starts) == 2 * (len(phrasings.TRANSLATE["kk"]) + len(phrasings.TRANSLATE["ru"]))
    for item in made:
        direction = item.conversation.id.rpartition("/")[2]
        assert any(word in item.conversation.messages[0].content for word in into[direction])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ru": None}, "missing_text"),
        ({"ru": PAIR["kk"]}, "not_translated"),
        ({"ru": "Школа."}, "too_few_words"),
        ({"ru": PAIR["ru"] * 4}, "length_ratio"),
        ({"ru": "В ауле строится новая школа…"}, "cut_off"),
        ({"ru": "В ауле строятся 3 новые школы."}, "numbers_differ"),
        ({"ru": "В ауле строится { -brand } школа."}, "markup"),
        ({"ru": "The village builds a school now."}, "wrong_language"),
        ({"score": "0,2"}, "low_score"),
        ({"score": "none"}, "low_score"),
    ],
)
def test_pairs_that_are_none(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    row = {**PAIR, "score": "0,9", **change}
    made = make(
        tmp_path,
        [row, {**PAIR, "score": 1}],
        kind="parallel",
        texts={"kk": "kk", "ru": "ru"},
        score_field="score",
        min_score=0.5,
        min_words=3,
    )
    assert [item.reason for item in made] == [reason, reason, None, None]


def test_max_items_takes_the_same_ones_whatever_the_order(tmp_path: Path) -> None:
    rows = [{"id": str(i), "question": f"Сұрақ {i}?", "answer": f"Жауап {i}"} for i in range(50)]
    values: dict[str, Any] = {"kind": "qa", "language": "kk", "max_items": 10}
    one = {item.conversation.id for item in make(tmp_path, rows, **values)}
    other = {item.conversation.id for item in make(tmp_path, rows[::-1], **values)}
    assert len(one) == 10
    assert one == other


def test_classification_and_questions(tmp_path: Path) -> None:
    rows = [{"text": "Команда матчта жеңді.", "category": "sports"}, {"text": "Сайлау өтті.", "category": "x"}]
    labels = {"sports": {"kk": "спорт"}, "politics": {"kk": "саясат"}}
    made = make(tmp_path, rows, kind="classification", language="kk", labels=labels)
    assert made[0].conversation.messages[1].content == "спорт"
    assert "спорт, саясат" in made[0].conversation.messages[0].content
    assert made[1].reason == "unknown_label"
    row = {"question": "Кім?", "context": "Абай ақын.", "answers": {"text": ["Абай"], "start": [0]}}
    (asked,) = make(tmp_path, [row], kind="qa", language="kk", answer_field="answers", context_field="context")
    assert asked.conversation.messages[1].content == "Абай"
    assert "Абай ақын." in asked.conversation.messages[0].content


SHAPES: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "Сәлем!"}, {"role": "assistant", "content": "Сәлем, қалайсыз?"}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Сәлем!"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Сәлем, қалайсыз?"}]},
        ]
    },
    {"conversations": [{"from": "human", "value": "Сәлем!"}, {"from": "gpt", "value": "Сәлем, қалайсыз?"}]},
    {"instruction": "Сәлем!", "input": "", "output": "Сәлем, қалайсыз?"},
    {"prompt": "Сәлем!", "response": "Сәлем, қалайсыз?"},
    {"question": "Сәлем!", "answer": "Сәлем, қалайсыз?"},
]


@pytest.mark.parametrize("row", SHAPES, ids=["openai", "parts", "sharegpt", "alpaca", "prompt", "fields"])
def test_shapes_of_dialogues(tmp_path: Path, row: dict[str, Any]) -> None:
    (made,) = make(tmp_path, [row], kind="chat", language="kk")
    assert made.reason is None
    assert made.conversation.messages == (Message("user", "Сәлем!"), Message("assistant", "Сәлем, қалайсыз?"))


def test_alpaca_with_input_history_and_system(tmp_path: Path) -> None:
    row = {"system": "Қысқа жауап бер.", "history": [["Сәлем!", "Сәлем!"]], "instruction": "Аудар:", "input": "дом",
           "output": "үй"}  # fmt: skip
    (made,) = make(tmp_path, [row], kind="chat", language="kk")
    assert made.reason is None
    assert [(m.role, m.content) for m in made.conversation.messages] == [
        ("system", "Қысқа жауап бер."), ("user", "Сәлем!"), ("assistant", "Сәлем!"), ("user", "Аудар:\n\nдом"),
        ("assistant", "үй"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"role": "tool", "content": "22 °C"}, "tool_role"),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}, "bad_tool_call"),
        ({"role": "narrator", "content": "Бір күні…"}, "unknown_role"),
        ({"role": "assistant", "content": [{"type": "image_url"}]}, "not_text"),
        ({"role": "assistant", "content": "   "}, "empty_turn"),
        ("жай жол", "unknown_role"),
        ({"role": "assistant", "content": "сөз " * 30}, "too_long"),
    ],
)
def test_turns_that_are_none(tmp_path: Path, turn: Any, reason: str) -> None:
    row = {"messages": [{"role": "user", "content": "Ауа райы қандай?"}, turn]}
    (made,) = make(tmp_path, [row], kind="chat", language="kk", max_words=20)
    assert made.reason == reason


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ("", "no_messages"),
        ("u", "no_answer"),
        ("ua", None),
        ("sua", None),
        ("suaua", None),
        ("s", "no_answer"),
        ("a", "assistant_first"),
        ("sa", "assistant_first"),
        ("uua", "same_role_twice"),
        ("uaa", "same_role_twice"),
        ("usa", "system_not_first"),
        ("ssua", "system_not_first"),
        ("uau", "no_answer"),
        ("uta", "tool_role"),
        ("uxa", "unknown_role"),
    ],
)
def test_roles(roles: str, reason: str | None) -> None:
    names: dict[str, Any] = {"u": "user", "a": "assistant", "s": "system", "t": "tool", "x": "narrator"}
    assert dialogue_problem([Message(names[role], "x") for role in roles]) == reason
    if roles and not set(roles) & {"t", "x"}:
        assert dialogue_problem([Message(names[role], "") for role in roles]) == "empty_turn"


def test_bad_rows_are_counted_or_stop(tmp_path: Path) -> None:
    good = json.dumps({"question": "Кім?", "answer": "Абай"}, ensure_ascii=False).encode()
    (tmp_path / "rows.jsonl").write_bytes(good + b"\n{oops\n" + b'{"question": "\xff"}\n' + good + b"\n")
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "rows.jsonl"), kind="qa", language="kk")
    made = list(make_conversations(source, root=None, seed=0))
    assert [item.reason for item in made] == [None, "bad_json", "bad_encoding", None]
    assert len({item.conversation.id for item in made}) == 4
    with pytest.raises(DataError, match="row 2 cannot be read"):
        list(make_conversations(source, root=None, seed=0, stop_on_bad_row=True))


def test_a_large_source_is_not_held_in_memory(tmp_path: Path) -> None:
    rows = ({"question": f"Сұрақ {i}?", "answer": "Жауап"} for i in range(3000))
    write_jsonl(tmp_path / "rows.jsonl", rows)
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(b"{oops\n")
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "rows.jsonl"), kind="qa", language="kk")
    stream = make_conversations(source, root=None, seed=0, stop_on_bad_row=True)
    assert next(stream).conversation.messages[0].content == "Сұрақ 0?"  # what is wrong at the end has not been read


def test_squad_in_its_nested_form(tmp_path: Path) -> None:
    asked = [
        {"id": "q1", "question": "Астана қай өзеннің бойында?", "answers": [{"text": "Есіл", "answer_start": 7}]},
        {"id": "q2", "question": "Тұрғыны қанша?", "answers": [], "is_impossible": True},
    ]
    article = {"title": "Астана", "paragraphs": [{"context": "Астана Есіл бойында тұр.", "qas": asked}]}
    for rows in ([{"version": "2.0", "data": [article]}], [article]):
        first, second = make(tmp_path, rows, kind="qa", language="kk", answer_field="answers")
        assert first.conversation.messages[1].content == "Есіл"
        assert "Астана Есіл бойында тұр." in first.conversation.messages[0].content
        assert first.conversation.id.endswith("/q1")
        assert (first.reason, second.reason) == (None, "unanswerable")


def test_an_answer_that_is_no_text_says_so(tmp_path: Path) -> None:
    rows = [{"question": "Тасбақа баяу ма?", "answer": answer} for answer in (True, [False], "иә")]
    assert [made.reason for made in make(tmp_path, rows, kind="qa")] == ["not_text", "not_text", None]


def test_ratings_are_asked_for_as_ratings(tmp_path: Path) -> None:
    rows = [
        {"review": "Өте жақсы тауар!", "stars": 5},
        {"review": "Нашар.", "stars": 1},
        {"review": "Жаман.", "stars": 10},
    ]
    made = make(
        tmp_path, rows, kind="classification", language="kk", asks="rating", text_field="review", label_field="stars"
    )
    assert [item.conversation.messages[1].content for item in made] == ["5", "1", "10"]
    for item in made:
        assert "1, 5, 10" in item.conversation.messages[0].content  # numbers in their order
        assert "баға" in item.conversation.messages[0].content


def test_marks_of_shortcuts_are_taken_out(tmp_path: Path) -> None:
    row = {"kk": "_Терезелерді жабу", "ru": "За&крыть окна"}
    (one, _) = make(tmp_path, [row], kind="parallel", texts={"kk": "kk", "ru": "ru"}, mnemonics=True)
    assert "Терезелерді жабу" in one.conversation.messages[0].content
    assert one.conversation.messages[1].content == "Закрыть окна"


def test_a_row_may_have_its_own_licence(tmp_path: Path) -> None:
    rows = [
        {"question": "Кім?", "answer": "Абай", "by": "cc by 4.0"},
        {"question": "Не?", "answer": "Кітап", "by": None},
    ]
    made = make(tmp_path, rows, kind="qa", language="kk", licence="MIT", licence_field="by")
    assert [item.conversation.licence for item in made] == ["CC-BY-4.0", "MIT"]


# ------------------------------------------------------------------------------------------------------- phrasings

KAZAKH = set("аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя")
RUSSIAN = KAZAKH - set("әғқңөұүһі")
LETTERS: Mapping[str, set[str]] = {"kk": KAZAKH, "ru": RUSSIAN, "en": set(string.ascii_lowercase)}


def wordings(language: str) -> list[str]:
    return [
        *phrasings.TRANSLATE[language],
        *phrasings.ASK[language],
        *(text for asked in phrasings.CLASSIFY.values() for text in asked[language]),
        *(table[language][other] for table in (phrasings.FROM, phrasings.INTO, phrasings.ADVERB) for other in LETTERS),
    ]


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_wordings_are_in_their_alphabet_and_name_their_fields(language: str) -> None:
    for text in wordings(language):
        bare = "".join(part[0] for part in string.Formatter().parse(text))
        assert {letter for letter in bare.lower() if letter.isalpha()} <= LETTERS[language], text
    for text in phrasings.TRANSLATE[language]:
        fields = {part[1] for part in string.Formatter().parse(text)}
        assert "text" in fields
        assert fields & {"into", "adverb"}
    assert len(set(wordings(language))) >= 15


def test_code_in_an_answer_keeps_its_indentation(tmp_path: Path) -> None:
    answer = "Мынадай:\n```python\nif x:\n    y = 1\n```"
    row = {"messages": [{"role": "user", "content": "Код?"}, {"role": "assistant", "content": answer}]}
    (made,) = make(tmp_path, [row], kind="chat", language="kk")
    assert made.conversation.messages[1].content == answer


def test_a_missing_field_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no field 'ru'"):
        make(tmp_path, [{"kk": "бір", "en": "one"}], kind="parallel", texts={"kk": "kk", "ru": "ru"})


@pytest.mark.parametrize(
    ("asked", "answered", "language"),
    [
        (
            "Функция жазып бер.",
            "Міне, функция:\n\ndef f(x):\n    for i in range(x):\n        print(i)\n    return x",
            "kk",
        ),
        ("Функция жазып бер.", "```python\ndef first(values):\n    return values[0]\n```", "kk"),
        (
            "Напиши функцию, которая складывает числа.",
            "Вот она:\n~~~\ndef add(one, other):\n    return one + other\n~~~",
            "ru",
        ),
        ("Переведи на английский: су", "Water is a liquid that we drink every day.", "en"),
        ("Write a function that adds numbers.", "def add(one, other):\n    return one + other", "en"),
        ("Сілтеме қалай жасалады?", 'Ол үшін `<a href="https://example.kz">site</a>` деп жазыңыз.', "kk"),
    ],
)
def test_code_does_not_make_a_dialogue_english(tmp_path: Path, asked: str, answered: str, language: str) -> None:
    (made,) = make(tmp_path, [{"prompt": asked, "response": answered}], kind="chat")
    assert made.conversation.language == language


@pytest.mark.parametrize(
    ("kk", "ru", "reason"),
    [
        ("Егер x < 5 болса, y > 2 болады.", "Если x < 5, то y > 2.", None),
        ("«Файл > Ашу» мәзірін таңдаңыз.", "Выберите меню «Файл > Открыть».", None),
        ("Ұзындығы <100 м, ені >20 м.", "Длина <100 м, ширина >20 м.", None),
        ("Сәлем, <аты>, қош келдіңіз!", "Привет, <имя>, добро пожаловать!", "markup"),
        ("Барлығы %d файл табылды.", "Всего найдено %d файлов.", "markup"),
        ("Жолы: C:\\\\қалта\\\\файл", "Путь: C:\\\\папка\\\\файл", "markup"),
    ],
)
def test_inequalities_are_no_markup(tmp_path: Path, kk: str, ru: str, reason: str | None) -> None:
    made = make(tmp_path, [{"kk": kk, "ru": ru}], kind="parallel", texts={"kk": "kk", "ru": "ru"})
    assert [item.reason for item in made] == [reason] * 2
