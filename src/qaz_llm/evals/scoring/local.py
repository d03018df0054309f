"""Log-probabilities of continuations, and greedy answers, from a causal language model.

Shape legend: B rows of a batch, L tokens of a row.

Every text is conditioned on the tokenizer's own start token (BOS, else EOS), so its first token is scored too. A context that is too long
for the model loses its middle: the start token stays, since models lean on it, and what stands right before the answer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.scoring.encoding import Encoded, encode_requests
from qaz_llm.evals.scoring.forward import cache_of, logprobs_of
from qaz_llm.evals.scoring.generating import generate_answers
from qaz_llm.evals.scoring.rows import SHARED_ROWS, Row, batches, plan_rows
from qaz_llm.progress import get_logger, progress
from qaz_llm.records import Generated, Request, Scored

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("eval")


BATCH_LOGITS = 150_000_000
"""Numbers that the head makes at once: 600 MB in float32."""
TIGHT, LOOSE = 1e-4, 2e-2
"""How far a text's log-probability may move, as a share of it, when its beginning is shared: in float32, and in 16 bit."""


class HFScorer:
    """A transformers model as a `Scorer`. Batches hold rows of like length and at most `batch_tokens` tokens."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, batch_tokens: int = 8192) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_tokens = batch_tokens
        self._shares: bool | None = None
        self.max_length = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 20)
        weight = model.get_input_embeddings().weight
        rows = getattr(weight, "ds_shape", weight.shape)[0]  # under ZeRO-3 a process holds a part, whose shape is (0,)
        if len(tokenizer) > rows:
            raise InputError(
                f"the tokenizer has {len(tokenizer):,} tokens, the model {rows:,} embedding rows",
                hint="use the tokenizer that belongs to the model",
            )
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if start is None:
            raise InputError(
                "the tokenizer has neither a BOS nor an EOS token to start a text with",
                hint="set one in tokenizer_config.json",
            )
        self.start_id = int(start)

    # -------------------------------------------------------------------------------------------- log-likelihood

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`. Contexts too long for the model are cut, continuations never.

        Raises:
            WorkError: the model answers with what is no finite number.
        """
        import torch

        encoded = encode_requests(self.tokenizer, self.start_id, requests)
        rows = self._rows(encoded)
        with (
            torch.inference_mode(),
            progress("score", total=sum(len(r.input_ids) for r in rows), unit="tokens") as advance,
        ):
            sums = self._sums(rows, len(requests), advance)
        _check_finite(sums, requests)
        return [
            Scored(
                total,
                len(one.continuation),
                len(request.continuation.encode()),
                is_cut=self._is_long(one),
                is_changed=one.is_changed,
            )
            for total, one, request in zip(sums, encoded, requests, strict=True)
        ]

    def _is_long(self, one: Encoded) -> bool:
        return len(one.context) + len(one.continuation) - 1 > self.max_length

    def _rows(self, encoded: Sequence[Encoded]) -> list[Row]:
        """The sequences to run, with branches and common beginnings where the model was seen to keep them apart."""
        if truncated := sum(map(self._is_long, encoded)):
            _logger.warning(
                "%d of %d texts are longer than the model's %d tokens; their contexts were cut",
                truncated,
                len(encoded),
                self.max_length,
            )
        if self._shares is None:
            self._shares = self._can_share(encoded)
        shares = bool(self._shares)
        return plan_rows(encoded, max_length=self.max_length, trees=shares, prefixes=shares)

    def _can_share(self, encoded: Sequence[Encoded]) -> bool | None:
        """Whether branches and common beginnings give what each text alone gives, tried on a few; None where nothing is shared.

        A model with recurrences or convolutions, or an attention that takes no mask, does not; then each text is run alone.
        """
        import torch

        by_context = defaultdict(list)
        for one in encoded:
            by_context[one.context].append(one)
        several = [group for group in by_context.values() if sum(len(one.continuation) > 1 for one in group) > 1]
        few = [one for group in (several or list(by_context.values()))[:SHARED_ROWS] for one in group]
        shared = plan_rows(few, max_length=self.max_length, trees=True, prefixes=True)
        if not any(row.branch_L or row.prefix for row in shared):
            return None
        alone = plan_rows(few, max_length=self.max_length, trees=False, prefixes=False)
        with torch.inference_mode():
            sums_alone = self._sums(alone, len(few))
            try:
                sums_shared = self._sums(shared, len(few))
            except Exception as error:  # a family whose layers take no such mask or cache fails in ways of its own
                _logger.warning(
                    "texts are run one by one: this model cannot share their beginnings (%s)", type(error).__name__
                )
                return False
        apart = max(abs(a - b) / (1.0 + abs(a)) for a, b in zip(sums_alone, sums_shared, strict=True))
        if apart <= (TIGHT if self.model.dtype == torch.float32 else LOOSE):
            return True
        _logger.warning(
            "texts are run one by one: sharing their beginnings would change log-probabilities by %.2g", apart
        )
        return False

    def _sums(
        self, rows: Sequence[Row], count: int, advance: Callable[[float], None] = lambda _tokens: None
    ) -> list[float]:
        """The log-probability of each of `count` requests, summed over its targets; `advance` is told of tokens done."""
        sums = [0.0] * count
        for batch, logprobs in self._run(rows):
            for row, values in zip(batch, logprobs, strict=True):
                for (request, _index, _token), value in zip(row.targets, values, strict=True):
                    sums[request] += value
                advance(len(row.input_ids))
        return sums

    def _run(self, rows: Sequence[Row]) -> Iterator[tuple[list[Row], list[list[float]]]]:
        prefix: tuple[int, ...] = ()
        cache = None
        vocab_size = self.model.get_input_embeddings().weight.shape[0]
        for batch in batches(rows, batch_tokens=self.batch_tokens, batch_logits=BATCH_LOGITS, vocab_size=vocab_size):
            if batch[0].prefix != prefix:
                prefix = batch[0].prefix
                cache = cache_of(self.model, prefix) if prefix else None
            yield batch, logprobs_of(self.model, batch, cache, pad_id=self.start_id)

    # ------------------------------------------------------------------------------------------------ generation

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`; see generating.py for prompts that are too long."""
        return generate_answers(
            self.model,
            self.tokenizer,
            prompts,
            max_bytes=max_bytes,
            stop=stop,
            start_id=self.start_id,
            window=self.max_length,
            batch_tokens=self.batch_tokens,
        )


def _check_finite(sums: Sequence[float], requests: Sequence[Request]) -> None:
    """Raises WorkError naming the first text whose log-probability is no finite number."""
    bad = [number for number, total in enumerate(sums) if not math.isfinite(total)]
    if bad:
        shown = requests[bad[0]].continuation[:60]
        raise WorkError(
            f"the model gives no finite log-probability ({sums[bad[0]]}) for {len(bad):,} of {len(sums):,} texts, first of all for {shown!r}",
            hint="its training diverged or its file is damaged; in bfloat16, try dtype=float32",
        )


def choose_device(wanted: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises InputError where cuda is asked for and missing."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for, no GPU is at hand", hint="use device=auto or device=cpu")
    use_gpu = wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_gpu else "cpu")
