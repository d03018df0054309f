"""What became of the rows of the input: how many are learned from, what was left out and why, what else is worth knowing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qaz_llm.rows.chat.render import NOTES as OF_DIALOGUES


@dataclass
class Counts:
    """What became of the rows of the input. `first` shows one row for each reason and for each thing counted."""

    examples: int
    dropped: Counter[str]
    noted: Counter[str]
    """What was kept and is worth knowing; see NOTES."""
    first: dict[str, str]
    unused_keys: Counter[str]
    """Keys of dialogues, and as `turn.KEY` of their turns, that are used for nothing."""

    @classmethod
    def none(cls) -> Counts:
        return cls(0, Counter(), Counter(), {}, Counter())

    def drop(self, reason: str, shown: str) -> None:
        self.dropped[reason] += 1
        self.first.setdefault(reason, shown)

    def note(self, name: str, shown: str, number: int = 1) -> None:
        self.noted[name] += number
        self.first.setdefault(name, shown)

    def add(self, other: Mapping[str, Any]) -> None:
        """The counts of a later part, as `to_dict` gives them."""
        self.examples += other["examples"]
        self.dropped.update(other["dropped"])
        self.noted.update(other["noted"])
        self.first = other["first"] | self.first
        self.unused_keys.update(other["unused_keys"])

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, the most frequent first."""
        dropped, noted = (dict(counts.most_common()) for counts in (self.dropped, self.noted))
        unused = dict(sorted(self.unused_keys.items()))
        return {
            "examples": self.examples,
            "dropped": dropped,
            "noted": noted,
            "first": self.first,
            "unused_keys": unused,
        }


NOTES: Mapping[str, str] = {
    **{key: f"{{}} {words}" for key, words in OF_DIALOGUES.items()},
    "encoding_recognised": "the encoding of {} files was recognised, as they do not say it",
    "special_tokens_spelled": "special tokens are spelled in {} texts, and stay text there",
    "texts_not_ended": "{} texts have no end-of-text token behind them, since the tokenizer names none (eos_token); a model "
    "that is trained on them does not learn to stop",
    "half_characters_replaced": "half a surrogate pair was replaced by U+FFFD in {} rows",
    "question_after_last_answer": "what was asked after the last answer was left out of {} dialogues",
}


def lines_of(name: str, meta: Mapping[str, Any]) -> Iterator[str]:
    """What was left out of a part of the mix and what is worth knowing, as a person reads it."""
    first = meta.get("first", {})

    def shown(key: str) -> str:
        return f"; for one: {first[key]}" if key in first else ""

    if meta["dropped"]:
        yield f"{name}: dropped {', '.join(f'{count:,} {reason}' for reason, count in meta['dropped'].items())}"
        yield from (f"{name}: not trained on, {reason}{shown(reason)}" for reason in meta["dropped"])
    for key, count in meta.get("noted", {}).items():
        yield f"{name}: {NOTES.get(key, key + ' in {}').format(f'{count:,}')}{shown(key)}"
    if unused := meta.get("unused_keys"):
        keys = ", ".join(f"{key} ({count:,})" for key, count in unused.items())
        yield f"{name}: keys that are not used, with the dialogues that have them: {keys}"
