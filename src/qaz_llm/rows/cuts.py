"""Where a text may be cut so that its pieces, tokenised apart, have the ids of the whole.

    Бүгін|·ауа|·райы|·жақсы.⏎|Ертең|·да       before a single space, behind a single line end, no white space beside them

That is so where the pre-tokenizer cuts there whatever stands around, which is read off its regular expression; or, where it
does not cut at all, where no token of the vocabulary reaches across, so that no merge does. What is not proven here is not
cut: WordPiece and Unigram, a prefix put before every text, expressions of other kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qaz_llm.tokenizer.fast import backend_spec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What ByteLevel cuts by where it is told to (openai/gpt-2, src/encoder.py)."""

_BYTE_LEVEL_SPACE, _SENTENCEPIECE_SPACE = "Ġ", "▁"
MAX_NOT_AFTER = 16
"""Where tokens reach from more letters than this across a space, nothing is cut."""

_ACROSS_SPACE = re.compile(r"([^ ▁])[ ▁]")
_ACROSS_LINE_END = re.compile(r"\n[^\n]")

_ITEM = re.compile(
    r"(?P<what>\[(?:\\.|[^\]\\])*\]|\\[pP]\{\w+\}|\\.|\(\?(?:i:|:|!)[^()]*\)|[^\\\[\](){}|*+?])"
    r"(?P<times>[*+?][+?]?|\{\d+(?:,\d*)?\})?"
)
_SOLID = re.compile(
    r"\\p\{[LMNPS]\w?\}|\\[dwS]|\[(?:\\p\{[LMNPS]\w?\}|[^\\\s\[\]^-])+\]|\[\^[^\]]*\\s[^\]]*\]|[^\\\s\[\](){}.^$]"
)
"""Matches no white space: letters, digits, signs; a class of such; everything but white space and more; a letter itself."""
_SUFFIXES = re.compile(r"\(\?i?:[\w'’|]+\)")
_LINE_ENDS = ("[\\r\\n]", "\\n", "\\r", "[\\n\\r]")
_WHITE = ("\\s", " ", *_LINE_ENDS)
_LINE_ENDS_AND_MORE = re.compile(r"\[\\r\\n[^\\\s\]-]+\]")
_NO_LINE_END = re.compile(r"\[\^\\r\\n[^\]]*\]")


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where texts may be cut: before spaces, but for those behind `not_after`, and behind line ends.

    `space` is what a space is in the vocabulary; `why_not` says why nothing is cut.
    """

    at_line_ends: bool = False
    not_after: str = ""
    space: str = _BYTE_LEVEL_SPACE
    why_not: str | None = None


def cuts_of(tokenizer: PreTrainedTokenizerFast) -> Cuts:
    """Where a tokenizer allows texts to be cut, special tokens that are spelled in them being text."""
    spec = backend_spec(tokenizer)
    model, added = spec["model"], spec["added_tokens"]
    if model["type"] != "BPE" or model.get("dropout"):
        return Cuts(why_not=f"its model is {model['type']}{' with dropout' if model.get('dropout') else ''}")
    steps = _flat(spec["normalizer"], "normalizers")
    has_own_space = steps[-1:] == [{"type": "Replace", "pattern": {"String": " "}, "content": _SENTENCEPIECE_SPACE}]
    others = [step["type"] for step in (steps[:-1] if has_own_space else steps) if step["type"] not in ("NFC", "NFD")]
    if others:
        return Cuts(why_not=f"its normalizer {others[0]} may see a whole text")
    odd = [token["content"] for token in added if any(token[key] for key in ("lstrip", "rstrip", "single_word"))]
    if odd:
        return Cuts(why_not=f"its token {odd[0]!r} looks at what is beside it")
    by_pattern = _cuts_of_patterns(_flat(spec["pre_tokenizer"], "pretokenizers"), has_own_space=has_own_space)
    if isinstance(by_pattern, str):
        return Cuts(why_not=by_pattern)
    contents = [token["content"] for token in added]
    if by_pattern is not None:
        cuts = _without_crossing(contents, by_pattern[1], _BYTE_LEVEL_SPACE)
    elif model.get("ignore_merges") or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return Cuts(why_not="its model takes a whole text for one word")
    elif not has_own_space or (model.get("unk_token") and not _has_all_bytes(model)):
        return Cuts(why_not="it has no pre-tokenizer that cuts at spaces")
    else:
        cuts = _without_crossing([*contents, *model["vocab"]], True, _SENTENCEPIECE_SPACE)
    return cuts if len(cuts.not_after) <= MAX_NOT_AFTER else Cuts(why_not="tokens of it reach across spaces")


def _flat(step: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    """The steps of a normalizer or pre-tokenizer in a row."""
    if step is None:
        return []
    return [found for part in step[inner] for found in _flat(part, inner)] if step["type"] == "Sequence" else [step]


def _has_all_bytes(model: Mapping[str, Any]) -> bool:
    """Whether no letter is unknown: two unknown ones become one token, wherever a text is cut."""
    return bool(model.get("byte_fallback")) and all(f"<0x{byte:02X}>" in model["vocab"] for byte in range(256))


def _without_crossing(contents: Iterable[str], at_line_ends: bool, space: str) -> Cuts:
    """Not where a token reaches across; Gemma has one such, `>▁</`, so that nothing is cut behind `>`."""
    letters: set[str] = set()
    for content in contents:
        letters.update(_ACROSS_SPACE.findall(content))
        at_line_ends = at_line_ends and not _ACROSS_LINE_END.search(content)
    return Cuts(at_line_ends, "".join(sorted(letters)), space)


def _cuts_of_patterns(steps: Sequence[Mapping[str, Any]], *, has_own_space: bool) -> tuple[bool, bool] | str | None:
    """Whether pre-tokenizers cut at spaces and at line ends; None where they never cut, a word why that is not known."""
    found: tuple[bool, bool] | None = None
    for step in steps:
        pattern: str | None = None
        match step:
            case {"type": "Digits"}:
                continue
            case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}:
                pattern = GPT2_PATTERN if use_regex else None
            case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
                pass
            case {"type": "Split", "pattern": {"String": " "}} if has_own_space:
                continue  # there are no spaces left to cut at
            case _:
                return f"its pre-tokenizer {step['type']} is none of those that are known to cut at every space"
        if pattern is not None:
            proven = pattern_cuts(pattern)
            if not proven[0]:
                return f"its pre-tokenizer's expression is not proven to cut at every space: {pattern}"
            found = proven if found is None else (True, found[1] and proven[1])
    if found is not None and has_own_space:
        return "its normalizer leaves no spaces to its pre-tokenizer"
    return found


def pattern_cuts(pattern: str) -> tuple[bool, bool]:
    """Whether an expression, what it matches being pieces, cuts before every single space and behind every single line end.

    >>> pattern_cuts(GPT2_PATTERN), pattern_cuts(r"\\w+ \\w+|\\s+")
    ((True, True), (False, False))
    """
    alternatives = _alternatives(pattern)
    if alternatives is None or [("\\s", "+")] not in alternatives:  # else white space might be no piece of its own
        return False, False
    judged = [_judge(items) for items in alternatives]
    return all(spaces for spaces, _ in judged), all(spaces and ends for spaces, ends in judged)


def _alternatives(pattern: str) -> list[list[tuple[str, str]]] | None:
    """What stands between the bars, as (what, how often); None for what is not understood."""
    found: list[list[tuple[str, str]]] = [[]]
    place = 0
    while place < len(pattern):
        if pattern[place] == "|":
            found.append([])
            place += 1
            continue
        item = _ITEM.match(pattern, place)
        if item is None:
            return None
        found[-1].append((item["what"], item["times"] or ""))
        place = item.end()
    return found


def _judge(items: Sequence[tuple[str, str]]) -> tuple[bool, bool]:
    """Whether a match of one alternative reaches from a letter to a space behind it, from a line end to a letter behind it."""
    names = [what for what, _ in items]
    if names[-1:] == ["(?!\\S)"]:
        names = names[:-1]
    if names and all(name in _WHITE for name in names):
        return True, True
    first, times = items[0] if items else ("", "")
    begins_white = (first == " " or _NO_LINE_END.fullmatch(first)) and times in ("", "?", "?+")
    rest = names[1:] if begins_white else names
    ends = len(rest)
    ends_more = False
    if rest and (rest[-1] in _LINE_ENDS or _LINE_ENDS_AND_MORE.fullmatch(rest[-1])):
        ends -= 1
        ends_more = rest[-1] not in _LINE_ENDS
    solid = all(_SOLID.fullmatch(name) or _SUFFIXES.fullmatch(name) for name in rest[:ends])
    return solid and ends > 0, solid and ends > 0 and not ends_more
