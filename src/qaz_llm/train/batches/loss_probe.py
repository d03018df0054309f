"""Whether a model gives its losses without its logits: looked at before the first step, on rows of its own data.

What a family does between its decoder and its logits is known from its config (model/kernels/loss_head.py), and a family that
does something else would learn something else, without a word. So the losses of a few rows are taken both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from qaz_llm.errors import ConfigError
from qaz_llm.model.kernels.loss_head import give_losses, why_not
from qaz_llm.progress import get_logger
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.influence import innermost, largest_of, reading, to_device
from qaz_llm.train.batches.loss import losses_of, targets_of
from qaz_llm.train.batches.packing_probe import MAX_ROWS, Rows
from qaz_llm.train.ranks.distributed import any_process

_logger = get_logger("train")

SAME_NATS = 1e-3
"""Largest difference of a token's loss, in nats, that rounding in float32 may make. Measured on SmolLM2 135M: 1e-5; a factor or a
cap that is left out changes it by more than 1."""

HALF_ROUNDING = 2**-7
"""In bfloat16 a logit is known to a 256th of itself, and two of them make a loss."""


class TokenLosses:
    """How the trainer is to ask for losses: by targets where `in_blocks`, else by logits."""

    def __init__(self, model: Any, wanted: str) -> None:
        self.is_by_name = wanted == "in_blocks"
        self.why = "kernels.loss is full_logits" if wanted == "full_logits" else why_not(innermost(model))
        if self.why is None:
            give_losses(innermost(model))

    @property
    def in_blocks(self) -> bool:
        return self.why is None

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs, with targets where the model takes them."""
        if not self.in_blocks:
            return dict(inputs)
        return {**inputs, "targets_BL": targets_of(inputs["labels"])}


class LossProbe(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Looks once, when the model stands as it will be trained, and goes back to logits where the losses are others."""

    def __init__(self, losses: TokenLosses, collator: Collator, rows: Rows, *, micro_batch_size: int) -> None:
        self.losses = losses
        self.collator = collator
        self.rows = [rows[number] for number in range(min(micro_batch_size, MAX_ROWS, len(rows)))]

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.losses.in_blocks:
            apart, allowed = differences(model, self.collator(self.rows))
            if any_process(not apart <= allowed):  # NaN too
                self.losses.why = f"they differ from those of the logits by {apart:.2g} nats"
                if self.losses.is_by_name:
                    raise ConfigError(f"kernels.loss in_blocks: {self.losses.why}", hint="use kernels.loss=auto")
        if not self.losses.in_blocks:
            _logger.info("loss from full logits: %s", self.losses.why)


def differences(model: Any, batch: Mapping[str, Any]) -> tuple[float, float]:
    """The largest difference of a token's loss between both ways, and what rounding explains."""
    inputs = to_device({key: value for key, value in batch.items() if key not in ("labels", "part_B")}, model)
    labels_BL = batch["labels"].to(inputs["input_ids"].device)
    with reading(model):
        logits = model(**inputs).logits
        whole_BL = losses_of({"logits": logits}, labels_BL).nll_BL
        blocks_BL = losses_of(model(**inputs, targets_BL=targets_of(labels_BL)), labels_BL).nll_BL
    half = any(p.dtype.itemsize == 2 for p in model.parameters()) or logits.dtype.itemsize == 2 or _autocast(model)
    allowed = SAME_NATS + (HALF_ROUNDING * largest_of(logits.abs()) if half else 0.0)
    return largest_of((whole_BL - blocks_BL).abs()), allowed


def _autocast(model: Any) -> bool:
    """Whether accelerate casts on the way: it wraps the forward method of what it prepared, and says so by its name."""
    return hasattr(innermost(model), "_original_forward") or hasattr(model, "_original_forward")
