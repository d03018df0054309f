"""What a finished corpus holds, by language, source and quality, and the mix that a config makes of it.

One pass over the shards; memory holds counts only. The same counts serve `qaz data mix`, which plans, and a training run,
which then tokenises each part and plans again with the tokens it found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Any

from qaz_llm.data.config import MixConfig
from qaz_llm.data.mixing.mix import MixPlan, plan_corpus_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, hub_hint, reach_hub, read_rows, resolve_path

BYTES_PER_TOKEN: Mapping[str, float] = {"kk": 2.98, "ru": 5.87, "en": 4.78}
"""Llama 3's tokenizer on FLORES-200 devtest. One that was extended for Kazakh takes two to three times fewer tokens."""

OTHER_BYTES_PER_TOKEN = 4.0
COUNTED_BYTES = 8_000_000
"""Of each part so much is tokenised, from the front; the rest is taken to be like it."""

QUALITY_STEPS = 1000
"""Scores are told apart in steps of a thousandth."""

CountTokens = Callable[[Sequence[str]], int]


@dataclass
class _Size:
    """What has been counted of one source in one language."""

    documents: int = 0
    bytes_by_quality: Counter[float] = field(default_factory=Counter)
    counted_bytes: int = 0
    counted_tokens: int = 0
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DescribedMix:
    """The plan of a mix and how its tokens were counted."""

    plan: MixPlan
    counted_by: str

    def lines(self) -> list[str]:
        """As a person reads it."""
        return [*self.plan.lines(), f"tokens: {self.counted_by}"]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self.plan.to_dict(), "counted_by": self.counted_by}


def describe_mix(config: MixConfig, *, chat: bool = False) -> DescribedMix:
    """Count a corpus and plan its mix; of its conversations for `chat`.

    Raises:
        InputError: there are no shards, or they hold no documents; a quality is asked for that documents do not have.
        ConfigError: weights for what the corpus does not hold.
    """
    if config.tokenizer is None:
        rates = ", ".join(f"{language} {rate:g}" for language, rate in BYTES_PER_TOKEN.items())
        how = f"estimated from UTF-8 bytes per token ({rates}); name a tokenizer to have them counted"
        return DescribedMix(plan_corpus_mix(count_parts(config, chat=chat), config), how)
    parts = count_parts(config, chat=chat, count_tokens=_counter(config.tokenizer))
    how = f"{config.tokenizer}, counted on the first {COUNTED_BYTES / 1e6:g} MB of each part and scaled to the rest"
    return DescribedMix(plan_corpus_mix(parts, config), how)


def _counter(name: str) -> CountTokens:
    from transformers import AutoTokenizer

    if not Path(name).is_dir():
        reach_hub()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise InputError(f"tokenizer {name!r} cannot be loaded ({said})", hint=hub_hint()) from error
    return lambda texts: sum(len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"])


def corpus_files(config: MixConfig, *, chat: bool = False) -> list[Path]:
    """The shards of a corpus: documents-*, or conversations-* for `chat`. Raises InputError where there are none."""
    path = resolve_path(config.corpus)
    if not path.is_dir():
        return expand_paths(path)
    shards = sorted(path.glob("conversations-*" if chat else "documents-*"))
    if not shards:
        what = "conversations" if chat else "documents"
        raise InputError(f"{path}: holds no {what}-* shards", hint="name the `out` folder of `qaz data build`")
    return shards


def count_parts(config: MixConfig, *, chat: bool = False, count_tokens: CountTokens | None = None) -> list[MixPart]:
    """The tokens of each language and source of a corpus, languages and sources in the order in which they come.

    `best_frac` becomes a lowest score for each part: documents of equal score stay or go together.
    """
    sizes: dict[tuple[str, str], _Size] = defaultdict(_Size)
    scored = config.min_quality is not None or config.best_frac < 1
    for path in corpus_files(config, chat=chat):
        for number, row in enumerate(read_rows(path), 1):
            quality = quality_of(row, f"{path}, row {number}") if scored else 0.0
            if config.min_quality is not None and quality < config.min_quality:
                continue
            texts = _texts(row)
            size = sizes[_key(row, path, number)]
            size.documents += 1
            size.bytes_by_quality[floor(quality * QUALITY_STEPS) / QUALITY_STEPS] += sum(
                len(text.encode()) for text in texts
            )
            if count_tokens is not None:
                _count(size, texts, count_tokens)
    parts = [_part(key, size, config, count_tokens) for key, size in sizes.items()]
    if not parts:
        raise InputError(f"{config.corpus}: no document is left to mix", hint="check corpus and min_quality")
    order = list(dict.fromkeys(part.language for part in parts))
    return sorted(parts, key=lambda part: order.index(part.language))


def _key(row: Mapping[str, Any], path: Path, number: int) -> tuple[str, str]:
    try:
        return str(row["language"]), str(row["source"])
    except KeyError as error:
        hint = "shards of `qaz data build` have language and source; mix other files with data.mix of a training config"
        raise InputError(f"{path}, row {number}: no field {error}", hint=hint) from error


def quality_of(row: Mapping[str, Any], where: str) -> float:
    """The quality score of a row of a corpus. Raises InputError where it has none."""
    score = row.get("meta", {}).get("quality")
    if not isinstance(score, int | float):
        hint = "leave out min_quality and best_frac, or build the corpus again with `qaz data build`"
        raise InputError(f"{where}: no meta.quality to choose by", hint=hint)
    return float(score)


def _texts(row: Mapping[str, Any]) -> list[str]:
    if "messages" in row:
        return [message["content"] for message in row["messages"]]
    return [row["text"]]


def _count(size: _Size, texts: Iterable[str], count_tokens: CountTokens) -> None:
    """Tokenise the front of a part, a batch at a time."""
    if size.counted_bytes >= COUNTED_BYTES:
        return
    size.waiting += texts
    if len(size.waiting) >= 64:
        _flush(size, count_tokens)


def _flush(size: _Size, count_tokens: CountTokens) -> None:
    if size.waiting:
        size.counted_tokens += count_tokens(size.waiting)
        size.counted_bytes += sum(len(text.encode()) for text in size.waiting)
        size.waiting = []


def _part(key: tuple[str, str], size: _Size, config: MixConfig, count_tokens: CountTokens | None) -> MixPart:
    language, source = key
    lowest, taken = _best(size.bytes_by_quality, config.best_frac)
    if count_tokens is not None:
        _flush(size, count_tokens)
        per_byte = size.counted_tokens / max(size.counted_bytes, 1)
    else:
        per_byte = 1 / BYTES_PER_TOKEN.get(language, OTHER_BYTES_PER_TOKEN)
    floors = [config.min_quality, lowest if config.best_frac < 1 else None]
    min_quality = max((value for value in floors if value is not None), default=None)
    return MixPart(language, source, round(taken * per_byte), min_quality)


def _best(bytes_by_quality: Mapping[float, int], best_frac: float) -> tuple[float, int]:
    """The highest score down to which the documents hold that share of the bytes, and how many bytes these are.

    >>> _best({0.9: 30, 0.5: 30, 0.2: 40}, 0.5)
    (0.5, 60)
    """
    wanted = best_frac * sum(bytes_by_quality.values())
    taken = 0
    for quality in sorted(bytes_by_quality, reverse=True):
        taken += bytes_by_quality[quality]
        if taken >= wanted - 1e-6:
            return quality, taken
    return min(bytes_by_quality, default=0.0), taken
