"""vLLM's offline engine as a `Scorer`: the fastest way to have a large model on a GPU write long answers.

Prompts go in as token ids, cut and opened with the start token as for transformers (encoding.py, generating.py), so that both back ends ask the same.
Log-probabilities come from `prompt_logprobs`, of which vLLM gives none for the first token: the start token, which is never asked for. Written after vLLM's documentation (offline inference, SamplingParams, RequestOutput); the tests have a stand-in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.evals.answers.limits import finish
from qaz_llm.evals.scoring.encoding import encode_requests
from qaz_llm.evals.scoring.generating import ANSWER_SHARE
from qaz_llm.evals.scoring.rows import kept
from qaz_llm.records import Generated, Request, Scored
from qaz_llm.tokenizer.start import required_start_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class VllmScorer:
    """A model that vLLM runs. Raises InputError where vLLM is not installed."""

    def __init__(
        self, model: str, tokenizer: PreTrainedTokenizerFast, *, dtype: str, seed: int, trust_remote_code: bool
    ) -> None:
        try:
            import vllm
        except ImportError as error:
            raise InputError(
                "backend=vllm needs vLLM, which is not installed here",
                hint="pip install vllm (on a machine with a GPU), or leave backend out",
            ) from error
        self.tokenizer = tokenizer
        self._vllm: Any = vllm
        self._engine: Any = vllm.LLM(model=model, dtype=dtype, seed=seed, trust_remote_code=trust_remote_code)
        self.max_length = int(self._engine.llm_engine.model_config.max_model_len)
        self.start_id = required_start_id(tokenizer)

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`. Contexts too long for the model are cut, continuations never."""
        encoded = encode_requests(self.tokenizer, self.start_id, requests)
        room = self.max_length - 1  # vLLM makes one token, which is not looked at
        rows = []
        for one in encoded:
            context = kept(one.context, max(room - len(one.continuation), 1))
            rows.append([*context, *one.continuation])
        params = self._vllm.SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        outputs = self._run(rows, params)
        found = []
        for request, one, row, output in zip(requests, encoded, rows, outputs, strict=True):
            start = len(row) - len(one.continuation)
            values = [output.prompt_logprobs[n][row[n]].logprob for n in range(start, len(row))]
            is_cut = len(one.context) + len(one.continuation) > room
            found.append(
                Scored(
                    float(sum(values)),
                    len(one.continuation),
                    len(request.continuation.encode()),
                    is_cut=is_cut,
                    is_changed=one.is_changed,
                )
            )
        return found

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`. vLLM cuts at stop strings that open an answer too, so of white space none are handed on."""
        if not prompts:
            return []
        room = max(self.max_length - min(max_bytes, self.max_length // ANSWER_SHARE), 1)
        special = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        encoded = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        ids = [row if row and row[0] in special else [self.start_id, *row] for row in encoded]
        rows = [list(kept(tuple(row), room)) for row in ids]
        params = [
            self._vllm.SamplingParams(
                temperature=0.0,
                max_tokens=max(min(max_bytes, self.max_length - len(row)), 1),
                stop=[s for s in stop if s.strip()] or None,
            )
            for row in rows
        ]
        found = []
        for full, row, output in zip(ids, rows, self._run(rows, params), strict=True):
            made = output.outputs[0]
            answer, is_unfinished = finish(made.text, tuple(stop), max_bytes, has_ended=made.finish_reason != "length")
            found.append(Generated(answer, is_cut=len(full) > len(row), is_unfinished=is_unfinished))
        return found

    def _run(self, rows: Sequence[Sequence[int]], params: Any) -> Any:
        prompts = [self._vllm.TokensPrompt(prompt_token_ids=list(row)) for row in rows]
        return self._engine.generate(prompts, params)
