"""From what is asked for to an extended tokenizer: how many tokens, how rare they may be, which ids they get.

chunks ─► words ─► merges ─► without tokens that training would hardly see ─► as many as the curve says ─► ids, new or swapped
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.config import ExtensionConfig
from qaz_llm.tokenizer.corpus import corpus_texts
from qaz_llm.tokenizer.curve import GainCurve, ModelCost, gain_curve
from qaz_llm.tokenizer.extend import NO_WORDS, check_extensible
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.fast import count_ids
from qaz_llm.tokenizer.keep import KeptFacts, kept_chunks, kept_facts
from qaz_llm.tokenizer.merges import LearnedMerges, append_merges, first_tokens, learn_merges
from qaz_llm.tokenizer.similar import similar_tokens
from qaz_llm.tokenizer.swap import swappable_tokens, take_swappable
from qaz_llm.tokenizer.usage import count_tokens, least_frequency, prune_rare, token_counts
from qaz_llm.tokenizer.words import Cut, KeptWords, count_chunks, cut_words, words_of_chunks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HOLD_OUT_EVERY = 50
"""Of every 50 texts one is kept from learning where the gain of each size is to be measured."""

MAX_HELD_OUT_TEXTS = 20_000

KAZAKH_ONLY = frozenset("әғқңөұүһіӘҒҚҢӨҰҮҺІ")
MIN_KAZAKH_FRAC = 0.02
"""Far below what any Kazakh text has, far above what names do to Russian text."""


@dataclass(frozen=True)
class ExtensionFacts:
    """What was found while a tokenizer was extended."""

    new_tokens: int
    swapped: int
    least_frequency: int | None
    """How often a token has to occur in the corpus, by the training that is planned."""
    rare: int
    """New tokens that occur less often than that, or not at all, and are there because others are made of them, or
    because they are letters that the base lacks."""
    curve: GainCurve | None
    kept: Mapping[str, KeptFacts] = field(default_factory=dict)
    """What happens to the words of each language that is to be kept."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"kept": {language: facts.to_dict() for language, facts in self.kept.items()}}

    def lines(self) -> list[str]:
        """For a person to read."""
        lines = []
        if self.curve is not None:
            lines += ["new tokens  tokens/word  saved by each per 1 M words  rarest  compute"]
            for p in self.curve.points:
                compute = "" if p.compute_frac is None else f"{p.compute_frac:.1%}"
                lines.append(
                    f"{p.new_tokens:>10,}  {p.tokens_per_word:>11.3f}  {p.saved_per_token:>27.1f}  {p.rarest:>6}  {compute:>7}"
                )
            lines.append(f"suggested: {self.curve.suggested:,}, {self.curve.reason}")
        if self.least_frequency is not None:
            lines.append(
                f"each new token occurs at least {self.least_frequency} times in the corpus, but for {self.rare:,} that "
                "are letters or that others are made of"
            )
        if self.swapped:
            lines.append(f"{self.swapped:,} new tokens have ids of old ones that no text here uses")
        return [*lines, *(facts.line(language) for language, facts in self.kept.items())]


def make_from_files(
    base: PreTrainedTokenizerFast,
    config: ExtensionConfig,
    paths: Sequence[Path],
    *,
    keep: Mapping[str, Path] | None = None,
    cost: ModelCost | None = None,
) -> tuple[ExtendedTokenizer, ExtensionFacts]:
    """`make_extension` on the texts of files: those in the language to be added, and all of them for `swap` and `similar`.

    `keep` names a file or folder for each language that is to be kept; it may be one of `paths`.
    """
    all_paths = list(dict.fromkeys([*paths, *(keep or {}).values()]))
    return make_extension(
        base,
        config,
        corpus=lambda: corpus_texts(paths, language=config.language),
        all_texts=lambda: corpus_texts(all_paths),
        kept=kept_chunks(keep or {}),
        cost=cost,
    )


def make_extension(
    base: PreTrainedTokenizerFast,
    config: ExtensionConfig,
    *,
    corpus: Callable[[], Iterable[str]],
    all_texts: Callable[[], Iterable[str]],
    kept: Mapping[str, Mapping[str, int]] | None = None,
    cost: ModelCost | None = None,
) -> tuple[ExtendedTokenizer, ExtensionFacts]:
    """The extension that `config` asks for, and what was found on the way.

    Args:
        base: the tokenizer to extend.
        config: how many tokens, how often each is to be seen, what else.
        corpus: gives the texts in the language to be added, from the start each time it is called.
        all_texts: gives texts in all languages that the model is to serve; what `swap` and `similar` go by.
        kept: how often each chunk of text (words.py) occurs in each language that is to be kept.
        cost: of the model, where known; decides what size `auto` takes.

    Raises:
        InputError: as `extend_tokenizer`, and where a Kazakh corpus holds no Kazakh.
    """
    check_extensible(base)
    kept = kept or {}
    kept_words = [
        KeptWords(cut_words(base, words_of_chunks(base, chunks)), sum(chunks.values())) for chunks in kept.values()
    ]
    learned, words, least, curve = _learn(base, config, corpus(), kept_words, cost)
    swappable = swappable_tokens(base, all_texts()) if config.swap else {}
    if curve is None:
        assert config.num_new_tokens != "auto"
        size = config.num_new_tokens
    elif config.swap:
        size = min(curve.suggested, len(swappable))
    else:
        size = _fill_up(curve.suggested, base, learned.num_tokens, config.pad_to_multiple_of)
    swap = take_swappable(swappable, size) if config.swap else {}
    extended = append_merges(learned, num_new_tokens=size, swap=swap)
    extended = replace(extended, pad_to_multiple_of=config.pad_to_multiple_of)
    if config.similar and extended.sub_tokens:
        extended = replace(extended, similar=similar_tokens(extended, all_texts()))
    used = token_counts(first_tokens(learned, size), words)
    rare = sum(used[token] < (least or 1) for token in extended.tokenizer.convert_ids_to_tokens(list(extended.new_ids)))
    facts = {language: kept_facts(base, extended.tokenizer, chunks) for language, chunks in kept.items()}
    return extended, ExtensionFacts(size, len(swap), least, rare, curve, facts)


