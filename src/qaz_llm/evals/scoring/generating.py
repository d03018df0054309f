"""Greedy answers of a transformers model, ended by the model itself, by a stop string, or by a limit in bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.answers.limits import finish
from qaz_llm.evals.scoring.rows import kept
from qaz_llm.progress import progress
from qaz_llm.records import Generated

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ASKED_EVERY_TOKENS = 8
"""How often texts are looked at for their length and their end; what they are longer by is cut off."""
ANSWER_SHARE = 4
"""At most this part of a window (one in four) is kept free for the answer by cutting the prompt."""


def answer_batches(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    *,
    max_bytes: int,
    stop: Sequence[str],
    start_id: int,
    window: int,
    batch_tokens: int,
    rank: int = 0,
    processes: int = 1,
) -> Iterator[Mapping[int, Generated]]:
    """As `Streaming.answer_each`. Prompts are padded on the left; too long ones keep their first token and their end.

    A prompt that opens with a special token, as those of chat templates do, gets no start token before it.

    Args:
        window: tokens of prompt and answer that the model can take in.
        rank: this process's number among `processes`, each of which answers its share of the batches.
    """
    import torch

    if not prompts:
        return
    reserved = min(max_bytes, window // ANSWER_SHARE)
    room = max(window - reserved, 1)
    encoded = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = [row if row and row[0] in special else [start_id, *row] for row in encoded]
    cut = [len(row) > room for row in ids]
    ids = [list(kept(tuple(row), room)) for row in ids]
    likely = -(-reserved // max(bytes_per_token(prompts, encoded), 1))
    own = _batches([len(row) + likely for row in ids], batch_tokens)[rank::processes]
    with progress("generate", total=sum(map(len, own)), unit="answers") as advance:
        for batch in own:
            room_tokens = max(min(max_bytes, window - len(ids[batch[0]])), 1)
            with torch.inference_mode():  # not across a yield, where others' code runs
                made = _continued(
                    model, tokenizer, [ids[n] for n in batch], start_id, room_tokens, max_bytes, tuple(stop)
                )
            advance(len(batch))
            answers = {}
            for number, (text, has_ended) in zip(batch, made, strict=True):
                answer, is_unfinished = finish(text, tuple(stop), max_bytes, has_ended=has_ended)
                answers[number] = Generated(answer, is_cut=cut[number], is_unfinished=is_unfinished)
            yield answers


def bytes_per_token(texts: Sequence[str], encoded: Sequence[Sequence[int]]) -> int:
    """Whole bytes of a token of these texts: how long an answer of so many bytes is likely to be. At worst a token is one byte."""
    return sum(len(text.encode()) for text in texts) // max(sum(map(len, encoded)), 1)


def _batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """The numbers of the prompts of each batch, longest first."""
    order = sorted(range(len(lengths)), key=lambda n: -lengths[n])
    made = []
    while order:
        take = max(1, batch_tokens // lengths[order[0]])
        made.append(order[:take])
        order = order[take:]
    return made


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Tokens that end an answer: the tokenizer's EOS and those of the model's generation config."""
    config: Any = getattr(model, "generation_config", None)
    found = getattr(config, "eos_token_id", None)
    ids = {tokenizer.eos_token_id, *(found if isinstance(found, list) else [found])}
    return sorted(int(i) for i in ids if i is not None)


def _continued(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[Sequence[int]],
    start_id: int,
    max_new_tokens: int,
    max_bytes: int,
    stop: tuple[str, ...],
) -> list[tuple[str, bool]]:
    """The text of each answer, and whether the model ended it itself. A token has a byte at least, so `max_bytes` tokens are enough."""
    import torch

    length = max(map(len, rows))
    ids_BL = torch.full((len(rows), length), start_id, dtype=torch.long)
    mask_BL = torch.zeros((len(rows), length), dtype=torch.long)
    for n, row in enumerate(rows):
        ids_BL[n, length - len(row) :] = torch.tensor(row)
        mask_BL[n, length - len(row) :] = 1
    device, ends = model.device, end_ids(model, tokenizer)
    made_BL = model.generate(
        input_ids=ids_BL.to(device),
        attention_mask=mask_BL.to(device),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        repetition_penalty=1.0,  # some models' own settings have one, and then the answer is not the greedy one
        no_repeat_ngram_size=0,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else start_id,
        eos_token_id=ends,
        stopping_criteria=_criteria(tokenizer, length, max_bytes, stop),
    )
    answers_BL = made_BL[:, length:]
    texts: list[str] = tokenizer.batch_decode(answers_BL, skip_special_tokens=True)
    return [(text, not set(ends).isdisjoint(ids)) for text, ids in zip(texts, answers_BL.tolist(), strict=True)]


def _criteria(tokenizer: PreTrainedTokenizerFast, length: int, max_bytes: int, stop: tuple[str, ...]) -> Any:
    """Ends each row of a batch whose text after `length` tokens is long enough or has a stop string."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class LongEnough(StoppingCriteria):  # type: ignore[misc]
        def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
            done_B = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
            if (input_ids.shape[1] - length) % ASKED_EVERY_TOKENS:
                return done_B
            texts = tokenizer.batch_decode(input_ids[:, length:], skip_special_tokens=True)
            for n, text in enumerate(texts):
                done_B[n] = finish(text, stop, max_bytes, has_ended=False) != (text.strip(), True)
            return done_B

    return StoppingCriteriaList([LongEnough()])
