"""Models of a few thousand weights with tokenizers that cut text in each way that becomes GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.architecture import make_model
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.export import write_model
from qaz_llm.model.gguf.texts import ODD
from qaz_llm.model.gguf.vocabulary import DIGITS, GPT2, MARKED_SPACES

SHAPE = ArchitectureConfig(hidden_size=32, num_layers=1, num_heads=4, num_kv_heads=2, intermediate_size=48)
VOCABULARY, ODD_TIMES = 2_000, 30
SPECIAL = ("<|bos|>", "<|eos|>", "<|pad|>", "<|begin|>", "<|соңы|>")
"""The last is spelled as no end that llama.cpp knows."""


def byte_level(
    steps: tuple[str, ...], *, ignore_merges: bool = False, normalizer: Any = None
) -> PreTrainedTokenizerFast:
    """Byte-level BPE that cuts by `steps`, as the table of vocabulary.py names them."""
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.normalizer = normalizer
    parts = [step_of(step) for step in steps]
    if steps[-1] != GPT2:
        parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    made.pre_tokenizer = pre_tokenizers.Sequence(parts) if len(parts) > 1 else parts[0]
    made.decoder = decoders.ByteLevel()
    train(made, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return wrapped(made)


def step_of(step: str) -> Any:
    if step == GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if step == DIGITS:
        return pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Split(Regex(step), behavior="isolated")


def marked_spaces() -> PreTrainedTokenizerFast:
    """Gemma's shape: ▁ for spaces, unknown letters as bytes."""
    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<|pad|>"))
    made.normalizer = normalizers.Replace(MARKED_SPACES["pattern"]["String"], MARKED_SPACES["content"])
    made.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    train(made, initial_alphabet=[], special=[*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))])
    return wrapped(made)


def train(made: Tokenizer, *, initial_alphabet: list[str], special: list[str] | None = None) -> None:
    rows = [row for name in ("documents_ru", "documents_kk_a") for row in read_jsonl(embedded_path(f"{name}.jsonl"))]
    texts = [line for row in rows for line in row["text"].split("\n")]
    odd = [
        line for text in ODD for line in (text.split("\n") if special else [text])
    ]  # so that ways of cutting differ in ids
    texts += ODD_TIMES * odd
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY + (256 if special else 0), special_tokens=list(special or SPECIAL), initial_alphabet=initial_alphabet, show_progress=False
    )  # fmt: skip
    made.train_from_iterator(texts, trainer)
    made.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    made.post_processor = processors.TemplateProcessing(single="<|bos|> $A", special_tokens=[("<|bos|>", 0)])


def wrapped(made: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|bos|>", eos_token="<|eos|>", pad_token="<|pad|>", clean_up_tokenization_spaces=False
    )  # fmt: skip


def folder_of(tokenizer: PreTrainedTokenizerFast, out: Path, *, end_of_turn: int | None = 4) -> Path:
    """A model folder with this tokenizer, of random weights."""
    write_model(
        make_model(SHAPE, tokenizer, seed=0, attn_implementation="sdpa"),
        tokenizer,
        out,
        facts={},
        end_of_turn=end_of_turn,
    )
    return out
