"""Sharing a number of tokens out by weight where nobody can give more than a limit, and how many tokens there are to share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

READ_FRAC = 0.5
"""A part with little text may end a mix in which so much of the main text is read: its weight can hold then."""


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest total in which all weights hold but those of slivers, and the part that allows no more."""

    total: float
    limited_by: str
    slivers: tuple[str, ...] = ()
    """Parts that have next to no text for their weight, and therefore do not limit it."""


def share_out(weights: Mapping[str, float], limits: Mapping[str, float], total: float) -> dict[str, float]:
    """Water-filling: who reaches the limit is settled at it, the rest share what remains by weight."""
    tokens: dict[str, float] = {name: 0.0 for name, weight in weights.items() if weight <= 0}
    open_names = [name for name in weights if name not in tokens]
    remaining = float(total)
    while open_names:
        scale = sum(weights[name] for name in open_names)
        full = [name for name in open_names if remaining * weights[name] / scale >= limits[name]]
        if not full:
            tokens |= {name: remaining * weights[name] / scale for name in open_names}
            break
        for name in full:
            tokens[name] = limits[name]
            remaining -= limits[name]
        open_names = [name for name in open_names if name not in full]
    return tokens


def largest_exact(weights: Mapping[str, float], limits: Mapping[str, float]) -> Largest:
    """The largest total that can be shared out by weight without anyone exceeding the limit.

    >>> largest_exact({"kk": 0.7, "ru": 0.3}, {"kk": 4000, "ru": 600})
    Largest(total=2000.0, limited_by='ru', slivers=())
    """
    scale = sum(weights.values())
    allowed = {name: limits[name] / (weight / scale) for name, weight in weights.items() if weight > 0}
    scarcest = min(allowed, key=lambda name: allowed[name])
    return Largest(allowed[scarcest], scarcest)


def largest_but_slivers(
    weights: Mapping[str, float], limits: Mapping[str, float], sizes: Mapping[str, float], sliver_frac: float
) -> Largest:
    """The largest total in which the weights hold, except for parts that have next to no text.

    The main part is that of the largest weight. A sliver has less than `sliver_frac` of its text, and would end the mix
    before half of the main text is read once: it gives what its limit allows, and the others make up for the rest in
    proportion to their weights. Here English has 0.1 % of the Kazakh text and would end the mix at 2,667 tokens.

    >>> weights, sizes = {"kk": 0.7, "ru": 0.15, "en": 0.15}, {"kk": 100_000, "ru": 20_000, "en": 100}
    >>> limits = {name: 4 * size for name, size in sizes.items()}
    >>> found = largest_but_slivers(weights, limits, sizes, 0.02)
    >>> round(found.total), found.limited_by, found.slivers     # 80,000 of Russian are 15 of 85, and 400 of English
    (453733, 'ru', ('en',))
    """
    main = max(weights, key=lambda name: (weights[name], sizes[name]))
    rest = dict(weights)
    while True:
        found = largest_exact(rest, limits)
        scarce = found.limited_by
        main_tokens = found.total * rest[main] / sum(rest.values())
        if sizes[scarce] >= sliver_frac * sizes[main] or main_tokens >= READ_FRAC * sizes[main]:
            slivers = tuple(name for name in weights if name not in rest)
            return Largest(found.total + sum(limits[name] for name in slivers), scarce, slivers)
        del rest[scarce]
