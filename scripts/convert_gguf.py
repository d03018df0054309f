#!/usr/bin/env python
"""llama.cpp's converter for a model whose vocabulary has grown.

    .venv/bin/python scripts/convert_gguf.py LLAMA_CPP_DIR EXPORT_DIR --base BASE_DIR [--outfile OUT.gguf --outtype bf16 …]

The converter knows a byte-level tokenizer's way of cutting text into words by a hash over the ids of a fixed text. New
tokens change those ids, the hash is in no list, and it stops ("BPE pre-tokenizer was not recognized"). The way of cutting
is still the base's: this is looked up here, both tokenizer.json must agree in it, and the converter is then answered with
the name it has for the base. All further arguments go to it as they are.

Tokenizers that are not byte-level (Gemma, Llama 2) take other ways through the converter, see docs/export.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

PARTS = ("normalizer", "pre_tokenizer")
"""What decides how a text is cut before merges begin."""


def check_same_cutting(grown: Path, base: Path) -> None:
    """Ends the script where the two tokenizers cut text in different ways, or by bytes not at all."""
    specs = [json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")) for folder in (grown, base)]
    differing = [part for part in PARTS if specs[0].get(part) != specs[1].get(part)]
    if differing or specs[0]["model"].get("ignore_merges") != specs[1]["model"].get("ignore_merges"):
        sys.exit(f"{grown} and {base} differ in {', '.join(differing) or 'ignore_merges'}: {base} is not its base")
    if "ByteLevel" not in json.dumps(specs[0].get("pre_tokenizer")):
        sys.exit(f"{grown}: not a byte-level tokenizer; docs/export.md says which way the converter takes for it")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("llama_cpp", type=Path, metavar="LLAMA_CPP_DIR")
    parser.add_argument("folder", type=Path, metavar="EXPORT_DIR")
    parser.add_argument("--base", type=Path, required=True, help="folder of the model whose vocabulary was extended")
    arguments, rest = parser.parse_known_args()
    if not (arguments.llama_cpp / "convert_hf_to_gguf.py").is_file():
        sys.exit(f"{arguments.llama_cpp}: no checkout of llama.cpp, convert_hf_to_gguf.py is missing")
    check_same_cutting(arguments.folder, arguments.base)
    sys.path.insert(0, str(arguments.llama_cpp))
    converter = importlib.import_module("convert_hf_to_gguf")
    has_package = (arguments.llama_cpp / "conversion/base.py").is_file()  # where it lies since 2026
    models = importlib.import_module("conversion.base") if has_package else converter
    answer_for_grown(models.TextModel, arguments.base)
    sys.argv = ["convert_hf_to_gguf.py", str(arguments.folder), *rest]
    converter.main()


if __name__ == "__main__":
    main()
