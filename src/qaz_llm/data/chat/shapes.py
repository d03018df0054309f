"""Ready dialogues in the shapes they come in, as turns; the data build and `qaz train` read them alike.

    OpenAI      {"messages": [{"role": "user", "content": "…"}, …]}        content may be a list of text parts
    ShareGPT    {"conversations": [{"from": "human", "value": "…"}, …], "system": "…"}
    Alpaca      {"instruction": "…", "input": "…", "output": "…", "history": [["…", "…"], …], "system": "…"}
    pairs       {"prompt": "…", "response": "…"} and the like: see PAIRS; a side may be a list of turns itself
    turns       a list of strings, the user's first; of pairs; of {"human": "…", "assistant": "…"}; all these as JSON in a string

Fields that the config names come first, then the usual ones in the order of the tables below. Of a turn there may be
`tool_calls` (or `function_call`), `reasoning_content`, `tool_call_id`, `name` and `weight`, of a row `tools`; keys that are
used for nothing are named (`Turns.unused`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any, NamedTuple, cast

from qaz_llm.data.chat.tools import calls_of, tools_of
from qaz_llm.records import Message, Role

TOOL_ANSWERS = frozenset({"tool", "function", "ipython", "observation", "tool_response"})
TOOL_CALLS = frozenset({"tool_call", "function_call"})
"""Roles of turns whose text is a tool call as JSON, as ShareGPT sets have them."""
ROLE_NAMES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    **dict.fromkeys(sorted(TOOL_ANSWERS), "tool"),
    **dict.fromkeys(sorted(TOOL_CALLS), "assistant"),
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "жүйе": "system",
    "система": "system",
    "пайдаланушы": "user",
    "қолданушы": "user",
    "пользователь": "user",
    "көмекші": "assistant",
    "ассистент": "assistant",
    "помощник": "assistant",
}
TOOL_PARTS = frozenset({"tool_use", "tool_result", "tool_call", "function_call"})

TURN_LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns", "contents", "chat")
ROLE_FIELDS = ("role", "from", "speaker", "author")
CONTENT_FIELDS = ("content", "value", "text", "parts", "message", "utterance")
SYSTEM_FIELDS = ("system", "system_prompt", "system_message")
TOOL_FIELDS = ("tools", "functions")
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
CALL_FIELDS = ("tool_calls", "function_call")
WEIGHT_FIELDS = ("weight", "train", "loss")
"""0 and false: the turn is context alone; 1 and true: it is learned; anything else is no weight of ours."""
ROW_FIELDS = frozenset({"id", "source", "language", "licence", "meta", "history"})
"""Fields of a row that are used beside its turns."""
PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("instruction", "answer"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("inputs", "targets"),
    ("input", "output"),
)
GIVEN_FIELDS = ("input", "context")
"""What a pair's question is about, put after it: Alpaca's `input`, Dolly's `context`."""
NO_INPUT = frozenset({"<noinput>", "noinput"})
"""What generated Alpaca sets write where there is no input."""

SHAPES_HINT = (
    "a dialogue is messages [{role, content}], conversations [{from, value}], instruction and output, or prompt and "
    "response; give fields of other names with `qaz data build` (kind: chat, messages_field, question_field, answer_field)"
)


@dataclass(frozen=True, slots=True)
class DialogueFields:
    """The names of fields that a config gives; None where it gives none."""

    messages: str | None = None
    question: str | None = None
    answer: str | None = None

    @property
    def turn_lists(self) -> Sequence[str]:
        return TURN_LISTS if self.messages is None else (self.messages, *TURN_LISTS)

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        if self.question is None and self.answer is None:
            return PAIRS
        return ((self.question or "question", self.answer or "answer"), *PAIRS)


class Turns(NamedTuple):
    """The turns of a row, roles by our names where they are known, and what of them is no text to learn from."""

    messages: tuple[Message, ...]
    problem: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    unused: tuple[str, ...] = ()
    """Keys of the row, and as `turn.KEY` of its turns, that hold something and are used for nothing."""


def turns_of(row: Mapping[str, Any], fields: DialogueFields = DialogueFields()) -> Turns:
    """The turns of a row in any of the shapes above; none where it has none of them.

    >>> turns_of({"instruction": "Аудар:", "input": "дом", "output": "үй"}).messages[0].content
    'Аудар:\\n\\nдом'
    """
    parts = [part for part in _all_turns(row, fields) if not _says_nothing(part)]
    messages = tuple(part.message for part in parts)
    problem = next((part.problem for part in parts if part.problem), None)
    given = next((row[name] for name in TOOL_FIELDS if row.get(name)), ())
    tools = tools_of(given) if given else ()
    if tools is None:
        tools, problem = (), problem or "bad_tools"
    unused = [*_unused_fields(row, fields), *(f"turn.{name}" for part in parts for name in part.unused)]
    return Turns(messages, problem, tools, tuple(dict.fromkeys(unused)))


