"""Small tokenizers built as those of well-known families are, to hold what is computed against what they say themselves."""

from __future__ import annotations

import json
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from qaz_llm.tokenizer.base import LLAMA3_PATTERN

QWEN2 = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<|bos|>", "<|eos|>", "<|im_start|>"]
CORPUS = [
    "Қазақстан — Орталық Азиядағы мемлекет. Астанасы — Астана қаласы.\nХалқы 20 миллион, ауданы 2724900 км².",
    "It's fine, isn't it? We'll see in 1999...\n\n<p> a </p> x/y </td> <b>bold</b>  two  spaces",
    "Привет, как дела? Сегодня хорошая погода: солнце светит ярко.\tтаб",
] * 8


def byte_level(pre: Any, *, normalizer: Any = None, added: list[AddedToken] | None = None) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre
    if normalizer is not None:
        made.normalizer = normalizer
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    )
    return closed(made, added)


def closed(made: Tokenizer, added: list[AddedToken] | None = None) -> PreTrainedTokenizerFast:
    """With special tokens, BOS before every text."""
    made.add_special_tokens([AddedToken(content, normalized=False, special=True) for content in SPECIAL])
    made.add_tokens(added or [])
    bos = made.token_to_id("<|bos|>")
    made.post_processor = processors.TemplateProcessing(single="<|bos|> $A", special_tokens=[("<|bos|>", bos)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<|bos|>", eos_token="<|eos|>")


def by(pattern: str) -> Any:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def like_gemma() -> PreTrainedTokenizerFast:
    """No pre-tokenizer that cuts, spaces are ▁, unknown letters bytes, and one token that reaches across a space: `>▁</`."""
    words = Tokenizer(models.BPE())
    words.normalizer = normalizers.Replace(" ", "▁")
    words.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    letters = sorted({letter for text in CORPUS for letter in text.replace(" ", "▁")} - set("\n²"))
    words.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=letters, show_progress=False)
    )
    learned = json.loads(words.to_str())["model"]
    tokens = [*learned["vocab"], "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "</", "▁</", ">▁</"]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    merges = [("<", "/"), ("▁", "</"), (">", "▁</"), *(tuple(pair) for pair in learned["merges"])]
    made = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    newlines = [AddedToken("\n" * count, normalized=False, special=False) for count in range(1, 5)]
    return closed(made, newlines)


def with_memo() -> dict[str, PreTrainedTokenizerFast]:
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])
    spaces = [AddedToken(" " * count, normalized=False, special=False) for count in range(2, 5)]
    return {
        "llama3": byte_level(by(LLAMA3_PATTERN)),
        "gpt2": byte_level(gpt2, added=spaces),
        "digits": byte_level(digits),
        "qwen2": byte_level(by(QWEN2), normalizer=normalizers.NFC()),
        "qwen3.5": byte_level(by(QWEN35), normalizer=normalizers.NFC()),
        "o200k": byte_level(by(O200K)),
        "gemma": like_gemma(),
        "tags": byte_level(by(LLAMA3_PATTERN), added=[AddedToken("<td> x", normalized=False, special=False)]),
    }


def without_memo() -> dict[str, PreTrainedTokenizerFast]:
    prefixed = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=False)
    wordpiece = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    wordpiece.pre_tokenizer = pre_tokenizers.Whitespace()
    metaspace = Tokenizer(models.BPE({"▁": 0, "a": 1, "▁a": 2}, [("▁", "a")]))
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace()
    joined = Tokenizer(models.BPE({"a": 0, "▁": 1, "a▁": 2}, [("a", "▁")]))
    joined.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    two_words = r"\w+ \w+|\s+|."
    return {
        "prefix space": byte_level(prefixed),
        "lstrip": byte_level(by(LLAMA3_PATTERN), added=[mask]),
        "nfkc": byte_level(by(LLAMA3_PATTERN), normalizer=normalizers.NFKC()),
        "two words": byte_level(by(two_words)),
        "wordpiece": closed(wordpiece),
        "metaspace": closed(metaspace),
        "prepend": closed(joined),
    }
