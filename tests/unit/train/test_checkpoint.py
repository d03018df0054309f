"""Only whole checkpoints are trusted."""

from pathlib import Path

import pytest

from qaz_llm.errors import CheckpointError
from qaz_llm.train.checkpoint import check_same_run, commit, newest_complete, prune, staging_folder


def save(root: Path, step: int) -> Path:
    staged = staging_folder(root) / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "weights").write_bytes(b"x" * 100)
    (staged / "global_step").mkdir()
    (staged / "global_step" / "shard").write_bytes(b"y" * 10)
    return commit(staged, root, step=step, identity={"lr": 1.0}, world_size=1)


def test_the_newest_whole_one_is_found(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "none") is None
    for step in (5, 10, 100):
        save(tmp_path, step)
    found = newest_complete(tmp_path)
    assert found is not None and found.step == 100 and found.path.name == "step-100"


def test_what_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    (tmp_path / "step-4" / "complete.json").unlink()
    (tmp_path / "step-3" / "weights").write_bytes(b"x" * 99)
    (tmp_path / "step-2" / "global_step" / "shard").unlink()
    found = newest_complete(tmp_path)
    assert found is not None and found.step == 1


def test_pruning_keeps_the_newest_and_removes_what_was_interrupted(tmp_path: Path) -> None:
    for step in (9, 10, 11):
        save(tmp_path, step)
    (staging_folder(tmp_path) / "checkpoint-12").mkdir(parents=True)
    prune(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-10", "step-11"]


def test_a_difference_is_named(tmp_path: Path) -> None:
    then = {"lr": 1e-3, "data": {"mix": ["a"]}, "data_fingerprints": {"a": "0" * 32}}
    check_same_run(then, then, where=tmp_path)
    now = {"lr": 3e-3, "data": {"mix": ["a"]}, "data_fingerprints": {"a": "1" * 32}}
    with pytest.raises(CheckpointError) as caught:
        check_same_run(now, then, where=tmp_path)
    assert "lr: 0.001 then, 0.003 now" in str(caught.value)
    assert "data_fingerprints.a" in str(caught.value)
    assert "data.mix" not in str(caught.value)


def test_the_number_of_processes_that_old_runs_recorded_is_no_difference(tmp_path: Path) -> None:
    check_same_run({"lr": 1e-3}, {"lr": 1e-3, "processes": 2}, where=tmp_path)
