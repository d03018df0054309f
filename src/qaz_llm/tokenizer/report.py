"""Fertility of any set of tokenizers over kk, ru and en texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qaz_llm.config import check_language
from qaz_llm.errors import InputError
from qaz_llm.tokenizer.corpus import read_texts
from qaz_llm.tokenizer.extend import load_fast_tokenizer
from qaz_llm.tokenizer.fertility import Fertility, measure_fertility


def parse_text_option(option: str) -> tuple[str, Path]:
    """`kk=FILE` as language and path. Raises InputError for another form or a wrong language code."""
    language, separator, path = option.partition("=")
    if not separator or not path:
        raise InputError(f"--text {option}: expected LANGUAGE=FILE", hint="for instance --text kk=flores.kk.txt")
    try:
        return check_language(language), Path(path)
    except ValueError as error:
        raise InputError(f"--text {option}: {error}") from error


def compare_tokenizers(names: Sequence[str], texts: Mapping[str, Path]) -> dict[str, dict[str, Fertility]]:
    """`result[tokenizer][language]`, each measured on the same texts."""
    lines = {language: list(read_texts(path)) for language, path in texts.items()}
    return {
        name: {language: measure_fertility(tokenizer, lines[language]) for language in lines}
        for name in names
        for tokenizer in [load_fast_tokenizer(name)]
    }
