"""Answers that share their beginning are scored as if each stood alone, in every family; where that fails, each is run alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from packed_families import MIXED, SEPARATED, VOCAB_SIZE, make_family

from qaz_llm.evals.scoring.encoding import Encoded
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.scoring.rows import plan_rows


class Ids:
    """As much of a tokenizer as a scorer of token ids needs."""

    bos_token_id, eos_token_id = 0, 1

    def __len__(self) -> int:
        return VOCAB_SIZE


def questions(*, examples_tokens: int, count: int = 6) -> list[Encoded]:
    """Contexts that begin with the same examples, each with four continuations of one to six tokens."""
    random.seed(3)

    def text(length: int) -> tuple[int, ...]:
        return tuple(random.randrange(2, VOCAB_SIZE) for _ in range(length))

    examples = (0, *text(examples_tokens))
    contexts = [examples + text(random.randint(3, 25)) for _ in range(count)]
    return [Encoded(context, text(length), False) for context in contexts for length in (1, 2, 6, 3)]


def alone(model: Any, one: Encoded) -> float:
    with torch.inference_mode():
        logits_LV = model(input_ids=torch.tensor([one.context + one.continuation]), use_cache=False).logits[0].double()
    logprobs_LV = logits_LV.log_softmax(-1)
    first = len(one.context) - 1
    return sum(float(logprobs_LV[first + n, token]) for n, token in enumerate(one.continuation))


@pytest.mark.parametrize("examples_tokens", [0, 40])
@pytest.mark.parametrize("name", [*SEPARATED, *MIXED])
def test_each_answer_as_if_alone(name: str, examples_tokens: int) -> None:
    model = make_family(name).eval()
    scorer = HFScorer(model, Ids(), batch_tokens=256)  # type: ignore[arg-type]
    asked = questions(examples_tokens=examples_tokens)
    found = scorer._sums(scorer._rows(asked), len(asked))
    assert found == pytest.approx([alone(model, one) for one in asked], rel=2e-4, abs=2e-3)
    if name in SEPARATED and name != "gpt2":
        assert scorer._shares, "a family of plain attention shares"


def test_tokens_that_are_run_are_those_that_are_needed() -> None:
    """Six questions of 40 + n tokens and 1 + 1 + 2 + 5 tokens of answers each: the examples once, each question and answer once."""
    asked = questions(examples_tokens=40)
    rows = plan_rows(asked, max_length=256, trees=True, prefixes=True)
    contexts = {one.context for one in asked}
    run = len(rows[0].prefix) + sum(len(row.input_ids) for row in rows)
    assert {row.prefix for row in rows} == {asked[0].context[:41]}
    assert run == 41 + sum(len(context) - 41 for context in contexts) + len(contexts) * (0 + 1 + 5 + 2)
    plain = plan_rows(asked, max_length=256, trees=False, prefixes=False)
    assert sum(len(row.input_ids) for row in plain) > 4 * run
    asked_of = sorted((request, token) for row in rows for request, _index, token in row.targets)
    assert asked_of == sorted((n, token) for n, one in enumerate(asked) for token in one.continuation)


@pytest.mark.parametrize("max_length", [12, 20, 50])
def test_contexts_that_are_cut_are_cut_alike_for_all_answers(max_length: int) -> None:
    asked = questions(examples_tokens=40)
    for row in plan_rows(asked, max_length=max_length, trees=True, prefixes=False):
        assert len(row.input_ids) <= max_length + 8 and max(row.positions) < max_length
        assert row.input_ids[0] == 0  # the start token
    found = [t for row in plan_rows(asked, max_length=max_length, trees=True, prefixes=False) for t in row.targets]
    assert sorted((r, token) for r, _i, token in found) == sorted(
        (n, t) for n, one in enumerate(asked) for t in one.continuation
    )
