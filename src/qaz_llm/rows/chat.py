"""A dialogue as token ids, of which only the assistant's words (and the token that ends its turn) are learned.

Worked example, ChatML, everything between the bars has a label, the rest IGNORE_INDEX:

    <|im_start|>user⏎Сәлем!<|im_end|>⏎<|im_start|>assistant⏎|Сәлем, қалайсыз?<|im_end|>|⏎

Two ways to know the assistant's words. A template with `{% generation %}` markers says so itself. Without markers (the
stock templates of Llama-3.1, Qwen3 and Gemma-3 have none, and transformers then returns a mask of zeros and no error)
the answer is looked up in the rendered text behind its generation prompt, and by the tokenizer's offsets in the tokens.
Either way the mask is verified by decoding: run by run it must give back the assistant's words, no more and no less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import LabelSpanError
from qaz_llm.records import IGNORE_INDEX, Message, TokenizedExample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

GENERATION_MARKER = re.compile(r"{%-?\s*generation\s*-?%}")
SHOWN_CHARS = 60


class AnswerTooLongError(LabelSpanError):
    """The first answer of a dialogue ends beyond the end of a row."""


def render_chat(
    messages: Sequence[Message], tokenizer: PreTrainedTokenizerFast, *, seq_len: int, source_id: str = ""
) -> TokenizedExample:
    """The tokens of a dialogue and their labels, at most `seq_len`.

    A dialogue that is too long is cut after the last answer that fits whole, never inside one.

    Raises:
        AnswerTooLongError: not even the first answer fits.
        LabelSpanError: the template fails on these messages or hides the assistant's words; or the
            labelled tokens, decoded, are not exactly what the assistant said.
    """
    rows = [{"role": m.role, "content": m.content} for m in messages]
    answers = [m.content for m in messages if m.role == "assistant"]
    if not answers or not all(answer.strip() for answer in answers):
        raise LabelSpanError(f"dialogue {source_id!r}: an assistant's answer is missing or empty; nothing to learn")
    template = tokenizer.get_chat_template()
    if GENERATION_MARKER.search(template):
        input_ids, mask = _mask_by_markers(rows, tokenizer, source_id)
    else:
        input_ids, mask = _mask_by_search(rows, tokenizer, source_id)
    mask[0] = False  # nothing is before it to predict it from
    runs = _runs(mask)
    _verify(input_ids, runs, answers, tokenizer, source_id)
    if len(input_ids) > seq_len:
        ends = [end for _, end in runs if end <= seq_len]
        if not ends:
            raise AnswerTooLongError(
                f"dialogue {source_id!r}: the first answer ends at token {runs[0][1]:,}, a row has {seq_len:,}",
                hint="raise seq_len, or leave such dialogues out",
            )
        input_ids, mask = input_ids[: ends[-1]], mask[: ends[-1]]
    labels = tuple(token if learned else IGNORE_INDEX for token, learned in zip(input_ids, mask, strict=True))
    return TokenizedExample(tuple(input_ids), labels, source_id)


def end_of_turn_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """The token with which an answer ends under the tokenizer's chat template: where generation has to stop."""
    example = render_chat(
        (Message("user", "Сәлем!"), Message("assistant", "Сәлем!")), tokenizer, seq_len=1 << 20, source_id="(probe)"
    )
    return [label for label in example.labels if label != IGNORE_INDEX][-1]


def _mask_by_markers(
    rows: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerFast, source_id: str
) -> tuple[list[int], list[bool]]:
    encoded = _apply(tokenizer, rows, source_id, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    return list(encoded["input_ids"]), [bool(bit) for bit in encoded["assistant_masks"]]


def _mask_by_search(
    rows: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerFast, source_id: str
) -> tuple[list[int], list[bool]]:
    text: str = _apply(tokenizer, rows, source_id, tokenize=False)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    input_ids, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
    mask = [False] * len(input_ids)
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    for start, end in _answer_spans(text, rows, tokenizer, source_id):
        covered = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
        after = covered[-1] + 1 if covered else len(input_ids)
        for index in covered:
            mask[index] = True
        if after >= len(input_ids) or input_ids[after] not in special:
            raise LabelSpanError(
                f"dialogue {source_id!r}: the chat template puts no special token right after an answer, "
                f"found {text[end : end + SHOWN_CHARS]!r}; the model would never learn to stop",
                hint="use a template that ends each assistant turn with eos_token or an end-of-turn token",
            )
        mask[after] = True
    return input_ids, mask


def _answer_spans(
    text: str, rows: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerFast, source_id: str
) -> list[tuple[int, int]]:
    """Character spans of the answers in the rendered text, each looked for behind what precedes it."""
    spans: list[tuple[int, int]] = []
    cursor = 0
    for index, row in enumerate(rows):
        content = row["content"].strip()
        if row["role"] == "assistant":
            prompt = _apply(tokenizer, rows[:index], source_id, tokenize=False, add_generation_prompt=True)
            if text.startswith(prompt):  # not so where a template treats the last turn differently (Qwen3's thoughts)
                cursor = max(cursor, len(prompt))
        start = text.find(content, cursor)
        if start < 0 and row["role"] != "assistant":
            continue  # some templates move or merge the system message
        if start < 0:
            raise LabelSpanError(
                f"dialogue {source_id!r}: the answer of turn {index + 1} is not in the text the chat template makes",
                hint="the template changes the answers; use one that writes them as they are",
            )
        cursor = start + len(content)
        if row["role"] == "assistant":
            spans.append((start, cursor))
    return spans


def _apply(tokenizer: PreTrainedTokenizerFast, rows: Sequence[Mapping[str, str]], source_id: str, **how: Any) -> Any:
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template(list(rows), **how)
    except (TemplateError, ValueError, TypeError, OverflowError) as error:  # the last: an empty generation block
        roles = " ".join(row["role"] for row in rows)
        raise LabelSpanError(
            f"dialogue {source_id!r}: the chat template refuses the turns [{roles}] ({error})"
        ) from error


def _runs(mask: Sequence[bool]) -> list[tuple[int, int]]:
    """The stretches of True as (start, end). [F, T, T, F, T] → [(1, 3), (4, 5)]."""
    runs: list[tuple[int, int]] = []
    for index, learned in enumerate(mask):
        if learned and (index == 0 or not mask[index - 1]):
            runs.append((index, index + 1))
        elif learned:
            runs[-1] = (runs[-1][0], index + 1)
    return runs


def _verify(
    input_ids: Sequence[int],
    runs: Sequence[tuple[int, int]],
    answers: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    source_id: str,
) -> None:
    """Decode what is learned. Raises LabelSpanError unless it is the answers, one by one, whole and alone."""
    decoded = [
        tokenizer.decode(list(input_ids[a:b]), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for a, b in runs
    ]
    if len(decoded) != len(answers):
        raise LabelSpanError(
            f"dialogue {source_id!r}: {len(answers)} answers, {len(decoded)} stretches of labels",
            hint="the chat template's {% generation %} markers are misplaced, or the tokenizer has no offsets",
        )
    normalizer = tokenizer.backend_tokenizer.normalizer
    for answer, got in zip(answers, decoded, strict=True):
        wanted = normalizer.normalize_str(answer) if normalizer is not None else answer
        if _bare(got) != _bare(wanted) and _bare(got) != _bare(answer):
            raise LabelSpanError(
                f"dialogue {source_id!r}: what is learned is not what the assistant said: "
                f"{len(got)} characters against {len(answer)}",
                hint="the learned span starts too early, ends too late, or the tokenizer does not round-trip this text",
            )


def _bare(text: str) -> str:
    return text.replace("▁", " ").strip()
