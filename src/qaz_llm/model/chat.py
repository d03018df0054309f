"""A conversation with a model, turn by turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.model.choices import Attention
from qaz_llm.model.export import model_folder
from qaz_llm.model.load import load_model, load_tokenizer


def chat_session(
    checkpoint: str, *, max_new_tokens: int, attn_implementation: Attention = "auto", trust_remote_code: bool = False
) -> Callable[[str], str]:
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
    turns: list[dict[str, str]] = []

    def reply(question: str) -> str:
        turns.append({"role": "user", "content": question})
        encoded = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        inputs = {key: encoded[key].to(device) for key in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            made_BL = model.generate(
                **inputs, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        answer = str(tokenizer.decode(made_BL[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()
        turns.append({"role": "assistant", "content": answer})
        return answer

    return reply
