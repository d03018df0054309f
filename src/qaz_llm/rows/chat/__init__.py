"""A dialogue as token ids, of which only the assistant's words (and the token that ends its turn) are learned.

Worked example, ChatML, everything between the bars has a label, the rest IGNORE_INDEX:

    <|im_start|>user⏎Сәлем!<|im_end|>⏎<|im_start|>assistant⏎|Сәлем, қалайсыз?<|im_end|>|⏎

answers.py finds the answers in the text of a template, written.py checks what the template writes and its own
`{% generation %}` markers, spelled.py keeps special tokens that a message spells apart, tokens.py encodes and decodes,
render.py puts it together. docs/dialogues.md says it in a user's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError, LabelSpanError
from qaz_llm.records import IGNORE_INDEX, Message, TokenizedExample
from qaz_llm.rows.chat.render import NOTES, AnswerTooLongError, ChatRenderer, Rendered
from qaz_llm.rows.chat.spelled import special_tokens
from qaz_llm.rows.chat.template import DialogueError, tokens_missing
from qaz_llm.tokenizer.chat_template import CHATML, DEFAULT_CHAT_TEMPLATE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = [
    "NOTES",
    "AnswerTooLongError",
    "ChatRenderer",
    "DialogueError",
    "Rendered",
    "check_chat_template",
    "end_of_turn_id",
    "render_chat",
]

SHOWN_TOKENS = 8
_OF_TURNS = re.compile(r"turn|im_|eot|header|inst|user|assistant|end\b", re.IGNORECASE)
"""In the names of the special tokens that templates are made of."""
_PROBED = "dialogue '(probe)': "
_PROBE = (Message("user", "Сәлем!"), Message("assistant", "Сәлем!"))


def render_chat(
    messages: Sequence[Message],
    tokenizer: PreTrainedTokenizerFast,
    *,
    seq_len: int,
    source_id: str = "",
    tools: Sequence[Mapping[str, Any]] = (),
) -> TokenizedExample:
    """The first example of a dialogue; `ChatRenderer.render` gives all of them and the notes. Raises as that does."""
    rendered = ChatRenderer.of(tokenizer).render(messages, tools=tools, seq_len=seq_len, source_id=source_id)
    return rendered.examples[0]


def end_of_turn_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """The token with which an answer ends under the tokenizer's chat template: where generation has to stop.

    Raises:
        DialogueError: the template lets no special token follow an answer.
    """
    example = render_chat(_PROBE, tokenizer, seq_len=1 << 20, source_id="(probe)")
    return [label for label in example.labels if label != IGNORE_INDEX][-1]


def check_chat_template(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    """Try the template of a tokenizer that dialogues are to be trained with, before any work.

    Raises:
        InputError: there is none, or no answer can be learned with it: the tokens it lacks and what to type.
    """
    special = sorted(
        special_tokens(tokenizer), key=lambda t: (_OF_TURNS.search(t) is None, tokenizer.convert_tokens_to_ids(t))
    )
    shown = ", ".join(special[:SHOWN_TOKENS]) + (" …" if len(special) > SHOWN_TOKENS else "")
    if tokenizer.chat_template is None:
        missing = tokens_missing(tokenizer, DEFAULT_CHAT_TEMPLATE)
        chatml = (
            f"ChatML's {', '.join(missing)} are no tokens of it"
            if missing
            else f"for ChatML type model.chat_template={CHATML}"
        )
        raise InputError(
            f"{name}: the tokenizer has no chat template, method sft needs one; {chatml}",
            hint="model.chat_template=FILE.jinja gives one made of special tokens that the tokenizer has "
            f"({shown}), model.tokenizer=FOLDER a tokenizer with a template; an instruction-tuned model has both",
        )
    try:
        end_of_turn_id(tokenizer)
    except LabelSpanError as error:
        raise InputError(
            f"{name}: no answer can be learned with the tokenizer's chat template: {error.message.removeprefix(_PROBED)}",
            hint=error.hint or "give another with model.chat_template=FILE.jinja",
        ) from error
