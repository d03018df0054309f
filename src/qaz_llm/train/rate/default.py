"""What `lr: auto` comes to, by method, size and adapter.

    pretrain    r(N) = 6e-4 · (125 M / N)^0.4, at most 3e-3     N: parameters of the model, vocabulary and all
    cpt         r / 6        of a checkpoint that is to keep what it knows
    sft         r / 12
    dpo         r / 240
    with LoRA   ten times as much

r(N) follows the table of GPT-3 (arXiv 2005.14165, table 2.1) to a fifth from 125 M to 7 B: 6e-4 at 125 M, 2.4e-4 at 1.3 B (the table:
2e-4), 1.2e-4 at 6.7 B (1.2e-4). The shares are chosen so that they give what was measured to be good here at 135 M (cpt 1e-4,
docs/results/adaptation.md) and what is usual at 8 B: cpt 2e-5 for all weights, 2e-4 for LoRA; sft 1e-5; dpo 5e-7 (Zephyr,
arXiv 2310.16944). That LoRA wants about ten times the rate of full tuning: Schulman et al. 2025, "LoRA Without Regret".

    135 M, cpt, all weights    1.0e-4
    8 B, cpt, LoRA             1.9e-4
"""

from __future__ import annotations

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.config.parts import part_problems

HIGHEST = 3e-3
SHARE = {"pretrain": 1.0, "cpt": 1 / 6, "sft": 1 / 12, "dpo": 1 / 240}
LORA_TIMES = 10.0


def default_lr(method: str, parameters: int, *, is_lora: bool) -> float:
    """The learning rate for a method and a number of parameters, to two digits.

    >>> default_lr("cpt", 135_000_000, is_lora=False), default_lr("cpt", 8_030_000_000, is_lora=True)
    (9.7e-05, 0.00019)
    """
    fresh = min(6e-4 * (125e6 / parameters) ** 0.4, HIGHEST)
    return float(f"{fresh * SHARE[method] * (LORA_TIMES if is_lora else 1):.1e}")


def settle_lr(config: TrainConfig, parameters: int, begun_with: float | None = None) -> tuple[TrainConfig, list[str]]:
    """The config with `lr: auto` as a number, and the line that says so; any other as it is.

    `begun_with`: the rate of the run that is in run_dir already, which goes on with it.

    Raises:
        ConfigError: it does not go together with another key.
    """
    if config.lr != "auto":
        return config, []
    is_lora = config.adapter.type == "lora"
    rate = begun_with or default_lr(config.method, parameters, is_lora=is_lora)
    settled = config.model_copy(update={"lr": rate})
    for problem in part_problems(settled):
        raise ConfigError(problem)
    what = "LoRA" if is_lora else "all weights"
    line = f"lr {rate:.2g}: {config.method} of {parameters / 1e6:,.0f} M parameters, {what}; qaz train --find-lr tries others"
    return settled, [line]
