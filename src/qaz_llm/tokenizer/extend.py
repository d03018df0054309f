"""Continued BPE: new merges on top of an existing fast tokenizer, appended to its merge list.

A tokenizer that never saw Kazakh cuts it into bytes and scraps. Here each word is first cut as the base cuts it; then an
ordinary BPE trainer runs on those pieces (each written as one private-use character), so every new merge joins tokens
that the base really produces:

    base cuts  " қала"  into  [Ġ] [Ò][Ľ] [ал] [а]      (5 tokens)
    learned    [Ò]+[Ľ] → қ,  [Ġ]+[қ] → Ġқ,  [ал]+[а] → ала,  [Ġқ]+[ала] → Ġқала
    extended   " қала"  into  [Ġқала]                  (1 token)

Why a text never gets longer: every base merge outranks every new one, so the base's own cut is reached first, and from
there new merges can only join. Why English stays as it is: only words of letters outside ASCII are learned from, so no
new token holds an ASCII letter, a digit or punctuation. A character that the base lacks and spells byte by byte (byte
fallback, as in Llama-2) becomes a token first: byte tokens are decoded one by one, so none can be part of a merge.
The alternative, `add_tokens`, matches strings before pre-tokenization, splits words that contain them, and lengthens text.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.io import atomic_dir, fingerprint_value, read_json, write_json
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.words import Unit, count_words, cut_words, unit_speller

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

EXTENSION_FILE = "extension.json"
FIRST_PRIVATE_USE = 0xF0000
"""Planes 15 and 16 hold 2 × 65,534 private-use code points (Unicode 16, section 23.5); 0x1FFFE and the like are skipped."""

MAX_WORD_OCCURRENCES = 20_000_000
"""Words fed to the trainer are thinned, in proportion to their counts, to this many; it bounds time and memory."""

RARE_CHARACTER_FRAC = 1e-5
"""A character that the base lacks gets a token of its own from this share of all units on. In 0.8 million letters of
Kazakh news and encyclopedia text the rarest Kazakh letter, һ, has ten times as much, щ one and a half times."""

_logger = get_logger("tokenizer")


@dataclass(frozen=True)
class ExtendedTokenizer:
    """A tokenizer with new tokens, and what each was made of.

    `sub_tokens[new_id]` are the old ids that the base gave for the same text; ids below `base_size` are unchanged.
    """

    tokenizer: PreTrainedTokenizerFast
    base_size: int
    sub_tokens: Mapping[int, tuple[int, ...]]

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoTokenizer.from_pretrained` loads, whole or not at all."""
        with atomic_dir(folder) as temporary:
            self.tokenizer.save_pretrained(temporary)
            sub_tokens = {str(new): list(old) for new, old in self.sub_tokens.items()}
            write_json(temporary / EXTENSION_FILE, {"base_size": self.base_size, "sub_tokens": sub_tokens})

    @classmethod
    def load(cls, folder: Path) -> ExtendedTokenizer:
        """Read a folder written by `save`. Raises InputError where it holds no extension."""
        if not (folder / EXTENSION_FILE).is_file():
            raise InputError(f"{folder}: holds no {EXTENSION_FILE}", hint="make one with `qaz tokenizer extend`")
        facts = read_json(folder / EXTENSION_FILE)
        sub_tokens = {int(new): tuple(old) for new, old in facts["sub_tokens"].items()}
        return cls(load_fast_tokenizer(str(folder)), facts["base_size"], sub_tokens)


def load_fast_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder or hub id.

    Raises:
        InputError: where there is none, or only a slow one.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        what = "the folder holds no tokenizer" if Path(name).is_dir() else "no such folder, and not found on the hub"
        raise InputError(
            f"{name}: {what}", hint="name a folder with tokenizer.json, or a hub id while online"
        ) from error
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: only a slow tokenizer ({type(tokenizer).__name__})", hint="a tokenizer.json is needed"
        )
    return tokenizer


def extend_tokenizer(
    base: PreTrainedTokenizerFast, corpus: Iterable[str], *, num_new_tokens: int, min_frequency: int = 2
) -> ExtendedTokenizer:
    """Add `num_new_tokens` learned from `corpus` to a fast BPE tokenizer.

    Args:
        base: byte-level BPE (Llama-3, Qwen, GPT-2) or BPE with byte fallback (Llama-2, Gemma).
        corpus: texts in the language to be added.
        num_new_tokens: how many; the ids start at `len(base)`.
        min_frequency: a new token joins a pair seen at least this often.

    Raises:
        InputError: where the tokenizer is not BPE, `num_new_tokens` is not positive, the corpus holds no word to learn
            from, or it supports fewer tokens than asked for.
    """
    if num_new_tokens < 1:
        raise InputError(f"num_new_tokens is {num_new_tokens}, at least 1 was expected")
    spec = json.loads(base.backend_tokenizer.to_str())
    if spec["model"]["type"] != "BPE":
        raise InputError(
            f"the base tokenizer is {spec['model']['type']}, only BPE can be extended by merges",
            hint="choose a base with a BPE tokenizer (Llama, Qwen, Gemma, Mistral …)",
        )
    if spec["model"]["continuing_subword_prefix"] or spec["model"]["end_of_word_suffix"]:
        raise InputError("the base tokenizer marks the inside or end of words, as CLIP's does; it cannot be extended")
    words = cut_words(base, count_words(base, corpus))
    if not words:
        raise InputError("the corpus holds no word with a non-Latin letter to learn from", hint="give Kazakh text")
    characters = _missing_characters(words, min_frequency)
    merges = _train_merges(words, num_new_tokens=num_new_tokens, min_frequency=min_frequency)
    return _append_merges(base, spec, characters, merges, num_new_tokens)


