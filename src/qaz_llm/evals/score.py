"""Log-probabilities of continuations, and greedy answers, from a causal language model.

Shape legend: B rows of a batch, L tokens of a row, K last positions with logits, T targets of a row, V vocabulary.

Every text is conditioned on the tokenizer's own start token (BOS, else EOS), so its first token is scored too. A context that is too long
for the model loses its middle: the start token stays, since models lean on it, and what stands right before the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.encoding import Encoded, encode_requests
from qaz_llm.progress import get_logger, progress
from qaz_llm.records import Generated, Request, Scored

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("eval")


class Scorer(Protocol):
    """What evaluation asks of a model; anything that answers these can be evaluated."""

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """Summed natural-log probability of each continuation after its context."""
        ...

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]) -> list[Generated]:
        """The greedy continuation of each prompt, cut before the first stop string."""
        ...


@dataclass(frozen=True)
class _Row:
    """One sequence to run: `input_ids` without the last token, and what is asked at which of its positions.

    `targets` are (request, position, token): the log-probability of `token` at `position` counts for the request.
    """

    input_ids: tuple[int, ...]
    targets: tuple[tuple[int, int, int], ...]


class HFScorer:
    """A transformers model as a `Scorer`. Batches hold rows of like length and at most `batch_tokens` tokens."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, batch_tokens: int = 8192) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_tokens = batch_tokens
        self.max_length = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 20)
        rows = model.get_input_embeddings().weight.shape[0]
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
        sums = [0.0] * len(requests)
        with (
            torch.inference_mode(),
            progress("score", total=sum(len(r.input_ids) for r in rows), unit="tokens") as advance,
        ):
            for batch in self._batches(rows):
                for row, logprobs in zip(batch, self._forward(batch), strict=True):
                    for (request, _position, _token), value in zip(row.targets, logprobs, strict=True):
                        sums[request] += value
                    advance(len(row.input_ids))
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

    def _rows(self, encoded: Sequence[Encoded]) -> list[_Row]:
        """The sequences to run. Requests with one-token continuations after the same context share one."""
        rows: list[_Row] = []
        shared: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
        for number, one in enumerate(encoded):
            if len(one.continuation) == 1:
                kept = self._kept(one.context, self.max_length)
                shared.setdefault(kept, []).append((number, len(kept) - 1, one.continuation[0]))
            elif len(one.continuation) <= self.max_length:
                kept = self._kept(one.context, self.max_length - len(one.continuation) + 1)
                rows += self._windows(number, kept, one.continuation)
            else:
                rows += self._windows(number, one.context, one.continuation)
        rows += [_Row(ids, tuple(targets)) for ids, targets in shared.items()]
        if truncated := sum(map(self._is_long, encoded)):
            _logger.warning(
                "%d of %d texts are longer than the model's %d tokens; their contexts were cut",
                truncated,
                len(encoded),
                self.max_length,
            )
        return rows

    def _kept(self, ids: tuple[int, ...], room: int) -> tuple[int, ...]:
        """The start token and the end of a context, in all at most `room` tokens, of which there is at least one."""
        return ids if len(ids) <= room else (ids[0], *ids[len(ids) - room + 1 :])

    def _windows(self, number: int, context: tuple[int, ...], continuation: tuple[int, ...]) -> Iterator[_Row]:
        """Windows over context + continuation in which each continuation token is asked for once.

        One window where it fits, with as much context as fits. A longer continuation takes several, each starting half
        a length before its first question, so every token is predicted from at least that much text. For length 4, the
        start token s and the continuation a b c d e f:

            [s a b c] → a b c d        [b c d e] → e f
        """
        ids = context + continuation
        asked = len(context)
        fits = len(continuation) <= self.max_length
        start = max(0, len(ids) - 1 - self.max_length if fits else asked - max(self.max_length // 2, 1))
        while asked < len(ids):
            end = min(start + self.max_length, len(ids) - 1)
            targets = tuple((number, n - 1 - start, ids[n]) for n in range(asked, end + 1))
            yield _Row(ids[start:end], targets)
            asked = end + 1
            start = max(start + 1, end - self.max_length // 2)

    def _batches(self, rows: Sequence[_Row]) -> Iterator[list[_Row]]:
        """Longest first, so that the largest batch comes first and memory trouble shows at once."""
        batch: list[_Row] = []
        for row in sorted(rows, key=lambda r: (-len(r.input_ids), r.input_ids)):
            longest = len(batch[0].input_ids) if batch else len(row.input_ids)
            if batch and longest * (len(batch) + 1) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _forward(self, batch: Sequence[_Row]) -> list[list[float]]:
        """Log-probabilities of the targets of each row.

        Rows are padded on the right: in a causal model no position sees what comes after it, so padding needs no mask.
        """
        import torch

        length = max(len(row.input_ids) for row in batch)
        ids_BL = torch.full((len(batch), length), self.start_id, dtype=torch.long)
        for n, row in enumerate(batch):
            ids_BL[n, : len(row.input_ids)] = torch.tensor(row.input_ids)
        asked = length - min(position for row in batch for _r, position, _t in row.targets)
        ids_BL = ids_BL.to(self.model.device)
        logits_BKV = self.model(input_ids=ids_BL, use_cache=False, logits_to_keep=asked).logits
        unseen = length - logits_BKV.shape[1]  # positions before the first question, whose logits were not made
        results = []
        for n, row in enumerate(batch):
            positions = torch.tensor([position - unseen for _r, position, _t in row.targets], device=logits_BKV.device)
            tokens = torch.tensor([token for _r, _p, token in row.targets], device=logits_BKV.device)
            logits_TV = logits_BKV[n, positions].float()
            chosen_T = logits_TV.gather(1, tokens[:, None])[:, 0] - torch.logsumexp(logits_TV, dim=1)
            results.append([float(value) for value in chosen_T.cpu()])
        return results

    # ------------------------------------------------------------------------------------------------ generation

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]) -> list[Generated]:
        """As `Scorer.generate`. Prompts are padded on the left; too long ones keep their first token and their end.

        A prompt that opens with a special token, as those of chat templates do, gets no start token before it.
        """
        import torch

        if not prompts:
            return []
        room = max(self.max_length - max_new_tokens, 1)
        encoded = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        special = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        ids = [row if row and row[0] in special else [self.start_id, *row] for row in encoded]
        cut = [len(row) > room for row in ids]
        ids = [list(self._kept(tuple(row), room)) for row in ids]
        answers = [Generated("")] * len(prompts)
        order = sorted(range(len(ids)), key=lambda n: -len(ids[n]))
        with torch.inference_mode(), progress("generate", total=len(ids), unit="answers") as advance:
            while order:
                longest = len(ids[order[0]]) + max_new_tokens
                take = max(1, self.batch_tokens // longest)
                batch, order = order[:take], order[take:]
                made = self._generate([ids[n] for n in batch], max_new_tokens)
                for number, (text, has_ended) in zip(batch, made, strict=True):
                    short = cut_at(text, stop)
                    ended = has_ended or any(s in text.lstrip() for s in stop)
                    answers[number] = Generated(short, is_cut=cut[number], is_unfinished=not ended)
                advance(len(batch))
        return answers

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


def _check_finite(sums: Sequence[float], requests: Sequence[Request]) -> None:
    """Raises WorkError naming the first text whose log-probability is no finite number."""
    bad = [number for number, total in enumerate(sums) if not math.isfinite(total)]
    if bad:
        shown = requests[bad[0]].continuation[:60]
        raise WorkError(
            f"the model gives no finite log-probability ({sums[bad[0]]}) for {len(bad):,} of {len(sums):,} texts, first of all for {shown!r}",
            hint="its training diverged or its file is damaged; in bfloat16, try dtype=float32",
        )


def cut_at(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string, without space around it.

    >>> cut_at(" Обь\\nСұрақ: ", ["\\n"])
    'Обь'
    """
    text = text.lstrip()
    ends = [position for s in stop if (position := text.find(s)) >= 0]
    return text[: min(ends, default=len(text))].strip()


def choose_device(wanted: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises InputError where cuda is asked for and missing."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for, no GPU is at hand", hint="use device=auto or device=cpu")
    use_gpu = wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_gpu else "cpu")
