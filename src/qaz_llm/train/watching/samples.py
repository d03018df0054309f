"""What a model writes while it is trained: greedy continuations of a few prompts, in samples.jsonl.

    {"step": 200, "name": "kk", "prompt": "<s>Қазақстан –", "text": " Орталық Азиядағы мемлекет.</s>", "tokens": 9}

Special tokens are shown, in the prompt and in the answer, since a wrong one at the start or a missing one at the end is what
samples are looked at for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.start import start_id_of
from qaz_llm.train.loop.between_steps import evaluating, is_due
from qaz_llm.train.metrics import SAMPLES_FILE, append_metrics
from qaz_llm.train.ranks.distributed import on_main

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

    from qaz_llm.train.config import WatchConfig
    from qaz_llm.train.watching.watch import Watch

_logger = get_logger("train")

PROMPT_WORDS = 8
"""Of a held-out text at most so many words, and at most half of them, are the prompt."""


def first_words(text: str) -> str:
    """The beginning of a text that a sample continues."""
    words = text.split()
    return " ".join(words[: max(min(PROMPT_WORDS, len(words) // 2), 1)])


def prompts_of(settings: WatchConfig, heldout: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Prompts by name: the config's, numbered, or the beginning of each name's first held-out text."""
    if settings.prompts:
        return {str(number): prompt for number, prompt in enumerate(settings.prompts, 1)}
    return {name: first_words(texts[0]) for name, texts in heldout.items()}


@dataclass
class SampleCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Continues each prompt every so many steps and at the last, on every rank, since a sharded model needs all of them."""

    watch: Watch
    tokenizer: PreTrainedTokenizerFast
    prompts: Mapping[str, str]
    every_steps: int
    chat: bool

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        step = state.global_step
        if not is_due(step, self.every_steps, state.max_steps):
            return
        with self.watch.clock.phase("sampling"):
            with evaluating(model):
                rows = [{"step": step, "name": name, **self._row(model, text)} for name, text in self.prompts.items()]
            on_main(lambda: self._record(rows))
        for row in rows:
            _logger.info("step %d, sample %s: %s ‖ %s", step, row["name"], row["prompt"], row["text"])

    def _record(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            append_metrics(self.watch.run_dir / SAMPLES_FILE, row)

    def _row(self, model: Any, text: str) -> dict[str, Any]:
        longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 20)
        new_tokens = min(self.watch.settings.sample_tokens, longest - 1)
        ids = prompt_ids(self.tokenizer, text, chat=self.chat)[-(longest - new_tokens) :]
        made = continue_greedily(model, self.tokenizer, ids, max_new_tokens=new_tokens)
        return {"prompt": self.tokenizer.decode(ids), "text": self.tokenizer.decode(made), "tokens": len(made)}


def prompt_ids(tokenizer: PreTrainedTokenizerFast, text: str, *, chat: bool) -> list[int]:
    """Token ids of a prompt: after the tokenizer's start token (BOS, else EOS), or as what the user says in a dialogue."""
    if chat:
        messages = [{"role": "user", "content": text}]
        said: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return list(tokenizer.encode(said, add_special_tokens=False))
    start = start_id_of(tokenizer)
    return [*([] if start is None else [int(start)]), *tokenizer.encode(text, add_special_tokens=False)]


def continue_greedily(
    model: Any, tokenizer: PreTrainedTokenizerFast, ids: list[int], *, max_new_tokens: int
) -> list[int]:
    """The most likely token again and again, up to and with one that ends; whatever the model's own generation config says."""
    import torch

    ids_1L = torch.tensor([ids], device=next(model.parameters()).device)
    pad_id = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
    with torch.no_grad():
        made_1L = model.generate(
            input_ids=ids_1L,
            attention_mask=torch.ones_like(ids_1L),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            use_cache=True,
            pad_token_id=pad_id,
        )
    return list(made_1L[0, len(ids) :].tolist())
