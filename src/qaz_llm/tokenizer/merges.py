"""Merges learned on top of a base tokenizer, and the base with them at the end of its list.

An ordinary BPE trainer runs on words that the base has cut, each unit of a cut written as one character, so every new merge
joins tokens that the base really produces:

    base cuts  " қала"  into  [Ġ] [Ò][Ľ] [ал] [а]      (5 tokens)
    learned    [Ò]+[Ľ] → қ,  [Ġ]+[қ] → Ġқ,  [ал]+[а] → ала,  [Ġқ]+[ала] → Ġқала
    extended   " қала"  into  [Ġқала]                  (1 token)

Merges come in the order they were learned, the most frequent pair first. The first n of them make a smaller extension of the
same kind: one learning serves every size.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.fast import backend_spec, count_ids, with_backend
from qaz_llm.tokenizer.weighed import weighed_merges
from qaz_llm.tokenizer.words import Cut, KeptWords, Unit, unit_speller

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FIRST_SUPPLEMENTARY = 0x10000
"""Units are written as the characters of planes 1 to 16 (Unicode 16, section 2.8): there are 1,048,576, and none of them
is white space, which is all that the trainer must not see inside a word."""

MAX_WORD_OCCURRENCES = 20_000_000
"""Words fed to the trainer are thinned, in proportion to their counts, to this many; it bounds time and memory."""

RARE_CHARACTER_FRAC = 1e-5
"""A character that the base lacks gets a token of its own from this share of all units on. In 0.8 million letters of
Kazakh news and encyclopedia text the rarest Kazakh letter, һ, has ten times as much, щ one and a half times."""

_logger = get_logger("tokenizer")


@dataclass(frozen=True)
class Merge:
    """One new token: the two it joins, as strings of the vocabulary and as units of the base."""

    left: str
    right: str
    left_units: tuple[Unit, ...]
    right_units: tuple[Unit, ...]

    @property
    def token(self) -> str:
        return self.left + self.right

    @property
    def sub_tokens(self) -> tuple[int, ...]:
        """The base ids that the token stands for."""
        return tuple(index for unit in self.left_units + self.right_units for index in unit)


@dataclass(frozen=True)
class LearnedMerges:
    """What a corpus teaches a base. `characters` are spelled by bytes in the base and become tokens first.

    `merges` hold a few whose token, or that themselves, the base has already: units reach them by another path. They cost
    no id.
    """

    base: PreTrainedTokenizerFast
    characters: tuple[tuple[str, Unit], ...]
    merges: tuple[Merge, ...]

    @property
    def num_tokens(self) -> int:
        """How many new tokens there are in all."""
        base = self.base.get_vocab()
        return len(self.characters) + len({merge.token for merge in self.merges if merge.token not in base})


def learn_merges(
    base: PreTrainedTokenizerFast,
    words: Sequence[Cut],
    *,
    num_new_tokens: int,
    min_frequency: int = 2,
    kept: Sequence[KeptWords] = (),
    running_words: int = 0,
    keep_weight: float = 0.0,
) -> LearnedMerges:
    """The first `num_new_tokens` new tokens that `words`, cut by the base, support, or as many as there are.

    Where the words of languages to be kept are given, a merge pays for its use there (weighed.py); `running_words` is how
    much text `words` come from.
    """
    spell = unit_speller(base)
    # some merges spell a token that another path spells too, so learn a few more than asked for
    most = num_new_tokens + num_new_tokens // 20 + 64
    if kept and keep_weight:
        learned = weighed_merges(
            words,
            kept,
            running_words=running_words,
            num_merges=most,
            min_frequency=min_frequency,
            weight=keep_weight,
        )
    else:
        learned = _train(words, num_merges=most, min_frequency=min_frequency)
    characters = tuple((spell(unit), unit) for unit in _missing_characters(words, min_frequency))
    merges = tuple(Merge("".join(map(spell, left)), "".join(map(spell, right)), left, right) for left, right in learned)
    return first_tokens(LearnedMerges(base, characters, merges), num_new_tokens)


def first_tokens(learned: LearnedMerges, num_tokens: int) -> LearnedMerges:
    """The first `num_tokens` new tokens, with the merges that belong to them."""
    known = set(learned.base.get_vocab())
    characters = learned.characters[:num_tokens]
    known |= {character for character, _unit in characters}
    left_over = num_tokens - len(characters)
    merges: list[Merge] = []
    for merge in learned.merges:
        if not {merge.left, merge.right} <= known:
            continue
        if merge.token not in known:
            if not left_over:
                break
            left_over -= 1
            known.add(merge.token)
        merges.append(merge)
    return replace(learned, characters=characters, merges=tuple(merges))


def append_merges(
    learned: LearnedMerges, *, num_new_tokens: int | None = None, swap: Mapping[str, int] | None = None
) -> ExtendedTokenizer:
    """The base with the first `num_new_tokens` tokens learned, or all of them.

    `swap` are tokens of the base to be taken out, and their ids, which the new tokens get before any id beyond the base's.

    Raises:
        InputError: where fewer were learned.
    """
    wanted = learned.num_tokens if num_new_tokens is None else num_new_tokens
    taken = first_tokens(learned, wanted)
    if taken.num_tokens < wanted:
        raise InputError(
            f"the corpus supports {taken.num_tokens:,} new tokens, {wanted:,} were asked for",
            hint=f"ask for at most {taken.num_tokens}, give more text, or lower the least frequency",
        )
    swap = swap or {}
    spec = backend_spec(learned.base)
    vocab: dict[str, int] = dict(spec["model"]["vocab"])
    # Added tokens get ids by the vocabulary's size when a tokenizer is loaded; in the vocabulary they keep their own.
    vocab.update({token["content"]: token["id"] for token in spec["added_tokens"]})
    base_size = count_ids(learned.base)
    ids = itertools.chain(sorted(swap.values()), itertools.count(base_size))
    vocab = {token: index for token, index in vocab.items() if token not in swap}
    sub_tokens: dict[int, tuple[int, ...]] = {}
    made_of = dict(taken.characters) | {merge.token: merge.sub_tokens for merge in reversed(taken.merges)}
    for token in dict.fromkeys([*dict(taken.characters), *(merge.token for merge in taken.merges)]):
        if token not in vocab:
            vocab[token] = next(ids)
            sub_tokens[vocab[token]] = made_of[token]
    merges = [(left, right) for left, right in _merges_of(spec) if not {left, right, left + right} & swap.keys()]
    merges += [(merge.left, merge.right) for merge in taken.merges]
    merges = list(dict.fromkeys(merges))  # of a merge named twice the last rank counts, and the base's own must
    spec["model"]["vocab"] = dict(sorted(vocab.items(), key=lambda entry: entry[1]))
    spec["model"]["merges"] = [list(pair) for pair in merges]
    return ExtendedTokenizer(with_backend(learned.base, spec), base_size, sub_tokens)


# ------------------------------------------------------------------------------------------------------------ learning


def _merges_of(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges of a tokenizer.json, which writes them as pairs or, in older files, as `left right`."""
    pairs = (m.split(" ") if isinstance(m, str) else m for m in spec["model"]["merges"])
    return [(left, right) for left, right in pairs]


