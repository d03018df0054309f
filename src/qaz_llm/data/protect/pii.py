"""Personal data: found by structure, check digits and context, replaced by typed placeholders, counted, never logged.

    ЖСН 900515300127, тел. +7 701 123 45 67   →   ЖСН <IIN>, тел. <PHONE>
    https://wa.me/77011234567                 →   https://wa.me/<PHONE>

A number of twelve digits alone is not an IIN: the control digit fits one in ten. It counts as one when date and century
fit as well (one random number in a thousand does), or when a word such as ЖСН stands before it. Numbers of number plates'
and documents' shape need a word of context too, where prose has such shapes of its own. See pii_rules for what counts, and
pii_windows for how most of a text is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from qaz_llm.data.protect.pii_rules import KINDS, SPOKEN_OF, Span, find_personal_data
from qaz_llm.data.protect.pii_windows import find_windows
from qaz_llm.language.buffer import TextBatch, encode_texts

PLACEHOLDERS: Mapping[str, str] = {kind: f"<{kind.upper()}>" for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text with placeholders for personal data, and how many of each type there are."""

    text: str
    counts: Mapping[str, int]


def redact(text: str, types: Sequence[str] = KINDS) -> Redacted:
    """Replace personal data of the given types.

    >>> redact("Хат: aigul@example.kz, ЖСН 900515300127").text
    'Хат: <EMAIL>, ЖСН <IIN>'
    """
    return redact_texts([text], types)[0]


def redact_texts(
    texts: Sequence[str], types: Sequence[str] = KINDS, *, words_count: bool = True, batch: TextBatch | None = None
) -> list[Redacted]:
    """Replace personal data of the given types in each text: what the rules find in the whole of it.

    Where `words_count` is False, words of context say nothing of telephones and documents. `batch` is the texts encoded, where
    the caller has that.
    """
    mask = -1 if words_count else ~SPOKEN_OF
    batch = encode_texts(texts) if batch is None else batch
    windows = find_windows(batch)
    spans: dict[int, list[Span]] = {}
    rows = zip(
        windows.docs_V.tolist(),
        (windows.starts_V - batch.starts_D[windows.docs_V]).tolist(),
        (windows.firsts_V - windows.starts_V).tolist(),
        (windows.ends_V - batch.starts_D[windows.docs_V]).tolist(),
        windows.signs_V.tolist(),
        strict=True,
    )
    for doc, start, first, end, signs in rows:
        for span in find_personal_data(texts[doc][start:end], types, first=first, signs=signs & mask):
            spans.setdefault(doc, []).append(Span(start + span.start, start + span.end, span.kind))
    return [replace_spans(text, spans.get(doc, ())) for doc, text in enumerate(texts)]


def redact_addresses(addresses: Sequence[str], types: Sequence[str] = KINDS) -> list[Redacted]:
    """Replace personal data in ids and links: only what says itself what it is, since `telegram/550199` is no telephone."""
    return redact_texts(addresses, types, words_count=False)


def redact_ids(ids: Sequence[str], texts: Sequence[str], types: Sequence[str] = KINDS) -> list[Redacted]:
    """Replace personal data in the ids of documents, which stay apart by a hash of id and text behind them.

    The same document gets the same id in every build. The text goes into the hash so that the id alone cannot be had back
    by trying all telephone numbers.

    >>> redact_ids(["calls/77015550123"], ["Сәлем!"])[0].text
    'calls/<PHONE>~3cc3325c48a5'
    """
    return [
        Redacted(f"{found.text}~{_short_hash(name, text)}", found.counts) if found.counts else found
        for found, name, text in zip(redact_addresses(ids, types), ids, texts, strict=True)
    ]


def _short_hash(*parts: str) -> str:
    """Twelve hexadecimal digits of BLAKE2."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def replace_spans(text: str, spans: Sequence[Span]) -> Redacted:
    """The text with a placeholder for each span."""
    if not spans:
        return Redacted(text, {})
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], PLACEHOLDERS[span.kind]]
        done = span.end
    counts = Counter(span.kind for span in spans)
    return Redacted("".join((*parts, text[done:])), dict(sorted(counts.items())))


def count_placeholders(*texts: str) -> Mapping[str, int]:
    """How many placeholders of each type texts hold."""
    counts = {kind: sum(text.count(placeholder) for text in texts) for kind, placeholder in PLACEHOLDERS.items()}
    return {kind: number for kind, number in sorted(counts.items()) if number}
