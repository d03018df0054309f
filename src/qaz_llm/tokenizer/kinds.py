"""Whether two tokenizers are of one kind: the same string, where both have it as a token, is then the same piece of text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from qaz_llm.tokenizer.fast import backend_spec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PIECE_CHARS = 24
"""So much of a piece of text is shown."""

PROBES = (
    "Қазақстан Республикасы – 1991 жылы 16 желтоқсанда.\n\nӘлемдегі ең үлкен 9-шы ел; ауданы 2 724 900 км².",
    "Съешь же ещё этих мягких булок… e\u0301 и\u0306 ﬁ Ⅳ",
    "  The quick brown fox isn't over   the lazy dog's 12345 <b>x_1</b>\t= [3.14]",
)
"""Text that tokenizers of different kinds cut into different pieces: scripts, digits, spaces, ends of lines, signs with other forms."""


def different_kinds(ours: PreTrainedTokenizerFast, theirs: PreTrainedTokenizerFast) -> str | None:
    """In words what makes the same string another token in the two; None where nothing does.

    What they are made of may be written in several ways; what they do to PROBES before any token is chosen tells them apart.
    """
    if _kind(ours) != _kind(theirs):
        return f"tokenizers of different kinds, {_parts(ours)} and {_parts(theirs)}"
    pairs = chain.from_iterable(zip_longest(_pieces(ours, probe), _pieces(theirs, probe)) for probe in PROBES)
    first = next(((mine, other) for mine, other in pairs if mine != other), None)
    if first is None:
        return None
    parts, pieces = [_parts(one) for one in (ours, theirs)], [_piece_shown(piece) for piece in first]
    return (
        f"tokenizers of different kinds, {parts[0]} and {parts[1]}; "
        f"the one has the piece {pieces[0]} where the other has {pieces[1]}"
    )


def _piece_shown(piece: str | None) -> str:
    if piece is None:
        return "none"
    return repr(piece if len(piece) <= PIECE_CHARS else piece[:PIECE_CHARS] + "…")


def _kind(tokenizer: PreTrainedTokenizerFast) -> str:
    return type(tokenizer.backend_tokenizer.model).__name__


def _pieces(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    """The text as the tokenizer spells it, cut where no token may reach across."""
    backend = tokenizer.backend_tokenizer
    normal = text if backend.normalizer is None else backend.normalizer.normalize_str(text)
    if backend.pre_tokenizer is None:
        return [normal]
    return [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]


def _parts(tokenizer: PreTrainedTokenizerFast) -> str:
    """`BPE of Replace, Split`: the model, and what comes before it."""
    spec = backend_spec(tokenizer)
    names = [*_types(spec.get("normalizer")), *_types(spec.get("pre_tokenizer"))]
    return f"{_kind(tokenizer)} of {', '.join(names) or 'plain text'}"


def _types(part: Mapping[str, Any] | None) -> list[str]:
    if part is None:
        return []
    inner = part.get("normalizers") or part.get("pretokenizers")
    return [name for one in inner for name in _types(one)] if inner else [str(part["type"])]
