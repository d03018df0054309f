"""Rows through a model: branches kept apart by a mask, common beginnings run once, and only the positions that are asked through the head.

Shape legend: B rows of a batch, L tokens of a row, P tokens of the common beginning, T targets of a batch, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.scoring.rows import Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def logprobs_of(model: PreTrainedModel, batch: Sequence[Row], cache: Any, *, pad_id: int) -> list[list[float]]:
    """The log-probabilities of the targets of each row. `cache` holds the keys and values of the rows' prefix, or is None.

    Rows are padded on the right: in a causal model no position sees what comes after it.
    """
    import torch

    length, device = max(len(row.input_ids) for row in batch), model.device
    ids_BL = torch.full((len(batch), length), pad_id, dtype=torch.long)
    where = [n * length + index for n, row in enumerate(batch) for _r, index, _t in row.targets]
    tokens_T = torch.tensor([token for row in batch for _r, _i, token in row.targets], device=device)
    for n, row in enumerate(batch):
        ids_BL[n, : len(row.input_ids)] = torch.tensor(row.input_ids)
    more: dict[str, Any] = {}
    if cache is not None or any(row.branch_L for row in batch):
        more = {
            "position_ids": _positions(batch, length).to(device),
            "attention_mask": _masks(model, batch, length),
            "past_key_values": _expanded(cache, len(batch)),
        }
    with _only_asked(model, torch.tensor(where, device=device)):
        logits = model(input_ids=ids_BL.to(device), use_cache=cache is not None, **more).logits
    logits_TV = (logits[0] if logits.shape[:2] == (1, len(where)) else logits.flatten(0, 1)[where]).float()
    found_T = logits_TV.gather(1, tokens_T[:, None])[:, 0] - torch.logsumexp(logits_TV, dim=1)
    values = iter(found_T.tolist())
    return [[next(values) for _ in row.targets] for row in batch]


def cache_of(model: PreTrainedModel, prefix: Sequence[int]) -> Any:
    """The keys and values of a text, one row: of each layer two tensors 1 × heads × P × head size."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    ids_1P = torch.tensor([list(prefix)], device=model.device)
    with _only_asked(model, torch.tensor([0], device=model.device)):
        model(input_ids=ids_1P, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def _expanded(cache: Any, rows: int) -> Any:
    """The same keys and values for each row of a batch, in a cache of its own, since a model adds to what it is given."""
    from transformers import DynamicCache

    if cache is None:
        return None
    return DynamicCache([(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in cache])


def _positions(batch: Sequence[Row], length: int) -> torch.Tensor:
    import torch

    return torch.tensor([row.positions + [0] * (length - len(row.input_ids)) for row in batch])


def _masks(model: PreTrainedModel, batch: Sequence[Row], length: int) -> Any:
    """What each token may see, as numbers that are added to the scores: B × 1 × L × (P + L), for each kind of layer the model has.

    A token sees the prefix, of the trunk what stands before it, and what stands before it in its own branch.
    """
    import torch

    prefix = len(batch[0].prefix)
    branch_BL = torch.tensor(
        [list(row.branch_L or (0,) * len(row.input_ids)) + [0] * (length - len(row.input_ids)) for row in batch]
    )
    key_B1L, query_BL1 = branch_BL[:, None, :], branch_BL[:, :, None]
    before_LL = torch.ones(length, length, dtype=torch.bool).tril()
    seen_BLL = before_LL & ((key_B1L == 0) | (key_B1L == query_BL1))
    seen = torch.cat([torch.ones(len(batch), length, prefix, dtype=torch.bool), seen_BLL], dim=-1)
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if "sliding_attention" in kinds:
        near = seen & _within(batch, length, int(window or 1 << 30))
        return {"full_attention": _added(seen, model), "sliding_attention": _added(near, model)}
    return _added(seen & _within(batch, length, int(window)) if window and not kinds else seen, model)


def _within(batch: Sequence[Row], length: int, window: int) -> torch.Tensor:
    """Whether a key stands less than `window` places before the query in its own text: B × L × (P + L)."""
    import torch

    query_BL = _positions(batch, length)
    prefix_BP = torch.arange(len(batch[0].prefix)).expand(len(batch), -1)
    keys_BK = torch.cat([prefix_BP, query_BL], dim=1)
    return query_BL[:, :, None] - keys_BK[:, None, :] < window


def _added(seen: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
    import torch

    none = torch.finfo(model.dtype).min
    return torch.zeros(seen.shape, dtype=model.dtype).masked_fill(~seen, none)[:, None].to(model.device)


@contextmanager
def _only_asked(model: PreTrainedModel, where_T: torch.Tensor) -> Iterator[None]:
    """While the block runs, the head gets the hidden states at `where_T` (over rows and positions in one) alone, as one row.

    What a model does to its logits afterwards (soft caps, scaling) is done to these.
    """

    def choose(_module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0].flatten(0, 1)[where_T][None], *inputs[1:])

    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(choose) if head is not None else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
