"""Requests as token ids.

Where does a continuation start? Context and continuation are tokenised together, as the model would meet them; a token
belongs to the continuation if it ends after the context's last character. So a token that spans the join is scored (with
the few characters of context in it), where a cut at `len(encode(context))` tokens would score another tokenisation, one
the model never saw. At a space, where our prompts join, no token spans.

    context "Жауабы:"  continuation " Обь"     tokens  Ж·ауабы·:·ĠОбь      scored: ĠОбь
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qaz_llm.records import Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Encoded:
    """A request as token ids: the start token and its context, and its continuation.

    `is_changed`: the ids do not give the text back, or a text that is not laid out by a chat template holds a control token spelled
    out. A tokenizer that writes <unk> for a word, folds letters or ends the text in its middle asks the model about another text.
    """

    context: tuple[int, ...]
    continuation: tuple[int, ...]
    is_changed: bool


def encode_requests(tokenizer: PreTrainedTokenizerFast, start_id: int, requests: Sequence[Request]) -> list[Encoded]:
    """The ids of each request, the start token first, parted where the continuation begins.

    A context that opens with a special token, as those of chat templates do, gets no start token before it.
    """
    if not requests:
        return []
    joined = [request.context + request.continuation for request in requests]
    encoded = tokenizer(joined, add_special_tokens=False, return_offsets_mapping=True)
    back = tokenizer.batch_decode(encoded["input_ids"], clean_up_tokenization_spaces=False)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    found = []
    for request, text, again, ids, offsets in zip(
        requests, joined, back, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        border = len(request.context)
        first = next((n for n, (_start, end) in enumerate(offsets) if end > border), len(ids))
        is_laid_out = bool(first) and ids[0] in special
        own = ids[first:] if is_laid_out else ids
        is_changed = _letters(text) != _letters(again) or any(number in special for number in own)
        start = () if is_laid_out else (start_id,)
        found.append(Encoded((*start, *ids[:first]), tuple(ids[first:]), is_changed))
    return found


def _letters(text: str) -> str:
    """What has to come back from token ids: all but white space, in one normal form."""
    return "".join(unicodedata.normalize("NFC", text).split())