def shape_of_rows(rows: Sequence[Mapping[str, Any]], fields: DialogueFields = DialogueFields()) -> str | None:
    """The fields that dialogues are read from in the most of some rows, as a person reads it; None where there are none.

    >>> shape_of_rows([{"instruction": "Аудар:", "input": "дом", "output": "үй"}])
    'instruction, input, output'
    """
    shapes = Counter(", ".join(names) for row in rows if (names := _fields_read(row, fields)))
    return next((shape for shape, _ in shapes.most_common(1)), None)


def what_was_found(rows: Sequence[Mapping[str, Any]], fields: DialogueFields = DialogueFields()) -> str:
    """The fields of rows that are no dialogues, and what is in those that should hold turns, for the hint of an error."""
    found = ", ".join(sorted({name for row in rows for name in row}))
    odd = [
        f"{n!r} holds {type(row[n]).__name__}, no list of turns"
        for row in rows[:1]
        for n in fields.turn_lists
        if n in row
    ]
    return "; ".join([f"the fields found are: {found}", *odd[:1], SHAPES_HINT])


def _fields_read(row: Mapping[str, Any], fields: DialogueFields) -> list[str]:
    name = next((name for name in fields.turn_lists if _listed(row.get(name))), None)
    if name is not None:
        return [name]
    pair = _pair_fields(row, fields)
    return [pair[0], *(name for name in GIVEN_FIELDS if name in row and name not in pair), pair[1]] if pair else []


class _Part(NamedTuple):
    """A message, what is wrong with it (None: nothing), and the keys of its turn that are used for nothing."""

    message: Message
    problem: str | None = None
    unused: tuple[str, ...] = ()


def _unused_fields(row: Mapping[str, Any], fields: DialogueFields) -> list[str]:
    """The fields of a row that hold something beside what dialogues are read from."""
    used = ROW_FIELDS.union(_fields_read(row, fields), SYSTEM_FIELDS, TOOL_FIELDS)
    return [name for name, value in row.items() if name not in used and _is_there(value)]


