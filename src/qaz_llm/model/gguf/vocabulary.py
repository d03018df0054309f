"""Which vocabulary of llama.cpp a tokenizer is: known by how it cuts text into words, never by its tokens.

llama.cpp holds ways of cutting under names (`tokenizer.ggml.pre`). Its converter finds the name by a hash over the ids of a
fixed text, so that any new token makes it stop. What decides is the pre-tokenizer in tokenizer.json; the table below says
which name cuts in the same way. It was made from llama.cpp's sources of October 2026 (src/llama-vocab.cpp, `llm_tokenizer_bpe`),
whose comments give the expressions in tokenizer.json's own form. A way that is not in it is refused, since another name would
cut some texts otherwise and spoil the model without a word.

Left out on purpose: the expressions of GPT-4o and Mistral's Tekken tell capital letters apart, and llama.cpp takes a–z and
A–Z for that, so that names such as «ҚазМұнайГаз» would be cut otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qaz_llm.errors import InputError

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = WORDS + r"\p{N}{1,3}" + REST
QWEN2 = WORDS + r"\p{N}" + REST
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = "the byte-level default"
"""The expression that tokenizers' ByteLevel has built in (use_regex)."""
DIGITS = "single digits"

NAMES: Mapping[tuple[tuple[str, ...], bool], str] = {
    ((LLAMA3,), True): "llama-bpe",
    ((LLAMA3,), False): "dbrx",
    ((QWEN2,), False): "qwen2",
    ((QWEN35,), False): "qwen35",
    ((GPT2,), False): "gpt-2",
    ((DIGITS, GPT2), False): "smollm",
}
"""Steps of cutting and `ignore_merges`, to the name under which llama.cpp does both. `llama-bpe` takes a whole word that is a
token as it is, without merging (ignore_merges); `dbrx` cuts by the same expression and merges always."""

MARKED_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
"""The normalizer of Gemma's tokenizers. Llama 2's puts a ▁ before the text, too, which llama.cpp does not do beside merges."""

GEMMA = "gemma4"
"""llama.cpp's name of the vocabulary with merges, ▁ and <0x0A>: made for Gemma 4, in its sources since April 2026."""


@dataclass(frozen=True)
class Vocabulary:
    """`model` and `pre` as the GGUF file names them; `is_nfc`: the tokenizer composes letters first, which llama.cpp does not."""

    model: Literal["gpt2", "gemma4"]
    pre: str
    is_nfc: bool = False


def vocabulary_of(spec: Mapping[str, Any], name: str) -> Vocabulary:
    """The vocabulary of llama.cpp that cuts as a tokenizer.json does; `name` is the folder's, for errors.

    Raises:
        InputError: there is none, or none that is known here; what was found is named.
    """
    model = spec.get("model", {})
    if model.get("type") != "BPE":
        raise _refused(name, f"a tokenizer of type {model.get('type')}")
    if _is_gemma(spec):
        _refuse_lines_in_tokens(model, name)
        return Vocabulary("gemma4", GEMMA)
    if model.get("byte_fallback"):
        raise _refused(name, "a tokenizer of Llama 2's shape, with a ▁ before every text")
    steps = _steps(spec.get("pre_tokenizer"))
    pre = NAMES.get((steps, bool(model.get("ignore_merges"))))
    if pre is None:
        also = " and ignore_merges" if model.get("ignore_merges") else ""
        raise _refused(name, f"a tokenizer that cuts text by {' then '.join(steps)}{also}")
    normalizer = spec.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        raise _refused(name, f"a byte-level tokenizer with the normalizer {normalizer.get('type')}")
    return Vocabulary("gpt2", pre, is_nfc=normalizer is not None)


def _is_gemma(spec: Mapping[str, Any]) -> bool:
    """Spaces as ▁ and unknown letters as bytes; what its pre-tokenizer cuts at are spaces, of which the normalizer leaves none."""
    cut = spec.get("pre_tokenizer")
    at_spaces = cut is None or (cut.get("type") == "Split" and cut.get("pattern") == {"String": " "})
    return at_spaces and spec.get("normalizer") == MARKED_SPACES and bool(spec["model"].get("byte_fallback"))


def _refuse_lines_in_tokens(model: Mapping[str, Any], name: str) -> None:
    """llama.cpp cuts text of Gemma's shape at line ends before it merges; tokenizers does not cut it at all."""
    across = [token for token in model["vocab"] if "\n" in token and token.strip("\n")]
    if across:
        raise _refused(name, f"a tokenizer with tokens over line ends, such as {across[0]!r}")


def _steps(pre_tokenizer: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What a pre-tokenizer does, step by step: an expression, or a name of this module; what is unknown as it stands."""
    if pre_tokenizer is None:
        return ("nothing",)
    steps: list[str] = []
    for one in pre_tokenizer.get("pretokenizers", [pre_tokenizer]):
        match one:
            case {"type": "ByteLevel", "add_prefix_space": False}:
                steps += [GPT2] if one.get("use_regex", True) else []
            case {"type": "Digits", "individual_digits": True}:
                steps.append(DIGITS)
            case {"type": "Split", "pattern": {"Regex": expression}} if _keeps_pieces(one):
                steps.append(expression)
            case _:
                steps.append(str(dict(one)))
    return tuple(steps)


def _keeps_pieces(split: Mapping[str, Any]) -> bool:
    """Each match is a piece, and so is what lies between: written in two ways, which do the same where all text matches."""
    return (split.get("behavior"), split.get("invert")) in {("Isolated", False), ("Removed", True)}


def _refused(name: str, found: str) -> InputError:
    return InputError(
        f"{name}: {found}; llama.cpp has no way known here that cuts text alike",
        hint="serve the folder with vLLM or transformers (qaz export SOURCE OUT --to vllm); docs/export.md lists what becomes GGUF",
    )
