"""Texts to token ids, the tokenizer's own, with a memo of words where it can be proven that they are the same.

    "Бүгін ауа райы жақсы." → Бүгін | ·ауа | ·райы | ·жақсы.      a dictionary of words, and the tokenizer for new ones

A text of a hundred million words has a million different ones; looking one up takes a tenth of the time of tokenising it.
Special tokens that are spelled in a text are text: what a document says about `<|im_start|>` begins no turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qaz_llm.errors import InputError
from qaz_llm.rows.cuts import Cuts, cuts_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Ids = npt.NDArray[np.int32]

MAX_WORDS = 1 << 19
"""The memo begins anew where it holds so many: some 150 MB."""

MAX_WORD_CHARS = 48
"""Longer ones come once: addresses, code, scripts without spaces."""

JOINED_WORDS = 2048
"""New words are handed to the tokenizer as one text of so many: a call of its own would take longer than its work."""

_LINE_END = re.compile(r"\n(?<=\S\n)(?=\S)")
_FIRST = "\n"
"""What a word is marked with that begins a line or a text, and has no space before it."""


class TextEncoder:
    """The ids of texts, each with what the tokenizer puts around a text and the end-of-text token behind it.

    `why_plain` says why there is no memo, where there is none; `ends_texts` is False where no end-of-text token is named. Not to be shared by threads.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, memo: bool = True) -> None:
        self._backend: Any = tokenizer.backend_tokenizer
        self.ends_texts = tokenizer.eos_token_id is not None
        self._before, self._after = (np.array(ids, np.int32) for ids in frame_of(tokenizer))
        cuts = cuts_of(tokenizer) if memo else Cuts(why_not="not asked for")
        self.why_plain = cuts.why_not
        self._memo = _Memo(self._backend, cuts) if cuts.why_not is None else None

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text; none at all of a text that has no token of its own."""
        before = self._backend.encode_special_tokens
        self._backend.encode_special_tokens = True  # anew each time: every call of the tokenizer itself sets it
        self._backend.no_truncation()
        self._backend.no_padding()
        try:
            found = self._memo(texts) if self._memo is not None else _plain(self._backend, texts)
        finally:
            self._backend.encode_special_tokens = before
        return [np.concatenate((self._before, ids, self._after)) if len(ids) else ids for ids in found]


class SpecialTokens:
    """Finds special tokens that are spelled in texts, those that the tokenizer says are special."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        added = tokenizer.added_tokens_decoder.values()
        contents = sorted({t.content for t in added if t.special and t.content}, key=lambda c: (-len(c), c))
        self._starts = tuple(sorted({content[:2] for content in contents}))  # two or three for hundreds of tokens
        self._pattern = re.compile("|".join(map(re.escape, contents)))

    def first_in(self, text: str) -> str | None:
        """The first special token in a text."""
        if not any(start in text for start in self._starts):
            return None
        found = self._pattern.search(text)
        return found[0] if found is not None else None


def frame_of(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """The ids before and behind every text: what the tokenizer puts there, and the end-of-text token, once."""
    backend: Any = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    before, after = _around(tokenizer)
    if truncation is not None:  # a call of the tokenizer takes them away; what it is known by is to stay
        backend.enable_truncation(**truncation)
    if padding is not None:
        backend.enable_padding(**padding)
    eos = tokenizer.eos_token_id
    return before, after if eos is None or after[-1:] == [eos] else [*after, eos]


def _around(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and behind every text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    start = next((n for n in range(len(full) - len(bare) + 1) if full[n : n + len(bare)] == bare), None)
    if start is None:
        raise InputError(
            f"the tokenizer makes {full} of 'a' with special tokens and {bare} without",
            hint="one that puts its special tokens before and behind a text is needed",
        )
    return full[:start], full[start + len(bare) :]


def _plain(backend: Any, texts: Sequence[str]) -> list[Ids]:
    return [np.array(e.ids, np.int32) for e in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def _in_portions(words: Sequence[str]) -> Iterator[Sequence[str]]:
    return (words[start : start + JOINED_WORDS] for start in range(0, len(words), JOINED_WORDS))


class _Memo:
    """The ids of words as bytes, so that those of a text are joined in one call."""

    def __init__(self, backend: Any, cuts: Cuts) -> None:
        self._backend = backend
        self._cuts = cuts
        self._ids: dict[str, bytes] = {}
        self._space = re.compile(rf" (?<=[^\s{re.escape(cuts.not_after)}] )(?=\S)")
        vocabulary = backend.get_vocab(with_added_tokens=True)
        size = max(vocabulary.values(), default=-1) + 1
        self._begins_V, self._is_odd_V = np.zeros(size, bool), np.zeros(size, bool)
        for token, id_ in vocabulary.items():
            self._begins_V[id_] = token.startswith(cuts.space)
            self._is_odd_V[id_] = cuts.space in token[1:]

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        if len(self._ids) > MAX_WORDS:
            self._ids.clear()
        known = self._ids
        words_of = [list(self._words(text)) for text in texts]
        new = list(dict.fromkeys(word for words in words_of for word in words if word not in known))
        self._learn(new)
        found = [np.frombuffer(b"".join(map(known.__getitem__, words)), np.int32) for words in words_of]
        for word in new:
            if len(word) > MAX_WORD_CHARS:
                del known[word]
        return found

    def _words(self, text: str) -> Iterator[str]:
        """The pieces of a text: those behind a space without it, those that begin a line or the text marked with _FIRST."""
        lines = _LINE_END.split(text) if self._cuts.at_line_ends and "\n" in text else [text]
        last = len(lines) - 1
        for number, line in enumerate(lines):
            first, *others = self._space.split(line if number == last else f"{line}\n")
            yield _FIRST + first
            yield from others

    def _can_be_joined(self, word: str) -> bool:
        """Whether a text may be cut behind the word, and it can be told by its space where the next begins."""
        last = word[-1]
        odd = word[0] == _FIRST or last.isspace() or last in self._cuts.not_after
        return not odd and " " not in word and self._cuts.space not in word

    def _learn(self, words: Sequence[str]) -> None:
        """Tokenise new words: those behind a space together, the others and odd ones alone."""
        together = [word for word in words if self._can_be_joined(word)]
        alone = set(words).difference(together)
        for some in _in_portions(together):
            (ids,) = _plain(self._backend, [f" {' '.join(some)}"])
            starts = np.flatnonzero(self._begins_V[ids])
            if len(starts) != len(some) or starts[:1].tolist() != [0] or self._is_odd_V[ids].any():
                alone.update(some)
                continue
            data, ends = ids.tobytes(), [*starts[1:].tolist(), len(ids)]
            for word, start, end in zip(some, starts.tolist(), ends, strict=True):
                self._ids[word] = data[4 * start : 4 * end]
        for some in _in_portions(sorted(alone)):
            texts = [word[1:] if word[0] == _FIRST else f" {word}" for word in some]
            for word, ids in zip(some, _plain(self._backend, texts), strict=True):
                self._ids[word] = ids.tobytes()
