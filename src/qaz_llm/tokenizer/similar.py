"""Old tokens that are used like a new one: a start for its embedding that looks at meaning instead of spelling.

    text, cut by the extended tokenizer ─► which tokens stand near which ─► a vector for each token ─► nearest old tokens

FOCUS (Dobler and de Melo 2023, arXiv 2305.14481) trains fastText vectors on text cut by the new tokenizer and mixes the rows of
tokens that both vocabularies hold; WECHSEL (Minixhofer et al. 2022, arXiv 2112.06598) takes the 10 nearest with a softmax at
temperature 0.1. Here it is the former's vectors and the latter's mixing, but for how the vectors are made: by truncated SVD of
the matrix of positive pointwise mutual information, which is what skip-gram factorises too (Levy and Goldberg 2014; window
weights and smoothing as in Levy, Goldberg and Dagan 2015, TACL 3). That needs no training loop and gives the same twice.

A text that says the same in two languages ties their tokens together; without any, Kazakh tokens can only find the Russian and
English ones that stand in Kazakh text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qaz_llm.progress import get_logger, track
from qaz_llm.tokenizer.corpus import batches
from qaz_llm.tokenizer.extension import Weights

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    from qaz_llm.tokenizer.extension import ExtendedTokenizer

# Array legend: T tokens of the text, K kinds of token that are counted, C of them as contexts, D dimensions, N new kinds,
# O old kinds.

NEIGHBOURS = 10
TEMPERATURE = 0.1
"""WECHSEL's values (arXiv 2112.06598, section 3)."""

WINDOW = 5
SMOOTHING = 0.75
"""Tokens on either side, a token at distance d weighing 1/d, and the power of context counts (TACL 3, section 3)."""

MIN_COUNT = 5
"""Tokens seen less often say too little about how they are used; fastText's default too."""

MAX_CONTEXTS = 10_000
"""Tokens are told apart by the company of the most frequent ones; the rest say little and cost much."""

MAX_TOKENS = 20_000_000
_BATCH_TEXTS = 1_000
_BATCH_TOKENS = 1_000_000

_logger = get_logger("tokenizer")


def similar_tokens(
    extended: ExtendedTokenizer, texts: Iterable[str], *, dimensions: int = 128, max_tokens: int = MAX_TOKENS
) -> dict[int, Weights]:
    """Of each new token, up to 10 old ones that are used like it, and their shares, which add up to 1.

    New tokens that occur less than 5 times in the text, or near nothing, get equal shares of their sub-tokens. Text that holds
    too little to compare tokens by gives none at all, and a warning.

    Args:
        extended: the tokenizer that cuts the text.
        texts: Kazakh text, and text in the languages that the base knows; about `max_tokens` tokens of all of it.
        dimensions: of the vectors.
    """
    import numpy as np

    ids_T = _token_ids(extended, texts, max_tokens)
    kinds_K, counts_K = np.unique(ids_T[ids_T >= 0], return_counts=True)
    kinds_K = kinds_K[counts_K >= MIN_COUNT]
    is_new_K = np.isin(kinds_K, np.array(extended.new_ids))
    if len(kinds_K) <= 2 or not is_new_K.any() or is_new_K.all():
        _logger.warning(
            "the text holds %d tokens at least %d times, %d of them new: too few to find similar ones",
            len(kinds_K), MIN_COUNT, int(is_new_K.sum()),
        )  # fmt: skip
        return {}
    vectors_KD = _vectors(_ppmi(_near(ids_T, kinds_K)), min(dimensions, len(kinds_K) - 1))
    found = _nearest(vectors_KD[is_new_K], vectors_KD[~is_new_K], kinds_K[is_new_K], kinds_K[~is_new_K])
    equal = {new: tuple((i, 1 / len(old)) for i in old) for new, old in extended.sub_tokens.items()}
    return equal | found


def _token_ids(extended: ExtendedTokenizer, texts: Iterable[str], max_tokens: int) -> np.ndarray:
    """The ids of texts one after the other, with a gap of -1 between texts that no window reaches across.

    Where there are more than `max_tokens`, every second text is let go, again and again: what is kept is spread evenly over
    all texts, whatever their order and number.
    """
    import numpy as np

    gap = np.full(WINDOW, -1, dtype=np.int64)
    parts: list[np.ndarray] = []
    stride = 1
    for batch in batches(
        (text for number, text in enumerate(track(texts, "cut text", unit="texts")) if not number % stride),
        _BATCH_TEXTS,
    ):
        ids = extended.tokenizer(batch, add_special_tokens=False)["input_ids"]
        parts += [np.array(one, dtype=np.int64) for one in ids]
        while sum(map(len, parts)) > max_tokens and len(parts) > 1:
            parts, stride = parts[::2], 2 * stride
    return np.concatenate([piece for part in parts for piece in (part, gap)]) if parts else gap


