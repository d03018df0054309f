"""How many tokens of each source a training run sees: weights in tokens, a cap on repetition, and what follows from both.

`plan_mix` shares a budget out among named parts. `plan_corpus_mix` does so twice, among the languages of a corpus and, inside
each, among its sources. What limits a mix, and what was too little text to limit it, is part of the plan. Nothing here reads
text; see corpus_mix for the counting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.data.mixing.sharing import largest_but_slivers, largest_exact, share_out
from qaz_llm.data.mixing.weights import language_weights, source_weights
from qaz_llm.errors import ConfigError

DEFAULT_MAX_PASSES = 4.0
"""Up to four passes over the same text lose next to nothing against fresh text; beyond, the gain decays quickly
(Muennighoff et al. 2023, Scaling Data-Constrained Language Models, https://arxiv.org/abs/2305.16264, section 6)."""

VISIBLE_FRAC = 0.0005
"""A share that is missed by less than this reads like the one asked for."""


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
    language: str = ""
    """The language it was planned under; empty where parts were given weights one by one."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A language or source that gives less of the mix than its weight asks for, read as often as is allowed."""

    name: str
    asked_frac: float
    share_frac: float
    available_tokens: int

    def line(self, max_passes: float) -> str:
        return (
            f"{self.name} gives {self.share_frac:.1%} of the mix, not the {self.asked_frac:.1%} of its weight: "
            f"{max_passes:g} passes over its {self.available_tokens:,} tokens are all there is (max_passes)"
        )


@dataclass(frozen=True, slots=True)
class MixPlan:
    """The whole mix. `total_tokens` may be less than was asked for: see `plan_mix`."""

    entries: tuple[MixEntry, ...]
    total_tokens: int
    requested_tokens: int
    max_passes: float = DEFAULT_MAX_PASSES
    limited_by: str = "total_tokens"
    """The language or source that allows no more at these weights; `total_tokens` or `max_passes` where it is none of them."""
    shortfalls: tuple[Shortfall, ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether there is not enough text for what was asked; rounding may miss a token per part."""
        return self.requested_tokens - self.total_tokens > len(self.entries)

    def languages(self) -> dict[str, dict[str, float]]:
        """Per language its tokens and its share; empty where the mix was not planned by language."""
        found: dict[str, dict[str, float]] = {}
        for language, entries in groupby((e for e in self.entries if e.language), key=lambda entry: entry.language):
            tokens = sum(entry.tokens for entry in entries)
            found[language] = {"tokens": tokens, "share_frac": tokens / self.total_tokens if self.total_tokens else 0.0}
        return found

    def lines(self) -> list[str]:
        """The plan as a person reads it: a line for the whole, each language and each source, and what limits it."""
        short = f", {self.requested_tokens:,} were asked for" if self.is_short else ""
        lines = [f"mix: {self.total_tokens:,} tokens{short}"]
        for language, entries in groupby(self.entries, key=lambda entry: entry.language):
            if language:
                share = self.languages()[language]
                lines.append(f"  {language}  {share['share_frac']:6.1%}  {share['tokens']:,} tokens")
            for entry in entries:
                indent, name = ("    ", entry.name.partition(".")[2]) if language else ("  ", entry.name)
                limit = " (the most allowed)" if entry.capped else ""
                lines.append(
                    f"{indent}{name}  {entry.share_frac:6.1%}  {entry.tokens:,} tokens, "
                    f"{entry.passes:.2f} passes over {entry.available_tokens:,}{limit}"
                )
        return [*lines, f"  limited by {self._limit()}", *(f"  {s.line(self.max_passes)}" for s in self.shortfalls)]

    def _limit(self) -> str:
        if self.limited_by == "total_tokens":
            return "total_tokens, not by the text there is"
        if self.limited_by == "max_passes":
            return f"max_passes: all text is read {self.max_passes:g} times"
        chosen = [e for e in self.entries if self.limited_by in (e.name, e.language)]
        available = sum(entry.available_tokens for entry in chosen)
        return (
            f"{self.limited_by}: {self.max_passes:g} passes (max_passes) over its {available:,} tokens give the "
            f"{sum(entry.share_frac for entry in chosen):.1%} of its weight; more text or less weight makes the mix longer"
        )

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "total_tokens": self.total_tokens,
            "requested_tokens": self.requested_tokens,
            "max_passes": self.max_passes,
            "limited_by": self.limited_by,
            "shortfalls": [asdict(shortfall) for shortfall in self.shortfalls],
            "languages": self.languages(),
            "parts": [{name: getattr(entry, name) for name in MixEntry.__slots__} for entry in self.entries],
        }


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
    largest = largest_exact(used, limits)
    limited_by = largest.limited_by if total_tokens is None else "total_tokens"
    total = int(largest.total) if total_tokens is None else total_tokens
    tokens = {name: round(share) for name, share in share_out(used, limits, total).items()}
    asked = {name: weight / scale for name, weight in used.items()}
    parts = [MixPart("", name, available_tokens[name]) for name in used]
    return _plan(
        parts, [tokens[p.source] for p in parts], [asked[p.source] for p in parts], total, max_passes, limited_by
    )


def plan_corpus_mix(parts: Sequence[MixPart], config: MixConfig) -> MixPlan:
    """Share the tokens out among languages, and those of each language among its sources, by the weights of the config.

    A language can hold as much as all its sources at max_passes; what a capped language cannot supply goes to the others,
    what a capped source cannot supply stays in its language while that has room. Without total_tokens the mix is the largest
    in which all weights hold exactly, but for those of languages and sources that are slivers (sharing.py).

    >>> parts = [MixPart("kk", "wiki", 100), MixPart("kk", "web", 900), MixPart("ru", "web", 5000)]
    >>> plan = plan_corpus_mix(parts, MixConfig(corpus="x", replay_frac=0.2, total_tokens=1000))
    >>> [(entry.name, entry.tokens) for entry in plan.entries]
    [('kk.wiki', 80), ('kk.web', 720), ('ru.web', 200)]

    Raises:
        ConfigError: weights for languages or sources that have no text, a source without a weight among those that have.
    """
    present = [part for part in parts if part.tokens > 0]
    groups = {language: [p for p in present if p.language == language] for language in _in_order(present)}
    weights_L = language_weights({name: sum(p.tokens for p in group) for name, group in groups.items()}, config)
    asked = [_Asked(name, weight, groups[name], config) for name, weight in weights_L.items()]
    limits_L = {language.name: language.limit(config) for language in asked}
    if config.total_tokens is None:
        sizes = {language.name: language.tokens for language in asked}
        largest = largest_but_slivers(weights_L, limits_L, sizes, config.sliver_frac)
        total = int(largest.total)
        (scarce,) = (language for language in asked if language.name == largest.limited_by)
        limited_by = scarce.limited_by
    else:
        total, limited_by = config.total_tokens, "total_tokens"
    tokens: dict[str, float] = {}
    for language in asked:
        budget = share_out(weights_L, limits_L, total)[language.name]
        tokens |= share_out(language.weights, language.limits, budget)
    chosen = [part for language in asked for part in language.parts]
    shares = [language.weight * language.weights[p.name] for language in asked for p in language.parts]
    plan = _plan(chosen, [round(tokens[p.name]) for p in chosen], shares, total, config.max_passes, limited_by)
    return replace(plan, shortfalls=_of_languages(plan, weights_L))


class _Asked:
    """What is asked of one language: the weights of its sources, and how many tokens these can give."""

    def __init__(self, name: str, weight: float, parts: Sequence[MixPart], config: MixConfig) -> None:
        weights = source_weights(parts, config)
        self.name, self.weight = name, weight
        self.parts = [part for part in parts if weights[part.name] > 0]
        self.weights = {part.name: weights[part.name] for part in self.parts}
        self.limits = {part.name: part.tokens * config.max_passes for part in self.parts}
        self.tokens = sum(part.tokens for part in self.parts)
        sizes = {part.name: part.tokens for part in self.parts}
        self._largest = largest_but_slivers(self.weights, self.limits, sizes, config.sliver_frac)

    def limit(self, config: MixConfig) -> float:
        """The most tokens: while the weights of its sources hold, where it is for the text to say how long the mix is."""
        return self._largest.total if config.total_tokens is None else sum(self.limits.values())

    @property
    def limited_by(self) -> str:
        """Its name, or the name of the source whose weight leaves text of the others unread."""
        return self.name if self._largest.total >= 0.999 * sum(self.limits.values()) else self._largest.limited_by


def _of_languages(plan: MixPlan, weights_L: Mapping[str, float]) -> tuple[Shortfall, ...]:
    """Shortfalls of whole languages, and of sources of languages that have none."""
    found = []
    for name, share in plan.languages().items():
        entries = [entry for entry in plan.entries if entry.language == name]
        if share["share_frac"] < weights_L[name] - VISIBLE_FRAC:
            available = sum(entry.available_tokens for entry in entries)
            found.append(Shortfall(name, weights_L[name], share["share_frac"], available))
        else:
            names = {entry.name for entry in entries}
            found += [shortfall for shortfall in plan.shortfalls if shortfall.name in names]
    return tuple(found)


def _in_order(parts: Sequence[MixPart]) -> list[str]:
    return list(dict.fromkeys(part.language for part in parts))


def _plan(
    parts: Sequence[MixPart],
    tokens: Sequence[int],
    asked_fracs: Sequence[float],
    requested: int,
    max_passes: float,
    limited_by: str,
) -> MixPlan:
    total = sum(tokens)
    entries = tuple(
        MixEntry(
            name=part.name if part.language else part.source,
            available_tokens=part.tokens,
            tokens=taken,
            passes=round(taken / part.tokens, 4),
            share_frac=taken / total if total else 0.0,
            capped=asked * requested > part.tokens * max_passes * (1 + 1e-9),
            language=part.language,
        )
        for part, taken, asked in zip(parts, tokens, asked_fracs, strict=True)
    )
    plan = MixPlan(entries, total, requested, max_passes, limited_by)
    shortfalls = tuple(
        Shortfall(entry.name, asked, entry.share_frac, entry.available_tokens)
        for entry, asked in zip(entries, asked_fracs, strict=True)
        if entry.capped and entry.share_frac < asked - VISIBLE_FRAC
    )
    return replace(plan, shortfalls=shortfalls, limited_by="max_passes" if plan.is_short else limited_by)


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
