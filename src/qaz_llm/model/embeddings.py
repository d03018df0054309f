"""New rows for new tokens: the embedding table grows, the old rows stay bit for bit as they were.

Shape legend: V rows of the vocabulary, N new tokens, B new tokens of one block, U old tokens that new ones are made of,
D hidden size.

Every way to start but `random` is a table of shares: which old rows a new row is the sum of, and with what weight.

    new token ab, made of a (2 bytes) and b (1 byte), used like c and d:

    mean            1/2 · row a + 1/2 · row b
    weighted_mean   2/3 · row a + 1/3 · row b
    similar         0.7 · row c + 0.3 · row d         shares worked out by `qaz tokenizer extend`
    blend           1/2 · weighted_mean + 1/2 · similar
    random          normal, with the mean and standard deviation of the old table per column
    fitted          blend, and then, where text is at hand, corrected by what the model sees in it (fit.py); the default

Sources: `mean`, Sherkala (arXiv 2503.01493, section 3) and Hewitt 2021, "Initializing New Word Embeddings for Pretrained
Language Models"; `similar`, WECHSEL (arXiv 2112.06598) and FOCUS (arXiv 2305.14481), see tokenizer/similar.py;
`random`, the baseline that both papers compare with. `blend` is our own, chosen by what docs/results/tokenizer.md
measured, `fitted` by docs/results/growing.md: what a token is made of and what it is used like err in different ways. The same shares make the input row, the
output row and, where the output has a bias (Phi), the bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.model.choices import EmbeddingInit
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.extension import Weights
from qaz_llm.tokenizer.words import token_lengths_bytes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from qaz_llm.tokenizer.extension import ExtendedTokenizer

_logger = get_logger("model")

BLOCK_ROWS = 8_192
"""Rows worked on at once, as float32: 134 MB where the hidden size is 4,096."""


def resize_embeddings(
    model: PreTrainedModel,
    extended: ExtendedTokenizer,
    *,
    init: EmbeddingInit = "fitted",
    pad_to_multiple_of: int | None = None,
    seed: int = 0,
) -> None:
    """Grow the input table, and the output table where it is not tied, in place; rows of old tokens are untouched.

    A model may have more rows than the base tokenizer has tokens (padding); the new tokens take those rows first. Rows
    after the last token, new padding included, get the mean of the old table, so that they are never a likely next token.
    `pad_to_multiple_of` overrides what the extension says. Swapped ids get new rows where they are.

    A model that ZeRO-3 has sharded already is gathered, by all ranks together, and its tables are left whole: the engine
    that is made next shards them again.

    Raises:
        InputError: where the model has fewer rows than the base tokenizer has tokens, so it belongs to another one; or
            where `init` is similar and the extension holds no similar tokens.
    """
    import torch

    shares = None if init == "random" else mixing_shares(extended, init)
    rows = count_rows(model)
    if rows < extended.base_size:
        raise InputError(
            f"the model has {rows:,} embedding rows, the base tokenizer {extended.base_size:,} tokens",
            hint="extend the tokenizer that belongs to this model",
        )
    tied = has_tied_tables(model)
    multiple = pad_to_multiple_of or extended.pad_to_multiple_of
    _resize(model, max(rows, extended.size), multiple)
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    with torch.no_grad():
        _fill_rows(inputs.weight, extended, shares, seed)
        if not tied:
            _fill_rows(outputs.weight, extended, shares, seed + 1)
        if getattr(outputs, "bias", None) is not None:
            _fill_rows(outputs.bias[:, None], extended, shares, seed + 2)
    model.config.vocab_size = inputs.weight.shape[0]


def count_rows(model: PreTrainedModel) -> int:
    """Rows of the input table, also where ZeRO-3 has sharded it and its own shape is empty."""
    weight = model.get_input_embeddings().weight
    return int(getattr(weight, "ds_shape", weight.shape)[0])


def has_tied_tables(model: PreTrainedModel) -> bool:
    """True where the output table is the input table."""
    outputs = model.get_output_embeddings()
    return outputs is None or outputs.weight is model.get_input_embeddings().weight


def mixing_shares(extended: ExtendedTokenizer, init: EmbeddingInit) -> Mapping[int, Weights]:
    """Of each new token, the old tokens its row is made of and their shares, which add up to 1.

    A token for which none was found similar is made as by mean where `init` is similar, as by weighted_mean where it is
    blend or fitted. An extension without any similar tokens makes blend the same as weighted_mean, and says so.

    Raises:
        InputError: where `init` is similar and the extension holds no similar tokens.
    """
    equal = {new: tuple((i, 1 / len(old)) for i in old) for new, old in extended.sub_tokens.items()}
    if init == "mean":
        return equal
    if init == "similar":
        if not extended.similar:
            raise InputError(
                "embedding_init is similar, and the tokenizer's extension holds no similar tokens",
                hint="make it with `qaz tokenizer extend --similar`, or choose another embedding_init",
            )
        return equal | dict(extended.similar)
    used = {i for old in extended.sub_tokens.values() for i in old}
    length = token_lengths_bytes(extended.tokenizer, used)
    totals = {new: sum(length[i] for i in old) for new, old in extended.sub_tokens.items()}
    weighted = {new: tuple((i, length[i] / totals[new]) for i in old) for new, old in extended.sub_tokens.items()}
    if init == "weighted_mean":
        return weighted
    if not extended.similar:
        _logger.warning("the tokenizer's extension holds no similar tokens: new rows start as weighted means")
    return weighted | {new: _halves(weighted[new], similar) for new, similar in extended.similar.items()}


def _halves(first: Weights, second: Weights) -> Weights:
    """Half of either, an id once for each time it is in them: ((1, 1.0),) and ((2, 0.6), (3, 0.4)) → 1: .5, 2: .3, 3: .2."""
    return tuple((index, share / 2) for index, share in (*first, *second))


def _resize(model: PreTrainedModel, size: int, multiple: int | None) -> None:
    """Let transformers exchange the tables for larger ones, tied again where they were."""
    from transformers.integrations import HfDeepSpeedConfig, is_deepspeed_zero3_enabled

    config = None
    if hasattr(model.get_input_embeddings().weight, "ds_id") and not is_deepspeed_zero3_enabled():
        # transformers gathers sharded tables while a config like this is alive; it does not look at the tables
        config = HfDeepSpeedConfig({"zero_optimization": {"stage": 3}})
    model.resize_token_embeddings(size, pad_to_multiple_of=multiple, mean_resizing=False)
    del config


def _fill_rows(
    table_VD: torch.Tensor, extended: ExtendedTokenizer, shares: Mapping[int, Weights] | None, seed: int
) -> None:
    """Write the rows of the new tokens, and of the padding after the last token, from the rows of the old ones."""
    import torch

    old_VD = table_VD[: extended.base_size]
    is_kept_V = torch.ones(len(old_VD), device=table_VD.device)
    is_kept_V[list(extended.swapped_ids)] = 0.0
    if shares is None:
        blocks = _random_rows(*_moments(old_VD, is_kept_V), len(extended.new_ids), seed)
    else:
        blocks = _mixed_rows(table_VD, [shares[new] for new in extended.new_ids])
    if len(table_VD) > extended.size:
        table_VD[extended.size :] = _mean(old_VD, is_kept_V).to(table_VD.dtype)
    new_N = torch.tensor(extended.new_ids, dtype=torch.long, device=table_VD.device)
    start = 0
    for rows_BD in blocks:
        table_VD[new_N[start : start + len(rows_BD)]] = rows_BD.to(table_VD.dtype)
        start += len(rows_BD)


def _mixed_rows(table_VD: torch.Tensor, shares: list[Weights]) -> Iterator[torch.Tensor]:
    """The sums of old rows, float32, a row for each of `shares`, in blocks.

        shares [((7, 0.5), (9, 0.5)), ((9, 1.0),)]   →   [(row 7 + row 9) / 2, row 9]

    The old rows are copied before the first block is handed out, so whoever takes it may write where they were.
    """
    import torch
    from torch.nn.functional import embedding_bag

    device = table_VD.device
    used = sorted({index for weights in shares for index, _share in weights})
    position = {index: place for place, index in enumerate(used)}
    used_UD = table_VD[torch.tensor(used, dtype=torch.long, device=device)].float()
    for start in range(0, len(shares), BLOCK_ROWS):
        block = shares[start : start + BLOCK_ROWS]
        pairs = [pair for weights in block for pair in weights]
        lengths = torch.tensor([0, *(len(weights) for weights in block[:-1])], device=device)
        yield embedding_bag(
            torch.tensor([position[index] for index, _share in pairs], device=device),
            used_UD,
            lengths.cumsum(0),  # where in `pairs` each row's own start
            mode="sum",
            per_sample_weights=torch.tensor([share for _index, share in pairs], device=device),
        )


def _random_rows(mean_D: torch.Tensor, std_D: torch.Tensor, count: int, seed: int) -> Iterator[torch.Tensor]:
    """`count` normal rows, float32, in blocks; drawn on the CPU, so the same wherever the table is."""
    import torch

    generator = torch.Generator(device="cpu").manual_seed(seed)
    for start in range(0, count, BLOCK_ROWS):
        noise_BD = torch.randn(min(BLOCK_ROWS, count - start), len(mean_D), generator=generator)
        yield mean_D + noise_BD.to(mean_D.device) * std_D


def _moments(table_VD: torch.Tensor, is_kept_V: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each column over the rows where `is_kept_V` is 1, float32."""
    import torch

    mean_D = _mean(table_VD, is_kept_V)
    squares_D = torch.zeros_like(mean_D)
    for start in range(0, len(table_VD), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        squares_D += ((table_VD[block].float() - mean_D).square() * is_kept_V[block, None]).sum(0)
    return mean_D, (squares_D / (is_kept_V.sum() - 1)).sqrt()


def _mean(table_VD: torch.Tensor, is_kept_V: torch.Tensor) -> torch.Tensor:
    """Mean of each column over the rows where `is_kept_V` is 1, float32; no float32 copy of the table is made.

    Added up column by column: the last bits of a matrix product may depend on where in memory the table lies.
    """
    import torch

    sum_D = torch.zeros(table_VD.shape[1], device=table_VD.device)
    for start in range(0, len(table_VD), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        sum_D += (table_VD[block].float() * is_kept_V[block, None]).sum(0)
    return sum_D / is_kept_V.sum()
