"""The tokens of a dialogue's text, and which of them are learned; proven by decoding.

The text is encoded as one, as the tokenizer would by itself. Where one token would hold the end of the prompt and the
beginning of the answer (a line end of both), the text is cut there first: at inference the prompt stands alone.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qaz_llm.rows.chat.answers import Answer
from qaz_llm.rows.chat.spelled import Marks, Unmarked, unmark
from qaz_llm.rows.chat.template import DialogueError
from qaz_llm.tokenizer.fast import backend_spec, is_byte_level

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, for each where its text begins and ends, and the token spans (start, end) that are learned."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    runs: list[tuple[int, int]]


def encode_answers(
    text: str, answers: Sequence[Answer], marks: Marks, tokenizer: PreTrainedTokenizerFast, name: str
) -> Encoded:
    """The tokens of a rendered text with those of the answers in it.

    Raises:
        DialogueError: the tokens of an answer, decoded, are not its text.
    """
    plain = unmark(text, marks)
    spans = [(plain.position(answer.start), plain.position(answer.end)) for answer in answers]
    stops = [answer.stop for answer in answers]
    encoded = _encode(plain, spans, tokenizer, cuts=())
    if _problem(encoded, plain.text, spans, stops, tokenizer) is not None:
        encoded = _encode(plain, spans, tokenizer, cuts=sorted({place for span in spans for place in span}))
        problem = _problem(encoded, plain.text, spans, stops, tokenizer)
        if problem is not None:
            raise DialogueError(
                "bad_label_span",
                f"{name}: what is learned is not what the assistant said: {problem}",
                hint="the tokenizer does not round-trip this text, or has no offsets",
            )
    return encoded


def _encode(
    plain: Unmarked, spans: Sequence[tuple[int, int]], tokenizer: PreTrainedTokenizerFast, *, cuts: Sequence[int]
) -> Encoded:
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    for start, end, is_spelled in _cut(plain.pieces, cuts):
        encoded = tokenizer(
            plain.text[start:end],
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=True,
            split_special_tokens=is_spelled,
            verbose=False,
        )
        ids += encoded["input_ids"]
        offsets += [(start + a, start + b) for a, b in encoded["offset_mapping"]]
    ends = [end for _, end in offsets]
    runs = [(bisect_right(ends, start), min(bisect_left(ends, end) + 1, len(ids))) for start, end in spans]
    return Encoded(ids, offsets, runs)


def _cut(pieces: Sequence[tuple[int, int, bool]], cuts: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """The pieces, those that are no spelled tokens cut at the places given.

    >>> list(_cut([(0, 5, False), (5, 9, True)], [2, 7]))
    [(0, 2, False), (2, 5, False), (5, 9, True)]
    """
    for start, end, is_spelled in pieces:
        inner = () if is_spelled else (cut for cut in cuts if start < cut < end)
        for cut in inner:
            yield start, cut, False
            start = cut
        yield start, end, is_spelled


def _problem(
    encoded: Encoded,
    text: str,
    spans: Sequence[tuple[int, int]],
    stops: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
) -> str | None:
    """What is wrong with the learned tokens: each run has to be an answer, whole and alone, and the token that ends it."""
    for (first, last), (start, end), stop in zip(encoded.runs, spans, stops, strict=True):
        wanted = text[start : end - len(stop)]
        if first >= last or encoded.ids[last - 1] != tokenizer.convert_tokens_to_ids(stop):
            return f"it does not end with {stop}"
        if encoded.offsets[first][0] < start:
            return "a token holds the end of the prompt and the beginning of the answer"
        got = tokenizer.decode(encoded.ids[first : last - 1], clean_up_tokenization_spaces=False)
        if got != wanted and not _same_but_for_the_tokenizer(got, wanted, stop, tokenizer):
            return f"{len(got)} characters against {len(wanted)}"
    return None


def _same_but_for_the_tokenizer(got: str, wanted: str, stop: str, tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether texts differ by no more than what the tokenizer does to every text.

    A normalizer may change letters; a stop token may take the blanks before it; a tokenizer that puts a blank before every
    text, or writes blanks as `▁`, has others at the joints of special tokens, so that there blanks are not compared.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    forms = {wanted, normalizer.normalize_str(wanted)} if normalizer is not None else {wanted}
    if any(token.lstrip for token in tokenizer.added_tokens_decoder.values() if token.content == stop):
        got, forms = got.rstrip(), {form.rstrip() for form in forms}
    if is_byte_level(tokenizer) and '"add_prefix_space": true' not in json.dumps(
        backend_spec(tokenizer)["pre_tokenizer"]
    ):
        return got in forms
    return "".join(got.replace("▁", " ").split()) in {"".join(form.replace("▁", " ").split()) for form in forms}
