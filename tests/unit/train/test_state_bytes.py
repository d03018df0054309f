"""Bytes of what is trained and what is not, by hand."""

from types import SimpleNamespace

import pytest
from test_train_config import make

from qaz_llm.train.state_bytes import frozen_bytes, trained_bytes


@pytest.mark.parametrize(
    ("values", "bytes_each"),
    [
        ({}, 4 + 4 + 8),
        ({"optimizer": {"states": "torchao_8bit"}}, 4 + 4 + 2),
        ({"optimizer": {"type": "muon"}, "adapter": {"type": "lora"}}, 4 + 4 + 4),
        ({"pull_to_base": 0.1, "weight_decay": 0.0}, 4 + 4 + 8 + 4),
    ],
)
def test_a_trained_parameter(values: dict, bytes_each: int) -> None:
    assert trained_bytes(make(**{"method": "cpt", "model": {"checkpoint": "x"}} | values)) == bytes_each


def test_frozen_parameters() -> None:
    """1,000 of them, 400 of which are the tables: in bf16 beside LoRA, in float32 in full tuning, and the blocks in NF4."""
    shape = SimpleNamespace(vocab_size=20, hidden_size=10, tie_word_embeddings=False)

    def of(**adapter) -> float:
        values = {"method": "cpt", "model": {"checkpoint": "x"}, "precision": "bf16", "adapter": adapter}
        return frozen_bytes(make(**values), shape, 1000)

    assert of() == 4000
    assert of(type="lora") == 2000
    assert of(type="lora", quantised="nf4") == 2 * 400 + 0.52 * 600
