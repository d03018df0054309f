"""Bits per byte on held-out sentences while a model is trained: training calls this, and knows nothing of evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.evals.items import heldout_texts
from qaz_llm.evals.score import HFScorer
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.records import Request
from qaz_llm.rows.config import MixEntry
from qaz_llm.rows.sources import read_texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Watch = Callable[["PreTrainedModel", "PreTrainedTokenizerFast", int], Mapping[str, float]]

SENTENCES = 64
"""Sentences per language that are scored each time: enough to see a trend, few enough not to slow training down."""

BATCH_TOKENS = 2048
"""Tokens of one forward pass beside a training in `qaz train`, whose own memory is to be enough for it."""


def watch_bits(config: RunConfig) -> Watch:
    """A function of model, tokenizer and step that returns `{"kk": bits per byte, "ru": …, "en": …}`."""
    texts = heldout_texts(config.eval.suite, root=config.eval.root or config.data.root)
    return _watch({language: lines[:SENTENCES] for language, lines in texts.items()}, config.eval.batch_tokens)


def watch_files(files: Mapping[str, str]) -> Watch:
    """The same for a file of text per name, of which the first SENTENCES texts are scored.

    Raises:
        InputError: a file that is not there, or holds no text.
    """
    watched: dict[str, list[str]] = {}
    for name, path in files.items():
        entry = MixEntry(name="heldout", path=path)
        watched[name] = [text for _, text in islice(read_texts(entry), SENTENCES)]
        if not watched[name]:
            raise InputError(f"heldout.{name}: {path} holds no text", hint="name a file of text, a document per line")
    return _watch(watched, BATCH_TOKENS)


def _watch(watched: Mapping[str, Sequence[str]], batch_tokens: int) -> Watch:
    def score(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, _step: int) -> Mapping[str, float]:
        scorer = HFScorer(model, tokenizer, batch_tokens=batch_tokens)
        bits: dict[str, float] = {}
        for language, lines in watched.items():
            scored = scorer.loglikelihood([Request("", line) for line in lines])
            bits[language] = -sum(s.logprob for s in scored) / math.log(2) / sum(s.num_bytes for s in scored)
        return bits

    return score
