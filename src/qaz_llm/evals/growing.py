"""What growing a vocabulary costs a model before any training: bits per byte of kept languages, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.tokenizer.corpus import read_texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SAMPLE_BYTES = 20_000
MAX_TEXT_CHARS = 1_000
"""Of each language the first texts, each cut to so many characters, are measured: seconds for a small model on a CPU."""

BATCH_TOKENS = 2_048


def price_of_growing(
    checkpoint: str, base: str, extended: Path, *, added: Iterable[str], kept: Mapping[str, Path]
) -> dict[str, dict[str, float]]:
    """Bits per byte of each kept language, `before` with the base tokenizer, `after` with new rows that are not trained.

    New rows start as in a training run by default: fitted, to `added` (texts in the new language) and to every second
    kept text; the others are measured.

    Raises:
        InputError: the model or a tokenizer cannot be loaded, or they do not belong together.
    """
    from qaz_llm.model.fit import fit_new_rows
    from qaz_llm.model.fit_samples import text_samples
    from qaz_llm.model.load import load_model, load_tokenizer
    from qaz_llm.model.vocabulary import extension_of, fit_vocabulary

    samples = {code: sample(islice(read_texts(path, language=code), 0, None, 2)) for code, path in kept.items()}
    model = load_model(checkpoint, dtype="float32")
    before = {code: bits_per_byte(model, load_tokenizer(base), texts) for code, texts in samples.items()}
    grown = load_tokenizer(extended)
    extension = extension_of(extended)
    fit_vocabulary(model, grown, extension, init="fitted", seed=0)
    others = (islice(read_texts(path, language=code), 1, None, 2) for code, path in kept.items())
    if extension is not None:
        fit_new_rows(model, extension, text_samples(grown, [added, *others]))
    return {
        code: {"before": before[code], "after": bits_per_byte(model, grown, texts)} for code, texts in samples.items()
    }


def bits_per_byte(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> float:
    """Of all texts together, each from its own start, as `qaz eval` measures it."""
    from qaz_llm.evals.scoring import scorer
    from qaz_llm.evals.scoring.local import HFScorer

    return scorer.bits_per_byte(HFScorer(model, tokenizer, batch_tokens=BATCH_TOKENS), texts)


def sample(texts: Iterable[str], *, size_bytes: int = SAMPLE_BYTES) -> list[str]:
    """The first texts, cut to MAX_TEXT_CHARS, until there are `size_bytes`; the first one in any case."""
    taken: list[str] = []

    def missing(_text: str) -> bool:
        return sum(len(text.encode()) for text in taken) < size_bytes

    for text in takewhile(missing, filter(str.strip, texts)):
        taken.append(text[:MAX_TEXT_CHARS])
    return taken
