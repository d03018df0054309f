"""The default chat template, rendered by transformers, against text written by hand."""

from __future__ import annotations

from typing import Any

import pytest

MESSAGES = [
    {"role": "system", "content": "Сен көмекшісің."},
    {"role": "user", "content": "Су неше градуста қайнайды?"},
    {"role": "assistant", "content": "Жүз градуста."},
    {"role": "user", "content": "А замерзает?"},
    {"role": "assistant", "content": "При нуле.\nAt zero."},
]
RENDERED = (
    "<|im_start|>system\nСен көмекшісің.<|im_end|>\n"
    "<|im_start|>user\nСу неше градуста қайнайды?<|im_end|>\n"
    "<|im_start|>assistant\nЖүз градуста.<|im_end|>\n"
    "<|im_start|>user\nА замерзает?<|im_end|>\n"
    "<|im_start|>assistant\nПри нуле.\nAt zero.<|im_end|>\n"
)


@pytest.fixture(scope="module")
def tokenizer(families: Any) -> Any:
    return families("specials_first").reloaded


def test_turns_are_laid_out_as_chatml(tokenizer: Any) -> None:
    assert tokenizer.apply_chat_template(MESSAGES, tokenize=False) == RENDERED
    prompt = tokenizer.apply_chat_template(MESSAGES[:2], tokenize=False, add_generation_prompt=True)
    assert prompt == RENDERED[: RENDERED.index("Жүз")]


def test_the_mask_covers_answers_and_their_end_and_nothing_else(tokenizer: Any) -> None:
    encoded = tokenizer.apply_chat_template(MESSAGES, return_assistant_tokens_mask=True, return_dict=True)
    ids, mask = encoded["input_ids"], encoded["assistant_masks"]
    assert len(ids) == len(mask)
    spans: list[list[int]] = []
    for previous, token, learned in zip([0, *mask], ids, mask, strict=False):
        if learned and not previous:
            spans.append([])
        if learned:
            spans[-1].append(token)
    assert [tokenizer.decode(span) for span in spans] == ["Жүз градуста.<|im_end|>", "При нуле.\nAt zero.<|im_end|>"]
    assert tokenizer.decode(ids) == RENDERED


def test_turn_marks_are_single_tokens(tokenizer: Any) -> None:
    ids = tokenizer.apply_chat_template(MESSAGES, return_dict=True)["input_ids"]
    assert ids.count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == 5
    assert ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 5
