"""Rows through a model: segments kept apart by a mask, common beginnings run once, and only the positions that are asked through the head.

Shape legend: B rows of a batch, L tokens of a row, P tokens of the common beginning, T targets of a batch, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.scoring.rows import Row, common_length

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


Layers = list[tuple[Any, Any]]
"""Keys and values of each layer, two tensors 1 × heads × P × head size."""


def logprobs_of(
    model: PreTrainedModel, batch: Sequence[Row], layers: Layers | None, *, pad_id: int
) -> list[list[float]]:
    """The log-probabilities of the targets of each row. `layers`: the keys and values of the prefix of a batch of one row, or None.

    Rows are padded on the right: in a causal model no position sees what comes after it.
    """
    import torch

    length, device = max(len(row.input_ids) for row in batch), model.device
    ids_BL = torch.full((len(batch), length), pad_id, dtype=torch.long)
    where = [n * length + index for n, row in enumerate(batch) for _r, index, _t in row.targets]
    tokens_T = torch.tensor([token for row in batch for _r, _i, token in row.targets], device=device)
    for n, row in enumerate(batch):
        ids_BL[n, : len(row.input_ids)] = torch.tensor(row.input_ids)
    with _only_asked(model, torch.tensor(where, device=device)):
        logits = model(input_ids=ids_BL.to(device), **_beside(model, batch, length, _cache(layers))).logits
    logits_TV = (logits[0] if logits.shape[:2] == (1, len(where)) else logits.flatten(0, 1)[where]).float()
    found_T = logits_TV.gather(1, tokens_T[:, None])[:, 0] - torch.logsumexp(logits_TV, dim=1)
    values = iter(found_T.tolist())
    return [[next(values) for _ in row.targets] for row in batch]


class Prefix:
    """The beginning that was run last, with its keys and values. The next one is run from where the two part."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._layers: Layers = []
        self.ids: tuple[int, ...] = ()

    def layers_of(self, ids: tuple[int, ...]) -> Layers:
        """The keys and values of a beginning."""
        same = common_length(self.ids, ids)
        if same < len(self.ids):
            self.ids = ids[:same]
            self._layers = [(keys[:, :, :same], values[:, :, :same]) for keys, values in self._layers] if same else []
        if same < len(ids):
            self._layers = self._run(Row(ids[same:], (), prefix=ids[:same]))
            self.ids = ids
        return self._layers

    def _run(self, row: Row) -> Layers:
        import torch
        from transformers import DynamicCache

        cache = _cache(self._layers) or DynamicCache()
        ids_1L = torch.tensor([row.input_ids], device=self._model.device)
        more = _beside(self._model, [row], len(row.input_ids), cache if row.prefix else None)
        with _only_asked(self._model, torch.tensor([0], device=self._model.device)):
            self._model(input_ids=ids_1L, **(more | {"past_key_values": cache, "use_cache": True}))
        return [(layer.keys, layer.values) for layer in cache.layers]


def _cache(layers: Layers | None) -> Any:
    """A cache of its own for each pass, since a model adds to what it is given."""
    from transformers import DynamicCache

    return DynamicCache(layers) if layers else None


def _beside(model: PreTrainedModel, batch: Sequence[Row], length: int, cache: Any) -> dict[str, Any]:
    """What goes into a model with the token ids. Plain rows need no mask: then the fastest attention is taken."""
    if cache is None and all(row.is_plain for row in batch):
        return {"use_cache": False}
    return {
        "position_ids": _positions(batch, length).to(model.device),
        "attention_mask": _masks(model, batch, length),
        "past_key_values": cache,
        "use_cache": cache is not None,
    }


def _positions(batch: Sequence[Row], length: int) -> torch.Tensor:
    import torch

    return torch.tensor([row.positions + [0] * (length - len(row.input_ids)) for row in batch])


def _masks(model: PreTrainedModel, batch: Sequence[Row], length: int) -> Any:
    """What each token may see, as numbers that are added to the scores: B × 1 × L × (P + L), for each kind of layer the model has.

    A token sees the prefix, what stands before it in its own segment, and all of the segments that this one grows from.
    """
    import torch

    seen_BLL = torch.stack([_seen(row, length) for row in batch])
    prefix_BLP = torch.ones(len(batch), length, len(batch[0].prefix), dtype=torch.bool)
    seen = torch.cat([prefix_BLP, seen_BLL], dim=-1)
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if "sliding_attention" in kinds:
        near = seen & _within(batch, length, int(window or 1 << 30))
        return {"full_attention": _added(seen, model), "sliding_attention": _added(near, model)}
    return _added(seen & _within(batch, length, int(window)) if window and not kinds else seen, model)


def _seen(row: Row, length: int) -> torch.Tensor:
    """L × L; what pads a row sees what stands before it, so that no attention is over nothing."""
    import torch

    before_LL = torch.ones(length, length, dtype=torch.bool).tril()
    segment_L = torch.tensor(row.segments)
    own = len(row.input_ids)
    before_LL[:own, :own] &= torch.tensor(row.seen)[segment_L][:, segment_L]
    return before_LL


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
