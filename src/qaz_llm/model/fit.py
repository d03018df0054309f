"""Rows of new tokens, once made, fitted to text and to their pieces: what `embedding_init: fitted` adds to a mixture of old rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qaz_llm.model.fit_reading import fit_reading
from qaz_llm.model.fit_rows import fit_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from qaz_llm.model.fit_samples import FitSample
    from qaz_llm.tokenizer.extension import ExtendedTokenizer


def fit_new_rows(model: PreTrainedModel, extended: ExtendedTokenizer, samples: Sequence[FitSample]) -> None:
    """In place: first how often each token comes (fit_rows.py), then how it is read (fit_reading.py), which starts from that.

    Args:
        model: on one device and whole, with rows for the new tokens of `extended`; all other weights stay as they are.
        samples: of each part of the text, what is read of it and what is counted.
    """
    fit_rows(model, extended.new_ids, samples)
    fit_reading(model, extended, samples)
