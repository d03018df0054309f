"""What makes an example of instruction data the same as another.

Exact duplicates have the same content to the letter: system turn, passage, question and answer, signs and indentation too.
Near duplicates ask the same (`asked`), and are answered nearly alike (`answered`). What is asked is never weighed by shingles:
two questions about one long passage share nearly all of their words, and `5+3` shares all of its words with `5-3`. Of the
answers the words may differ a little, numbers, operators and indentation may not.

    asked                                   what is told apart              what is not
    Қанша болады: 5+3?   Қанша болады: 5-3?   numbers, every sign in code     punctuation that ends a word, quotation marks
    print(x)             Print(x)             case of Latin words             case of Cyrillic words
    ⏎    return x        ⏎        return x    indentation                     other white space
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import xxhash

_UNTOLD = re.compile(
    r"""[.,;:!?…]+(?=[\s"'»”’)\]]|\Z)  # punctuation that ends a word; in `a.b`, `3,5` and `!x` it is a sign
      | (?<=[^\S\n])[-–—](?=[^\S\n]+[^\d\s])  # a dash between words; before a number it may be a minus
      | (?:^|(?<=\n))[-–—](?=[^\S\n]+[^\d\s])
      | ["'«»“”„‘’]""",
    re.VERBOSE,
)
_TOKEN = re.compile(r"\n[ \t]+(?=\S)|[^\W_]+|[^\w\s]|_")
_DASHES = str.maketrans("–—−", "---")
_LATIN = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Example:
    """What an example is compared by: texts that have to be equal, and texts that may be nearly so, within one group."""

    group: str
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()

    @property
    def exact_key(self) -> bytes:
        """Equal for equal content."""
        return _digest(self.group, *self.asked, "\x1e", *self.answered)

    @property
    def near_key(self) -> int:
        """Equal where the same is asked and the answers have the same numbers and signs: 64 bits."""
        asked = [token for text in self.asked for token in ("\x1e", *tokens_of(text))]
        signs = [token for text in self.answered for token in ("\x1e", *tokens_of(text)) if not _WORD.fullmatch(token)]
        return int.from_bytes(_digest(self.group, *asked, "\x1d", *signs)[:8], "big")

    @property
    def alike(self) -> str:
        """The text that near duplicates have nearly in common."""
        return "\n".join(self.answered)


def tokens_of(text: str) -> list[str]:
    """The words, numbers and signs of a text, and the indentation of its lines.

    >>> tokens_of("Есепте: 5−3, «иә» дегенше!")
    ['есепте', '5', '-', '3', 'иә', 'дегенше']
    """
    found = _TOKEN.findall(_UNTOLD.sub(" ", text.strip()).translate(_DASHES))
    return [token if _LATIN.search(token) else token.lower() for token in found]


def _digest(*texts: str) -> bytes:
    return xxhash.xxh3_128_digest("\x1f".join(texts).encode("utf-8", "surrogatepass"))
