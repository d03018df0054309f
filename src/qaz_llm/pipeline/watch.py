"""Bits per byte on held-out sentences while a model is trained: training calls this, and knows nothing of evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qaz_llm.evals.items import heldout_texts
from qaz_llm.evals.score import HFScorer
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.records import Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SENTENCES = 64
"""Sentences per language that are scored each time: enough to see a trend, few enough not to slow training down."""


def watch_bits(config: RunConfig) -> Callable[[PreTrainedModel, PreTrainedTokenizerFast, int], Mapping[str, float]]:
    """A function of model, tokenizer and step that returns `{"kk": bits per byte, "ru": …, "en": …}`."""
    texts = heldout_texts(config.eval.suite, root=config.eval.root or config.data.root)
    watched = {language: lines[:SENTENCES] for language, lines in texts.items()}

    def score(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, _step: int) -> Mapping[str, float]:
        scorer = HFScorer(model, tokenizer, batch_tokens=config.eval.batch_tokens)
        bits: dict[str, float] = {}
        for language, lines in watched.items():
            scored = scorer.loglikelihood([Request("", line) for line in lines])
            bits[language] = -sum(s.logprob for s in scored) / math.log(2) / sum(s.num_bytes for s in scored)
        return bits

    return score