def _is_there(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _all_turns(row: Mapping[str, Any], fields: DialogueFields) -> Iterator[_Part]:
    for name in fields.turn_lists:
        listed = _listed(row.get(name))
        if listed:
            turns = list(_turns(listed))
            yield from (part for part in _system(row) if part not in turns[:1])
            yield from turns
            return
    pair = _pair_fields(row, fields)
    if pair is not None:
        yield from _system(row)
        yield from _turns(_listed(row.get("history")))
        yield from _sides(row, *pair)


def _says_nothing(part: _Part) -> bool:
    """Whether it is a system turn that is there and blank, as many sets write where there is no system prompt."""
    return part.message.role == "system" and part.problem is None and not part.message.content.strip()


def _listed(value: Any) -> list[Any]:
    """A list as it is, or as JSON in a string, or as columns, which is how `datasets` keeps a sequence of objects."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    if isinstance(value, Mapping) and value and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, entries, strict=False)) for entries in zip(*value.values(), strict=False)]
    return value if isinstance(value, list) else []


def _turns(listed: Sequence[Any]) -> Iterator[_Part]:
    if all(isinstance(turn, str) for turn in listed):
        yield from (_part(role, text) for role, text in zip(cycle(("user", "assistant")), listed, strict=False))
    else:
        for turn in listed:
            yield from _turn(turn)


def _turn(turn: Any) -> Iterator[_Part]:
    """A turn, or both sides of an exchange."""
    if isinstance(turn, list) and len(turn) == 2:
        yield from (_part(role, text) for role, text in zip(("user", "assistant"), turn, strict=True))
        return
    if not isinstance(turn, Mapping):
        yield _part("", turn if isinstance(turn, str) else None)
        return
    named = next((turn[name] for name in ROLE_FIELDS if turn.get(name) is not None), None)
    if named is None:
        yield from _exchange(turn)
        return
    yield _named_turn(turn, str(named).strip().lower())


def _named_turn(turn: Mapping[str, Any], role: str) -> _Part:
    """A turn of a known or unknown role with all that it may have beside its text."""
    content_field = next((name for name in CONTENT_FIELDS if turn.get(name) is not None), None)
    content = turn[content_field] if content_field is not None else None
    if role in TOOL_CALLS:
        return _with_calls(_part(role, ""), content)
    if role in TOOL_ANSWERS and isinstance(content, Mapping) and "type" not in content:
        content = json.dumps(content, ensure_ascii=False)
    part = _part(role, content)
    used = {next(name for name in ROLE_FIELDS if turn.get(name) is not None), content_field}
    if part.message.role == "assistant":
        given = next((turn[name] for name in CALL_FIELDS if _is_there(turn.get(name))), None)
        part = _with_calls(part, given) if given is not None else part
        part = _with_thoughts(_with_weight(part, turn), turn)
        used.update(CALL_FIELDS, WEIGHT_FIELDS, THOUGHT_FIELDS)
    if part.message.role == "tool":
        call_id, name = (str(turn.get(field) or "") for field in ("tool_call_id", "name"))
        part = part._replace(message=replace(part.message, tool_call_id=call_id, name=name))
        used.update(("tool_call_id", "name"))
    used.update(name for name in WEIGHT_FIELDS if turn.get(name) in (0, False))  # nothing of other turns is learned
    return part._replace(unused=tuple(str(n) for n, value in turn.items() if n not in used and _is_there(value)))


def _with_calls(part: _Part, given: Any) -> _Part:
    calls = calls_of(given)
    if not calls:
        return part._replace(problem=part.problem or "bad_tool_call")
    return part._replace(message=replace(part.message, tool_calls=calls))


def _with_thoughts(part: _Part, turn: Mapping[str, Any]) -> _Part:
    thoughts = next((turn[name] for name in THOUGHT_FIELDS if turn.get(name) is not None), "")
    text, problem = _text(thoughts)
    return _Part(replace(part.message, reasoning=text), part.problem or problem)


def _with_weight(part: _Part, turn: Mapping[str, Any]) -> _Part:
    """Weights are 0 or 1, as OpenAI has them: a part of a weight can be neither learned nor left out."""
    weights = [turn[name] for name in WEIGHT_FIELDS if turn.get(name) is not None]
    if any(not isinstance(weight, int | float) or weight not in (0, 1) for weight in weights):
        return part._replace(problem=part.problem or "odd_weight")
    return part._replace(message=replace(part.message, is_learned=all(weights)))


def _exchange(turn: Mapping[str, Any]) -> Iterator[_Part]:
    """The sides of {"human": "…", "assistant": "…"}, or of a pair."""
    sides = [(name, text) for name, text in turn.items() if name.lower() in ROLE_NAMES and text is not None]
    pair = _pair_fields(turn, DialogueFields())
    if sides:
        yield from (_part(name.lower(), text) for name, text in sides)
    elif pair is not None:
        yield from _sides(turn, *pair)
    else:
        yield _part("", None)


def _part(role: str, content: Any) -> _Part:
    """A message and its problem: `tool_role` and `not_text` where the content is no text."""
    text, problem = _text(content)
    return _Part(Message(cast(Role, ROLE_NAMES.get(role, role)), text), problem)


def _text(content: Any) -> tuple[str, str | None]:
    """The text of a string, a number or a list of text parts; of a picture, a call or the like its reason."""
    if isinstance(content, str):
        return content, None
    if content is None:
        return "", None
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content), None
    if isinstance(content, list):
        found = [_text(part) if part is not None else ("", "not_text") for part in content]
        problem = next((problem for _, problem in found if problem), None)
        return _joined([text for text, _ in found]), problem
    if isinstance(content, Mapping):
        if content.get("type") in TOOL_PARTS:
            return "", "tool_role"
        inner = next((content[name] for name in CONTENT_FIELDS if content.get(name) is not None), None)
        return _text(inner) if inner is not None else ("", "not_text")
    return "", "not_text"


def _joined(texts: Sequence[str]) -> str:
    """Parts of a text: those that are cut with their white space join as they are, others stand on lines of their own.

    >>> _joined(["Суретте ", "не бар?"]), _joined(["Аудар:", "үй"])
    ('Суретте не бар?', 'Аудар:\\nүй')
    """
    joined = ""
    for text in texts:
        is_cut = not joined or not text or joined[-1].isspace() or text[0].isspace()
        joined += text if is_cut else f"\n{text}"
    return joined


def _system(row: Mapping[str, Any]) -> list[_Part]:
    parts = [_part("system", row[name]) for name in SYSTEM_FIELDS if row.get(name)]
    return [part for part in parts if part.message.content.strip() or part.problem][:1]


def _pair_fields(row: Mapping[str, Any], fields: DialogueFields) -> tuple[str, str] | None:
    return next((pair for pair in fields.pairs if pair[0] in row and pair[1] in row), None)


def _sides(row: Mapping[str, Any], question: str, answer: str) -> Iterator[_Part]:
    """The question, with what it is about, and the answer; either may be a list of turns."""
    for name, role in ((question, "user"), (answer, "assistant")):
        value = row[name]
        if isinstance(value, list) and all(isinstance(t, Mapping) and any(r in t for r in ROLE_FIELDS) for t in value):
            yield from _turns(value)
            continue
        if role == "assistant" and isinstance(value, list) and all(isinstance(text, str) for text in value):
            value = value[0] if value else None  # several answers that are all right: the first
        part = _part(role, value)
        if role == "user":
            for given in (field for field in GIVEN_FIELDS if field not in (question, answer)):
                text, problem = _text(row.get(given))
                part = part._replace(problem=part.problem or problem)
                if text.strip() and text.strip().lower() not in NO_INPUT:
                    content = f"{part.message.content}\n\n{text}"
                    part = part._replace(message=replace(part.message, content=content))
        yield part
