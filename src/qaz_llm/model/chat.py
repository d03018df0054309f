"""A conversation with a model, turn by turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.language.selectors import without_labels
from qaz_llm.model.choices import Attention
from qaz_llm.model.export import model_folder
from qaz_llm.model.load import load_model, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


REPLACEMENT = "\ufffd"
"""What a tokenizer decodes bytes to that are no letter."""


class TooLongError(InputError):
    """A conversation that does not fit into the model's window."""


@dataclass
class ChatSession:
    """A model, and what was said so far. A turn that fails is not remembered."""

    tokenizer: PreTrainedTokenizerFast
    model: PreTrainedModel
    max_new_tokens: int
    temperature: float = 0.0
    """0 takes the likeliest token each time."""
    system: str | None = None
    turns: list[dict[str, str]] = field(default_factory=list)
    cut_by: str | None = None
    """What ended the last answer before the model did: words for a person; None where the model ended it."""

    def __call__(self, question: str, on_text: Callable[[str], None] | None = None) -> str:
        """The answer to a turn; `on_text` gets it in pieces while it is made. Labels in the question go.

        Of an answer that is cut off, as `cut_by` then says, the bytes of a letter that was not finished are no part.

        Raises TooLongError where the conversation leaves no room for an answer.
        """
        import torch

        self.cut_by = None
        turns = [*self.turns, {"role": "user", "content": without_labels(question)}]
        inputs = self._inputs(turns)
        length = inputs["input_ids"].shape[1]
        sampling = {"do_sample": True, "temperature": self.temperature} if self.temperature else {"do_sample": False}
        room = self._room(length)
        streamer = _streamer(self.tokenizer, on_text) if on_text is not None else None
        with torch.inference_mode():
            made_BL = self.model.generate(
                **inputs,
                **sampling,
                max_new_tokens=room,
                pad_token_id=self.tokenizer.pad_token_id,
                streamer=streamer,
            )
        made = made_BL[0, length:].tolist()
        if len(made) >= room and made[-1] not in self._ends():
            self.cut_by = self._limit_words(room)
        answer = _without_half(str(self.tokenizer.decode(made, skip_special_tokens=True)), self.cut_by).strip()
        if streamer is not None and (rest := _without_half(streamer.rest, self.cut_by)) and on_text is not None:
            on_text(rest)
        self.turns = [*turns, {"role": "assistant", "content": answer}]
        return answer

    def messages(self) -> list[dict[str, str]]:
        """The conversation so far, with the system's turn where there is one."""
        return self._with_system(self.turns)

    def clear(self) -> None:
        """Forget what was said; the system's turn stays."""
        self.turns = []

    def _with_system(self, turns: list[dict[str, str]]) -> list[dict[str, str]]:
        return [*([{"role": "system", "content": self.system}] if self.system else []), *turns]

    def _inputs(self, turns: list[dict[str, str]]) -> dict[str, Any]:
        from jinja2 import TemplateError

        try:
            encoded = self.tokenizer.apply_chat_template(
                self._with_system(turns), add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        except TemplateError as error:
            raise InputError(
                f"the model's chat template refuses the conversation: {error}",
                hint="some templates take no system turn: leave --system out",
            ) from error
        return {key: encoded[key].to(self.model.device) for key in ("input_ids", "attention_mask")}

    def _ends(self) -> set[int]:
        """The tokens that end an answer."""
        settings = self.model.generation_config
        given = self.tokenizer.eos_token_id if settings is None else settings.eos_token_id
        return set(given if isinstance(given, list) else [given])

    def _limit_words(self, room: int) -> str:
        if room < self.max_new_tokens:
            return "the model's window is full; begin anew: /clear"
        return f"it has {room:,} tokens, the most that are asked for; longer ones: --max-new-tokens"

    def _room(self, length: int) -> int:
        """Most tokens of the answer: what is asked for, and what the window leaves."""
        config = self.model.config.get_text_config()
        window = getattr(config, "max_position_embeddings", None) or length + self.max_new_tokens
        if length >= window:
            raise TooLongError(
                f"the conversation has {length:,} tokens, and the model's window {window:,}", hint="begin anew: /clear"
            )
        return int(min(self.max_new_tokens, window - length))


def chat_session(
    checkpoint: str,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    system: str | None = None,
    attn_implementation: Attention = "auto",
    trust_remote_code: bool = False,
) -> ChatSession:
    """A function that answers one turn after the other and remembers the ones before.

    Raises:
        InputError: where the checkpoint is no model, or one without a chat template.
        ConfigError: an attention that it does not have.
    """
    import torch

    if Path(checkpoint).is_dir():
        checkpoint = str(model_folder(Path(checkpoint)))  # a run's model, where a run is named
    tokenizer = load_tokenizer(checkpoint, trust_remote_code=trust_remote_code)
    if tokenizer.chat_template is None:
        raise InputError(
            f"{checkpoint}: a base model, its tokenizer has no chat template",
            hint="chat with a model that was tuned on dialogues (method sft)",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(
        checkpoint, device=device, attn_implementation=attn_implementation, trust_remote_code=trust_remote_code
    )
    return ChatSession(tokenizer, model, max_new_tokens, temperature, system)


def _without_half(text: str, cut_by: str | None) -> str:
    """Of a text that was cut off: without what stands for bytes of a letter at its end whose others were not made."""
    return text if cut_by is None else text.rstrip(REPLACEMENT)


def _streamer(tokenizer: PreTrainedTokenizerFast, on_text: Callable[[str], None]) -> Any:
    """Transformers' streamer of whole words, which hands its text on instead of printing it; the last of it is kept in `rest`."""
    from transformers import TextStreamer

    class HandedOn(TextStreamer):  # type: ignore[misc]
        rest = ""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if stream_end:
                self.rest = text
            elif text:
                on_text(text)

    return HandedOn(tokenizer, skip_prompt=True, skip_special_tokens=True)
