from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data import phrasings
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.data.conversations import Made, dialogue_problem, make_conversations
from qaz_llm.errors import InputError
from qaz_llm.io import write_jsonl
from qaz_llm.records import Message


def make(tmp_path: Path, rows: list[dict[str, Any]], **values: Any) -> list[Made]:
    write_jsonl(tmp_path / "rows.jsonl", rows)
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "rows.jsonl"), **values)
    return make_conversations(source, root=None, seed=0)


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


SHAPES = [
    {"messages": [{"role": "user", "content": "Сәлем!"}, {"role": "assistant", "content": "Сәлем, қалайсыз?"}]},
    {"conversations": [{"from": "human", "value": "Сәлем!"}, {"from": "gpt", "value": "Сәлем, қалайсыз?"}]},
    {"instruction": "Сәлем!", "input": "", "output": "Сәлем, қалайсыз?"},
]


@pytest.mark.parametrize("row", SHAPES, ids=["openai", "sharegpt", "alpaca"])
def test_shapes_of_dialogues(tmp_path: Path, row: dict[str, Any]) -> None:
    (made,) = make(tmp_path, [row], kind="chat", language="kk")
    assert made.reason is None
    assert made.conversation.messages == (Message("user", "Сәлем!"), Message("assistant", "Сәлем, қалайсыз?"))


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ("", "no_messages"),
        ("u", "no_answer"),
        ("ua", None),
        ("sua", None),
        ("suaua", None),
        ("s", "no_answer"),
        ("a", "roles_out_of_turn"),
        ("uua", "roles_out_of_turn"),
        ("usa", "unknown_role"),
        ("uau", "no_answer"),
        ("uta", "unknown_role"),
    ],
)
def test_roles(roles: str, reason: str | None) -> None:
    names: dict[str, Any] = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    assert dialogue_problem([Message(names[role], "x") for role in roles]) == reason
    if roles:
        assert dialogue_problem([Message(names[role], "") for role in roles]) == "empty_turn"


def test_code_in_an_answer_keeps_its_indentation(tmp_path: Path) -> None:
    answer = "Мынадай:\n```python\nif x:\n    y = 1\n```"
    row = {"messages": [{"role": "user", "content": "Код?"}, {"role": "assistant", "content": answer}]}
    (made,) = make(tmp_path, [row], kind="chat", language="kk")
    assert made.conversation.messages[1].content == answer


def test_a_missing_field_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no field 'ru'"):
        make(tmp_path, [{"kk": "бір", "en": "one"}], kind="parallel", texts={"kk": "kk", "ru": "ru"})
