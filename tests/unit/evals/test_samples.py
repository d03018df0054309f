"""Sample generations: which prompts are asked, in what form, and what is noted of the answers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.evals.samples import PROMPTS, write_samples
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.records import Generated, Request, Scored


class Answering:
    """Answers each prompt from a list, and keeps the prompts."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        raise AssertionError

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        assert tuple(stop) == ()
        self.asked += prompts
        found = [next(one for one in PROMPTS if one.text in prompt) for prompt in prompts]
        assert {max_bytes} == {7 if one.language == "en" else 14 for one in found}
        return [Generated(self.answers[PROMPTS.index(one) % len(self.answers)]) for one in found]


def test_prompts_cover_the_languages() -> None:
    assert len({p.id for p in PROMPTS}) == len(PROMPTS)
    assert {(p.language, p.kind) for p in PROMPTS} == {(c, k) for c in ("kk", "ru", "en") for k in ("continue", "chat")}


def test_rows_tell_the_language_of_the_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    scorer = Answering(
        "Бүгін ауа райы жақсы, балалар аулада ойнап жүр.",
        "На юге Казахстана живёт много людей, и летом там жарко.",
        "The weather is fine today and the children play outside.",
        " ",
    )
    rows = write_samples(scorer, tokenizer, max_bytes=7)
    assert [row["prompt_id"] for row in rows] == [p.id for p in PROMPTS]
    assert [row["answered_in"] for row in rows] == ["kk", "ru", "en", "none"] * 2
    for prompt in PROMPTS:
        [asked] = [text for text in scorer.asked if prompt.text in text]
        if prompt.kind == "continue":
            assert asked == prompt.text
        else:
            assert prompt.text in asked and "<|im_start|>assistant" in asked.split(prompt.text)[1]


def test_without_a_chat_template_questions_are_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    rows = write_samples(Answering("иә"), bare, max_bytes=7)
    assert {row["kind"] for row in rows} == {"continue"}
    assert write_samples(Answering("иә"), bare, max_bytes=7, prompts=PROMPTS[4:]) == []


def test_same_samples_every_time(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [write_samples(HFScorer(model, tokenizer, batch_tokens=b), tokenizer, max_bytes=8) for b in (64, 8192)]
    assert rows[0] == rows[1]
    assert all("<|" not in row["text"] for row in rows[0])