def _learn(
    base: PreTrainedTokenizerFast,
    config: ExtensionConfig,
    texts: Iterable[str],
    kept: Sequence[KeptWords],
    cost: ModelCost | None,
) -> tuple[LearnedMerges, list[Cut], int | None, GainCurve | None]:
    """What may be added, the words it was learned from, the least frequency, and the curve where the size is open."""
    auto = config.num_new_tokens == "auto"
    most = config.max_new_tokens if config.num_new_tokens == "auto" else config.num_new_tokens
    chunks, heldout_chunks = _count(texts, hold_out=auto)
    counts, heldout_counts = words_of_chunks(base, chunks), words_of_chunks(base, heldout_chunks)
    if auto and bool(counts) != bool(heldout_counts):
        raise InputError(
            f"auto measures on every {HOLD_OUT_EVERY}th text and learns from the others; the corpus has too few texts",
            hint="give more texts, or a number of tokens instead of auto",
        )
    _check_language(counts, chunks, config.language)
    words, heldout = cut_words(base, counts), cut_words(base, heldout_counts)
    if not words:
        raise InputError("the base tokenizer cannot spell the words of the corpus", hint="choose another base")
    learned = learn_merges(
        base,
        words,
        num_new_tokens=most,
        min_frequency=config.min_frequency,
        kept=kept,
        running_words=chunks.total(),
        keep_weight=config.keep_weight,
    )
    least = None
    if config.planned_tokens:
        outside = count_tokens(base, chunks) - sum(count * sum(map(len, units)) for units, count in words)
        learned, least = _seen_often(
            learned, words, outside=outside, min_seen=config.min_seen, planned_tokens=config.planned_tokens
        )
    _check_supported(learned, config)
    curve = gain_curve(learned, words, heldout, cost=cost, grows=not config.swap) if auto else None
    return learned, words, least, curve


def _check_supported(learned: LearnedMerges, config: ExtensionConfig) -> None:
    """Raises InputError where fewer tokens were learned than asked for."""
    if config.num_new_tokens == "auto":
        if not learned.num_tokens:
            raise InputError(
                "no new token is frequent enough to be learned",
                hint="give more text, or lower min_frequency or, with planned_tokens, min_seen",
            )
    elif config.planned_tokens and learned.num_tokens < config.num_new_tokens:
        raise InputError(
            f"{config.num_new_tokens:,} new tokens were asked for; {learned.num_tokens:,} are seen {config.min_seen} times or "
            f"more in {config.planned_tokens:,} tokens of training",
            hint=f"ask for at most {learned.num_tokens}, or for tokens that are seen less often (min_seen)",
        )


def _count(texts: Iterable[str], *, hold_out: bool) -> tuple[Counter[str], Counter[str]]:
    """Chunks to learn from, and chunks to measure on: of every 50th text, the first included."""
    if not hold_out:
        return count_chunks(texts), Counter()
    heldout: list[str] = []

    def learned_from() -> Iterator[str]:
        for number, text in enumerate(texts):
            if number % HOLD_OUT_EVERY:
                yield text
            elif len(heldout) < MAX_HELD_OUT_TEXTS:
                heldout.append(text)

    return count_chunks(learned_from()), count_chunks(heldout)


def _seen_often(
    learned: LearnedMerges, words: Sequence[Cut], *, outside: int, min_seen: int, planned_tokens: int
) -> tuple[LearnedMerges, int]:
    """The tokens that the planned training sees often enough, and how often that is in the corpus.

    Fewer tokens cut the corpus into more pieces, so the same training sees less of it, and each must be more frequent. It
    goes on until none goes any more: asking for as many as are left gives the same ones.

    Args:
        outside: tokens of the corpus that are not in `words`.
    """
    while True:
        corpus_tokens = outside + token_counts(learned, words).total()
        least = least_frequency(min_seen=min_seen, corpus_tokens=corpus_tokens, planned_tokens=planned_tokens)
        kept = prune_rare(learned, words, least=least)
        if kept.num_tokens == learned.num_tokens:
            return kept, least
        learned = kept


def _check_language(words: Counter[str], chunks: Mapping[str, int], language: str) -> None:
    """Raises InputError where chunks hold no words, or where Kazakh is asked for and none is there."""
    if not words:
        raise InputError(NO_WORDS, hint=f"give text in {language!r}; rows that name another language are passed over")
    if language != "kk":
        return
    kazakh = sum(count for chunk, count in chunks.items() if not KAZAKH_ONLY.isdisjoint(chunk))
    if kazakh < MIN_KAZAKH_FRAC * words.total():
        raise InputError(
            f"of {words.total():,} words {kazakh:,} hold a letter that Russian lacks; in Kazakh text it is every second one",
            hint="give Kazakh text; for another language say so with --language",
        )


def _fill_up(size: int, base: PreTrainedTokenizerFast, most: int, multiple: int | None) -> int:
    """`size`, or a little more where that fills the table's last rows with real tokens instead of padding."""
    if multiple is None:
        return size
    base_size = count_ids(base)
    full = -(-(base_size + size) // multiple) * multiple - base_size
    return full if full <= most else size
