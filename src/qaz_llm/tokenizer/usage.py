"""How often each token is used, and merges without the tokens that a training run would hardly see.

A merge is learned because its pair is frequent at that moment. Later merges take occurrences away from it again:

    " қаз" 1,000 times when learned, then " қазақ" takes 980 of them: 20 are left

A token that later ones are made of has to stay, however rarely it is used itself. Any other can go; its occurrences fall back to the
two tokens it joined.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qaz_llm.tokenizer.merges import Cut, LearnedMerges, first_tokens, unit_characters
from qaz_llm.tokenizer.words import unit_speller

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def token_counts(learned: LearnedMerges, words: Sequence[Cut]) -> Counter[str]:
    """How often each token occurs in words that the base has cut, once the learned merges have joined what they can.

    Only the new merges are worked with, so this is far quicker than to make the whole tokenizer and ask that.
    """
    from tokenizers import models

    spell = unit_speller(learned.base)
    to_char = unit_characters(unit for units, _count in words for unit in units)
    known = {char: unit for unit, char in to_char.items()}

    def written(units: tuple[tuple[int, ...], ...]) -> str | None:
        return "".join(to_char[unit] for unit in units) if all(unit in to_char for unit in units) else None

    spelled: dict[str, str] = {char: spell(unit) for char, unit in known.items()}
    pairs: list[tuple[str, str]] = []
    for merge in learned.merges:
        left, right = written(merge.left_units), written(merge.right_units)
        if left is not None and right is not None:  # else no word holds it
            pairs.append((left, right))
            spelled[left + right] = merge.token
    model = models.BPE(vocab={token: index for index, token in enumerate(spelled)}, merges=pairs)
    characters = {char for char, _unit in learned.characters}
    counts: Counter[str] = Counter()
    for units, count in words:
        for token in model.tokenize("".join(to_char[unit] for unit in units)):
            unit = known.get(token.value, ())
            if len(unit) > 1 and spelled[token.value] not in characters:  # still spelled by its bytes
                for byte in unit:
                    counts[spell((byte,))] += count
            else:
                counts[spelled[token.value]] += count
    return counts


def count_tokens(tokenizer: PreTrainedTokenizerFast, chunks: Mapping[str, int]) -> int:
    """The tokens of a text that was counted into chunks; tokenizers that join words may need a few less."""
    texts = list(chunks)
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return sum(len(ids) * chunks[text] for text, ids in zip(texts, encoded, strict=True))


def least_frequency(*, min_seen: int, corpus_tokens: int, planned_tokens: int) -> int:
    """How often a token must occur in the corpus to be seen `min_seen` times in `planned_tokens` of training on such text.

    A corpus of 2,000,000 tokens, 1,000,000 planned, 100 times: 200.
    """
    return max(1, math.ceil(min_seen * corpus_tokens / planned_tokens))


def prune_rare(learned: LearnedMerges, words: Sequence[Cut], *, num_new_tokens: int, least: int) -> LearnedMerges:
    """At most `num_new_tokens` new tokens that are used at least `least` times in `words`, or that such are made of.

    The places of those that go are taken by the next ones learned.
    """
    taken = min(num_new_tokens, learned.num_tokens)
    while True:
        kept = _without_rare(first_tokens(learned, taken), words, least)
        if kept.num_tokens >= num_new_tokens or taken == learned.num_tokens:
            return first_tokens(kept, num_new_tokens)
        taken = min(learned.num_tokens, taken + 2 * (num_new_tokens - kept.num_tokens))


def _without_rare(learned: LearnedMerges, words: Sequence[Cut], least: int) -> LearnedMerges:
    """Without the tokens that are used less than `least` times and that nothing kept is made of.

    Goes from the last merge to the first, so that what a token is part of has been decided before it. Where a token has
    fallen back to its sides, their counts are what they would be without it, but for pairs that form anew.
    """
    base = learned.base.get_vocab()
    counts = token_counts(learned, words)
    needed: set[str] = set()
    gone: set[str] = set()
    for merge in reversed(learned.merges):
        token = merge.token
        if token not in base and token not in needed and token not in gone and counts[token] < least:
            gone.add(token)
            counts[merge.left] += counts[token]
            counts[merge.right] += counts[token]
        if token not in gone:
            needed |= {merge.left, merge.right}
    return replace(learned, merges=tuple(merge for merge in learned.merges if merge.token not in gone))
