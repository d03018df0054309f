"""What the labels in a text say, piece by piece.

    кіріспе …  Жауап бір.⟨label⟩  тағы сөз  Жауап екі, өзгертілген.⟨label⟩
    none       trusted            none      changed

A label holds for the text right before it: it says how many bytes of text were signed, so an answer is found again inside a longer document,
pasted twice, or among others, where a check of the whole document could only say "changed".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qaz_llm.labels.forms import Form, forms_of
from qaz_llm.labels.library import need_label_libraries
from qaz_llm.labels.names import shown
from qaz_llm.labels.trust import RootTrust
from qaz_llm.labels.verdicts import Segment, State, Verified, verified
from qaz_llm.language.selectors import BYTE_OF_SELECTOR, MAGIC, MARK, has_label, is_label, runs_of_selectors

if TYPE_CHECKING:
    from c2patxt import ManifestStore, Verdict

_CONTINUATION = bytes(range(0x80, 0xC0))
"""What every byte of a character in UTF-8 is but its first."""
HOLDS = ("trusted", "valid")
_OUTSIDE_DATES = "claimSignature.outsideValidity"
_UNTRUSTED = "signingCredential.untrusted"
"""Says who signed, and nothing of whether text and label are what was signed (14.3.5)."""
HEADER = 13
"""Bytes before the statement of a label: eight of MAGIC, one of the version, four of its length (A.8.2.2)."""
_OF_CODE = (
    ("certificate_unfit", frozenset({"signingCredential.invalid"})),
    ("text_changed", frozenset({"assertion.dataHash.mismatch", _OUTSIDE_DATES})),
)
"""Why a label does not hold, where nothing but these failed; anything else is a label that is not as it should be."""
_HOLDING = frozenset({"assertion.dataHash.match", "claimSignature.validated"})


def read_labels(text: str, *, roots: bytes | None = None, now: datetime | None = None) -> Verified:
    """The verdict on each piece of a text: in the form, of those it may be escaped in, in which most labels hold.

    What stands beside labels that hold is read by itself once more, so that answers may lie in one file in different forms; positions are
    those in the text as all of its pieces were read.

    Args:
        roots: certificates in PEM form that labels are trusted by.
        now: when certificates have to be valid; the current time otherwise.
    """
    segments, undone = _read(text, roots, now)
    return verified(segments, undone, has_roots=roots is not None)


def _read(text: str, roots: bytes | None, now: datetime | None) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The pieces of a text, and what was undone of it or of a part of it."""
    best, form = (-1, -1), Form(text)
    segments: tuple[Segment, ...] = ()
    for other in forms_of(text):
        made = tuple(_segments(other.text, roots, now))
        labels = sum(segment.state != "none" for segment in made)
        holding = sum(segment.state in HOLDS for segment in made)
        if (holding, labels) > best:
            best, form, segments = (holding, labels), other, made
        if holding and not form.undone:
            break  # as it lies there; other forms are for what stands beside it
    if not best[0] or all(segment.state in HOLDS for segment in segments):
        return segments, form.undone
    read: list[Segment] = []
    steps = Counter(form.undone)
    shift = 0
    for is_held, group in groupby(segments, lambda segment: segment.state in HOLDS):
        pieces = tuple(group)
        start, end = pieces[0].start, pieces[-1].label_end
        undone: tuple[str, ...] = ()
        if not is_held:
            pieces, undone = _read(form.text[start:end], roots, now)
        offset = shift if is_held else start + shift
        read += [_moved(piece, offset) for piece in pieces]
        shift = read[-1].label_end - end
        steps |= Counter(form.undone) + Counter(undone)
    return tuple(read), tuple(steps.elements())


def _moved(segment: Segment, by: int) -> Segment:
    return replace(segment, start=segment.start + by, end=segment.end + by, label_end=segment.label_end + by)


def _segments(text: str, roots: bytes | None, now: datetime | None) -> Iterator[Segment]:
    """The pieces in their order, without gaps but for the labels."""
    done = 0
    for start, end in runs_of_selectors(text):
        run = text[start:end]
        if not is_label(run):
            continue
        run = run[: _length_of(run)]
        need_label_libraries()
        found = _judge(text[done:start], run, roots, now)
        begins = start - found.length
        if begins > done:
            yield _beside(text, done, begins)
        yield Segment(
            found.state,
            begins,
            start,
            end,
            found.reason,
            found.state in HOLDS,
            **found.facts,
            codes=found.codes,
        )
        done = end
    if done < len(text) or not text:
        yield _beside(text, done, len(text))


def _beside(text: str, start: int, end: int) -> Segment:
    """A piece of which no label in one piece says anything; one with spaces, line ends or letters in it may lie there."""
    if has_label(text[start:end]):
        return Segment("changed", start, end, end, "label_damaged", is_start_certain=False)
    return Segment("none", start, end, end)


