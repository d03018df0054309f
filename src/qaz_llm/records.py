"""The words every room speaks, as frozen records.

A row of raw text becomes a `Document`; documents become `PackedRow`s to train on; an evaluation file becomes
`EvalItem`s, whose answers become `ItemScore`s. Records hold values, never behaviour that belongs to one room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = ("kk", "ru", "en")
LANGUAGE_NAMES: Mapping[str, str] = {"kk": "Kazakh", "ru": "Russian", "en": "English"}

Script = Literal["Cyrl", "Latn", "Arab", "Zyyy"]
Role = Literal["system", "user", "assistant", "tool"]

IGNORE_INDEX = -100
"""Label of a token that is not learned from; the value torch's cross entropy ignores by default."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text with what is known of its origin.

    `language` is `kk`, `ru`, `en`, another ISO 639 code, or `und` while undetermined;
    `script` is an ISO 15924 code, `Zyyy` while undetermined. `licence` is an SPDX identifier.
    """

    id: str
    text: str
    source: str
    language: str
    script: str
    licence: str
    url: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """The JSON row of this document, in a fixed order of keys; `url` and `meta` only where they hold something."""
        row: dict[str, Any] = {
            "id": self.id,
            "text": self.text,
            "source": self.source,
            "language": self.language,
            "script": self.script,
            "licence": self.licence,
        }
        if self.url is not None:
            row["url"] = self.url
        if self.meta:
            row["meta"] = dict(self.meta)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Document:
        """The document of a JSON row written by `to_row`. Raises KeyError where a required key is absent."""
        return cls(
            id=row["id"],
            text=row["text"],
            source=row["source"],
            language=row["language"],
            script=row["script"],
            licence=row["licence"],
            url=row.get("url"),
            meta=row.get("meta", {}),
        )


DocumentBatch = Sequence[Document]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of one document. `reason` names the rule, e.g. `too_few_words`; None when kept.

    `value` is what the rule measured of the document and `limit` what it is held to, where the rule measures.
    """

    keep: bool
    reason: str | None = None
    value: float | str | None = None
    limit: float | str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. An assistant may think (`reasoning`) and call tools; a tool answers a call."""

    role: Role
    content: str
    reasoning: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """As OpenAI has them, `{"type": "function", "function": {"name": …, "arguments": {…}}}`, the arguments an object."""
    tool_call_id: str = ""
    name: str = ""
    """Of a tool's answer: which tool."""
    is_learned: bool = True
    """False for an assistant's turn that is context alone (`weight: 0`); of other turns nothing is learned anyway."""

    def to_row(self) -> dict[str, Any]:
        """The turn as JSON rows and chat templates have it; what is empty is left out, the content is not."""
        row: dict[str, Any] = {"role": self.role, "content": self.content}
        more = {"reasoning_content": self.reasoning, "tool_call_id": self.tool_call_id, "name": self.name}
        row |= {key: value for key, value in more.items() if value}
        if self.tool_calls:
            row["tool_calls"] = [dict(call) for call in self.tool_calls]
        if not self.is_learned:
            row["weight"] = 0
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Message:
        """The turn of a row written by `to_row`. Raises KeyError where a required key is absent."""
        return cls(
            role=row["role"],
            content=row["content"],
            reasoning=row.get("reasoning_content", ""),
            tool_calls=tuple(row.get("tool_calls", ())),
            tool_call_id=row.get("tool_call_id", ""),
            name=row.get("name", ""),
            is_learned=row.get("weight", 1) != 0,
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """A dialogue to tune on: an optional system message, then user and assistant by turns, ending with an assistant's.

    `tools` are the functions that the assistant may call, as OpenAI describes them.
    """

    id: str
    messages: tuple[Message, ...]
    source: str
    language: str
    licence: str
    tools: tuple[Mapping[str, Any], ...] = ()

    def to_row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id,
            "messages": [message.to_row() for message in self.messages],
            "source": self.source,
            "language": self.language,
            "licence": self.licence,
        }
        return {**row, "tools": [dict(tool) for tool in self.tools]} if self.tools else row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Conversation:
        return cls(
            id=row["id"],
            messages=tuple(Message.from_row(message) for message in row["messages"]),
            source=row["source"],
            language=row["language"],
            licence=row["licence"],
            tools=tuple(row.get("tools", ())),
        )


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """One document or conversation as token ids, `input_ids` and `labels` of equal length; labels are unshifted."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Several examples in one row of at most seq_len tokens.

    `position_ids` restart at 0 with each example, and each example's first label is IGNORE_INDEX, so no token is
    predicted from another document. For two examples [5, 6, 7] and [8, 9]:

        input_ids     5    6  7    8    9
        labels        -100 6  7    -100 9
        position_ids  0    1  2    0    1
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    position_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EvalItem:
    """One question to a model, in one language.

    `group_id` ties the kk, ru and en twins of an item (equal to item_id where there are none); `cluster_id` ties
    items that share a passage. For multiple choice `choices` and `answer` (index) are set; for generation
    `references`; for bits per byte only `text`.
    """

    item_id: str
    group_id: str
    cluster_id: str
    language: str
    task: str
    text: str
    question: str = ""
    choices: tuple[str, ...] = ()
    answer: int | None = None
    references: tuple[str, ...] = ()
    subject: str = ""

    @property
    def is_graded(self) -> bool:
        """Whether its choices are grades, of which none is right: what people gave stands in `references`."""
        return bool(self.choices and self.references)


@dataclass(frozen=True, slots=True)
class Request:
    """A continuation whose log-probability after a context is asked for. An empty context means from the start."""

    context: str
    continuation: str


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer to a Request: summed natural-log probability of the continuation, and its length in tokens and bytes.

    `is_cut`: the text is longer than the model's window, so that something was predicted from less than all before it.
    `is_changed`: the tokenizer does not give the text back (unknown words, letters it folds), so the model was asked about another text.
    """

    logprob: float
    num_tokens: int
    num_bytes: int
    is_greedy: bool = False
    is_cut: bool = False
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Generated:
    """The answer to a prompt. `is_cut`: the prompt lost a part to fit; `is_unfinished`: the answer was ended by the limit of its length;
    `is_refused`: a server would not take the prompt."""

    text: str
    is_cut: bool = False
    is_unfinished: bool = False
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The score of one item under one metric. `higher_is_better` tells gaps apart from losses.

    `detail` keeps what the score was made from (all normalisations, the prediction, the raw answer).
    """

    item_id: str
    group_id: str
    cluster_id: str
    task: str
    language: str
    metric: str
    score: float
    higher_is_better: bool = True
    weight: float = 1.0
    detail: Mapping[str, Any] = field(default_factory=dict)
