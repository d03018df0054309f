"""A checkpoint written beside training is the one that would have been written at once; one that cannot be loaded is passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import losses, run_here, weights

from qaz_llm.errors import CheckpointError, WorkError
from qaz_llm.train.saving.checkpoint import newest_verified
from qaz_llm.train.saving.marker import Marker, files_in, hash_files, read_marker, write_marker

LORA = {"type": "lora", "r": 4, "dropout": 0.1}
PLACES = {"training_args.bin"}
"""Files that name the run's own folder."""


@pytest.mark.parametrize("adapter", [{"type": "full"}, LORA], ids=["full", "lora"])
def test_the_files_are_the_same_byte_by_byte(settings, adapter: dict[str, Any]) -> None:
    common = {"adapter": adapter, "checkpoint_every_steps": 2, "max_steps": 4}
    found = {}
    for mode in ("off", "on"):
        values = settings(mode, async_save=mode, **common)
        run_here(values)
        files = {}
        for path in sorted((Path(values["run_dir"]) / "checkpoints").iterdir()):
            names = [name for name in files_in(path) if name not in PLACES]
            files |= {f"{path.name}/{name}": facts.xxh3_128 for name, facts in hash_files(path, names).items()}
        found[mode] = files
    assert {name.split("/")[0] for name in found["off"]} == {"step-2", "step-4"}
    assert any(name.endswith("optimizer.pt") for name in found["off"])
    assert found["on"] == found["off"]


def spoil(path: Path, name: str) -> None:
    """Make a file one that cannot be loaded, and the marker say that it was written so."""
    (path / name).write_bytes(b"no file of tensors")
    marker = read_marker(path)
    write_marker(path, Marker(marker.step, marker.world_size, marker.identity, hash_files(path, files_in(path))))


@pytest.mark.parametrize("name", ["optimizer.pt", "model.safetensors"])
def test_what_cannot_be_loaded_is_passed_over(settings, name: str, caplog: pytest.LogCaptureFixture) -> None:
    common = {"checkpoint_every_steps": 1, "schedule": "constant", "keep_checkpoints": 2}
    values = settings("spoilt", max_steps=3, **common)
    run_here(values)
    checkpoints = Path(values["run_dir"]) / "checkpoints"
    spoil(checkpoints / "step-3", name)
    values["max_steps"] = 4
    assert run_here(values).status == "resumed"
    assert "step-3: could not be loaded" in caplog.text
    whole = settings("whole", max_steps=4, **common)
    run_here(whole)
    expected = weights(Path(whole["run_dir"]) / "model")
    for key, tensor in weights(Path(values["run_dir"]) / "model").items():
        assert torch.equal(tensor, expected[key]), key
    assert newest_verified(checkpoints).step == 4


def test_where_none_can_be_loaded_nothing_is_begun_anew(settings) -> None:
    values = settings("spoilt", max_steps=2, checkpoint_every_steps=1, schedule="constant")
    run_here(values)
    for step in (1, 2):
        spoil(Path(values["run_dir"]) / "checkpoints" / f"step-{step}", "optimizer.pt")
    values["max_steps"] = 3
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* could be loaded"):
        run_here(values)
    assert (Path(values["run_dir"]) / "checkpoints" / "step-2").is_dir()
    assert len(losses(values)) == 1  # the rows up to the oldest that was tried stay


@pytest.mark.parametrize("steps", [1, 3])
def test_an_absurd_learning_rate_is_a_failure(settings, steps: int) -> None:
    """Weights near 1e38 are finite, and normalised layers make a loss of them that looks like a number."""
    values = settings("absurd", lr=1e38, schedule="constant", max_steps=steps, checkpoint_every_steps=1)
    with pytest.raises(WorkError, match="diverged") as caught:
        run_here(values)
    assert caught.value.exit_code == 1
    assert not list((Path(values["run_dir"]) / "checkpoints").glob("step-*"))
    assert not (Path(values["run_dir"]) / "model").exists()


def test_a_damaged_row_of_metrics_costs_itself_alone(settings, caplog: pytest.LogCaptureFixture) -> None:
    values = settings("rows", max_steps=3, checkpoint_every_steps=1, schedule="constant")
    run_here(values)
    path = Path(values["run_dir"]) / "metrics.jsonl"
    data = bytearray(path.read_bytes())
    data[2] = 0xFF
    path.write_bytes(data)
    values["max_steps"] = 4
    run_here(values)
    assert "1 damaged rows left out, line 1" in caplog.text
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == [f'{{"step": {n}' for n in (2, 3, 4)]
