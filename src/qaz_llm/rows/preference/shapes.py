"""A preference pair in the shapes that the hub's data sets have, as turns.

strings           {"prompt": "…", "chosen": "…", "rejected": "…"}          a `system` beside them; other names: see the tables
lists             {"prompt": [{"role": "user", …}], "chosen": [{"role": "assistant", …}], "rejected": […]}
conversations     {"chosen": [user, assistant], "rejected": [user, assistant]}: the prompt is what both begin with
ShareGPT          {"conversations": [{"from": "human", …}], "chosen": {"from": "gpt", …}, "rejected": {…}}
hh-rlhf           {"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": "…"}

prompt            all turns that both sides have in common, up to an assistant's turn
chosen, rejected  the turns from there on, of which the assistant's are compared
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qaz_llm.data.chat.dialogues import dialogue_problem
from qaz_llm.data.chat.shapes import ROW_FIELDS, SYSTEM_FIELDS, TOOL_FIELDS, TURN_LISTS, Turns, turns_of
from qaz_llm.records import Message

CHOSEN_FIELDS = ("chosen", "chosen_response", "preferred", "accepted")
REJECTED_FIELDS = ("rejected", "rejected_response", "dispreferred", "non_preferred")
PROMPT_FIELDS = ("prompt", "question", "instruction", "query", "input")

PAIRS_HINT = (
    "method dpo needs rows with prompt, chosen and rejected (strings or lists of turns), or chosen and rejected as whole "
    "conversations with the same beginning"
)

_HH_TURN = re.compile(r"\n\n(Human|Assistant):")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two continuations of the same turns, or the reason why a row holds none; then without turns."""

    prompt: tuple[Message, ...] = ()
    chosen: tuple[Message, ...] = ()
    rejected: tuple[Message, ...] = ()
    reason: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    unused: tuple[str, ...] = ()
    """Keys of the row that hold something and are used for nothing."""

    @property
    def conversations(self) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
        """Both sides with their prompt, of which only what follows the prompt is to be learned."""
        context = tuple(replace(message, is_learned=False) for message in self.prompt)
        return (*context, *self.chosen), (*context, *self.rejected)


class _NoPairError(Exception):
    """Its only argument is the reason."""


def pair_of(row: Mapping[str, Any]) -> Pair:
    """The pair of a row.

    Reasons: `missing_chosen`, `missing_rejected`, `empty_chosen`, `empty_rejected`, `missing_prompt`, `same_answers`,
    `one_continues_the_other`, `prompts_differ`, and those of dialogues.

    >>> pair = pair_of({"prompt": "Аудар: дом", "chosen": "үй", "rejected": "су"})
    >>> pair.prompt[0].content, pair.chosen[0].content, pair.rejected[0].content
    ('Аудар: дом', 'үй', 'су')
    >>> pair_of({"prompt": "Аудар: дом", "chosen": "үй", "rejected": " үй"}).reason
    'same_answers'
    """
    unused = tuple(_unused(row))
    try:
        chosen, rejected = (_side(row, side) for side in (CHOSEN_FIELDS, REJECTED_FIELDS))
        start = _common(chosen.messages, rejected.messages)
    except _NoPairError as found:
        return Pair(reason=str(found), unused=unused)
    for side in (chosen, rejected):
        if reason := dialogue_problem(side.messages):
            return Pair(reason=reason, unused=unused)
    prompt = chosen.messages[:start]
    return Pair(prompt, chosen.messages[start:], rejected.messages[start:], tools=chosen.tools, unused=unused)


def has_fields(row: Mapping[str, Any]) -> bool:
    """Whether a row has both sides, whatever they hold."""
    return _name(row, CHOSEN_FIELDS) is not None and _name(row, REJECTED_FIELDS) is not None


def _side(row: Mapping[str, Any], names: Sequence[str]) -> Turns:
    """All turns of one side, those of the prompt included."""
    name = _name(row, names)
    value = row[name] if name is not None else None
    if value is None:
        raise _NoPairError(f"missing_{names[0]}")
    listed = _listed(value)
    told = {key: row[key] for key in (*SYSTEM_FIELDS, *TOOL_FIELDS) if row.get(key)}
    turns = turns_of({"messages": listed, **told})
    said = [message for message in turns.messages if message.role != "system"]
    if turns.problem:
        raise _NoPairError(turns.problem)
    if not said or (said[-1].role == "assistant" and not said[-1].content.strip() and not said[-1].tool_calls):
        raise _NoPairError(f"empty_{names[0]}")
    if said[0].role != "assistant":
        return turns
    asked = turns_of({"messages": [*_prompt(row), *listed], **told})
    if asked.problem:
        raise _NoPairError(asked.problem)
    return asked


def _prompt(row: Mapping[str, Any]) -> list[Any]:
    """The turns before the answer, as a list of turns in any shape. Raises _NoPairError where there are none."""
    name = _name(row, (*PROMPT_FIELDS, *TURN_LISTS))
    value = row[name] if name is not None else None
    if isinstance(value, str) and not _HH_TURN.match(value):
        value = [{"role": "user", "content": value}] if value.strip() else []
    listed = _listed(value)
    if not listed:
        raise _NoPairError("missing_prompt")
    return listed


def _listed(value: Any) -> list[Any]:
    """A list of turns as it is; one turn; a text as the assistant's; hh-rlhf's text as its turns."""
    if isinstance(value, str) and _HH_TURN.match(value):
        _, *parts = _HH_TURN.split(value)
        roles, texts = parts[::2], parts[1::2]
        return [{"role": r.lower(), "content": t.strip()} for r, t in zip(roles, texts, strict=True)]
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    return [value] if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else []


def _common(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """How many turns both sides begin with. Raises _NoPairError where what follows is no choice between answers."""
    pairs = zip(chosen, rejected, strict=False)
    start = next(
        (n for n, (one, other) in enumerate(pairs) if _key(one) != _key(other)), min(len(chosen), len(rejected))
    )
    if start == len(chosen) == len(rejected):
        raise _NoPairError("same_answers")
    if start in (len(chosen), len(rejected)):
        raise _NoPairError("one_continues_the_other")
    if chosen[start].role != "assistant" or rejected[start].role != "assistant":
        raise _NoPairError("prompts_differ")
    return start


def _key(message: Message) -> Message:
    """What makes two turns the same: blanks around a text do not tell them apart."""
    return replace(message, content=message.content.strip())


def _name(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if row.get(name) is not None), None)


def _unused(row: Mapping[str, Any]) -> Iterator[str]:
    sides = (_name(row, names) for names in (CHOSEN_FIELDS, REJECTED_FIELDS, (*PROMPT_FIELDS, *TURN_LISTS)))
    used = ROW_FIELDS.union(SYSTEM_FIELDS, TOOL_FIELDS, (name for name in sides if name is not None))
    yield from (str(name) for name, value in row.items() if name not in used and value not in (None, "", [], {}))
