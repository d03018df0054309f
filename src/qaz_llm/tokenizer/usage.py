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

from qaz_llm.tokenizer.corpus import batches
from qaz_llm.tokenizer.merges import LearnedMerges, first_tokens, unit_characters
from qaz_llm.tokenizer.words import Cut, unit_speller

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BATCH_CHUNKS = 10_000
"""Chunks that are tokenized at a time; what is known of each token of all of them would not fit into memory."""


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
    before = len(tokenizer("a", add_special_tokens=False)["input_ids"])
    total = 0
    for batch in batches(chunks.items(), _BATCH_CHUNKS):
        # After a letter, as inside a text: SentencePiece puts one more space before a text.
        texts = [f"a{chunk}" if chunk[0].isspace() else chunk for chunk, _count in batch]
        encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
        for ids, (chunk, count) in zip(encoded, batch, strict=True):
            total += count * (len(ids) - before if chunk[0].isspace() else len(ids))
    return total


def least_frequency(*, min_seen: int, corpus_tokens: int, planned_tokens: int) -> int:
    """How often a token must occur in the corpus to be seen `min_seen` times in `planned_tokens` of training on such text.

    A corpus of 2,000,000 tokens, 1,000,000 planned, 100 times: 200.
    """
    return max(1, math.ceil(min_seen * corpus_tokens / planned_tokens))


def prune_rare(learned: LearnedMerges, words: Sequence[Cut], *, least: int) -> LearnedMerges:
    """Without the tokens that are used less than `least` times in `words` and that nothing kept is made of.

    Letters that the base lacks stay, also rare ones. Merges not learned yet need not be tried in the places of those that go:
    no pair is more frequent than the pairs learned before it.

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
    kept = replace(learned, merges=tuple(merge for merge in learned.merges if merge.token not in gone))
    return first_tokens(kept, kept.num_tokens)
