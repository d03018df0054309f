"""What is said of a text and of its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["trusted", "valid", "changed", "none"]
STATES: tuple[State, ...] = ("trusted", "valid", "changed", "none")

MEANINGS: Mapping[str, str] = {
    "trusted": "as it was when a machine-made text was labelled; who labelled it leads to a root you gave",
    "valid": "as it was when a machine-made text was labelled; who labelled it is not confirmed",
    "changed": "a label that does not hold: the text or the label is not what was signed",
    "none": "no label says anything of it. That does NOT mean that a person wrote it",
}

REASONS: Mapping[str, str] = {
    "unknown_root": "the certificate leads to none of the roots given with --trust",
    "no_roots_given": "no root was given to check the certificate by (--trust ROOT.pem)",
    "certificate_expired": "signed text unchanged, but the certificate is outside its dates: it no longer says who signed",
    "text_changed": "letters were changed, added or taken away after it was labelled",
    "text_missing": "the label was made for a longer text than stands before it",
    "label_damaged": "the label is cut off or damaged; what it was made for cannot be told",
    "label_remains": "what is left of a label whose beginning is gone",
    "label_changed": "the label itself was changed, or was not made as the standard says",
    "certificate_unfit": "the certificate in the label is not one for signing labels",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text and what its label says of it. Positions are characters of the text in the form it was read in."""

    state: State
    start: int
    end: int
    """Where the text of the piece ends; its label, where it has one, stands behind it up to `label_end`."""
    label_end: int
    reason: str | None = None
    is_start_certain: bool = True
    """False for changed text: where it began is taken from the length that was signed."""
    model: str | None = None
    made_at: str | None = None
    """What the label says: when the text was made; only where its signature holds."""
    signer: str | None = None
    """Whom the certificate names, where roots were given to check it by."""
    codes: tuple[str, ...] = ()
    """C2PA's codes of what failed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdict on a whole text."""

    segments: tuple[Segment, ...]
    read_as: tuple[str, ...] = ()
    """What was undone to read it: `escapes`, `html`, `line_ends`, `marker`, `nfc`; empty for the text as it lies there."""
    has_roots: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    """Segments by state."""
    chars: Mapping[str, int] = field(default_factory=dict)
    """Characters of text by state, labels not counted."""

    @property
    def is_labelled(self) -> bool:
        """Whether there is any label, whatever its state."""
        return any(segment.state != "none" for segment in self.segments)

    @property
    def exit_code(self) -> int:
        """0 where every label holds (with roots: leads to one of them), 3 without a label, 4 where one does not hold,
        5 where all hold but one leads to no root given."""
        states = {segment.state for segment in self.segments}
        if not states - {"none"}:
            return 3
        if "changed" in states:
            return 4
        return 5 if self.has_roots and "valid" in states else 0

    def to_dict(self) -> dict[str, Any]:
        """For --json; every state that occurs is explained."""
        return {
            "verdicts": dict(self.counts),
            "chars": dict(self.chars),
            "read_as": list(self.read_as),
            "segments": [
                {key: value for key, value in asdict(segment).items() if value not in (None, ())}
                for segment in self.segments
            ],
            "meanings": {state: MEANINGS[state] for state in STATES if self.counts.get(state)},
        }


def verified(segments: tuple[Segment, ...], read_as: tuple[str, ...], *, has_roots: bool) -> Verified:
    """The verdict that a list of segments makes."""
    chars: Counter[str] = Counter()
    for segment in segments:
        chars[segment.state] += segment.end - segment.start
    states = Counter(segment.state for segment in segments)
    return Verified(
        segments,
        read_as,
        has_roots,
        {state: states[state] for state in STATES if states[state]},
        {state: chars[state] for state in STATES if states[state]},
    )