def _near(ids_T: np.ndarray, kinds_K: np.ndarray) -> csr_array:
    """How much each kind of token stands near each other one: K × K, symmetric.

    Of `a b c`, a and b weigh 1, b and c weigh 1, a and c weigh 1/2.
    """
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    index_T = np.searchsorted(kinds_K, ids_T).clip(max=len(kinds_K) - 1)
    index_T[kinds_K[index_T] != ids_T] = -1  # gaps, and tokens too rare to count
    shape = (len(kinds_K), len(kinds_K))
    near_KK = csr_array(shape, dtype=np.float32)
    for start in range(0, len(index_T), _BATCH_TOKENS):
        for distance in range(1, WINDOW + 1):
            left, right = index_T[start : start + _BATCH_TOKENS], index_T[start + distance :][:_BATCH_TOKENS]
            left = left[: len(right)]
            both = (left >= 0) & (right >= 0)
            weights = np.full(both.sum(), 1 / distance, dtype=np.float32)
            near_KK += coo_array((weights, (left[both], right[both])), shape=shape).tocsr()
    return near_KK + near_KK.T


def _ppmi(near_KK: csr_array, *, max_contexts: int = MAX_CONTEXTS) -> csr_array:
    """Positive pointwise mutual information, max(0, log p(a, b) / (p(a) p'(b))), p' being smoothed.

    K × C: a row for each kind of token, a column for each of the `max_contexts` kinds that stand near most.
    """
    import numpy as np

    near = near_KK.tocoo()
    row_K, column_K = near_KK.sum(axis=1), near_KK.sum(axis=0) ** SMOOTHING
    smoothed = column_K.sum()
    information = np.log(near.data * smoothed / (row_K[near.row] * column_K[near.col]))
    near.data = np.maximum(information, 0).astype(np.float32)
    ppmi: csr_array = near.tocsr()
    ppmi.eliminate_zeros()
    if ppmi.shape[1] > max_contexts:
        ppmi = ppmi[:, np.sort(np.argsort(-column_K, kind="stable")[:max_contexts])]
    return ppmi


def _vectors(ppmi_KC: csr_array, dimensions: int) -> np.ndarray:
    """A vector of length 1 for each kind of token, or of length 0 for one that stands near nothing."""
    import numpy as np
    from scipy.sparse.linalg import svds

    if not ppmi_KC.nnz:  # ARPACK fails on a matrix of zeros
        return np.zeros((ppmi_KC.shape[0], dimensions))
    start_C = np.random.default_rng(0).standard_normal(min(ppmi_KC.shape), dtype=np.float32)
    left_KD, values_D, _right = svds(ppmi_KC, k=dimensions, v0=start_C)
    values_D[values_D < 1e-6 * values_D.max()] = 0  # rounding, where there are fewer directions than asked for
    vectors_KD = left_KD * np.sqrt(values_D)
    length_K = np.linalg.norm(vectors_KD, axis=1, keepdims=True)
    unit_KD: np.ndarray = np.divide(vectors_KD, length_K, out=np.zeros_like(vectors_KD), where=length_K > 1e-9)
    return unit_KD


def _nearest(new_ND: np.ndarray, old_OD: np.ndarray, new_N: np.ndarray, old_O: np.ndarray) -> dict[int, Weights]:
    """Of each new token the nearest old ones by the cosine, with a softmax of it as shares."""
    import numpy as np

    found: dict[int, Weights] = {}
    few = min(NEIGHBOURS, len(old_O))
    for start in range(0, len(new_N), 1_000):
        cosine_NO = new_ND[start : start + 1_000] @ old_OD.T
        for new, cosine_O in zip(new_N[start : start + 1_000], cosine_NO, strict=True):
            nearest = np.argpartition(-cosine_O, few - 1)[:few]
            nearest = nearest[np.argsort(-cosine_O[nearest], kind="stable")]
            if cosine_O[nearest[0]] <= 0:
                continue
            shares = np.exp((cosine_O[nearest] - cosine_O[nearest[0]]) / TEMPERATURE)
            pairs = zip(old_O[nearest].tolist(), _in_thousandths(shares / shares.sum()), strict=True)
            found[int(new)] = tuple((old, share) for old, share in pairs if share)
    return found


def _in_thousandths(shares: np.ndarray) -> list[float]:
    """Shares with three decimals that still add up to 1; the largest, which comes first, takes what rounding leaves."""
    thousandths = [round(1_000 * share) for share in shares.tolist()]
    thousandths[0] += 1_000 - sum(thousandths)
    return [n / 1_000 for n in thousandths]
