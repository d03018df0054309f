"""What the gateway knows of the model: its window, how prompts are counted, its template and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.io import read_json
from qaz_llm.serve.refusals import Refused, wrong_field
from qaz_llm.tokenizer.fast import load_fast_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WINDOWS = ("max_position_embeddings", "n_positions", "seq_length", "n_ctx")
UNLIMITED = 1 << 40
"""Tokenizers without a window of their own say some number beyond this."""
FAR_LETTERS, FAR = 16, 2
"""A text of more letters for each token of the window, whose first so many have twice its tokens, does not fit whatever follows: what
comes after a letter changes the tokens before it by a few at most."""


@dataclass(frozen=True)
class ModelFacts:
    """A model folder, read for serving."""

    folder: Path
    window_tokens: int
    settings: Mapping[str, Any]
    """generation_config.json, with the tokens that end an answer."""
    tokenizer: PreTrainedTokenizerFast

    @property
    def has_template(self) -> bool:
        """Whether dialogues can be asked."""
        return self.tokenizer.chat_template is not None

    def count_prompt(self, prompt: str) -> int:
        """Tokens of a prompt as the engine makes them, with those that the tokenizer puts around it."""
        return self._count(prompt, add_special_tokens=True)

    def count_messages(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None) -> int:
        """Tokens of a dialogue under the model's template, with the beginning of the answer.

        Raises Refused (400) where there is no template, or the template takes no such dialogue.
        """
        from jinja2 import TemplateError

        if not self.has_template:
            raise Refused(
                400,
                "this model has no chat template: ask /v1/completions, or serve one that was tuned on dialogues",
                code="no_chat_template",
            )
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], tools=tools, add_generation_prompt=True, tokenize=False
            )
        except (TemplateError, TypeError, KeyError, ValueError) as error:
            raise wrong_field("messages", f"the model's chat template refuses them: {error}") from error
        return self._count(str(text), add_special_tokens=False)

    def _count(self, text: str, *, add_special_tokens: bool) -> int:
        """Exact where the text may fit. Of one that is far too long the beginning alone is counted: raises Refused (400) then.

        Batches, because other threads run while they are counted; `encode` stops them all.
        """
        count = self.tokenizer.backend_tokenizer.encode_batch_fast
        begin = text[: FAR_LETTERS * self.window_tokens]
        if len(begin) < len(text) and len(count([begin])[0]) > FAR * self.window_tokens:
            raise self._too_long(f"more than {FAR * self.window_tokens:,}")
        return len(count([text], add_special_tokens=add_special_tokens)[0])

    def room_for_answer(self, prompt_tokens: int, wanted: int | None, otherwise: int) -> int:
        """Most tokens of an answer: what is wanted, or `otherwise`, and what the window leaves.

        Raises Refused (400) where the prompt leaves no room.
        """
        room = self.window_tokens - prompt_tokens
        if room < 1:
            raise self._too_long(f"{prompt_tokens:,}")
        return min(room, wanted or otherwise)

    def count_answer(self, text: str) -> int:
        """Tokens of an answer, whose length has been looked at."""
        return len(self.tokenizer.backend_tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])

    def _too_long(self, tokens: str) -> Refused:
        return Refused(
            400,
            f"the prompt has {tokens} tokens, and prompt and answer together have {self.window_tokens:,}:"
            " shorten the prompt",
            code="context_length_exceeded",
            param="messages",
        )


def read_facts(folder: Path, window_tokens: int | None) -> ModelFacts:
    """Read what is needed of a model's folder.

    Raises InputError where it has no fast tokenizer or no window, and where a longer window is asked for.
    """
    config = read_json(folder / "config.json")
    tokenizer = load_fast_tokenizer(str(folder))
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    own = _window_of(config, tokenizer.model_max_length)
    if own is None and window_tokens is None:
        raise InputError(f"{folder}: config.json names no window of tokens", hint="give it: --window N")
    if own is not None and window_tokens is not None and window_tokens > own:
        raise InputError(f"--window {window_tokens}: the model has {own:,} tokens", hint=f"at most --window {own}")
    settings = read_json(folder / "generation_config.json") if (folder / "generation_config.json").is_file() else {}
    ends = settings.get("eos_token_id", config.get("eos_token_id", tokenizer.eos_token_id))
    pad = settings.get("pad_token_id", tokenizer.pad_token_id)
    kept = {key: value for key, value in settings.items() if not key.startswith("_") and value is not None}
    return ModelFacts(
        folder.absolute(),
        window_tokens or own or 0,
        {**kept, "eos_token_id": ends, "pad_token_id": pad if pad is not None else tokenizer.eos_token_id},
        tokenizer,
    )


def _window_of(config: Mapping[str, Any], tokenizer_window: int) -> int | None:
    """The smallest window that the config, its part for text, or the tokenizer names."""
    inner = config.get("text_config")
    places = [config, inner] if isinstance(inner, dict) else [config]
    named = [place[key] for place in places for key in WINDOWS if isinstance(place.get(key), int)]
    if isinstance(tokenizer_window, int) and tokenizer_window < UNLIMITED:
        named.append(tokenizer_window)
    return min(named, default=None)
