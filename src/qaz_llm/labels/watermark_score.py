"""How much of a watermark there is in a text: the weighted mean of what its tokens win, against what chance gives.

The hash is that of transformers' SynthIDTextWatermarkLogitsProcessor and the score the reference implementation's weighted mean (weights
from 10 for the first round down to 1 for the last), which needs no training. Without a mark every lookup is a fair coin, so that the
weighted sum over n tokens has mean ½ and a variance that is known, and the z-score is about normal. Where the same four tokens come again
nothing was marked, and the same coins would be counted twice: a context counts once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.labels.watermark import DEPTH, NGRAM_TOKENS, TABLE_SIZE, WatermarkKeys
from qaz_llm.language.selectors import without_labels

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerFast

MULTIPLIER, INCREMENT = 6364136223846793005, 1
THRESHOLD_Z = 5.0
"""From here on a mark is called found. Chance gives so much to one text in 3.5 million."""
MIN_TOKENS = 20
"""With fewer tokens to look at, nothing is said."""

WATERMARK_MEANINGS = {
    "found": "its tokens were chosen with these watermark keys: a machine wrote it, or a large part of it",
    "none": "no watermark of these keys was found. That does NOT mean that a person wrote it: another model, other keys, a short,"
    " a changed or a translated text leave none",
    "too_short": f"fewer than {MIN_TOKENS} tokens to look at: nothing can be said",
}


@dataclass(frozen=True, slots=True)
class WatermarkScore:
    """What was found in a text."""

    verdict: Literal["found", "none", "too_short"]
    tokens: int
    """Tokens looked at: those with four before them that have not come before."""
    mean: float | None = None
    """Weighted mean of what they win, 0 to 1; ½ by chance."""
    z: float | None = None
    threshold_z: float = THRESHOLD_Z

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "meaning": WATERMARK_MEANINGS[self.verdict]}


def score_text(text: str, tokenizer: PreTrainedTokenizerFast, keys: WatermarkKeys) -> WatermarkScore:
    """The score of a text as the model with this tokenizer would have written it; labels behind it are left out."""
    plain = unicodedata.normalize("NFC", without_labels(text))
    return score_ids(tokenizer.backend_tokenizer.encode(plain, add_special_tokens=False).ids, keys)


def score_ids(ids: Sequence[int], keys: WatermarkKeys) -> WatermarkScore:
    """The score of token ids."""
    import numpy as np

    wins_ND = wins_of(ids, keys)
    count = len(wins_ND)
    if count < MIN_TOKENS:
        return WatermarkScore("too_short", count)
    weights_D = np.linspace(10.0, 1.0, DEPTH)
    weights_D /= weights_D.sum()
    mean = float((wins_ND @ weights_D).mean())
    z = (mean - 0.5) / (0.5 * float(np.sqrt((weights_D**2).sum() / count)))
    return WatermarkScore("found" if z >= THRESHOLD_Z else "none", count, round(mean, 4), round(z, 2))


def wins_of(ids: Sequence[int], keys: WatermarkKeys) -> np.ndarray:
    """What each token with a context that is new wins in each round, as an array of tokens (N) by rounds (D)."""
    import numpy as np

    tokens = np.asarray(ids, dtype=np.uint64)
    if len(tokens) < NGRAM_TOKENS:
        return np.zeros((0, DEPTH), np.uint8)
    ngrams = np.lib.stride_tricks.sliding_window_view(tokens, NGRAM_TOKENS)
    _, first = np.unique(ngrams[:, :-1], axis=0, return_index=True)
    ngrams = ngrams[np.sort(first)]
    hashed_N = np.ones(len(ngrams), np.uint64)
    for place in range(NGRAM_TOKENS):
        hashed_N = _with(hashed_N, ngrams[:, place])
    places_ND = _with(hashed_N[:, None], np.asarray(keys.keys, dtype=np.uint64)[None, :])
    wins_ND: np.ndarray = keys.table[places_ND % np.uint64(TABLE_SIZE)]
    return wins_ND


def _with(hashed: np.ndarray, more: np.ndarray) -> np.ndarray:
    """A step of the congruential generator that the hash is made of, modulo 2⁶⁴."""
    import numpy as np

    made: np.ndarray = (hashed + more) * np.uint64(MULTIPLIER) + np.uint64(INCREMENT)
    return made
