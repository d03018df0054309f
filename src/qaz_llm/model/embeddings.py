"""New rows for new tokens: the embedding table grows, the old rows stay bit for bit as they were.

Shape legend: V rows of the vocabulary, D hidden size, S sub-tokens of one new token.

    old table            token a  token b
    new token ab  ←  mean(row a, row b)            init = "mean"
                     (2·row a + 1·row b) / 3       init = "weighted_mean", a being 2 bytes long and b 1

The mean of the sub-tokens is the start that needs no second model and keeps a new token near what the model would have
read (Sherkala, arXiv 2503.01493, and Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").
`random` draws from a normal distribution with the old table's mean and standard deviation per column: the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.words import token_lengths_bytes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from qaz_llm.tokenizer.extend import ExtendedTokenizer

EmbeddingInit = Literal["mean", "weighted_mean", "random"]


def resize_embeddings(
    model: PreTrainedModel,
    extended: ExtendedTokenizer,
    *,
    init: EmbeddingInit = "mean",
    pad_to_multiple_of: int | None = None,
    seed: int = 0,
) -> None:
    """Grow the input table, and the output table where it is not tied, in place; rows below `base_size` are untouched.

    A model may have more rows than the base tokenizer has tokens (padding); the new tokens take those rows first.
    Call before an engine shards the model: under ZeRO-3 a sharded table has no rows to copy.

    Raises:
        InputError: where the model has fewer rows than the base tokenizer has tokens, so it belongs to another one.
    """
    import torch

    table_VD = model.get_input_embeddings().weight
    if table_VD.shape[0] < extended.base_size:
        raise InputError(
            f"the model has {table_VD.shape[0]:,} embedding rows, the base tokenizer {extended.base_size:,} tokens",
            hint="extend the tokenizer that belongs to this model",
        )
    size = max(table_VD.shape[0], extended.base_size + len(extended.sub_tokens))
    tied = model.get_output_embeddings() is None or model.get_output_embeddings().weight is table_VD
    model.resize_token_embeddings(size, pad_to_multiple_of=pad_to_multiple_of, mean_resizing=False)
    with torch.no_grad():
        _fill_rows(model.get_input_embeddings().weight, extended, init, seed)
        if not tied:
            _fill_rows(model.get_output_embeddings().weight, extended, init, seed + 1)
    model.config.vocab_size = model.get_input_embeddings().weight.shape[0]


def _fill_rows(table_VD: torch.Tensor, extended: ExtendedTokenizer, init: EmbeddingInit, seed: int) -> None:
    """Write the rows of the new tokens, and of the padding after them, from the rows below `base_size`."""
    import torch

    old_VD = table_VD[: extended.base_size].detach().float()
    mean_D, std_D = old_VD.mean(0), old_VD.std(0)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    first_free = extended.base_size + len(extended.sub_tokens)
    table_VD[first_free:] = mean_D.to(table_VD.dtype)
    if init == "random":
        noise_VD = torch.randn(len(extended.sub_tokens), table_VD.shape[1], generator=generator).to(table_VD.device)
        table_VD[extended.base_size : first_free] = (mean_D + noise_VD * std_D).to(table_VD.dtype)
        return
    used = {i for old_ids in extended.sub_tokens.values() for i in old_ids}
    lengths = token_lengths_bytes(extended.tokenizer, used) if init == "weighted_mean" else None
    for new_id, old_ids in extended.sub_tokens.items():
        rows_SD = old_VD[list(old_ids)]
        if lengths is None:
            row_D = rows_SD.mean(0)
        else:
            weights_S = torch.tensor([lengths[i] for i in old_ids], dtype=torch.float32, device=rows_SD.device)
            row_D = (weights_S[:, None] * rows_SD).sum(0) / weights_S.sum()
        table_VD[new_id] = row_D.to(table_VD.dtype)
