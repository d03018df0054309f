"""`lr: auto` against the published table and by hand, and how a plan settles it."""

from pathlib import Path

import pytest
from train_configs import going_on as config

from qaz_llm.errors import ConfigError
from qaz_llm.train.rate.default import default_lr, settle_lr

GPT3 = {125e6: 6e-4, 760e6: 2.5e-4, 1.3e9: 2e-4, 6.7e9: 1.2e-4}
"""Learning rates by parameters, arXiv 2005.14165, table 2.1, of the sizes whose vocabulary counts little."""


@pytest.mark.parametrize(("parameters", "lr"), GPT3.items())
def test_fresh_weights_follow_the_published_table(parameters: float, lr: float) -> None:
    assert default_lr("pretrain", int(parameters), is_lora=False) == pytest.approx(lr, rel=0.25)


def test_by_hand() -> None:
    fresh = 6e-4 * (125 / 1000) ** 0.4
    for method, share in {"pretrain": 1, "cpt": 6, "sft": 12, "dpo": 240}.items():
        for is_lora, times in {False: 1, True: 10}.items():
            found = default_lr(method, 10**9, is_lora=is_lora)
            assert found == pytest.approx(fresh / share * times, rel=0.05), (method, is_lora)
    assert default_lr("pretrain", 1000, is_lora=False) == 3e-3


def test_auto_is_settled_and_said_and_a_number_is_left_alone(tmp_path: Path) -> None:
    settled, lines = settle_lr(config(tmp_path), 125_000_000)
    assert settled.peak_lr == 1e-4 and "lr 0.0001: cpt of 125 M parameters, all weights" in lines[0]
    assert settle_lr(config(tmp_path, "lr=3e-5"), 125_000_000) == (config(tmp_path, "lr=3e-5"), [])
    with pytest.raises(ConfigError, match="auto"):
        _ = config(tmp_path).peak_lr


def test_a_run_that_goes_on_keeps_its_rate(tmp_path: Path) -> None:
    assert settle_lr(config(tmp_path), 125_000_000, 3e-4)[0].peak_lr == 3e-4


@pytest.mark.parametrize("value", ["0", "-1e-4", ".inf", ".nan", "fast", "true"])
def test_what_is_no_rate_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="lr"):
        config(tmp_path, f"lr={value}")


def test_settled_rates_are_held_against_other_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="product"):
        settle_lr(config(tmp_path, "pull_to_base=20000", "weight_decay=0"), 125_000_000)
