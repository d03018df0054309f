"""Log-probabilities of continuations, and greedy answers, from a causal language model.

Shape legend: B rows of a batch, L tokens of a row.

Every text is conditioned on the tokenizer's own start token (BOS, else EOS), so its first token is scored too. A context that is too long
for the model loses its middle: the start token stays, since models lean on it, and what stands right before the answer.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.scoring.batches import Sizes, make_batches, share_of, size_of
from qaz_llm.evals.scoring.encoding import Encoded, encode_requests
from qaz_llm.evals.scoring.forward import Prefix, logprobs_of
from qaz_llm.evals.scoring.generating import answer_batches
from qaz_llm.evals.scoring.rows import Row, plan_rows
from qaz_llm.evals.scoring.sharing import can_share
from qaz_llm.progress import get_logger, progress
from qaz_llm.records import Generated, Request, Scored
from qaz_llm.tokenizer.start import required_start_id

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("eval")


BATCH_LOGITS = 150_000_000
"""Numbers that the head makes at once: 600 MB in float32."""
LEAST_TOKENS = {"cpu": 256, "cuda": 4096}
"""Tokens of one pass from which on a device gains little by more."""


class HFScorer:
    """A transformers model as a `Scorer`. Batches hold rows of like length and at most `batch_tokens` tokens.

    Of several processes with the same model each runs its share of the batches: it is number `rank` of `processes`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        batch_tokens: int = 8192,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_tokens = batch_tokens
        self._rank, self._processes = rank, processes
        self._shares: bool | None = None
        self._prefix = Prefix(model)
        self.max_length = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 20)
        weight = model.get_input_embeddings().weight
        rows = getattr(weight, "ds_shape", weight.shape)[0]  # under ZeRO-3 a process holds a part, whose shape is (0,)
        if len(tokenizer) > rows:
            raise InputError(
                f"the tokenizer has {len(tokenizer):,} tokens, the model {rows:,} embedding rows",
                hint="use the tokenizer that belongs to the model",
            )
        self.start_id = required_start_id(tokenizer)

    # -------------------------------------------------------------------------------------------- log-likelihood

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """As `Scorer.loglikelihood`. Contexts too long for the model are cut, continuations never.

        Raises:
            WorkError: the model answers with what is no finite number.
        """
        found = ChainMap(*map(dict, self.score_each(requests)))
        return [found[number] for number in range(len(requests))]

    def score_each(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Scored]]:
        """As `Streaming.score_each`.

        Raises:
            WorkError: the model answers with what is no finite number.
        """
        import torch

        encoded = encode_requests(self.tokenizer, self.start_id, requests)
        missing = [len(one.continuation) for one in encoded]
        sums = [0.0] * len(encoded)
        if self._rank == 0:  # nothing is asked of an empty continuation
            yield {n: self._scored(requests[n], encoded[n], 0.0) for n, left in enumerate(missing) if not left}
        with torch.inference_mode():
            own = self._batches(self._rows(encoded))
        with progress("score", total=sum(map(size_of, own)), unit="tokens") as advance:
            for batch, logprobs in self._run(own):
                advance(size_of(batch))
                done = self._add(batch, logprobs, sums, missing)
                for number in done:
                    _check_finite(sums[number], requests[number])
                yield {number: self._scored(requests[number], encoded[number], sums[number]) for number in done}

    def _scored(self, request: Request, one: Encoded, total: float) -> Scored:
        size_bytes = len(request.continuation.encode())
        return Scored(total, len(one.continuation), size_bytes, is_cut=self._is_long(one), is_changed=one.is_changed)

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
        before = (
            self._prefix.ids if self._processes == 1 else ()
        )  # several have run different ones, and are to plan alike
        if self._shares is not False:
            planned = plan_rows(encoded, max_length=self.max_length, trees=True, prefixes=True, kept_prefix=before)
            if self._shares is None and not all(row.is_plain and not row.prefix for row in planned):
                self._shares = can_share(self.model, encoded, self._sums, max_length=self.max_length)
            if self._shares is not False:
                return planned
        return plan_rows(encoded, max_length=self.max_length, trees=False, prefixes=False)

    def _sums(self, rows: Sequence[Row], count: int) -> list[float]:
        """The log-probability of each of `count` requests, summed over its targets."""
        sums = [0.0] * count
        for batch, logprobs in self._run(list(make_batches(rows, self._sizes, vocab_size=self._vocab_size))):
            self._add(batch, logprobs, sums, [0] * count)
        return sums

    @staticmethod
    def _add(
        batch: Sequence[Row], logprobs: Sequence[Sequence[float]], sums: list[float], missing: list[int]
    ) -> list[int]:
        """Count a batch's answers towards the requests; those of which nothing is `missing` any more are returned."""
        done = []
        for row, values in zip(batch, logprobs, strict=True):
            for (number, _index, _token), value in zip(row.targets, values, strict=True):
                sums[number] += value
                missing[number] -= 1
                if missing[number] == 0:
                    done.append(number)
        return done

    @property
    def _sizes(self) -> Sizes:
        least = min(LEAST_TOKENS.get(self.model.device.type, LEAST_TOKENS["cuda"]), self.batch_tokens)
        return Sizes(self.batch_tokens, least, BATCH_LOGITS)

    @property
    def _vocab_size(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[0])

    def _batches(self, rows: Sequence[Row]) -> list[list[Row]]:
        made = list(make_batches(rows, self._sizes, vocab_size=self._vocab_size))
        return share_of(made, self._rank, self._processes)

    def _run(self, batches: Sequence[list[Row]]) -> Iterator[tuple[list[Row], list[list[float]]]]:
        import torch

        for batch in batches:
            with torch.inference_mode():  # not across a yield, where others' code runs
                layers = self._prefix.layers_of(batch[0].prefix) if batch[0].prefix else None
                found = logprobs_of(self.model, batch, layers, pad_id=self.start_id)
            yield batch, found

    # ------------------------------------------------------------------------------------------------ generation

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`; see generating.py for prompts that are too long."""
        found = ChainMap(*map(dict, self.answer_each(prompts, max_bytes=max_bytes, stop=stop)))
        return [found[number] for number in range(len(prompts))]

    def answer_each(
        self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]
    ) -> Iterator[Mapping[int, Generated]]:
        """As `Streaming.answer_each`."""
        return answer_batches(
            self.model,
            self.tokenizer,
            prompts,
            max_bytes=max_bytes,
            stop=stop,
            start_id=self.start_id,
            window=self.max_length,
            batch_tokens=self.batch_tokens,
            rank=self._rank,
            processes=self._processes,
        )


def _check_finite(total: float, request: Request) -> None:
    if not math.isfinite(total):
        raise WorkError(
            f"the model gives no finite log-probability ({total}) for {request.continuation[:60]!r}",
            hint="its training diverged or its file is damaged; in bfloat16, try dtype=float32",
        )


def choose_device(wanted: str, *, number: int = 0) -> torch.device:
    """`auto` takes a GPU where there is one; of several the one of this `number`.

    Raises InputError where cuda is asked for and missing, or there are fewer GPUs than processes.
    """
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for, no GPU is at hand", hint="use device=auto or device=cpu")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if number >= max(torch.cuda.device_count(), 1):
        raise InputError(
            f"process {number + 1} of this machine has no GPU: there are {torch.cuda.device_count()}",
            hint="start one process for each GPU",
        )
    return torch.device("cuda", number) if number else torch.device("cuda")
