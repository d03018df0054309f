"""The vLLM back end against the same model in transformers. A stand-in has vLLM's names and shapes (LLM, SamplingParams, TokensPrompt, RequestOutput), since vLLM
itself needs a GPU: what is tested is what goes in and what is made of what comes out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.evals.scoring.local import HFScorer
from qaz_llm.evals.scoring.vllm import VllmScorer
from qaz_llm.records import Request


class Engine:
    """Greedy, and log-probabilities of the prompt but for its first token."""

    def __init__(self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, window: int) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=window))

    def generate(self, prompts: Sequence[Any], params: Any) -> list[Any]:
        each = params if isinstance(params, list) else [params] * len(prompts)
        return [self._one(prompt.prompt_token_ids, own) for prompt, own in zip(prompts, each, strict=True)]

    def _one(self, ids: list[int], params: Any) -> Any:
        assert len(ids) + params.max_tokens <= self.llm_engine.model_config.max_model_len and params.temperature == 0.0
        with torch.inference_mode():
            values = self.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            logprobs = [{t: SimpleNamespace(logprob=float(values[n, t]))} for n, t in enumerate(ids[1:])]
            made: list[int] = []
            reason = "length"
            while len(made) < params.max_tokens:
                made.append(int(self.model(input_ids=torch.tensor([ids + made])).logits[0, -1].argmax()))
                text = self.tokenizer.decode(made, skip_special_tokens=True)
                found = [text.index(s) for s in getattr(params, "stop", None) or () if s in text]
                if found or made[-1] == self.tokenizer.eos_token_id:
                    text, reason = text[: min(found, default=len(text))], "stop"
                    break
        return SimpleNamespace(
            prompt_logprobs=[None, *logprobs], outputs=[SimpleNamespace(text=text, finish_reason=reason)]
        )


@pytest.fixture
def scorers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> tuple[VllmScorer, HFScorer]:
    window = model.config.max_position_embeddings
    stand_in = SimpleNamespace(
        LLM=lambda **_settings: Engine(model, tokenizer, window),
        SamplingParams=SimpleNamespace,
        TokensPrompt=SimpleNamespace,
    )
    monkeypatch.setitem(sys.modules, "vllm", stand_in)  # type: ignore[arg-type]
    ours = VllmScorer("m", tokenizer, dtype="float32", seed=0, trust_remote_code=False)
    return ours, HFScorer(model, tokenizer)


def test_log_probabilities_are_those_of_transformers(scorers: tuple[VllmScorer, HFScorer]) -> None:
    requests = [Request("Ертіс өзені", " ұзақ ағады"), Request("", "The river"), Request("На юге", " жарко")]
    found, expected = (scorer.loglikelihood(requests) for scorer in scorers)
    assert [one.logprob for one in found] == pytest.approx([one.logprob for one in expected], abs=1e-4)
    assert [(one.num_tokens, one.num_bytes, one.is_cut) for one in found] == [
        (one.num_tokens, one.num_bytes, one.is_cut) for one in expected
    ]
    [long] = scorers[0].loglikelihood([Request("Ертіс өзені ұзақ ағады. " * 30, " иә")])
    assert long.is_cut and long.logprob < 0


@pytest.mark.parametrize("stop", [(), ("а",), ("\n",)])
def test_answers_are_those_of_transformers(scorers: tuple[VllmScorer, HFScorer], stop: tuple[str, ...]) -> None:
    prompts = ["Қазақстан – Орталық", "На юге Казахстана", "<|im_start|>user\nСәлем", "Ертіс өзені ұзақ ағады. " * 30]
    found, expected = (scorer.generate(prompts, max_bytes=24, stop=stop) for scorer in scorers)
    assert found == expected
    assert found[3].is_cut and scorers[0].generate([], max_bytes=5, stop=()) == []


def test_without_vllm_the_command_is_said(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pip install vllm"):
        VllmScorer("m", tokenizer, dtype="auto", seed=0, trust_remote_code=False)
