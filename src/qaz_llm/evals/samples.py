"""Sample generations: the same short beginnings and questions for every model, in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.evals.answers.ask import generate_each
from qaz_llm.evals.answers.limits import bytes_in
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.language.identify import identify

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class SamplePrompt:
    """A text to go on from (`continue`) or a question to an assistant (`chat`)."""

    id: str
    language: str
    kind: Literal["continue", "chat"]
    text: str


PROMPTS = (
    SamplePrompt("kk-1", "kk", "continue", "Қазақстанның оңтүстігінде"),
    SamplePrompt("kk-2", "kk", "continue", "Мектеп оқушылары"),
    SamplePrompt("ru-1", "ru", "continue", "На юге Казахстана"),
    SamplePrompt("en-1", "en", "continue", "In the south of Kazakhstan"),
    SamplePrompt("kk-chat-1", "kk", "chat", "Пияз тураған кезде көзден неге жас шығады?"),
    SamplePrompt("kk-chat-2", "kk", "chat", "Велосипедтің доңғалағын қалай жамауға болады?"),
    SamplePrompt("ru-chat-1", "ru", "chat", "Как заклеить велосипедную камеру?"),
    SamplePrompt("en-chat-1", "en", "chat", "How do I mend a bicycle tyre?"),
)


def write_samples(
    scorer: Scorer,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_bytes: int,
    prompts: Sequence[SamplePrompt] = PROMPTS,
) -> list[dict[str, Any]]:
    """Greedy answers as rows: prompt_id, kind, language, prompt, text, and the language that was answered in.

    `max_bytes` are those of an English answer (limits.py). Questions go through the tokenizer's chat template; without one they are left out.
    """
    chosen = [p for p in prompts if p.kind == "continue" or tokenizer.chat_template is not None]
    rendered = [_render(tokenizer, prompt) for prompt in chosen]
    limits = [bytes_in(prompt.language, max_bytes) for prompt in chosen]
    texts = [answer.text for answer in generate_each(scorer, rendered, limits=limits, stops=[()] * len(chosen))]
    return [
        {
            "prompt_id": prompt.id,
            "kind": prompt.kind,
            "language": prompt.language,
            "prompt": prompt.text,
            "text": text,
            "answered_in": identify(text).main if text.strip() else "none",
        }
        for prompt, text in zip(chosen, texts, strict=True)
    ]


def _render(tokenizer: PreTrainedTokenizerFast, prompt: SamplePrompt) -> str:
    if prompt.kind == "continue":
        return prompt.text
    turns = [{"role": "user", "content": prompt.text}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
