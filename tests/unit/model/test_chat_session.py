"""Chat with a model: what can be said before any weights are loaded."""

from pathlib import Path

import pytest

from qaz_llm.errors import InputError
from qaz_llm.model.chat import chat_session
from qaz_llm.tokenizer.base import train_base_tokenizer


def test_a_base_model_is_not_chatted_with(tmp_path: Path) -> None:
    tokenizer = train_base_tokenizer(["бір екі үш төрт бес"] * 50, vocab_size=270)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):  # neither is read before the template is missed
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InputError, match="a base model, its tokenizer has no chat template"):
        chat_session(str(tmp_path), max_new_tokens=1)
