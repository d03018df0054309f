"""Any set of tokenizers on the same texts: what words cost in kk, ru and en, what the same sentence costs in each, and
whether words are cut where their morphemes meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from qaz_llm.config import check_language
from qaz_llm.errors import InputError
from qaz_llm.io import file_format, open_text
from qaz_llm.progress import track
from qaz_llm.tokenizer.corpus import row_texts, text_files
from qaz_llm.tokenizer.fast import load_fast_tokenizer
from qaz_llm.tokenizer.fertility import Fertility, measure_fertility
from qaz_llm.tokenizer.morphemes import MorphemeAgreement, measure_morphemes, read_segmented_words

PIVOT = "en"
"""The language that a premium is counted over, as in Petrov et al. 2023."""


@dataclass(frozen=True)
class TextSource:
    """Texts of a file, glob or folder of shards: the lines of .txt, or a field of .jsonl and .parquet rows."""

    path: Path
    field: str | None = None
    """None: `text`."""

    def read(self) -> Iterator[str]:
        """Every text, the blank ones too, so that the n-th of two parallel files is the same sentence.

        Raises:
            InputError: where the path is missing, or a row lacks the field.
        """
        for file in text_files(self.path):
            if file_format(file) in (".jsonl", ".parquet"):
                yield from row_texts(file, field=self.field or "text", hint=self._other_field)
            elif self.field is None:
                with open_text(file) as lines:
                    yield from (line.rstrip("\r\n") for line in lines)
            else:
                raise InputError(
                    f"{file}: lines of text have no field '{self.field}'", hint="fields are those of .jsonl rows"
                )

    def _other_field(self, row: Mapping[str, Any]) -> str:
        return f"name one of its fields, as in --text kk={self.path}:{next(iter(row), 'text')}"

    def __str__(self) -> str:
        return str(self.path) if self.field is None else f"{self.path}:{self.field}"


@dataclass(frozen=True)
class TokenizerMeasures:
    """What was measured of one tokenizer."""

    fertility: Mapping[str, Fertility]
    aligned: bool = False
    """True where the n-th texts of all languages say the same."""
    morphemes: MorphemeAgreement | None = None

    def premium(self, language: str) -> float | None:
        """Tokens of `language` ÷ tokens of English on the same sentences (Petrov, La Malfa, Torr & Bibi, "Language Model
        Tokenizers Introduce Unfairness Between Languages", 2023, arXiv 2305.15425).

        The ratio of the sums over all sentences, as in that paper's code, not a mean of ratios. None where the texts are
        not aligned or English is not among them.
        """
        if not self.aligned or PIVOT not in self.fertility:
            return None
        return self.fertility[language].tokens / self.fertility[PIVOT].tokens

    def to_dict(self) -> dict[str, Any]:
        """`{"kk": {"tokens_per_word": …, …}, "ru": …, "morphemes": {…}}`; what was not measured has no key."""
        measured: dict[str, Any] = {language: self._language(language) for language in self.fertility}
        if self.morphemes is not None:
            measured["morphemes"] = self.morphemes.to_dict()
        return measured

    def _language(self, language: str) -> dict[str, float]:
        figures = self.fertility[language].to_dict()
        if self.aligned:
            figures["tokens_per_aligned_text"] = self.fertility[language].tokens_per_text
        if (premium := self.premium(language)) is not None:
            figures[f"premium_over_{PIVOT}"] = premium
        return figures


def parse_text_options(options: Sequence[str]) -> dict[str, TextSource]:
    """`kk=FILE` or `kk=FILE:FIELD`, one per language.

    Raises:
        InputError: for another form, a wrong language code, or a language named twice.
    """
    sources: dict[str, TextSource] = {}
    for option in options:
        language, source = _parse_text_option(option)
        if language in sources:
            raise InputError(
                f"--text {option}: {language} is {sources[language]} already", hint="give one per language"
            )
        sources[language] = source
    return sources


def _parse_text_option(option: str) -> tuple[str, TextSource]:
    language, separator, place = option.partition("=")
    if not separator or not place:
        raise InputError(
            f"--text {option}: expected LANGUAGE=FILE or LANGUAGE=FILE:FIELD",
            hint="for instance --text kk=flores.kk.txt, or --text kk=flores.jsonl:kk",
        )
    try:
        check_language(language)
    except ValueError as error:
        raise InputError(f"--text {option}: {error}") from error
    path, colon, field = place.rpartition(":")
    if colon and path and field and not Path(place).exists():  # a file may have a colon in its name
        return language, TextSource(Path(path), field)
    return language, TextSource(Path(place))


def compare_tokenizers(
    names: Sequence[str],
    texts: Mapping[str, TextSource],
    *,
    aligned: bool = False,
    morphemes: Path | None = None,
) -> dict[str, TokenizerMeasures]:
    """The measures of each tokenizer (folder or hub id; one named twice is measured once), all on the same texts.

    Args:
        aligned: the texts are parallel: the n-th of each language says the same.
        morphemes: a file of segmented Kazakh, see `tokenizer.morphemes`.

    Raises:
        InputError: where a tokenizer, file, field or text is missing, or `aligned` texts cannot be parallel. All inputs
            are looked at before the first is measured.
    """
    if not names or not texts:
        raise InputError(f"{len(names)} tokenizers and {len(texts)} texts to compare", hint="give at least one of each")
    if aligned:
        check_aligned(texts)
    for language, source in texts.items():
        if not any(text.strip() for text in source.read()):
            raise InputError(f"{source}: holds no {language} text", hint="give a file with at least one line of text")
    gold = read_segmented_words(morphemes) if morphemes is not None else None
    tokenizers = {name: load_fast_tokenizer(name) for name in names}
    measured = {}
    for name, tokenizer in tokenizers.items():
        fertility = {
            language: measure_fertility(tokenizer, track(source.read(), f"{name}: {language}", unit="texts"))
            for language, source in texts.items()
        }
        agreement = measure_morphemes(tokenizer, gold) if gold is not None else None
        measured[name] = TokenizerMeasures(fertility, aligned, agreement)
    return measured


def check_aligned(texts: Mapping[str, TextSource]) -> None:
    """Look whether the texts can be parallel: as many in each language, and blank ones at the same places.

    Raises:
        InputError: where they cannot, naming the languages and both counts, or the first place.
    """
    if len(texts) < 2:
        raise InputError(f"--aligned with {len(texts)} language", hint="give --text for two or more")
    languages = list(texts)
    counts = dict.fromkeys(languages, 0)
    first_difference: tuple[int, list[str]] | None = None
    for number, row in enumerate(zip_longest(*(source.read() for source in texts.values()), fillvalue=""), 1):
        filled = [language for language, text in zip(languages, row, strict=True) if text.strip()]
        for language in filled:
            counts[language] += 1
        if 0 < len(filled) < len(languages) and first_difference is None:
            first_difference = number, filled
    first = languages[0]
    for language in languages[1:]:
        if counts[language] != counts[first]:
            raise InputError(
                f"--aligned: {texts[first]} holds {counts[first]:,} {first} texts,"
                f" {texts[language]} {counts[language]:,} {language} texts",
                hint="parallel texts have the same number; leave out --aligned where they are not translations",
            )
    if first_difference is not None:
        number, filled = first_difference
        blank = [language for language in languages if language not in filled]
        raise InputError(
            f"--aligned: text {number:,} is blank in {', '.join(blank)}, not in {', '.join(filled)}",
            hint="the n-th text of each file must say the same; take the whole row out of every file",
        )
