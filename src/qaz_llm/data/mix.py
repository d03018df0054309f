"""How many tokens of each source a training run sees: weights in tokens, a cap on repetition, and what follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qaz_llm.errors import ConfigError

DEFAULT_MAX_PASSES = 4.0
"""Up to four passes over the same text lose next to nothing against fresh text; beyond, the gain decays quickly
(Muennighoff et al. 2023, Scaling Data-Constrained Language Models, https://arxiv.org/abs/2305.16264, section 6)."""


@dataclass(frozen=True, slots=True)
class MixEntry:
    """The part of one source: how much there is, how much is taken, in how many passes, and what share that makes."""

    name: str
    available_tokens: int
    tokens: int
    passes: float
    share_frac: float
    capped: bool
    """True where the weight asked for more than max_passes allow."""


@dataclass(frozen=True, slots=True)
class MixPlan:
    """The whole mix. `total_tokens` may be less than was asked for: see `plan_mix`."""

    entries: tuple[MixEntry, ...]
    total_tokens: int
    requested_tokens: int

    @property
    def is_short(self) -> bool:
        """Whether there is not enough text for what was asked."""
        return self.total_tokens < self.requested_tokens


def plan_mix(
    available_tokens: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    total_tokens: int | None = None,
    max_passes: float = DEFAULT_MAX_PASSES,
) -> MixPlan:
    """Share `total_tokens` out by weight, no source read more than `max_passes` times.

    What a capped source cannot supply goes to the others in proportion to their weights, until these are capped too; then
    the total shrinks. Without `total_tokens` the largest mix is taken in which every source has exactly its weight and
    none is repeated more than `max_passes` times, so weights then hold to the token.

    >>> plan = plan_mix({"kk": 100, "ru": 1000}, {"kk": 0.5, "ru": 0.5}, total_tokens=1000)
    >>> [(entry.name, entry.tokens, entry.passes) for entry in plan.entries]
    [('kk', 400, 4.0), ('ru', 600, 0.6)]

    Raises:
        ConfigError: a weight for a source that does not exist or is empty, no positive weight, negative numbers.
    """
    _check(available_tokens, weights, max_passes)
    used = {name: weight for name, weight in weights.items() if weight > 0}
    scale = sum(used.values())
    limits = {name: available_tokens[name] * max_passes for name in used}
    if total_tokens is None:
        total_tokens = int(min(limits[name] / (used[name] / scale) for name in used))
    tokens = _share_out(used, limits, total_tokens)
    total = sum(tokens.values())
    entries = tuple(
        MixEntry(
            name=name,
            available_tokens=available_tokens[name],
            tokens=tokens[name],
            passes=round(tokens[name] / available_tokens[name], 4),
            share_frac=tokens[name] / total if total else 0.0,
            capped=used[name] / scale * total_tokens > limits[name],
        )
        for name in used
    )
    return MixPlan(entries, total, total_tokens)


def temperature_weights(available_tokens: Mapping[str, int], *, temperature: float) -> dict[str, float]:
    """Weights in proportion to size to the power 1/temperature: 1 keeps the sizes, larger evens them out.

    >>> temperature_weights({"kk": 100, "ru": 10000}, temperature=2.0)
    {'kk': 0.09090909090909091, 'ru': 0.9090909090909091}
    """
    if temperature <= 0:
        raise ConfigError(f"temperature is {temperature}, it has to be above 0")
    raised = {name: float(tokens) ** (1 / temperature) for name, tokens in available_tokens.items()}
    total = sum(raised.values())
    return {name: value / total for name, value in raised.items()} if total else dict.fromkeys(raised, 0.0)


def _share_out(weights: Mapping[str, float], limits: Mapping[str, float], total: int) -> dict[str, int]:
    """Water-filling: who reaches the limit is settled at it, the rest share what remains by weight."""
    tokens: dict[str, float] = {}
    open_names = list(weights)
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
    return {name: round(tokens[name]) for name in weights}


def _check(available: Mapping[str, int], weights: Mapping[str, float], max_passes: float) -> None:
    for name, weight in weights.items():
        if weight < 0:
            raise ConfigError(f"mix: the weight of {name} is {weight}, it has to be 0 or more")
        if weight > 0 and available.get(name, 0) <= 0:
            known = ", ".join(sorted(name for name, tokens in available.items() if tokens > 0)) or "none"
            raise ConfigError(f"mix: there is no text for {name!r}", hint=f"sources that have text: {known}")
    if not any(weight > 0 for weight in weights.values()):
        raise ConfigError("mix: no source has a weight above 0")
    if max_passes <= 0:
        raise ConfigError(f"mix: max_passes is {max_passes}, it has to be above 0")