# ------------------------------------------------------------------------------------------------------------ learning


def _private_use(index: int) -> str:
    """The index-th private-use character of planes 15 and 16 (65,534 each)."""
    plane, offset = divmod(index, 65_534)
    if plane > 1:
        raise DataError(f"the corpus uses more than {2 * 65_534:,} different base tokens")
    return chr(FIRST_PRIVATE_USE + plane * 0x10000 + offset)


def _missing_characters(words: Sequence[tuple[tuple[Unit, ...], int]], min_frequency: int) -> list[Unit]:
    """The characters that the base spells by their bytes, the most frequent first, without the very rare."""
    counts: Counter[Unit] = Counter()
    for units, count in words:
        for unit in units:
            counts[unit] += count
    least = max(min_frequency, counts.total() * RARE_CHARACTER_FRAC)
    missing = [(-count, unit) for unit, count in counts.items() if len(unit) > 1 and count >= least]
    return [unit for _count, unit in sorted(missing)]


def _train_merges(
    words: Sequence[tuple[tuple[Unit, ...], int]], *, num_new_tokens: int, min_frequency: int
) -> list[tuple[tuple[Unit, ...], tuple[Unit, ...]]]:
    """The merges an ordinary BPE trainer learns on units, each side as the units it stands for."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = sorted({unit for units, _count in words for unit in units})
    to_char = {unit: _private_use(index) for index, unit in enumerate(alphabet)}
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
        # some merges spell a token that another path spells too, so learn a few more than asked for
        vocab_size=len(alphabet) + num_new_tokens + num_new_tokens // 20 + 64,
        initial_alphabet=list(to_unit),
        limit_alphabet=len(alphabet),
        min_frequency=max(1, round(min_frequency * keep_frac)),
        show_progress=False,
    )
    _logger.info("learning %s merges from %s words", f"{num_new_tokens:,}", f"{occurrences:,}")
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(repeated(), trainer)
    learned = json.loads(learner.to_str())["model"]["merges"]

    def side(piece: str) -> tuple[Unit, ...]:
        return tuple(to_unit[char] for char in piece)

    return [(side(left), side(right)) for left, right in learned]


def _append_merges(
    base: PreTrainedTokenizerFast,
    spec: dict[str, Any],
    characters: Iterable[Unit],
    merges: Iterable[tuple[tuple[Unit, ...], tuple[Unit, ...]]],
    num_new_tokens: int,
) -> ExtendedTokenizer:
    """The base with the merges at the end of its list and a new id for each string it did not have."""
    vocab: dict[str, int] = dict(spec["model"]["vocab"])
    # Added tokens get ids by the vocabulary's size when a tokenizer is loaded; in the vocabulary they keep their own.
    vocab.update({token["content"]: token["id"] for token in spec["added_tokens"]})
    spell = unit_speller(base)
    base_size = max(vocab.values()) + 1  # the number of tokens, or more where the ids have holes
    sub_tokens: dict[int, tuple[int, ...]] = {}

    def add(token: str, units: Iterable[Unit]) -> None:
        vocab[token] = base_size + len(sub_tokens)
        sub_tokens[vocab[token]] = tuple(index for unit in units for index in unit)

    for unit in itertools.islice(characters, num_new_tokens):
        add(spell(unit), [unit])
    old_merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in spec["model"]["merges"]]
    known_merges = set(old_merges)
    new_merges: list[tuple[str, str]] = []
    for left, right in merges:
        pair = ("".join(map(spell, left)), "".join(map(spell, right)))
        if pair in known_merges or pair[0] not in vocab or pair[1] not in vocab:
            continue
        if pair[0] + pair[1] not in vocab:
            if len(sub_tokens) == num_new_tokens:
                break
            add(pair[0] + pair[1], left + right)
        known_merges.add(pair)
        new_merges.append(pair)
    if len(sub_tokens) < num_new_tokens:
        raise InputError(
            f"the corpus supports {len(sub_tokens):,} new tokens, {num_new_tokens:,} were asked for",
            hint=f"ask for at most {len(sub_tokens)}, or give more text",
        )
    spec["model"]["vocab"] = vocab
    spec["model"]["merges"] = [list(pair) for pair in (*old_merges, *new_merges)]
    return ExtendedTokenizer(_with_backend(base, spec), base_size, sub_tokens)


def _with_backend(base: PreTrainedTokenizerFast, spec: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """A copy of `base`, its settings and template, over another backend."""
    import copy

    from tokenizers import Tokenizer

    extended = copy.deepcopy(base)
    extended._tokenizer = Tokenizer.from_str(json.dumps(spec, ensure_ascii=False))
    return extended


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """A fingerprint of what the tokenizer does: its backend and its chat template."""
    return fingerprint_value([tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template])
