"""Languages that the base knows and that are to be kept: what new tokens do to their words.

A text never gets longer by an extension, and still a model may read it worse: each word that is cut in another way than before is cut
into tokens that the model has not seen there. So for each language it is counted which share of its running words is cut
anew. (What stands between white space is a word here, as in fertility.py.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.config import check_language
from qaz_llm.errors import InputError
from qaz_llm.tokenizer.corpus import batches, read_texts
from qaz_llm.tokenizer.words import count_chunks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BATCH_CHUNKS = 10_000
EXAMPLES = 5


@dataclass(frozen=True)
class KeptFacts:
    """How the running words of a language are cut by the base and by the extended tokenizer."""

    words: int
    words_cut_anew: int
    tokens_before: int
    tokens_after: int
    examples: tuple[str, ...] = ()
    """The most frequent words that are cut anew."""
    bits_per_byte: Mapping[str, float] = field(default_factory=dict)
    """`before` and `after`, with no training between; empty where no model was at hand."""

    @property
    def cut_anew_frac(self) -> float:
        return self.words_cut_anew / self.words

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cut_anew_frac": self.cut_anew_frac}

    def line(self, language: str) -> str:
        """`ru: 1.2 % of its words are cut anew (и, на, …), 5.47 → 5.40 tokens per word; …`"""
        shown = f" ({', '.join(self.examples)}, …)" if self.examples else ""
        line = (
            f"{language}: {self.cut_anew_frac:.1%} of its {self.words:,} words are cut anew{shown}, "
            f"{self.tokens_before / self.words:.2f} → {self.tokens_after / self.words:.2f} tokens per word"
        )
        if self.bits_per_byte:
            before, after = self.bits_per_byte["before"], self.bits_per_byte["after"]
            line += f"; before any training {before:.3f} → {after:.3f} bits per byte ({after / before - 1:+.1%})"
        return line


def kept_facts(
    base: PreTrainedTokenizerFast, extended: PreTrainedTokenizerFast, chunks: Mapping[str, int]
) -> KeptFacts:
    """Compare the cuts of all chunks (words.py), token by token as they are spelled: a swapped id is another token.

    Raises:
        ValueError: where there are no chunks.
    """
    if not chunks:
        raise ValueError("no words to compare")
    anew: dict[str, int] = {}
    before = after = 0
    for batch in batches(chunks.items(), _BATCH_CHUNKS):
        texts = [chunk for chunk, _count in batch]
        for (chunk, count), old, new in zip(batch, _cuts(base, texts), _cuts(extended, texts), strict=True):
            before += count * len(old)
            after += count * len(new)
            if old != new:
                anew[chunk] = count
    examples = sorted(anew, key=lambda chunk: (-anew[chunk], chunk))[:EXAMPLES]
    return KeptFacts(
        sum(chunks.values()), sum(anew.values()), before, after, tuple(chunk.strip() for chunk in examples)
    )


def _cuts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[str]]:
    encoded = tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [one.tokens for one in encoded]


def parse_keep_options(options: Iterable[str], *, language: str) -> dict[str, Path]:
    """`ru=FILE`, one per language.

    Raises:
        InputError: for another form, a wrong language code, a language named twice, `language` itself, or a file that is
            missing or holds no text in it.
    """
    found: dict[str, Path] = {}
    for option in options:
        code, separator, place = option.partition("=")
        if not separator or not place:
            raise InputError(f"--keep {option}: expected LANGUAGE=FILE", hint="for instance --keep ru=texts.ru.jsonl")
        try:
            check_language(code)
        except ValueError as error:
            raise InputError(f"--keep {option}: {error}") from error
        if code in found:
            raise InputError(f"--keep {option}: {code} is {found[code]} already", hint="give one per language")
        if code == language:
            raise InputError(
                f"--keep {option}: {code} is the language that tokens are added for",
                hint="name languages that the base knows already",
            )
        check_holds(Path(place), code)
        found[code] = Path(place)
    return found


def check_holds(path: Path, language: str) -> None:
    """Raises InputError where a path is missing or holds no text in a language."""
    if not any(text.strip() for text in read_texts(path, language=language)):
        raise InputError(
            f"{path}: holds no {language} text to keep", hint="rows that name another language are passed over"
        )


def kept_chunks(kept: Mapping[str, Path]) -> dict[str, Mapping[str, int]]:
    """How often each chunk occurs in the texts of each language."""
    return {language: count_chunks(read_texts(path, language=language)) for language, path in kept.items()}
