"""How simple the words of a text are: counts, and no grade.

    words a sentence      long sentences are hard to follow
    letters a word        long words are, in all three languages; Kazakh ones are long by their endings
    frequent words        the share of words among the 1,500 commonest forms of plain prose (frequent_words/*.txt)

What is counted can be added, over texts and over answers. The figures of two languages do not compare: one Kazakh form stands for several
Russian or English words, so fewer of its words are frequent ones. Compare answers with answers, or with a text of the same language.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qaz_llm.language.segment import sentences, words

LISTS = Path(__file__).parent / "frequent_words"


@dataclass(frozen=True, slots=True)
class Readability:
    """Counts over some texts. Words are those with a letter; `sentences` those that have such a word."""

    sentences: int = 0
    words: int = 0
    letters: int = 0
    frequent: int = 0

    def __add__(self, other: Readability) -> Readability:
        return Readability(
            self.sentences + other.sentences,
            self.words + other.words,
            self.letters + other.letters,
            self.frequent + other.frequent,
        )

    @property
    def words_per_sentence(self) -> float | None:
        return self.words / self.sentences if self.sentences else None

    @property
    def letters_per_word(self) -> float | None:
        return self.letters / self.words if self.words else None

    @property
    def frequent_frac(self) -> float | None:
        return self.frequent / self.words if self.words else None


def measure(text: str, language: str) -> Readability:
    """The counts of a text in a language. Raises KeyError where there is no list of frequent words.

    >>> measure("Мен үйге келдім. Үй жылы екен.", "kk")
    Readability(sentences=2, words=6, letters=23, frequent=5)
    """
    known = frequent_words(language)
    found = [lettered_words(sentence.lower()) for sentence in sentences(text)]
    flat = [word for sentence in found for word in sentence]
    return Readability(
        sentences=sum(bool(sentence) for sentence in found),
        words=len(flat),
        letters=sum(sum(map(str.isalpha, word)) for word in flat),
        frequent=sum(word in known for word in flat),
    )


def measure_all(texts: Iterable[str], language: str) -> Readability:
    """The counts of all texts together."""
    return sum((measure(text, language) for text in texts), Readability())


def lettered_words(text: str) -> list[str]:
    """The words that have a letter; numbers are neither simple nor hard."""
    return [word for word in words(text) if any(map(str.isalpha, word))]


@lru_cache(maxsize=3)
def frequent_words(language: str) -> frozenset[str]:
    """The commonest forms of a language, in lower case. Made by scripts/frequent_words.py. Raises KeyError for a language without."""
    path = LISTS / f"{language}.txt"
    if not path.is_file():
        raise KeyError(language)
    return frozenset(path.read_text(encoding="utf-8").split())
