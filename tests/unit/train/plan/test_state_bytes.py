"""Bytes of an optimizer's states, by hand: two float32 numbers, two of a byte, one float32 number; and one more to pull to."""

from __future__ import annotations

from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.state_bytes import state_bytes


@pytest.mark.parametrize(
    ("values", "bytes_each"),
    [
        ({}, 8),
        ({"optimizer": {"states": "torchao_8bit"}}, 2),
        ({"optimizer": {"type": "muon"}, "adapter": {"type": "lora"}}, 4),
        ({"pull_to_base": 0.1, "weight_decay": 0.0}, 12),
    ],
)
def test_states_of_a_trained_parameter(values: dict[str, Any], bytes_each: float) -> None:
    settings = config_from_values(TrainSettings, {"method": "cpt", **values}, where="test")
    assert state_bytes(settings) == bytes_each
