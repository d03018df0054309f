"""A tokenizer's chat template over the turns of one dialogue: texts, generation blocks, and what the template is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import LabelSpanError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

GENERATION_MARKER = re.compile(r"{%-?\s*generation\s*-?%}")
_TOKEN_LIKE = re.compile(r"<\|[^\s<>|]{1,40}\|>|<[a-z_]{1,30}>|\[/?[A-Z_]{2,30}\]")
"""How control tokens are spelled in the templates in use: <|im_start|>, <end_of_turn>, [INST]."""

TODAY = datetime(2024, 7, 26, tzinfo=UTC)
"""What templates that write the date are told, so that rows do not depend on when and where their parts are made. It is the
day that Llama 3.1's template takes where it is told none."""

_ASKS_THE_TIME = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")

Rows = Sequence[Mapping[str, Any]]


class DialogueError(LabelSpanError):
    """A dialogue that cannot be trained on under this template; `reason` is the name it is counted by."""

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


def with_fixed_date(source: str) -> str:
    """A template that writes TODAY where it would ask for the time; functions cannot be handed to it.

    >>> with_fixed_date('{{ strftime_now("%d %b %Y") }}')
    '{{ "26 Jul 2024" }}'
    """
    return _ASKS_THE_TIME.sub(lambda found: json.dumps(TODAY.strftime(found[2])), source)


@dataclass(frozen=True)
class Chat:
    """The chat template of a tokenizer, with the tools of one dialogue; `name` is what errors call the dialogue.

    `arguments_as_text` hands the arguments of tool calls to the template as JSON text, which some add to a string.
    """

    tokenizer: PreTrainedTokenizerFast
    name: str
    tools: Sequence[Mapping[str, Any]] = ()
    arguments_as_text: bool = False
    source: str = field(init=False)
    """The template's own text, its date fixed."""

    def __post_init__(self) -> None:
        try:
            source = self.tokenizer.get_chat_template(tools=list(self.tools) or None)
        except ValueError as error:
            raise DialogueError("no_chat_template", f"{self.name}: the tokenizer has no chat template") from error
        object.__setattr__(self, "source", with_fixed_date(source))

    @property
    def has_prompt(self) -> bool:
        """Whether the template writes a prompt for generation."""
        return "add_generation_prompt" in self.source

    def text(self, rows: Rows, *, prompt: bool = False) -> str:
        """The turns as text, with the beginning of an answer behind them where `prompt`. Raises DialogueError."""
        return str(self._render(rows, prompt=prompt))

    def generation_blocks(self, rows: Rows) -> list[tuple[int, int]] | None:
        """Character spans of the text between `{% generation %}` markers; None where the template has none."""
        if not GENERATION_MARKER.search(self.source):
            return None
        from transformers.utils.chat_template_utils import render_jinja_template

        with _Refusal(self.name, rows):
            _, (blocks,) = render_jinja_template(
                conversations=[self._plain(rows)],
                tools=list(self.tools) or None,
                chat_template=self.source,
                return_assistant_tokens_mask=True,
                **self.tokenizer.special_tokens_map,
            )
        return [(start, end) for start, end in blocks if end > start]

    def _render(self, rows: Rows, *, prompt: bool) -> Any:
        with _Refusal(self.name, rows):
            return self.tokenizer.apply_chat_template(
                self._plain(rows),
                tools=list(self.tools) or None,
                tokenize=False,
                add_generation_prompt=prompt,
                chat_template=self.source,
            )

    def _plain(self, rows: Rows) -> list[dict[str, Any]]:
        turns = [dict(row) for row in rows]
        if self.arguments_as_text:
            for turn in turns:
                if "tool_calls" in turn:
                    turn["tool_calls"] = [_with_text_arguments(call) for call in turn["tool_calls"]]
        return turns


class _Refusal:
    """What a template raises on the turns of a row, as a DialogueError with the template's own words."""

    def __init__(self, name: str, rows: Rows) -> None:
        self.name, self.rows = name, rows

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from jinja2 import TemplateError

        known = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
        if error is None or isinstance(error, LabelSpanError) or not isinstance(error, known):
            return
        roles = " ".join(str(row["role"]) for row in self.rows)
        raise DialogueError(
            "template_refuses", f"{self.name}: the chat template refuses the turns [{roles}] ({error})"
        ) from error


def _with_text_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}}


def tokens_missing(tokenizer: PreTrainedTokenizerFast, source: str) -> list[str]:
    """What a template spells like control tokens and the tokenizer does not have, in the order of the template.

    >>> _TOKEN_LIKE.findall("<|im_start|>user a<b <end_of_turn>[INST]")
    ['<|im_start|>', '<end_of_turn>', '[INST]']
    """
    known = tokenizer.get_vocab()
    found = dict.fromkeys(_TOKEN_LIKE.findall(source))
    return [token for token in found if token not in known]
