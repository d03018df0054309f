"""What is learned from pairs, by arithmetic; and whose token is whose in a batch."""

from math import exp, log

import numpy as np
import pytest
import torch
from train_configs import make

from qaz_llm.errors import ConfigError
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.config.preference import PreferenceConfig
from qaz_llm.train.preference.collate import PairCollator
from qaz_llm.train.preference.losses import Ratios, pair_losses, sequence_logps


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def ratios(chosen: float, rejected: float) -> Ratios:
    values = (torch.tensor([value], dtype=torch.float64) for value in (chosen, rejected, 4.0, 8.0))
    return Ratios(*values)


C, R, B, E = 2.0, -1.5, 0.2, 0.1
BY_HAND = {
    "sigmoid": -log(sigmoid(B * 3.5)),
    "sigmoid_norm": -log(sigmoid(B * (2 / 4 + 1.5 / 8))),
    "hinge": 1 - B * 3.5,
    "ipo": (2 / 4 + 1.5 / 8 - 1 / 0.4) ** 2,
    "robust": (-0.9 * log(sigmoid(0.7)) + 0.1 * log(sigmoid(-0.7))) / 0.8,
    "exo_pair": sigmoid(0.7) * log(sigmoid(0.7) / 0.9) + sigmoid(-0.7) * log(sigmoid(-0.7) / 0.1),
    "nca_pair": -log(sigmoid(0.4)) - 0.5 * log(sigmoid(-0.4)) - 0.5 * log(sigmoid(0.3)),
    "sppo_hard": (2 - 2.5) ** 2 + (-1.5 + 2.5) ** 2,
    "apo_zero": 1 - sigmoid(0.4) + sigmoid(-0.3),
    "apo_down": sigmoid(0.4) + 1 - sigmoid(0.7),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_each_loss_by_hand(name: str) -> None:
    smoothing = E if name in ("robust", "exo_pair") else 0.0
    config = PreferenceConfig(loss=name, beta=B, label_smoothing=smoothing)
    assert pair_losses(ratios(C, R), config).item() == pytest.approx(BY_HAND[name], rel=1e-9)


def test_where_the_model_is_the_reference_the_loss_is_ln_2() -> None:
    for beta in (0.01, 0.1, 3.0):
        assert pair_losses(ratios(0.0, 0.0), PreferenceConfig(beta=beta)).item() == pytest.approx(log(2))


def row(*lengths: int, padding: int = 0) -> dict[str, np.ndarray]:
    """Sequences of 7 8 9 … of which all but the first token are learned, then padding with a segment of its own."""
    spans = [np.arange(n) for n in lengths]
    labels = [np.where(span == 0, IGNORE_INDEX, span + 7) for span in spans]
    return {
        "input_ids": np.concatenate([*(span + 7 for span in spans), np.zeros(padding, int)]),
        "labels": np.concatenate([*labels, np.full(padding, IGNORE_INDEX)]),
        "position_ids": np.concatenate([*spans, np.arange(padding)]),
        "reference": np.arange(len(lengths)) / 2,
    }


def test_whose_token_is_whose() -> None:
    batch = PairCollator(Collator())([row(3, 2, padding=2), row(2, 2, 2, 3)])
    assert batch["sequences"].tolist() == [[0, 0, 0, 1, 1, -1, -1, -1, -1], [2, 2, 3, 3, 4, 4, 5, 5, 5]]
    assert batch["reference"].tolist() == [0.0, 0.5, 0.0, 0.5, 1.0, 1.5]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1, 2]]
    alone = PairCollator(Collator(packs=False))([row(3, 2, padding=2), row(2, 4)])
    assert alone["sequences"].tolist() == [[0, 0, 0, -1], [1, 1, -1, -1], [2, 2, -1, -1], [3, 3, 3, 3]]
    assert alone["attention_mask"].sum(1).tolist() == [3, 2, 2, 4]


@pytest.mark.parametrize("packs", [True, False])
def test_log_probabilities_are_summed_by_sequence(packs: bool) -> None:
    """Over a vocabulary of 16 with logit t at token t: log p(t) = t − log Σ exp."""
    batch = PairCollator(Collator(packs=packs))([row(3, 2, padding=2), row(2, 4)])
    logits = torch.arange(16.0).expand(*batch["input_ids"].shape, 16)
    logps, tokens = sequence_logps(logits, batch["labels"], batch["sequences"], 4)
    whole = torch.arange(16.0).logsumexp(0).item()
    learned = [[8, 9], [8], [8], [8, 9, 10]]
    assert logps.tolist() == pytest.approx([sum(t - whole for t in some) for some in learned])
    assert tokens.tolist() == [2, 1, 1, 3]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"method": "sft", "preference": {"beta": 0.2}}, "preference belongs to method dpo, this is sft"),
        ({"preference": {"loss": "robust"}}, "needs preference.label_smoothing above 0"),
        ({"preference": {"label_smoothing": 0.1}}, "belongs to the losses robust and exo_pair"),
        ({"overflow": "split"}, "dpo needs drop"),
        (
            {"data": {"recipe": {"corpus": "c", "tokenizer": "t", "languages": {"kk": 1.0}}}},
            "dpo takes its pairs from data.mix",
        ),
    ],
)
def test_what_excludes_each_other_is_said_with_what_to_type(values: dict, said: str) -> None:
    base = {"method": "dpo", "model": {"checkpoint": "x"}}
    assert make(**base).row_shape.pairs
    with pytest.raises(ConfigError) as caught:
        make(**base | values)
    assert said in str(caught.value)
