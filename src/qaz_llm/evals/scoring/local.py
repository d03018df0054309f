"""Log-probabilities of continuations, and greedy answers, from a causal language model.

Shape legend: B rows of a batch, L tokens of a row.

Every text is conditioned on the tokenizer's own start token (BOS, else EOS), so its first token is scored too. A context that is too long
for the model loses its middle: the start token stays, since models lean on it, and what stands right before the answer.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.scoring.batches import Sizes, make_batches, share_of, size_of
from qaz_llm.evals.scoring.encoding import Encoded, encode_requests
from qaz_llm.evals.scoring.forward import Prefix, logprobs_of
from qaz_llm.evals.scoring.rows import Row, kept, plan_rows
from qaz_llm.evals.scoring.scorer import cut_at
from qaz_llm.evals.scoring.sharing import can_share
from qaz_llm.progress import get_logger, progress
from qaz_llm.records import Generated, Request, Scored

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

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`. Prompts are padded on the left; too long ones keep their first token and their end.

        A prompt that opens with a special token, as those of chat templates do, gets no start token before it.
        """
        found = ChainMap(*map(dict, self.answer_each(prompts, max_new_tokens=max_new_tokens, stop=stop)))
        return [found[number] for number in range(len(prompts))]

    def answer_each(
        self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]
    ) -> Iterator[Mapping[int, Generated]]:
        """As `Streaming.answer_each`."""
        import torch

        if not prompts:
            return
        room = max(self.max_length - max_new_tokens, 1)
        encoded = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        special = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        ids = [row if row and row[0] in special else [self.start_id, *row] for row in encoded]
        cut = [len(row) > room for row in ids]
        ids = [list(kept(tuple(row), room)) for row in ids]
        own = self._prompt_batches([len(row) + max_new_tokens for row in ids])
        with progress("generate", total=sum(map(len, own)), unit="answers") as advance:
            for batch in own:
                with torch.inference_mode():
                    made = self._generate([ids[n] for n in batch], max_new_tokens)
                advance(len(batch))
                yield {
                    number: Generated(
                        cut_at(text, stop),
                        is_cut=cut[number],
                        is_unfinished=not has_ended and not any(s in text.lstrip() for s in stop),
                    )
                    for number, (text, has_ended) in zip(batch, made, strict=True)
                }

    def _prompt_batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """The numbers of the prompts of each batch of this process's share, longest first."""
        order = sorted(range(len(lengths)), key=lambda n: -lengths[n])
        made = []
        while order:
            take = max(1, self.batch_tokens // lengths[order[0]])
            batch, order = order[:take], order[take:]
            made.append(batch)
        return made[self._rank :: self._processes]

    def _generate(self, rows: Sequence[Sequence[int]], max_new_tokens: int) -> list[tuple[str, bool]]:
        """The text of each answer, and whether the model ended it itself."""
        import torch

        length = max(map(len, rows))
        ids_BL = torch.full((len(rows), length), self.start_id, dtype=torch.long)
        mask_BL = torch.zeros((len(rows), length), dtype=torch.long)
        for n, row in enumerate(rows):
            ids_BL[n, length - len(row) :] = torch.tensor(row)
            mask_BL[n, length - len(row) :] = 1
        device = self.model.device
        made_BL = self.model.generate(
            input_ids=ids_BL.to(device),
            attention_mask=mask_BL.to(device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            repetition_penalty=1.0,  # some models' own settings have one, and then the answer is not the greedy one
            no_repeat_ngram_size=0,
            pad_token_id=self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.start_id,
            eos_token_id=self._end_ids(),
        )
        answers_BL = made_BL[:, length:]
        texts: list[str] = self.tokenizer.batch_decode(answers_BL, skip_special_tokens=True)
        ends = set(self._end_ids())
        return [(text, not ends.isdisjoint(ids)) for text, ids in zip(texts, answers_BL.tolist(), strict=True)]

    def _end_ids(self) -> list[int]:
        """Tokens that end an answer: the tokenizer's EOS and those of the model's generation config."""
        config: Any = getattr(self.model, "generation_config", None)
        found = getattr(config, "eos_token_id", None)
        ids = {self.tokenizer.eos_token_id, *(found if isinstance(found, list) else [found])}
        return sorted(int(i) for i in ids if i is not None)


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
