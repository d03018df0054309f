"""Training configs that tests begin with, from nothing and from a checkpoint."""

from pathlib import Path

from qaz_llm.config import config_from_values
from qaz_llm.train.config import TrainConfig

ARCHITECTURE = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "intermediate_size": 64}


def make(*overrides: str, **values) -> TrainConfig:
    base = {
        "run_dir": "r",
        "method": "pretrain",
        "seq_len": 64,
        "model": {"architecture": ARCHITECTURE, "train_vocab_size": 400},
        "data": {"mix": [{"name": "a", "path": "a.jsonl"}]},
    }
    return config_from_values(TrainConfig, base | values, where="test", overrides=overrides)


def going_on(tmp_path: Path, *overrides: str) -> TrainConfig:
    """Training goes on from a checkpoint, which need not be there."""
    values = {
        "run_dir": str(tmp_path / "run"),
        "method": "cpt",
        "model": {"checkpoint": "model"},
        "data": {"mix": [{"name": "kk", "path": "kk.txt"}]},
    }
    return config_from_values(TrainConfig, values, where="here", overrides=list(overrides))
