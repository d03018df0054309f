"""Prompts in a chat template, against the template applied by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.metrics.choices import score_choices
from qaz_llm.evals.prompts.chat import ChatTemplate, chat_template_of
from qaz_llm.evals.prompts.render import render_context, render_requests, render_unconditional
from qaz_llm.evals.run import run_eval
from qaz_llm.evals.scoring.encoding import encode_requests
from qaz_llm.evals.task import load_task
from qaz_llm.records import EvalItem, Request, Scored

TASK = load_task("qaz_mc")
ITEM = EvalItem("i", "i", "i", "kk", "qaz_mc", "", question="3 + 3?", choices=("6", "7"), answer=0)
SOLVED = replace(ITEM, question="2 + 2?", choices=("3", "4"), answer=1)


def test_examples_are_turns_and_the_answer_follows_the_mark(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = ChatTemplate(tokenizer)
    by_hand = tokenizer.apply_chat_template(
        [
            {"role": "user", "content": "Сұрақ: 2 + 2?\nЖауабы:"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": "Сұрақ: 3 + 3?\nЖауабы:"},
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert render_context(TASK, ITEM, examples=[SOLVED], chat=chat) == by_hand
    requests = render_requests(TASK, ITEM, examples=[SOLVED], chat=chat)
    assert requests == (Request(by_hand, "6"), Request(by_hand, "7"))  # no space before an answer
    letters = render_requests(TASK, ITEM, scoring="letters", chat=chat)
    assert [r.continuation for r in letters] == ["A", "B"] and "A. 6\nB. 7" in letters[0].context
    bare = render_unconditional(TASK, ITEM, chat=chat)
    assert "Жауабы:" in bare[0].context and "3 + 3" not in bare[0].context and bare[0].continuation == "6"


def test_texts_alone_are_in_no_template(tokenizer: PreTrainedTokenizerFast) -> None:
    item = EvalItem("i", "i", "i", "kk", "qaz_bpb", "Қар жауды.")
    assert render_requests(load_task("qaz_bpb"), item, chat=ChatTemplate(tokenizer)) == (Request("", "Қар жауды."),)


def test_a_template_brings_its_own_start(tokenizer: PreTrainedTokenizerFast) -> None:
    """One start token, whoever puts it; a plain context gets ours."""
    (start,) = tokenizer.convert_tokens_to_ids([str(tokenizer.bos_token)])
    chatted = render_requests(TASK, ITEM, chat=ChatTemplate(tokenizer))[0]
    plain = render_requests(TASK, ITEM)[0]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    in_chat, alone = encode_requests(tokenizer, start, [chatted, plain])
    assert in_chat.context == tuple(tokenizer(chatted.context, add_special_tokens=False)["input_ids"])
    assert in_chat.context[0] in special and alone.context[0] == start and alone.context[1] not in special
    assert not in_chat.is_changed and not alone.is_changed
    spelled = Request(f"Мәтін: {tokenizer.bos_token}", " а"), Request(chatted.context, f"а{tokenizer.eos_token}")
    assert all(
        one.is_changed for one in encode_requests(tokenizer, start, spelled)
    )  # a text that holds a control token
    # a text alone is predicted from the start token, also where it begins with a mark
    (marked,) = encode_requests(tokenizer, start, [Request("", f"{tokenizer.bos_token}а")])
    assert marked.context == (start,)


def test_bytes_are_those_of_the_answer_alone() -> None:
    """With a space before the answer or without one: −6 over 2 bytes is −3, and over 6 bytes −1."""
    item = replace(ITEM, choices=("12", "абв"))
    for space in (" ", ""):
        scored = [Scored(-6.0, 1, len(f"{space}{choice}".encode())) for choice in item.choices]
        rows = {row.metric: row for row in score_choices(TASK, item, scored)}
        assert rows["acc_per_byte"].detail["prediction"] == 1 and "tie" in rows["acc"].detail["doubts"]
    scored = [Scored(-2.0, 1, 3), Scored(-6.0, 1, 7)]  # one a byte each: a tie only where the space is not counted
    row = {row.metric: row for row in score_choices(TASK, item, scored)}["acc_per_byte"]
    assert row.detail["doubts"] == ["tie"]


def test_a_template_that_takes_no_dialogue_is_said(tokenizer: PreTrainedTokenizerFast) -> None:
    class Refusing:
        chat_template = "x"

        def apply_chat_template(self, *_args: Any, **_options: Any) -> str:
            raise ValueError("only one turn")

    with pytest.raises(InputError, match=r"takes no dialogue of 3 turns \(ValueError: only one turn\)"):
        ChatTemplate(Refusing()).render([("a", "b")], "c")  # type: ignore[arg-type]
    assert chat_template_of(None) is None


def test_the_setting_says_which(model_dir: Path, tmp_path: Path) -> None:
    values = {"model": str(model_dir), "suite": "demo", "tasks": ("qaz_mc",), "max_items": 1, "samples": False}
    plain = run_eval(EvalConfig(**values, out=tmp_path / "a")).parity  # type: ignore[arg-type]
    chat = run_eval(EvalConfig(**values, out=tmp_path / "b", chat_template="auto")).parity  # type: ignore[arg-type]
    assert plain["setting"]["chat_template"] == "none"
    assert chat["setting"]["chat_template"].startswith("the tokenizer's, ")
    assert not any("chat_template" in warning for warning in chat["warnings"])
