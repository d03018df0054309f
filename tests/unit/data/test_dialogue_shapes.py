"""Every shape that instruction data comes in, read as the same turns; and what is no text to learn from, by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.chat.dialogues import dialogue_problem, what_turns_hold, without_unanswered
from qaz_llm.data.chat.files import read_dialogue_rows
from qaz_llm.data.chat.shapes import DialogueFields, shape_of_rows, turns_of, what_was_found
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import json_values
from qaz_llm.errors import DamagedFileError
from qaz_llm.records import Message

USUAL = DialogueFields()
HELLO = [("user", "Сәлем!"), ("assistant", "Сәлем, қалайсыз?")]
OPENAI = [{"role": role, "content": text} for role, text in HELLO]
ONCE: dict[str, dict[str, Any]] = {
    "openai": {"messages": OPENAI},
    "parts": {"messages": [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in HELLO]},
    "named": {"messages": [{"role": r, "name": "Aigul", "content": t} for r, t in HELLO]},
    "null tool calls": {"messages": [{"role": r, "content": t, "tool_calls": None} for r, t in HELLO]},
    "sharegpt": {"conversations": [{"from": "human", "value": HELLO[0][1]}, {"from": "gpt", "value": HELLO[1][1]}]},
    "bing": {"conversations": [{"from": "user", "text": HELLO[0][1]}, {"from": "bing", "text": HELLO[1][1]}]},
    "capitals": {"conversations": [{"from": "Human", "value": HELLO[0][1]}, {"from": " GPT", "value": HELLO[1][1]}]},
    "gemini": {"contents": [{"role": r, "parts": [{"text": t}]} for r, t in (HELLO[0], ("model", HELLO[1][1]))]},
    "columns": {"messages": {"role": ["user", "assistant"], "content": [t for _, t in HELLO]}},
    "json string": {"messages": json.dumps(OPENAI, ensure_ascii=False)},
    "strings": {"dialog": [t for _, t in HELLO]},
    "exchanges": {"conversation": [{"human": HELLO[0][1], "assistant": HELLO[1][1]}]},
    "one key": {"turns": [{"user": HELLO[0][1]}, {"bot": HELLO[1][1]}]},
    "pairs in a list": {"conversation": [[t for _, t in HELLO]]},
    "alpaca": {"instruction": HELLO[0][1], "input": "", "output": HELLO[1][1]},
    "alpaca without": {"instruction": HELLO[0][1], "input": "<noinput>", "output": HELLO[1][1]},
    "alpaca null": {"instruction": HELLO[0][1], "input": None, "output": HELLO[1][1], "system": None, "history": []},
    "dolly": {"instruction": HELLO[0][1], "context": "", "response": HELLO[1][1], "category": "open_qa"},
    "completion": {"prompt": HELLO[0][1], "completion": HELLO[1][1]},
    "turns on both sides": {"prompt": OPENAI[:1], "completion": OPENAI[1:]},
    "aya": {"inputs": HELLO[0][1], "targets": HELLO[1][1]},
    "question": {"question": HELLO[0][1], "answer": HELLO[1][1]},
    "empty list beside": {"messages": [], "prompt": HELLO[0][1], "response": HELLO[1][1]},
}


def found(row: dict[str, Any], fields: DialogueFields = USUAL) -> list[tuple[str, str]]:
    turns = turns_of(row, fields)
    assert turns.problem is None
    return [(message.role, message.content) for message in turns.messages]


@pytest.mark.parametrize("row", ONCE.values(), ids=list(ONCE))
def test_the_same_turns_out_of_every_shape(row: dict[str, Any]) -> None:
    assert found(row) == HELLO
    assert shape_of_rows([row])
    assert dialogue_problem(turns_of(row).messages) is None


def test_what_the_question_is_about_is_part_of_it() -> None:
    assert found({"instruction": "Аудар:", "input": "дом", "output": "үй"})[0] == ("user", "Аудар:\n\nдом")
    dolly = {"instruction": "Кім туралы?", "context": "Абай ақын.", "response": "Абай"}
    assert found(dolly)[0] == ("user", "Кім туралы?\n\nАбай ақын.")
    read = {"context": "Абай ақын.", "question": "Кім?", "answer": "Абай"}
    assert found(read)[0] == ("user", "Кім?\n\nАбай ақын.")
    assert found({"input": "Кім?", "output": "Абай"}) == [("user", "Кім?"), ("assistant", "Абай")]


@pytest.mark.parametrize("name", ["system", "system_prompt", "system_message"])
def test_system_prompts_come_first_and_once(name: str) -> None:
    said = "Қысқа жауап бер."
    assert found({name: said, "question": "Кім?", "response": "Абай"})[0] == ("system", said)
    assert found({name: said, "messages": OPENAI}) == [("system", said), *HELLO]
    again = {name: said, "messages": [{"role": "system", "content": said}, *OPENAI]}
    assert found(again) == [("system", said), *HELLO]
    assert found({name: "  ", "messages": OPENAI}) == HELLO
    assert found({"messages": [{"role": "developer", "content": said}, *OPENAI]})[0] == ("system", said)


def test_history_may_be_pairs_or_turns() -> None:
    row = {"instruction": "Аты кім?", "output": "Абай", "history": [[t for _, t in HELLO]]}
    assert found(row) == [*HELLO, ("user", "Аты кім?"), ("assistant", "Абай")]
    assert found({**row, "history": OPENAI}) == found(row)
    assert found({**row, "history": None}) == found(row)[2:]


def test_fields_of_the_config_come_first() -> None:
    row = {
        "messages": OPENAI,
        "chat_log": [{"role": "user", "content": "а"}],
        "q": "б",
        "a": "в",
        "prompt": "г",
        "response": "д",
    }
    assert found(row, DialogueFields(messages="chat_log")) == [("user", "а")]
    del row["messages"], row["chat_log"]
    assert found(row, DialogueFields(question="q", answer="a")) == [("user", "б"), ("assistant", "в")]
    assert found(row) == [("user", "г"), ("assistant", "д")]


def test_numbers_are_answers() -> None:
    assert found({"question": "5+3?", "answer": 8})[1] == ("assistant", "8")
    assert found({"instruction": "7/2?", "output": 3.5})[1] == ("assistant", "3.5")
    assert turns_of({"question": "5+3=8?", "answer": True}).problem == "not_text"


CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, "bad_tool_call"),
        ({"role": "assistant", "content": "иә", "tool_calls": [{"name": "f", "arguments": "{"}]}, "bad_tool_call"),
        ({"role": "assistant", "content": "иә", "tool_calls": [{"name": "f", "arguments": [1]}]}, "bad_tool_call"),
        ({"role": "assistant", "content": "иә", "tool_calls": [{"name": " "}]}, "bad_tool_call"),
        ({"role": "assistant", "content": "иә", "tool_calls": "шақыру"}, "bad_tool_call"),
        ({"from": "function_call", "value": "ауа райы"}, "bad_tool_call"),
        ({"role": "assistant", "content": "жауап", "reasoning_content": {"a": 1}}, "not_text"),
        ({"role": "assistant", "content": "жауап", "weight": 0.5}, "odd_weight"),
        ({"role": "assistant", "content": "жауап", "weight": "0"}, "odd_weight"),
        ({"role": "assistant", "content": "жауап", "train": "no"}, "odd_weight"),
        ({"role": "tool", "content": "22 °C", "tool_call_id": "1"}, "tool_role"),
        ({"from": "function_call", "value": "{}"}, "bad_tool_call"),
        ({"from": "observation", "value": "22"}, "tool_role"),
        ({"role": "assistant", "content": [{"type": "tool_use", "name": "weather", "input": {}}]}, "tool_role"),
        ({"role": "assistant", "content": None}, "empty_turn"),
        ({"role": "assistant", "content": " \n"}, "empty_turn"),
        ({"role": "assistant"}, "empty_turn"),
        ({"role": "assistant", "content": [{"type": "text", "text": "міне"}, {"type": "image_url"}]}, "not_text"),
        ({"role": "assistant", "content": {"url": "a.png"}}, "not_text"),
        ({"role": "assistant", "content": "қате жауап", "weight": 0}, "not_to_be_learned"),
        ({"role": "assistant", "content": "қате жауап", "train": False}, "not_to_be_learned"),
        ({"role": "narrator", "content": "Бір күні…"}, "unknown_role"),
        ({"role": 1, "content": "иә"}, "unknown_role"),
        ({"content": "иә"}, "unknown_role"),
        ("иә", "unknown_role"),
        (None, "unknown_role"),
        ([], "unknown_role"),
        (["бір", "екі", "үш"], "unknown_role"),
    ],
)
def test_turns_that_cannot_be_learned_say_why(turn: Any, reason: str) -> None:
    turns = turns_of({"messages": [OPENAI[0], turn]})
    assert (turns.problem or dialogue_problem(turns.messages)) == reason


def test_a_weight_of_the_user_or_of_one_changes_nothing() -> None:
    turns = [{**OPENAI[0], "weight": 0}, {**OPENAI[1], "weight": 1, "train": True}]
    assert found({"messages": turns}) == HELLO


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Сәлем"},
        {"msgs": OPENAI},
        {"prompt": "Сәлем!", "chosen": "а", "rejected": "б"},
        {"instruction": "Сәлем!"},
        {},
    ],
)
def test_rows_of_no_shape_have_no_turns(row: dict[str, Any]) -> None:
    assert turns_of(row).messages == ()
    assert shape_of_rows([row]) is None


@pytest.mark.parametrize("value", [None, "Human: сәлем", "[oops", "{}", 5, [], {"role": "user"}])
def test_a_field_that_holds_no_turns(value: Any) -> None:
    assert turns_of({"messages": value}).messages == ()
    assert shape_of_rows([{"messages": value}]) is None
    assert f"'messages' holds {type(value).__name__}, no list of turns" in what_was_found([{"messages": value}])


def test_the_shape_of_most_rows_is_said() -> None:
    alpaca = {"instruction": "Аудар:", "input": "дом", "output": "үй", "id": 1}
    assert shape_of_rows([alpaca]) == "instruction, input, output"
    assert shape_of_rows([{"messages": OPENAI}, alpaca, alpaca, {}]) == "instruction, input, output"
    assert shape_of_rows([{"q": "а", "a": "б"}], DialogueFields(question="q", answer="a")) == "q, a"


def test_of_several_right_answers_the_first_is_learned() -> None:
    assert found({"question": "Астана қайда?", "answer": ["Есілде", "Есіл бойында"]})[1] == ("assistant", "Есілде")


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        ("uau", "ua"),
        ("suauu", "sua"),
        ("u", "u"),
        ("su", "su"),
        ("ua", "ua"),
        ("uat", "ua"),
        ("uatu", "ua"),
        ("ut", "ut"),
        ("", ""),
        ("usau", "usa"),
    ],
)
def test_what_has_no_answer_is_left_out_where_another_has(roles: str, left: str) -> None:
    names: dict[str, Any] = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    messages = [Message(names[role], str(number)) for number, role in enumerate(roles)]
    assert without_unanswered(messages) == tuple(messages[: len(left)])


# ------------------------------------------------------------------------------------------------------- JSON lists


def rows(path: Path) -> list[tuple[int, Any, str | None]]:
    return [row[:3] for row in read_dialogue_rows(path, SourceConfig(name="c", path=str(path)))]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_list_is_read_as_its_elements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, chunk: int
) -> None:
    monkeypatch.setattr(json_values, "_MIN_READ", chunk)
    elements = [{"instruction": f"«{n}» [{{\\", "output": [True, None, -1.5e3, {"a": "\n"}]} for n in range(200)]
    path = tmp_path / "alpaca.json"
    path.write_text("\ufeff\n" + json.dumps(elements, ensure_ascii=False, indent=indent) + "\n")
    assert rows(path) == [(number, element, None) for number, element in enumerate(elements)]


def test_lists_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, 5, "b", {"c": 2}]')
    assert rows(path) == [(0, {"a": 1}, None), (1, {}, "bad_json"), (2, {}, "bad_json"), (3, {"c": 2}, None)]
    path.write_text("[]")
    assert rows(path) == []
    for broken in ('[{"a": 1}, {"b": ', '[{"a": 1} {"b" 2}, {"c": 3}, {"d": 4}]', '[{"a": 1}, '):
        path.write_text(broken)
        with pytest.raises(DamagedFileError, match="not JSON"):
            rows(path)
    path.write_text('{"a": 1}\n{"a": 2}\n')
    assert rows(path) == [(0, {"a": 1}, None), (1, {"a": 2}, None)]


@pytest.mark.parametrize("blank", ["", "  \n", None])
def test_a_blank_system_turn_is_none(blank: str | None) -> None:
    """Many sets have one in every dialogue, as `{"from": "system", "value": ""}`."""
    pair = [{"role": "user", "content": "Нан неден?"}, {"role": "assistant", "content": "Ұннан."}]
    turns = turns_of({"messages": [{"role": "system", "content": blank}, *pair]})
    assert [turn.role for turn in turns.messages] == ["user", "assistant"]
    said = turns_of({"system": "Наубайшысың.", "messages": [{"role": "system", "content": blank}, *pair]})
    assert [turn.content for turn in said.messages] == ["Наубайшысың.", "Нан неден?", "Ұннан."]
    pictured = turns_of({"messages": [{"role": "system", "content": [{"type": "image"}]}, *pair]})
    assert pictured.problem == "not_text"
    empty = turns_of({"messages": [{"role": "user", "content": blank}, pair[1]]})
    assert dialogue_problem(empty.messages) == "empty_turn"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["Мұз неге", " қалқиды?"], "Мұз неге қалқиды?"),
        (["def f(x):\n", "    return x"], "def f(x):\n    return x"),
        (["Аудар:", "үй"], "Аудар:\nүй"),
        (["", "үй", ""], "үй"),
    ],
)
def test_parts_of_a_text_join_as_they_were_cut(parts: list[str], text: str) -> None:
    listed = [{"type": "text", "text": part} for part in parts]
    assert turns_of({"messages": [{"role": "user", "content": listed}]}).messages[0].content == text


@pytest.mark.parametrize(("user", "assistant"), [("Пайдаланушы", "Көмекші"), ("пользователь", "Ассистент")])
def test_roles_in_kazakh_and_russian(user: str, assistant: str) -> None:
    turns = turns_of({"conversations": [{"from": user, "value": "Сәлем!"}, {"from": assistant, "value": "Сәлем!"}]})
    assert [turn.role for turn in turns.messages] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"messages": [{"role": "robot", "content": "a"}, {"role": "ghost", "content": "b"}]}, "ghost, robot"),
        ({"conversations": [{"kim": "user", "ne": "a"}, {"kim": "assistant", "ne": "b"}]}, "kim, ne"),
        ({"messages": [{"role": "user", "ne": "a"}, {"role": "assistant", "ne": "b"}]}, "ne, role"),
    ],
)
def test_turns_of_nobody_or_without_text_are_told(row: dict[str, Any], told: str) -> None:
    assert told in str(what_turns_hold([row] * 3, DialogueFields()))
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert what_turns_hold([row, row, row, good], DialogueFields()) is None
    assert what_turns_hold([{"foo": 1}] * 3, DialogueFields()) is None


# ----------------------------------------------------------------------------- tools, thoughts, weights, unused keys

READ = ({"type": "function", "function": {"name": "weather", "arguments": {"city": "Астана"}}},)


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "content": None, "tool_calls": [{"function": READ[0]["function"]}]},
        {"role": "assistant", "tool_calls": [{"name": "weather", "arguments": {"city": "Астана"}}]},
        {"role": "assistant", "content": "", "tool_calls": '[{"name": "weather", "parameters": {"city": "Астана"}}]'},
        {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"city": "Астана"}'}},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Астана"}}'},
        {"from": "tool_call", "value": '[{"name": "weather", "arguments": {"city": "Астана"}}]'},
    ],
)
@pytest.mark.parametrize("role", ["tool", "function", "ipython", "observation", "tool_response"])
def test_tool_calls_in_every_shape(turn: dict[str, Any], role: str) -> None:
    answer = {"role": role, "content": "ашық", "name": "weather"}
    turns = turns_of({"messages": [OPENAI[0], turn, answer, OPENAI[1]]})
    assert (turns.problem, dialogue_problem(turns.messages), turns.unused) == (None, None, ())
    assert turns.messages[1] == Message("assistant", "", tool_calls=READ)
    assert turns.messages[2] == Message("tool", "ашық", name="weather")


def test_ids_of_calls_and_empty_arguments_stay() -> None:
    call = {"id": "c1", "function": {"name": "now", "arguments": ""}}
    turns = turns_of({"messages": [OPENAI[0], {"role": "assistant", "content": "Қазір.", "tool_calls": [call]}]})
    assert turns.messages[1].tool_calls == (
        {"type": "function", "function": {"name": "now", "arguments": {}}, "id": "c1"},
    )


@pytest.mark.parametrize("content", ["22", 22, [{"type": "text", "text": "22"}], '{"t": 22}', {"t": 22}])
def test_answers_of_tools_are_text(content: Any) -> None:
    turns = turns_of({"messages": [{"role": "tool", "content": content}]})
    wanted = '{"t": 22}' if isinstance(content, dict) else content if isinstance(content, str) else "22"
    assert (turns.problem, turns.messages[0].content) == (None, wanted)


@pytest.mark.parametrize(
    "tools",
    [
        [{"type": "function", "function": {"name": "f"}}],
        [{"name": "f"}],
        '[{"name": "f"}]',
        [{"function": {"name": "f"}}],
    ],
)
def test_tools_of_a_row(tools: Any) -> None:
    read = turns_of({"messages": OPENAI, "tools": tools})
    assert read.problem is None
    assert [tool["function"] for tool in read.tools] == [{"name": "f"}]
    assert (
        turns_of({"messages": OPENAI, "functions": [{"name": "f"}]}).tools
        == turns_of({"messages": OPENAI, "tools": [{"name": "f"}]}).tools
    )


@pytest.mark.parametrize("tools", ["құралдар", [5], [{"name": ""}], {"a": 1}])
def test_tools_that_are_none(tools: Any) -> None:
    assert turns_of({"messages": OPENAI, "tools": tools}).problem == "bad_tools"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_of_an_answer(name: str) -> None:
    turns = turns_of({"messages": [OPENAI[0], {**OPENAI[1], name: "Ойлан."}]})
    assert (turns.messages[1].reasoning, turns.messages[1].content, turns.unused) == ("Ойлан.", HELLO[1][1], ())


@pytest.mark.parametrize(
    ("keys", "is_learned"),
    [({"weight": 0}, False), ({"weight": 0.0}, False), ({"train": False}, False), ({"loss": False}, False),
     ({"weight": 1}, True), ({"train": True}, True), ({"weight": 1, "train": False}, False), ({"weight": None}, True)],
)  # fmt: skip
def test_weights_of_an_answer(keys: dict[str, Any], is_learned: bool) -> None:
    turns = turns_of({"messages": [*OPENAI, OPENAI[0], {**OPENAI[1], **keys}]})
    assert turns.problem is None
    assert [message.is_learned for message in turns.messages] == [True, True, True, is_learned]


def test_keys_that_are_not_used_are_named() -> None:
    row = {"messages": [{**OPENAI[0], "name": "Aigul", "weight": 1, "refusal": None}, {**OPENAI[1], "score": 3}]}
    read = turns_of({**row, "id": 1, "topic": "сәлем", "empty": [], "language": "kk"})
    assert read.unused == ("topic", "turn.name", "turn.weight", "turn.score")
    assert turns_of({"instruction": "а", "input": "ә", "output": "б", "chosen": "в"}).unused == ("chosen",)


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ("uatata", None), ("uatta", None), ("sau", None), ("aua", None), ("saua", None), ("uata" + "ua", None),
        ("uta", "tool_role"), ("tua", "tool_role"), ("uatua", "tool_role"), ("a", "assistant_first"), ("uaa", "same_role_twice"),
    ],
)  # fmt: skip
def test_the_order_of_turns_with_tools(roles: str, reason: str | None) -> None:
    names: dict[str, Any] = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    messages = without_unanswered([Message(names[role], "x") for role in roles])
    assert dialogue_problem(messages) == (reason if roles != "sau" else "assistant_first")
