"""Which of several copies stays: the freer licence, then the better quality, then more words, then the smaller id."""

from __future__ import annotations

import numpy as np

from qaz_llm.data.duplicates.features import Features, take_ids
from qaz_llm.data.duplicates.groups import Numbers
from qaz_llm.io.arrow import numbers_of


def preference_order(features: Features, numbers: Numbers) -> Numbers:
    """The places in `numbers` in order of preference, the document that is to stay first.

    Ids are read only of documents that nothing else tells apart.
    """
    licences, qualities, num_words = (features.column(name)[numbers] for name in ("licences", "qualities", "num_words"))
    fewest = -num_words.astype(np.int64)
    order = np.lexsort((fewest, -qualities, licences))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for values in (licences, qualities, num_words):
        same &= values[order[1:]] == values[order[:-1]]
    edges = np.concatenate([[False], same, [False]])
    tied = np.flatnonzero(edges[1:] | edges[:-1])  # places in `order`
    if len(tied):
        runs = np.cumsum(~edges[:-1])[tied]
        order[tied] = order[tied][np.lexsort((_id_ranks(features, numbers[order[tied]]), runs))]
    return order


def _id_ranks(features: Features, numbers: Numbers) -> Numbers:
    """The places of these documents in the order of their ids (of code points, as Python sorts strings)."""
    import pyarrow.compute as pc

    rising = np.sort(numbers)
    ranks: Numbers = numbers_of(pc.rank(take_ids(features.parts, rising), tiebreaker="first")).astype(np.int64)
    return ranks[np.searchsorted(rising, numbers)]
