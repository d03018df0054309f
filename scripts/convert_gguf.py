#!/usr/bin/env python
"""llama.cpp's converter for a model whose vocabulary has grown.

    .venv/bin/python scripts/convert_gguf.py LLAMA_CPP_DIR EXPORT_DIR --base BASE_DIR [--outfile OUT.gguf --outtype bf16 …]

Two kinds of tokenizers, two ways; all further arguments go to the converter as they are.

Byte-level (Llama 3, Qwen, SmolLM): the converter knows a tokenizer's way of cutting text into words by a hash over the ids of
a fixed text. New tokens change those ids, the hash is in no list, and it stops ("BPE pre-tokenizer was not recognized"). The
way of cutting is still the base's: this is looked up here, both tokenizer.json must agree in it, and the converter is then
answered with the name it has for the base.

Spaces written as ▁ and bytes as <0x0A> (Gemma): the converter wants a tokenizer.model, which knows no new token. llama.cpp has
a vocabulary of this shape with merges, made for Gemma 4 and in its sources since April 2026; tokens and merges are written so here.

scripts/check_gguf.py compares what llama.cpp then reads and says with transformers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

PARTS = ("normalizer", "pre_tokenizer")
"""What decides how a text is cut before merges begin."""


MARKED_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
"""The normalizer of Gemma's tokenizers. Llama 2's puts a ▁ before the text, too, which llama.cpp does not do beside merges."""

VOCABULARY = "gemma4"
"""llama.cpp's name of the vocabulary with merges, ▁ and <0x0A>."""

BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def check_same_cutting(grown: Path, base: Path) -> dict[str, Any]:
    """The grown tokenizer's description. Ends the script where the two tokenizers cut text in different ways."""
    specs = [json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")) for folder in (grown, base)]
    differing = [part for part in PARTS if specs[0].get(part) != specs[1].get(part)]
    if differing or specs[0]["model"].get("ignore_merges") != specs[1]["model"].get("ignore_merges"):
        sys.exit(f"{grown} and {base} differ in {', '.join(differing) or 'ignore_merges'}: {base} is not its base")
    spec: dict[str, Any] = specs[0]
    return spec


def is_byte_level(spec: dict[str, Any]) -> bool:
    return "ByteLevel" in json.dumps(spec.get("pre_tokenizer"))


def has_marked_spaces(spec: dict[str, Any]) -> bool:
    """Gemma's shape: what its pre-tokenizer cuts at are spaces, of which the normalizer leaves none."""
    cut = spec.get("pre_tokenizer")
    at_spaces = cut is None or (cut.get("type") == "Split" and cut.get("pattern") == {"String": " "})
    model = spec["model"]
    return at_spaces and spec.get("normalizer") == MARKED_SPACES and model["type"] == "BPE" and model["byte_fallback"]


def answer_for_grown(text_model: Any, base: Path) -> None:
    """Let the converter's look-up by hash be followed, where it finds nothing, by that of the base's tokenizer."""
    from transformers import AutoTokenizer

    look_up = text_model.get_vocab_base_pre

    def of_base(self: Any, tokenizer: Any) -> str:
        try:
            return str(look_up(self, tokenizer))
        except NotImplementedError:
            name = str(look_up(self, AutoTokenizer.from_pretrained(base)))
            print(f"pre-tokenizer of {base}: {name}", file=sys.stderr)
            return name

    text_model.get_vocab_base_pre = of_base


def write_vocabulary(converter: Any) -> None:
    """In place of a converter's `set_vocab`: tokens with their kinds, rows beyond them as unused, merges, special tokens."""
    import gguf
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converter.dir_model)
    added = tokenizer.added_tokens_decoder
    words = {index: word for word, index in tokenizer.get_vocab().items()}
    kinds, texts = [], []
    for index in range(converter.hparams["vocab_size"]):
        text = words.get(index, f"[PAD{index}]")
        kind = gguf.TokenType.NORMAL if index in words else gguf.TokenType.UNUSED
        if index in added:
            kind = gguf.TokenType.CONTROL if added[index].special else gguf.TokenType.USER_DEFINED
        elif BYTE.fullmatch(text):
            kind = gguf.TokenType.BYTE
        texts.append(text)
        kinds.append(kind)
    writer = converter.gguf_writer
    writer.add_tokenizer_model(VOCABULARY)
    writer.add_token_list(texts)
    writer.add_token_scores([0.0] * len(texts))
    writer.add_token_types(kinds)
    gguf.SpecialVocab(converter.dir_model, load_merges=True).add_to_gguf(writer)
    writer.add_add_space_prefix(False)


def use_written_vocabulary(llama_cpp: Path, folder: Path) -> None:
    """Ends the script where llama.cpp has no such vocabulary, or a tokenizer.model would be read in its place."""
    source = llama_cpp / "src/llama-vocab.cpp"
    if not source.is_file() or f'"{VOCABULARY}"' not in source.read_text(encoding="utf-8"):
        sys.exit(f"{llama_cpp}: knows no vocabulary {VOCABULARY!r}; llama.cpp of April 2026 or later does")
    if (folder / "tokenizer.model").is_file():
        sys.exit(f"{folder}: holds a tokenizer.model, which knows no new token; take it away")
    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    importlib.import_module("conversion").get_model_class(architecture).set_vocab = write_vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("llama_cpp", type=Path, metavar="LLAMA_CPP_DIR")
    parser.add_argument("folder", type=Path, metavar="EXPORT_DIR")
    parser.add_argument("--base", type=Path, required=True, help="folder of the model whose vocabulary was extended")
    arguments, rest = parser.parse_known_args()
    if not (arguments.llama_cpp / "convert_hf_to_gguf.py").is_file():
        sys.exit(f"{arguments.llama_cpp}: no checkout of llama.cpp, convert_hf_to_gguf.py is missing")
    spec = check_same_cutting(arguments.folder, arguments.base)
    if not is_byte_level(spec) and not has_marked_spaces(spec):
        sys.exit(
            f"{arguments.folder}: neither byte-level nor of Gemma's shape; docs/export.md says what there is for it"
        )
    sys.path.insert(0, str(arguments.llama_cpp))
    converter = importlib.import_module("convert_hf_to_gguf")
    has_package = (arguments.llama_cpp / "conversion/base.py").is_file()  # where it lies since 2026
    models = importlib.import_module("conversion.base") if has_package else converter
    if is_byte_level(spec):
        answer_for_grown(models.TextModel, arguments.base)
    else:
        use_written_vocabulary(arguments.llama_cpp, arguments.folder)
    sys.argv = ["convert_hf_to_gguf.py", str(arguments.folder), *rest]
    converter.main()


if __name__ == "__main__":
    main()
