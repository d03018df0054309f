"""What is learned from a pair, given the log-probabilities of both answers under the model and under the reference.

    c = log π(chosen) − log π_ref(chosen)      r = log π(rejected) − log π_ref(rejected)      DPO: −log σ(β (c − r))

At π = π_ref both are 0, and DPO's loss is ln 2 whatever the pair. The other losses are those that TRL maintains, by its formulas
(trl 1.16, dpo_trainer.py), per pair.

Shape legend: B rows, L tokens, V vocabulary, S sequences (chosen, rejected, chosen, rejected …), P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy, logsigmoid

from qaz_llm.records import IGNORE_INDEX
from qaz_llm.train.batches.loss import targets_of

if TYPE_CHECKING:
    from qaz_llm.train.config.preference import PreferenceConfig


@dataclass(frozen=True)
class Ratios:
    """Log-probability of both answers under the model over that under the reference, in nats, and their lengths in tokens."""

    chosen_P: torch.Tensor
    rejected_P: torch.Tensor
    chosen_tokens_P: torch.Tensor
    rejected_tokens_P: torch.Tensor

    @property
    def apart_P(self) -> torch.Tensor:
        return self.chosen_P - self.rejected_P

    @property
    def apart_per_token_P(self) -> torch.Tensor:
        return self.chosen_P / self.chosen_tokens_P - self.rejected_P / self.rejected_tokens_P


def sequence_logps(
    logits_BLV: torch.Tensor, labels_BL: torch.Tensor, sequences_BL: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-probability of the learned tokens of each of `count` sequences, and how many there are; (S,) each.

    Labels are unshifted; the first of each sequence is ignored (packing.make_row), so that none is predicted from another sequence.
    """
    shifted_BL = targets_of(labels_BL)
    logps_T = -cross_entropy(
        logits_BLV.float().flatten(0, 1), shifted_BL.flatten(), ignore_index=IGNORE_INDEX, reduction="none"
    )
    learned_T = shifted_BL.flatten() != IGNORE_INDEX
    owners = sequences_BL.flatten()[learned_T]  # that of the position before a token, which is in the token's sequence
    zeros_S = logps_T.new_zeros(count)
    return (
        zeros_S.index_add(0, owners, logps_T[learned_T]),
        zeros_S.index_add(0, owners, torch.ones_like(logps_T[learned_T])),
    )


def pair_losses(ratios: Ratios, config: PreferenceConfig) -> torch.Tensor:
    """The loss of each pair, without what `sft_weight` adds; (P,)."""
    return _LOSSES[config.loss](ratios, config.beta, config.label_smoothing)


_Loss = Callable[[Ratios, float, float], torch.Tensor]


def _robust(ratios: Ratios, beta: float, wrong: float) -> torch.Tensor:
    apart_P = beta * ratios.apart_P
    return (-(1 - wrong) * logsigmoid(apart_P) + wrong * logsigmoid(-apart_P)) / (1 - 2 * wrong)


def _exo(ratios: Ratios, beta: float, wrong: float) -> torch.Tensor:
    apart_P = beta * ratios.apart_P
    return torch.sigmoid(apart_P) * (logsigmoid(apart_P) - log(1 - wrong)) + torch.sigmoid(-apart_P) * (
        logsigmoid(-apart_P) - log(wrong)
    )


def _nca(ratios: Ratios, beta: float, _wrong: float) -> torch.Tensor:
    chosen_P, rejected_P = beta * ratios.chosen_P, beta * ratios.rejected_P
    return -logsigmoid(chosen_P) - 0.5 * logsigmoid(-chosen_P) - 0.5 * logsigmoid(-rejected_P)


_LOSSES: Mapping[str, _Loss] = {
    "sigmoid": lambda x, beta, _: -logsigmoid(beta * x.apart_P),
    "sigmoid_norm": lambda x, beta, _: -logsigmoid(beta * x.apart_per_token_P),
    "hinge": lambda x, beta, _: torch.relu(1 - beta * x.apart_P),
    "ipo": lambda x, beta, _: (x.apart_per_token_P - 1 / (2 * beta)) ** 2,
    "robust": _robust,
    "exo_pair": _exo,
    "nca_pair": _nca,
    "sppo_hard": lambda x, beta, _: (x.chosen_P - 0.5 / beta) ** 2 + (x.rejected_P + 0.5 / beta) ** 2,
    "apo_zero": lambda x, beta, _: 1 - torch.sigmoid(beta * x.chosen_P) + torch.sigmoid(beta * x.rejected_P),
    "apo_down": lambda x, beta, _: torch.sigmoid(beta * x.chosen_P) + 1 - torch.sigmoid(beta * x.apart_P),
}
