"""How many tokens of each source a training run sees: weights in tokens, a cap on repetition, and what follows from both.

`plan_mix` shares a budget out among named parts. `plan_corpus_mix` does so twice, among the languages of a corpus and, inside
each, among its sources. Nothing here reads text; see corpus_mix for the counting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from qaz_llm.data.config import MixConfig
from qaz_llm.errors import ConfigError

DEFAULT_MAX_PASSES = 4.0
"""Up to four passes over the same text lose next to nothing against fresh text; beyond, the gain decays quickly
(Muennighoff et al. 2023, Scaling Data-Constrained Language Models, https://arxiv.org/abs/2305.16264, section 6)."""


@dataclass(frozen=True, slots=True)
class MixPart:
    """The text of one source in one language, as far as its quality is good enough."""

    language: str
    source: str
    tokens: int
    min_quality: float | None = None
    """Documents of lower `meta.quality` are not part of it."""

    @property
    def name(self) -> str:
        return f"{self.language}.{self.source}"


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
class MixPlan:
    """The whole mix. `total_tokens` may be less than was asked for: see `plan_mix`."""

    entries: tuple[MixEntry, ...]
    total_tokens: int
    requested_tokens: int

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
        """The plan as a person reads it, a line for the whole, each language and each source."""
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
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "total_tokens": self.total_tokens,
            "requested_tokens": self.requested_tokens,
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
    if total_tokens is None:
        total_tokens = int(_largest_exact(used, limits))
    tokens = {name: round(share) for name, share in _share_out(used, limits, total_tokens).items()}
    asked = {name: weight / scale * total_tokens for name, weight in used.items()}
    parts = [MixPart("", name, available_tokens[name]) for name in used]
    return _plan(parts, [tokens[p.source] for p in parts], [asked[p.source] for p in parts], total_tokens, max_passes)


def plan_corpus_mix(parts: Sequence[MixPart], config: MixConfig) -> MixPlan:
    """Share the tokens out among languages, and those of each language among its sources, by the weights of the config.

    A language can hold as much as all its sources at max_passes; what a capped language cannot supply goes to the others,
    what a capped source cannot supply stays in its language while that has room. Without total_tokens the mix is the largest
    in which all weights hold exactly.

    >>> parts = [MixPart("kk", "wiki", 100), MixPart("kk", "web", 900), MixPart("ru", "web", 5000)]
    >>> plan = plan_corpus_mix(parts, MixConfig(corpus="x", replay_frac=0.2, total_tokens=1000))
    >>> [(entry.name, entry.tokens) for entry in plan.entries]
    [('kk.wiki', 80), ('kk.web', 720), ('ru.web', 200)]

    Raises:
        ConfigError: weights for languages or sources that have no text, a source without a weight among those that have.
    """
    present = [part for part in parts if part.tokens > 0]
    languages = {language: [p for p in present if p.language == language] for language in _in_order(present)}
    weights_L = language_weights({name: sum(p.tokens for p in group) for name, group in languages.items()}, config)
    weights_S = {name: source_weights(languages[name], config) for name in weights_L}
    limits_S = {name: {p.name: p.tokens * config.max_passes for p in languages[name]} for name in weights_L}
    chosen = [p for name in weights_L for p in languages[name] if weights_S[name][p.name] > 0]
    limits_L: dict[str, float] = {}
    for name in weights_L:
        used = {source: weight for source, weight in weights_S[name].items() if weight > 0}
        exact = _largest_exact(used, limits_S[name])
        limits_L[name] = exact if config.total_tokens is None else sum(limits_S[name][source] for source in used)
    total = int(_largest_exact(weights_L, limits_L)) if config.total_tokens is None else config.total_tokens
    tokens: dict[str, float] = {}
    for name, budget in _share_out(weights_L, limits_L, total).items():
        tokens |= _share_out(weights_S[name], limits_S[name], budget)
    asked = [weights_L[p.language] * weights_S[p.language][p.name] * total for p in chosen]
    return _plan(chosen, [round(tokens[p.name]) for p in chosen], asked, total, config.max_passes)


def _in_order(parts: Sequence[MixPart]) -> list[str]:
    return list(dict.fromkeys(part.language for part in parts))


def language_weights(available_tokens: Mapping[str, int], config: MixConfig) -> dict[str, float]:
    """The share asked for of each language that is to be used; they sum to 1. Raises ConfigError where one has no text."""
    given = {name: weight for name, weight in config.languages.items() if weight > 0}
    missing = sorted(set(given) - set(available_tokens))
    if missing or not available_tokens:
        known = ", ".join(available_tokens) or "none"
        raise ConfigError(f"mix: there is no text in {', '.join(missing) or 'any language'}", hint=f"found: {known}")
    if config.replay_frac is None:
        return _normalised(given) or temperature_weights(available_tokens, temperature=config.temperature)
    others = {name: tokens for name, tokens in available_tokens.items() if name != "kk"}
    if "kk" not in available_tokens or (config.replay_frac > 0 and not others):
        raise ConfigError(
            f"mix: replay_frac {config.replay_frac:g} needs text in Kazakh and in another language",
            hint=f"found: {', '.join(available_tokens)}",
        )
    replay = _normalised(given) or temperature_weights(others, temperature=config.temperature)
    shares = {"kk": 1 - config.replay_frac} | {n: weight * config.replay_frac for n, weight in replay.items()}
    return {name: shares[name] for name in available_tokens if shares.get(name, 0) > 0}


def source_weights(parts: Sequence[MixPart], config: MixConfig) -> dict[str, float]:
    """The share asked for of each part of one language, by name; they sum to 1."""
    language = parts[0].language
    given = config.sources.get(language)
    if given is None:
        return temperature_weights({part.name: part.tokens for part in parts}, temperature=config.temperature)
    found = {part.source for part in parts}
    wanted = {name for name, weight in given.items() if weight > 0}
    for name in sorted(wanted - found) + sorted(found - set(given)):
        problem = f"no text of {name!r} in {language}" if name in given else f"no weight for {name!r} in {language}"
        hint = "sources that have text: " + ", ".join(sorted(found))
        raise ConfigError(f"mix.sources: {problem}", hint=f"{hint}; a weight of 0 leaves one out")
    if not any(given.values()):
        raise ConfigError(f"mix.sources: no source of {language} has a weight above 0")
    return _normalised({part.name: given[part.source] for part in parts})


def temperature_weights(available_tokens: Mapping[str, int], *, temperature: float) -> dict[str, float]:
    """Weights in proportion to size to the power 1/temperature: 1 keeps the sizes, larger evens them out.

    >>> temperature_weights({"kk": 100, "ru": 10000}, temperature=2.0)
    {'kk': 0.09090909090909091, 'ru': 0.9090909090909091}
    """
    if temperature <= 0:
        raise ConfigError(f"temperature is {temperature}, it has to be above 0")
    raised = {name: float(tokens) ** (1 / temperature) for name, tokens in available_tokens.items()}
    return _normalised(raised) or dict.fromkeys(raised, 0.0)


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total else {}


def _largest_exact(weights: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """The largest total that can be shared out by weight without anyone exceeding the limit."""
    scale = sum(weights.values())
    return min(limits[name] / (weight / scale) for name, weight in weights.items())


def _share_out(weights: Mapping[str, float], limits: Mapping[str, float], total: float) -> dict[str, float]:
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


def _plan(
    parts: Sequence[MixPart], tokens: Sequence[int], asked: Sequence[float], requested: int, max_passes: float
) -> MixPlan:
    total = sum(tokens)
    entries = tuple(
        MixEntry(
            name=part.name if part.language else part.source,
            available_tokens=part.tokens,
            tokens=taken,
            passes=round(taken / part.tokens, 4),
            share_frac=taken / total if total else 0.0,
            capped=wanted > part.tokens * max_passes * (1 + 1e-9),
            language=part.language,
        )
        for part, taken, wanted in zip(parts, tokens, asked, strict=True)
    )
    return MixPlan(entries, total, requested)


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
