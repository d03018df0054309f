"""DoRA by its formula, and where it cannot be."""

import pytest
import torch
from tiny_llama import make_model

from qaz_llm.errors import ConfigError
from qaz_llm.model.adapters import _check_targets, add_lora
from qaz_llm.model.architecture import model_without_weights
from qaz_llm.model.targets import Targets


def test_the_merged_weight_by_hand() -> None:
    """W' = m · (W + (alpha / r) · B A) / ‖W + (alpha / r) · B A‖ by rows; at the start m = ‖W‖, so that W' = W."""
    base = make_model(tied=True).model.layers[0].self_attn.q_proj.weight.detach().clone()
    model = add_lora(
        make_model(tied=True), r=2, alpha=6.0, dropout=0.0, target_modules=("q_proj",), weight_decomposed=True
    )
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    length = layer.lora_magnitude_vector["default"].weight
    torch.testing.assert_close(length, base.norm(dim=1))
    torch.manual_seed(0)
    with torch.no_grad():
        b.normal_()
        length.mul_(1.5)
    moved = base + 3.0 * b.detach() @ a.detach()
    expected = 1.5 * base.norm(dim=1, keepdim=True) * moved / moved.norm(dim=1, keepdim=True)
    merged = model.merge_and_unload().model.layers[0].self_attn.q_proj.weight
    torch.testing.assert_close(merged, expected)


def test_lengths_are_counted_without_weights() -> None:
    config = make_model(tied=True).config

    def trained(weight_decomposed: bool) -> int:
        model = model_without_weights(config)
        adapted = add_lora(model, r=2, alpha=4.0, dropout=0.0, weight_decomposed=weight_decomposed)
        return sum(p.numel() for p in adapted.parameters() if p.requires_grad)

    rows = 16 + 8 + 8 + 16 + 32 + 32 + 16  # of q k v o gate up down
    assert trained(True) - trained(False) == rows


def test_experts_have_none() -> None:
    with pytest.raises(ConfigError, match="weight_decomposed True cannot be had beside the weights of experts"):
        _check_targets(Targets(("q_proj",), ("experts.down_proj",), frozenset()), {}, 0.0, True)
