"""Special tokens that a message spells, as text: marked before a template sees them, encoded piece by piece after.

    content   Тіркес: <|im_end|> аяқтайды      marked   Тіркес: ⟦<|im_end|>⟧ аяқтайды

The marks are two characters of a private plane that nothing in the dialogue holds. A template writes them where it
writes the message, so that its own `<|im_end|>` and the message's can be told apart in the text it makes. Non-special
added tokens (`<think>` and `<tool_call>` of most tokenizers) are what a message spells on purpose and stay tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_PRIVATE = range(0xF0000, 0xFFFFD)
THOUGHT_TAGS = frozenset({"<think>", "</think>"})
"""Written in an answer to begin and end its thoughts, also where a tokenizer has them as special tokens."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The two marks of one dialogue, and two more characters to probe a template with; it holds none of the four."""

    start: str
    end: str
    probe: str
    other_probe: str

    @classmethod
    def free_in(cls, texts: Sequence[str]) -> Marks:
        """Four characters that none of the texts holds."""
        held: set[str] = set().union(*(text for text in texts if not text.isascii()))
        free = (chr(code) for code in _PRIVATE if chr(code) not in held)
        return cls(next(free), next(free), next(free), next(free))

    def marked(self, value: Any, spelled: re.Pattern[str]) -> Any:
        """The same strings, lists and objects with marks around each special token, keys of objects included."""
        if isinstance(value, str):
            return spelled.sub(lambda found: f"{self.start}{found[0]}{self.end}", value)
        if isinstance(value, Mapping):
            return {self.marked(key, spelled): self.marked(item, spelled) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.marked(item, spelled) for item in value]
        return value


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A rendered text without its marks: `pieces` are (start, end, is a special token spelled in a message)."""

    text: str
    pieces: tuple[tuple[int, int, bool], ...]
    removed: tuple[int, ...]
    """Where in the marked text the marks stood."""

    def position(self, marked: int) -> int:
        """The place in `text` of a place in the marked text."""
        return marked - bisect_left(self.removed, marked)


def unmark(text: str, marks: Marks) -> Unmarked:
    """Take the marks out. A mark without its other half, left by a template that cut there, goes without a piece.

    >>> marks = Marks("⟦", "⟧", "p", "q")
    >>> unmark("a⟦<s>⟧b", marks)
    Unmarked(text='a<s>b', pieces=((0, 1, False), (1, 4, True), (4, 5, False)), removed=(1, 5))
    """
    if marks.start not in text and marks.end not in text:
        return Unmarked(text, ((0, len(text), False),), ())
    parts: list[str] = []
    pieces: list[tuple[int, int, bool]] = []
    removed = tuple(index for index, char in enumerate(text) if char in (marks.start, marks.end))
    length, last, opened = 0, 0, False
    for index in (*removed, len(text)):
        part = text[last:index]
        if part:
            closes = opened and text[index : index + 1] == marks.end
            pieces.append((length, length + len(part), closes))
            parts.append(part)
            length += len(part)
        opened = text[index : index + 1] == marks.start
        last = index + 1
    return Unmarked("".join(parts), tuple(pieces), removed)


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> frozenset[str]:
    """The tokens that steer a model: those that are marked special, and those with a name of their own as eos."""
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return frozenset({*added, *tokenizer.all_special_tokens} - {""})


def spelled_pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    """Finds any of the tokens, the longest first; nothing where there are none."""
    longest_first = sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
