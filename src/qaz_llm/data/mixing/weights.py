"""The share of a mix that each language, and each source of a language, is asked for: weights that sum to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.errors import ConfigError


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
