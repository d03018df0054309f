"""Base tokenizers of the families that people adapt, trained on the spot on the embedded ru and en documents."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.tokenizer.base import LLAMA3_PATTERN, train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer

DOCUMENT_FILES = {
    "kk": ("documents_kk_a.jsonl", "documents_kk_b.jsonl"),
    "ru": ("documents_ru.jsonl",),
    "en": ("documents_en.jsonl",),
}
BASE_VOCAB = 1500
NEW_TOKENS = 400
BYTE_LEVEL = ("specials_first", "llama3", "gpt2")
BYTE_FALLBACK = ("llama2_class", "sentencepiece", "gemma")
FAMILIES = (*BYTE_LEVEL, *BYTE_FALLBACK)


@functools.cache
def documents(language: str) -> tuple[str, ...]:
    return tuple(row["text"] for name in DOCUMENT_FILES[language] for row in read_jsonl(embedded_path(name)))


def _byte_level(pre_tokenizer: object, specials: tuple[str, ...], *, ignore_merges: bool) -> Tokenizer:
    """Byte-level BPE whose special tokens lie outside the vocabulary, with the ids after it, as in Llama-3 and Qwen."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BASE_VOCAB, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([*documents("ru"), *documents("en")], trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    return tokenizer


def _sentencepiece_parts() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges as in Llama-2: `<unk> <s> </s>`, 256 byte tokens, then pieces of the ru and en text."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner.pre_tokenizer = pre_tokenizers.Split(Regex("▁?[^▁]*"), "isolated")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=BASE_VOCAB, special_tokens=specials, show_progress=False)
    learner.train_from_iterator([*documents("ru"), *documents("en")], trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _specials_first() -> PreTrainedTokenizerFast:
    return train_base_tokenizer([*documents("ru"), *documents("en")], vocab_size=BASE_VOCAB)


def _llama3() -> PreTrainedTokenizerFast:
    split = pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    specials = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
    backend = _byte_level(pre_tokenizers.Sequence([split, byte_level]), specials, ignore_merges=True)
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=specials[0], eos_token=specials[2])
    fast.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}<|eot_id|>{% endfor %}"
    return fast


def _gpt2() -> PreTrainedTokenizerFast:
    backend = _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ("<|endoftext|>",), ignore_merges=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def _llama2_class() -> PreTrainedTokenizerFast:
    vocab, merges = _sentencepiece_parts()
    return LlamaTokenizer(vocab=vocab, merges=merges)


def _with_byte_fallback(normalizer: object, pre_tokenizer: object, decoder: object) -> PreTrainedTokenizerFast:
    vocab, merges = _sentencepiece_parts()
    model = models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    backend = Tokenizer(model)
    backend.normalizer, backend.decoder = normalizer, decoder
    if pre_tokenizer is not None:
        backend.pre_tokenizer = pre_tokenizer
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def _sentencepiece() -> PreTrainedTokenizerFast:
    """As Llama-2's tokenizer.json was written for years: a normalizer that prepends, no pre-tokenizer."""
    strip = decoders.Strip(" ", 1, 0)
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    return _with_byte_fallback(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, decoder
    )


def _gemma() -> PreTrainedTokenizerFast:
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _with_byte_fallback(
        normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"), decoder
    )


BUILDERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "specials_first": _specials_first,
    "llama3": _llama3,
    "gpt2": _gpt2,
    "llama2_class": _llama2_class,
    "sentencepiece": _sentencepiece,
    "gemma": _gemma,
}


class Family:
    """A base tokenizer, its extension on the embedded Kazakh documents, and that extension saved and loaded again."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.byte_level = name in BYTE_LEVEL
        self.base = BUILDERS[name]()
        self.extended: ExtendedTokenizer = extend_tokenizer(self.base, documents("kk"), num_new_tokens=NEW_TOKENS)
        self.extended.save(folder)
        self.folder = folder
        self.reloaded = AutoTokenizer.from_pretrained(folder)

    def ids(self, tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Family]:
    @functools.cache
    def get(name: str) -> Family:
        return Family(name, tmp_path_factory.mktemp("extended") / name)

    return get


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest, families: Callable[[str], Family]) -> Family:
    return families(request.param)


@pytest.fixture(scope="session")
def kk_documents() -> tuple[str, ...]:
    return documents("kk")


@pytest.fixture(scope="session")
def en_documents() -> tuple[str, ...]:
    return documents("en")


@pytest.fixture(scope="session")
def ru_documents() -> tuple[str, ...]:
    return documents("ru")
