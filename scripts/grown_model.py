"""A model grown for a tokenizer, its new rows started and fitted as `qaz run` does, for scripts that train from one many times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qaz_llm.model.choices import EmbeddingInit

LANGUAGES = ("kk", "ru", "en")


def grown_model(model: Path, tokenizer: Path, corpus: Path, *, init: EmbeddingInit = "fitted") -> tuple[Any, Any]:
    """The model in float32 with rows for the tokens that `tokenizer` added, and the tokenizer; `fitted` rows by the corpus."""
    from qaz_llm.model.fit import fit_new_rows
    from qaz_llm.model.fit_samples import text_samples
    from qaz_llm.model.load import load_model, load_tokenizer
    from qaz_llm.model.vocabulary import extension_of, fit_vocabulary
    from qaz_llm.tokenizer.corpus import read_texts

    grown, words, extension = load_model(model, dtype="float32"), load_tokenizer(tokenizer), extension_of(tokenizer)
    fit_vocabulary(grown, words, extension, init=init, seed=0)
    if init == "fitted":
        fit_new_rows(grown, extension, text_samples(words, (read_texts(corpus, language=code) for code in LANGUAGES)))
    return grown, words
