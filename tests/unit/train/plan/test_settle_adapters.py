"""Where adapters are fused, where they are left to PEFT and why, and what is refused by name."""

import re
from pathlib import Path

import pytest
from train_configs import going_on

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan.settle_adapters import settle_adapters

REASONS = {
    ("adapter.weight_decomposed=true",): "DoRA scales by the length",
    ("adapter.dropout=0.05",): "with adapter.dropout 0.05 each layer drops inputs of its own",
    ("adapter.quantised=nf4",): "the frozen weights are in nf4",
    ("kernels.fp8=rowwise",): "with kernels.fp8 rowwise torchao multiplies",
}


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    return going_on(tmp_path, "kernels.compile=off", *overrides)


def test_on_where_it_can_be_had_and_nothing_is_said(tmp_path: Path) -> None:
    for stage in (0, 1, 2):
        settled, lines = settle_adapters(config(tmp_path, "adapter.type=lora"), stage)
        assert (settled.kernels.adapters, lines) == ("on", [])
    assert settle_adapters(config(tmp_path), 0)[0].kernels.adapters == "off"
    assert settle_adapters(config(tmp_path), 0)[1] == []
    asked = config(tmp_path, "adapter.type=lora", "kernels.adapters=off")
    assert settle_adapters(asked, 0) == (asked, [])


@pytest.mark.parametrize(("overrides", "reason"), REASONS.items())
def test_left_to_peft_with_the_reason_or_refused_with_it(
    tmp_path: Path, overrides: tuple[str, ...], reason: str
) -> None:
    settled, lines = settle_adapters(config(tmp_path, "adapter.type=lora", *overrides), 0)
    assert settled.kernels.adapters == "off"
    assert len(lines) == 1 and lines[0].startswith(f"adapters left to PEFT: {reason}")
    with pytest.raises(ConfigError, match=re.escape(f"kernels.adapters on: {reason}")) as caught:
        settle_adapters(config(tmp_path, "adapter.type=lora", "kernels.adapters=on", *overrides), 0)
    assert "kernels.adapters=auto" in str(caught.value.hint)


def test_zero_3_and_a_model_that_is_trained_whole(tmp_path: Path) -> None:
    asked = config(tmp_path, "adapter.type=lora", "kernels.adapters=on")
    assert settle_adapters(asked, 2)[0].kernels.adapters == "on"
    with pytest.raises(ConfigError, match="ZeRO-3 gathers"):
        settle_adapters(asked, 3)
    with pytest.raises(ConfigError, match=r"kernels\.adapters on: adapter\.type full has no adapters"):
        config(tmp_path, "kernels.adapters=on")  # by the config alone, so that `qaz config check` says it


def test_beside_compiled_layers_only_where_asked(tmp_path: Path) -> None:
    compiled = ("adapter.type=lora", "kernels.compile=on")
    settled, lines = settle_adapters(config(tmp_path, *compiled), 0)
    assert settled.kernels.adapters == "off" and "layers are compiled" in lines[0]
    assert settle_adapters(config(tmp_path, *compiled, "kernels.adapters=on"), 0)[0].kernels.adapters == "on"