def _length_of(run: str) -> int:
    """How many characters of a run the label is, by the length it states (A.8.2.2); selectors behind that are not its own.
    All, where the run does not begin as a label does."""
    head = run.removeprefix(MARK)[:HEADER].translate(BYTE_OF_SELECTOR)
    if not run.startswith(MARK + MAGIC) or len(head) < HEADER:
        return len(run)
    return len(MARK) + HEADER + int.from_bytes(head[-4:].encode("latin-1"), "big")


@dataclass(frozen=True, slots=True)
class _Found:
    """What a label says of the text before it; `length` characters of it."""

    state: State
    length: int
    reason: str | None
    facts: dict[str, Any]
    codes: tuple[str, ...] = ()


def _judge(before: str, run: str, roots: bytes | None, now: datetime | None) -> _Found:
    """What the label `run` says of the end of the text before it."""
    from c2patxt import C2paTextError, VerifyContext, extract, verify

    if MAGIC not in run:
        return _Found("changed", len(before), "label_remains", {})
    try:
        manifest = extract(run)
    except C2paTextError as error:
        return _Found("changed", len(before), "label_damaged", {}, (str(getattr(error, "code", "")),))
    if manifest is None:  # its mark is gone: the form with a marker is asked, too
        return _Found("changed", len(before), "label_damaged", {})
    signed_bytes = _signed_bytes(manifest)
    encoded = before.encode("utf-8", "surrogatepass")
    if signed_bytes is None or signed_bytes > len(encoded):
        return _Found("changed", len(before), "label_changed" if signed_bytes is None else "text_missing", {})
    signed, length = _end_of(encoded, signed_bytes)
    moment = now or datetime.now(UTC)
    trust = RootTrust(moment)
    try:
        verdict = verify(signed + run, context=VerifyContext(anchors_pem=roots, now=moment, trust_evaluator=trust))
    except C2paTextError:  # half a character in the text
        return _Found("changed", length, "text_changed", {})
    return _told(verdict, manifest, length, trust, has_roots=roots is not None)


def _end_of(encoded: bytes, num_bytes: int) -> tuple[str, int]:
    """So many bytes of the end of a text, and how many of its characters that is.

    Where they begin inside a character the text is not what was signed, and only as long as that. `?` stands for each byte of the
    character's rest, so that whoever asks learns whether anything else is wrong: of a text of another length nothing is told.
    """
    end = encoded[len(encoded) - num_bytes :]
    text = end.lstrip(_CONTINUATION)
    rest, signed = len(end) - len(text), text.decode("utf-8", "surrogatepass")
    return "?" * rest + signed, len(signed)


def _told(verdict: Verdict, manifest: ManifestStore, length: int, trust: RootTrust, *, has_roots: bool) -> _Found:
    """c2patxt's verdict in our words."""
    failed = tuple(str(status.code) for status in verdict.failure)
    facts = {**_facts(manifest), "signer": trust.signer}
    if str(verdict.state) == "trusted":
        return _Found("trusted", length, None, facts)
    if str(verdict.state) == "valid":
        return _Found("valid", length, "unknown_root" if has_roots else "no_roots_given", facts)
    if set(failed) == {_OUTSIDE_DATES} and {str(status.code) for status in verdict.success} >= _HOLDING:
        return _Found("valid", length, "certificate_expired", facts, failed)
    told = set(failed) - {_UNTRUSTED}
    reason = next((name for name, codes in _OF_CODE if codes >= told), "label_changed")
    return _Found("changed", length, reason, {}, failed)


def _signed_bytes(manifest: ManifestStore) -> int | None:
    """How many bytes of text stand before the label by its own account; None where it does not say so."""
    exclusions = (manifest.hash_data or {}).get("exclusions")
    first = exclusions[0] if isinstance(exclusions, list) and exclusions else None
    start = first.get("start") if isinstance(first, dict) else None
    return start if isinstance(start, int) and not isinstance(start, bool) and start >= 0 else None


def _facts(manifest: ManifestStore) -> dict[str, str | None]:
    """Which model made the text and when, as the label says: somebody else's words, so made safe to show."""
    disclosure = manifest.assertions.get("c2pa.ai-disclosure")
    model = disclosure.get("modelName") if isinstance(disclosure, dict) else None
    actions = manifest.assertions.get("c2pa.actions.v2")
    listed = actions.get("actions") if isinstance(actions, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    when = getattr(first.get("when"), "value", None) if isinstance(first, dict) else None
    return {
        "model": shown(model) if isinstance(model, str) else None,
        "made_at": shown(when) if isinstance(when, str) else None,
    }
