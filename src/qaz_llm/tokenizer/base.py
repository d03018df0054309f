"""A base tokenizer made on the spot, for runs that start from an architecture instead of a checkpoint.

Byte-level BPE with the pre-tokenizer of Llama-3 (words with one leading character, numbers in groups of three digits),
so that what is learned about extending it holds for the models people adapt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.chat_template import DEFAULT_CHAT_TEMPLATE, TURN_END, TURN_START

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
SPECIAL_TOKENS = (BOS, EOS, PAD, TURN_START, TURN_END)

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split pattern that Meta published with Llama-3 (meta-llama/llama-models, models/llama3/tokenizer.py)."""


def train_base_tokenizer(texts: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `vocab_size` tokens, its five special tokens included.

    Every text starts with BOS. The special tokens have the first ids, so that the last ids are free for extension.

    Raises:
        InputError: where the texts hold too little for a vocabulary of this size.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    size = tokenizer.get_vocab_size()
    if size < vocab_size:
        raise InputError(
            f"the text supports a base vocabulary of {size:,} tokens, {vocab_size:,} were asked for",
            hint=f"ask for at most {size}, or give more text",
        )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    fast.chat_template = DEFAULT_CHAT_TEMPLATE
    return fast
