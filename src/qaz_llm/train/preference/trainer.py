"""The training loop over preference pairs.

The loss of a step, over all its micro-batches m on all ranks r, with n pairs in all:

    loss = Σ_r Σ_m Σ_pairs loss(pair) / n

so that 1×8, 8×1 and 2 processes learn the same, however many pairs each micro-batch holds.
"""

from __future__ import annotations

from typing import Any

import torch

from qaz_llm.train.loop.between_steps import evaluating
from qaz_llm.train.loop.trainer import PackedTrainer
from qaz_llm.train.preference.losses import Ratios, pair_losses, sequence_logps

PAIR_METRICS = ("reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy_frac")
"""Rewards are β times the log-ratio to the reference, in nats; accuracy is the share of pairs whose preferred answer has the higher."""


class PairTrainer(PackedTrainer):
    """Compares the answers of each pair; batches are a PairCollator's, of rows with their reference."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._seen: torch.Tensor | None = (
            None  # pairs since the last row of metrics, and the sums of what is told of them
        )

    def count_items(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor:
        """The pairs of the step, over all ranks."""
        pairs = torch.tensor(sum(len(batch["reference"]) // 2 for batch in batch_samples), device=device)
        return self.accelerator.gather(pairs).sum() if self.args.world_size > 1 else pairs

    def batch_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """This micro-batch's share of the step's loss, times the ranks, over which the reduction of gradients averages."""
        inputs = dict(inputs)
        labels_BL, sequences_BL, reference = (inputs.pop(key) for key in ("labels", "sequences", "reference"))
        outputs = model(**inputs)
        logps_S, tokens_S = sequence_logps(outputs["logits"], labels_BL, sequences_BL, len(reference))
        ratios_S = logps_S - torch.as_tensor(reference, dtype=torch.float32, device=logps_S.device)
        ratios = Ratios(ratios_S[::2], ratios_S[1::2], tokens_S[::2], tokens_S[1::2])
        preference = self.settings.preference
        losses_P = pair_losses(ratios, preference)
        if preference.sft_weight:
            losses_P = losses_P - preference.sft_weight * logps_S[::2] / tokens_S[::2]
        self._note(ratios, preference.beta)
        loss = losses_P.sum() / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def loss_of(self, inputs: dict[str, Any], model: Any) -> float:
        """The mean over the pairs of a micro-batch, which is not counted among those that are told of."""
        batch, seen = dict(self._prepare_inputs(inputs)), self._seen
        batch.pop("part_B", None)
        items = len(batch["reference"]) // 2 * self.accelerator.num_processes
        with evaluating(model), torch.no_grad(), self.compute_loss_context_manager(), self.accelerator.autocast():
            loss = float(self.batch_loss(model, batch, num_items_in_batch=items))
        self._seen = seen
        return loss

    def _note(self, ratios: Ratios, beta: float) -> None:
        chosen_P, rejected_P = beta * ratios.chosen_P.detach(), beta * ratios.rejected_P.detach()
        columns = (
            torch.ones_like(chosen_P),
            chosen_P,
            rejected_P,
            chosen_P - rejected_P,
            (chosen_P > rejected_P).float(),
        )
        sums = torch.stack([column.sum() for column in columns])
        self._seen = sums if self._seen is None else self._seen + sums

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """What Trainer logs, with the means over all pairs since the last row. Called on all ranks at the same step."""
        if "loss" in logs and self._seen is not None:
            pairs, *sums = self.accelerator.reduce(self._seen, "sum").tolist()
            logs |= {name: value / pairs for name, value in zip(PAIR_METRICS, sums, strict=True)}
            self._seen = None
        super().log(logs, *rest, **named)