def _missing_characters(words: Sequence[Cut], min_frequency: int) -> list[Unit]:
    """The characters that the base spells by their bytes, the most frequent first, without the very rare."""
    counts: Counter[Unit] = Counter()
    for units, count in words:
        for unit in units:
            counts[unit] += count
    least = max(min_frequency, counts.total() * RARE_CHARACTER_FRAC)
    missing = [(-count, unit) for unit, count in counts.items() if len(unit) > 1 and count >= least]
    return [unit for _count, unit in sorted(missing)]


def unit_characters(units: Iterable[Unit]) -> dict[Unit, str]:
    """A character to write each unit by."""
    return {unit: _character(index) for index, unit in enumerate(sorted(set(units)))}


def _character(index: int) -> str:
    """The character that stands for the index-th unit."""
    if FIRST_SUPPLEMENTARY + index > 0x10FFFF:
        raise DataError(f"the corpus uses more than {0x110000 - FIRST_SUPPLEMENTARY:,} different base tokens")
    return chr(FIRST_SUPPLEMENTARY + index)


def _train(
    words: Sequence[Cut], *, num_merges: int, min_frequency: int
) -> list[tuple[tuple[Unit, ...], tuple[Unit, ...]]]:
    """The merges an ordinary BPE trainer learns on units, each side as the units it stands for."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    to_char = unit_characters(unit for units, _count in words for unit in units)
    to_unit = {char: unit for unit, char in to_char.items()}
    occurrences = sum(count for _units, count in words)
    keep_frac = min(1.0, MAX_WORD_OCCURRENCES / occurrences)

    def repeated() -> Iterator[str]:
        for units, count in words:
            if len(units) > 1 and (times := round(count * keep_frac)):
                word = "".join(to_char[unit] for unit in units)
                while times > 0:  # lines of bounded length
                    yield " ".join([word] * min(times, 1_000))
                    times -= 1_000

    trainer = trainers.BpeTrainer(
        vocab_size=len(to_char) + num_merges,
        initial_alphabet=list(to_unit),
        limit_alphabet=len(to_char),
        min_frequency=max(1, round(min_frequency * keep_frac)),
        show_progress=False,
    )
    _logger.info("learning %s merges from %s words", f"{num_merges:,}", f"{occurrences:,}")
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(repeated(), trainer)
    learned = json.loads(learner.to_str())["model"]["merges"]

    def side(piece: str) -> tuple[Unit, ...]:
        return tuple(to_unit[char] for char in piece)

    return [(side(left), side(right)) for left, right in learned]
