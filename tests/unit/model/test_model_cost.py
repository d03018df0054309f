"""What a row of the vocabulary costs, against parameters counted by hand."""

from __future__ import annotations

import pytest
from transformers import LlamaConfig

from qaz_llm.model.architecture import count_active, model_cost, model_without_weights
from qaz_llm.tokenizer.curve import ModelCost

HIDDEN, INNER, LAYERS, VOCAB = 24, 40, 3, 100


@pytest.mark.parametrize("tied", [True, False])
def test_the_body_is_all_but_the_tables(tied: bool) -> None:
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=INNER, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    attention = HIDDEN * HIDDEN * 2 + HIDDEN * HIDDEN // 2 * 2  # queries and output; keys and values, half as wide
    body = LAYERS * (attention + 3 * HIDDEN * INNER + 2 * HIDDEN) + HIDDEN  # two norms in a layer, one at the end
    assert model_cost(config) == ModelCost(body_parameters=body, hidden_size=HIDDEN)
    assert count_active(model_without_weights(config)) == body + (1 if tied else 2) * VOCAB * HIDDEN
