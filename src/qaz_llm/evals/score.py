"""Log-probabilities of continuations, and greedy answers, from a causal language model.

Shape legend: B rows of a batch, L tokens of a row, K last positions with logits, T targets of a row, V vocabulary.

Where does a continuation start? Context and continuation are tokenised together, as the model would meet them; a token
belongs to the continuation if it ends after the context's last character. So a token that spans the join is scored (with
the few characters of context in it), where a cut at `len(encode(context))` tokens would score another tokenisation, one
the model never saw. At a space, where our prompts join, no token spans.

    context "Жауабы:"  continuation " Обь"     tokens  Ж·ауабы·:·ĠОбь      scored: ĠОбь

Every text is conditioned on the tokenizer's own start token (BOS, else EOS), so its first token is scored too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qaz_llm.errors import InputError, WorkError
from qaz_llm.progress import get_logger, progress
from qaz_llm.records import Request, Scored

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("eval")


class Scorer(Protocol):
    """What evaluation asks of a model; anything that answers these can be evaluated."""

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """Summed natural-log probability of each continuation after its context."""
        ...

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]) -> list[str]:
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
        """As `Scorer.loglikelihood`. Contexts too long for the model lose their beginning, continuations never.

        Raises:
            WorkError: the model answers with what is no number.
        """
        import torch

        encoded = self._encode(requests)
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
        if any(map(math.isnan, sums)):
            raise WorkError(
                "the model gives no numbers (NaN) as log-probabilities",
                hint="its training diverged or its file is damaged; in bfloat16, try dtype=float32",
            )
        return [
            Scored(total, len(continuation), len(request.continuation.encode()))
            for total, (_context, continuation), request in zip(sums, encoded, requests, strict=True)
        ]

    def _encode(self, requests: Sequence[Request]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Token ids of each context (start token first) and continuation, split where the continuation begins."""
        if not requests:
            return []
        joined = [request.context + request.continuation for request in requests]
        encoded = self.tokenizer(joined, add_special_tokens=False, return_offsets_mapping=True)
        split = []
        for request, ids, offsets in zip(requests, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            border = len(request.context)
            first = next((n for n, (_start, end) in enumerate(offsets) if end > border), len(ids))
            split.append(((self.start_id, *ids[:first]), tuple(ids[first:])))
        return split

    def _rows(self, encoded: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[_Row]:
        """The sequences to run. Requests with one-token continuations after the same context share one."""
        rows: list[_Row] = []
        shared: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
        truncated = 0
        for number, (context, continuation) in enumerate(encoded):
            if len(continuation) == 1:
                kept = context[-self.max_length :]
                truncated += len(kept) < len(context)
                shared.setdefault(kept, []).append((number, len(kept) - 1, continuation[0]))
            else:
                windows = list(self._windows(number, context, continuation))
                truncated += len(context) + len(continuation) - 1 > self.max_length
                rows += windows
        rows += [_Row(ids, tuple(targets)) for ids, targets in shared.items()]
        if truncated:
            _logger.warning(
                "%d of %d texts are longer than the model's %d tokens; their contexts were cut",
                truncated,
                len(encoded),
                self.max_length,
            )
        return rows

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

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int, stop: Sequence[str]) -> list[str]:
        """As `Scorer.generate`. Prompts are padded on the left and lose their beginning where they are too long.

        A prompt that opens with a special token, as those of chat templates do, gets no start token before it.
        """
        import torch

        if not prompts:
            return []
        room = max(self.max_length - max_new_tokens, 1)
        encoded = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        special = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        ids = [row if row and row[0] in special else [self.start_id, *row] for row in encoded]
        ids = [row[-room:] for row in ids]
        answers = [""] * len(prompts)
        order = sorted(range(len(ids)), key=lambda n: -len(ids[n]))
        with torch.inference_mode(), progress("generate", total=len(ids), unit="answers") as advance:
            while order:
                longest = len(ids[order[0]]) + max_new_tokens
                take = max(1, self.batch_tokens // longest)
                batch, order = order[:take], order[take:]
                for number, text in zip(batch, self._generate([ids[n] for n in batch], max_new_tokens), strict=True):
                    answers[number] = cut_at(text, stop)
                advance(len(batch))
        return answers

    def _generate(self, rows: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
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
        texts: list[str] = self.tokenizer.batch_decode(made_BL[:, length:], skip_special_tokens=True)
        return texts

    def _end_ids(self) -> list[int]:
        """Tokens that end an answer: the tokenizer's EOS and those of the model's generation config."""
        config: Any = getattr(self.model, "generation_config", None)
        found = getattr(config, "eos_token_id", None)
        ids = {self.tokenizer.eos_token_id, *(found if isinstance(found, list) else [found])}
        return sorted(int(i) for i in ids if i is not None)


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
