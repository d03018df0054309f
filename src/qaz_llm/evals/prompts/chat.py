"""Prompts as a dialogue in a model's own chat template: solved examples are turns, and the answer follows the mark that opens the assistant's turn.

    <|im_start|>user\\nСұрақ: 2 + 2?\\nЖауабы:<|im_end|>\\n<|im_start|>assistant\\n4<|im_end|>\\n     a solved example
    <|im_start|>user\\nСұрақ: 3 + 3?\\nЖауабы:<|im_end|>\\n<|im_start|>assistant\\n             and the question, after which "6" is scored

An answer has no space before it here, because the mark ends with a line end in most templates. Nothing but the task's own prompt is said: no system
message of ours, though a template may put one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a tokenizer, as a way to lay out a prompt."""

    tokenizer: PreTrainedTokenizerFast

    @property
    def name(self) -> str:
        """By which two evaluations see that they used the same one."""
        return f"the tokenizer's, {xxhash.xxh3_64_hexdigest(str(self.tokenizer.chat_template).encode())[:8]}"

    def render(self, solved: Sequence[tuple[str, str]], question: str) -> str:
        """The text before the answer. `solved`: examples, each as question and answer.

        Raises:
            InputError: the template takes no such dialogue.
        """
        turns = [
            {"role": role, "content": text}
            for pair in solved
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        turns.append({"role": "user", "content": question})
        try:
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program of its own, and fails in ways of its own
            raise InputError(
                f"the model's chat template takes no dialogue of {len(turns)} turns ({type(error).__name__}: {error})",
                hint="set chat_template=none, or shots=0",
            ) from error


def chat_template_of(tokenizer: PreTrainedTokenizerFast | None) -> ChatTemplate | None:
    """The template of a tokenizer; None where it has none."""
    return ChatTemplate(tokenizer) if tokenizer is not None and tokenizer.chat_template is not None else None
