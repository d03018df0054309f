"""A DeepSpeed file that says other than the training config is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.plan.deepspeed import read_deepspeed

ROOT = Path(__file__).parents[4]
FITTING: dict[str, Any] = {
    "zero_optimization": {"stage": 2},
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": 4,
    "train_batch_size": 24,
    "gradient_clipping": 0.5,
}


def read(path: Path, **values: Any) -> tuple[Path | None, int]:
    """Two processes with 4 micro-batches of 3 rows each: 24 rows in a step."""
    base = {"method": "cpt", "micro_batch_size": 3, "grad_accum_steps": 4, "max_grad_norm": 0.5, "precision": "fp32"}
    shared = {"distributed": {"deepspeed": str(path)}}
    return read_deepspeed(config_from_values(TrainSettings, base | shared | values, where="test"), world_size=2)


def file(folder: Path, values: Any) -> Path:
    path = folder / "own.json"
    path.write_text(json.dumps(values))
    return path


def test_the_files_that_ship_and_one_with_the_same_numbers_are_taken(tmp_path: Path) -> None:
    for path in sorted((ROOT / "configs/deepspeed").glob("*.json")):
        assert read(path)[0] == read(path, precision="bf16")[0] == path
    own = file(tmp_path, FITTING)
    assert read(own) == (own, 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_batch_size": 3}, "train_batch_size is 3, this run has 24"),
        ({"train_micro_batch_size_per_gpu": 2}, "train_micro_batch_size_per_gpu is 2, this run has 3"),
        ({"gradient_accumulation_steps": None}, "gradient_accumulation_steps is missing, this run has 4"),
        ({"gradient_clipping": None}, "gradient_clipping is 0.0, this run has 0.5"),
        ({"fp16": {"enabled": True}}, "fp16.enabled is True, this run has False"),
        ({"bf16": {"enabled": True}}, "bf16.enabled is True, this run has False"),
        ({"zero_optimization": {"stage": 4}}, "stage of 0 to 3"),
        ({"zero_optimization": 2}, "stage of 0 to 3"),
        ({"optimizer": {"type": "Adam"}}, "belong to the training config"),
    ],
)
def test_what_says_otherwise_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    values = {key: value for key, value in (FITTING | change).items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        read(file(tmp_path, values))
    assert words in caught.value.message


def test_a_file_that_leaves_out_bf16_would_train_in_float32(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bf16\.enabled is False, this run has True"):
        read(file(tmp_path, FITTING), precision="bf16")


def test_a_list_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no DeepSpeed config"):
        read(file(tmp_path, [1]))
