"""Chat with a model: what can be said before any weights are loaded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qaz_llm.errors import InputError
from qaz_llm.model.chat import ChatSession, chat_session
from qaz_llm.tokenizer.base import train_base_tokenizer


def test_a_base_model_is_not_chatted_with(tmp_path: Path) -> None:
    tokenizer = train_base_tokenizer(["бір екі үш төрт бес"] * 50, vocab_size=270)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):  # neither is read before the template is missed
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InputError, match="a base model, its tokenizer has no chat template"):
        chat_session(str(tmp_path), max_new_tokens=1)


def test_turns_are_remembered_within_the_window_and_sampled_by_the_seed(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    tokenizer = train_base_tokenizer(["бір екі үш төрт бес"] * 50, vocab_size=270)
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
    tokenizer.save_pretrained(tmp_path)
    set_seed(1)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=120, **sizes)).save_pretrained(
        tmp_path
    )
    session = chat_session(str(tmp_path), max_new_tokens=4, system="бес")
    pieces: list[str] = []
    first = session("бір\ufeff\ufe03\ufe04", pieces.append)
    assert "".join(pieces).strip() == first
    assert session.messages()[:2] == [
        {"role": "system", "content": "бес"},
        {"role": "user", "content": "бір\ufeff"[:-1]},
    ]
    session.clear()
    assert session("бір") == first
    session.clear()
    session.temperature = 2.0
    sampled = []
    for seed in (1, 2, 1):
        set_seed(seed)
        sampled.append(session("бір"))
        session.clear()
    assert sampled[0] == sampled[2] != sampled[1]
    with pytest.raises(InputError, match="the model's window 120"):
        session("үш " * 60)
    assert session.turns == []


def test_an_answer_cut_inside_a_letter_ends_before_it_and_says_so(tmp_path: Path) -> None:
    """Each token is a byte, so what is whole of so many tokens is what is UTF-8 of so many bytes."""
    import torch

    tokenizer = train_base_tokenizer(["a b"] * 50, vocab_size=262)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    text = "ѫѵ 😀ꙗ ѯ\n字漢ѱ"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text.encode())

    class Says:
        """A model that says the text, and then that it is done."""

        device = torch.device("cpu")
        config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=10_000))
        generation_config = SimpleNamespace(eos_token_id=[tokenizer.eos_token_id])

        def generate(self, *, input_ids: Any, max_new_tokens: int, streamer: Any = None, **_: Any) -> Any:
            made = [*ids, tokenizer.eos_token_id][:max_new_tokens]
            if streamer is not None:
                for tokens in (input_ids[0], *(torch.tensor([token]) for token in made)):
                    streamer.put(tokens)
                streamer.end()
            return torch.cat([input_ids, torch.tensor([made])], 1)

    for count in range(1, len(ids) + 3):
        session = ChatSession(tokenizer, cast(Any, Says()), count)
        pieces: list[str] = []
        answer = session("a", pieces.append)
        whole = text.encode()[:count].decode("utf-8", "ignore")
        assert ("".join(pieces), answer) == (whole, whole.strip())
        assert session("a") == whole.strip()
        assert (session.cut_by is not None) == (count <= len(ids))
    Says.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=7))
    session = ChatSession(tokenizer, cast(Any, Says()), 100)
    session("a")
    assert session.cut_by is not None and "window is full" in session.cut_by
