"""Only whole checkpoints are trusted."""

import json
import random
import shutil
from pathlib import Path

import pytest

from qaz_llm.errors import CheckpointError
from qaz_llm.train.saving.checkpoint import (
    check_same_run,
    commit,
    newest_complete,
    newest_verified,
    prune,
    set_aside,
    staging_folder,
)


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
    with pytest.raises(CheckpointError, match="packing: its default then, 'off' now"):
        check_same_run({**then, "packing": "off"}, then, where=tmp_path)


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    """One bit in every third byte of the files and of the marker: the checkpoint before it is taken each time."""
    dice = random.Random(0)
    save(tmp_path / "whole", 1)
    save(tmp_path / "whole", 2)
    for name in ("weights", "global_step/shard", "complete.json"):
        size = (tmp_path / "whole" / "step-2" / name).stat().st_size
        for place in range(0, size, 3):
            folder = tmp_path / "copy"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "whole", folder)
            data = bytearray((folder / "step-2" / name).read_bytes())
            data[place] ^= 1 << dice.randrange(8)
            (folder / "step-2" / name).write_bytes(data)
            found = newest_verified(folder)
            assert found is not None and found.step == 1, (name, place)


def test_what_was_found_is_said_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2) / "weights"
    path.write_bytes(b"z" + path.read_bytes()[1:])
    assert newest_complete(tmp_path).step == 2  # type: ignore[union-attr]  # sizes alone do not show it
    found = newest_verified(tmp_path)
    assert found is not None and found.step == 1
    assert "step-2: damaged, the bytes of weights are not those that were written" in caplog.text
    assert sorted(p.name for p in tmp_path.glob("*step-*")) == ["damaged-step-2", "step-1"]


@pytest.mark.parametrize("kind", ["file", "loop", "elsewhere"])
def test_what_only_has_the_name_of_a_checkpoint_is_said_and_makes_room(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    name = tmp_path / "step-2"
    if kind == "file":
        name.write_text("x")
    else:
        (tmp_path / "other").mkdir()
        name.symlink_to("step-2" if kind == "loop" else "gone")
    found = newest_verified(tmp_path)
    assert found is not None and found.step == 1 and "step-2: not a folder; passed over" in caplog.text
    save(tmp_path, 2)
    found = newest_verified(tmp_path)
    assert found is not None and found.step == 2 and found.path.is_dir() and not found.path.is_symlink()


@pytest.mark.parametrize("added", ["pytorch_model.bin", "global_step/other"])
def test_a_file_that_was_not_written_with_it_is_named(
    tmp_path: Path, added: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    (save(tmp_path, 2) / added).write_bytes(b"")
    assert newest_complete(tmp_path).step == 1  # type: ignore[union-attr]
    assert f"{added} was not written with it" in caplog.text


def test_what_a_network_file_system_leaves_is_no_file(tmp_path: Path) -> None:
    (save(tmp_path, 2) / ".nfs00000001").write_bytes(b"")
    assert newest_verified(tmp_path).step == 2  # type: ignore[union-attr]


MARKERS = [b"", b"{", b"null", b"[1]", b"\xff\xfe", b'{"files": {}}', b'{"files": 3}', b"[" * 10_000]


@pytest.mark.parametrize("marker", MARKERS, ids=range(len(MARKERS)))
def test_a_damaged_marker_of_any_age_stops_nothing(tmp_path: Path, marker: bytes) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    (tmp_path / "step-1" / "complete.json").write_bytes(marker)
    (tmp_path / "step-4" / "complete.json").write_bytes(marker)
    assert newest_verified(tmp_path).step == 3  # type: ignore[union-attr]
    prune(tmp_path, keep=2)  # the two whole ones stay, the damaged ones do not count and go
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-2", "step-3"]


def test_damaged_ones_stay_until_there_are_enough_whole_ones(tmp_path: Path) -> None:
    save(tmp_path, 1)
    set_aside(save(tmp_path, 2), "of a test")
    (save(tmp_path, 3) / "weights").unlink()
    prune(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["damaged-step-2", "step-1", "step-3"]
    save(tmp_path, 4)
    prune(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-1", "step-4"]


def test_another_steps_folder_is_not_taken_for_it(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2).rename(tmp_path / "step-9")
    assert newest_verified(tmp_path).step == 1  # type: ignore[union-attr]


def as_earlier_versions_wrote(path: Path) -> None:
    values = json.loads((path / "complete.json").read_text())
    values = {key: values[key] for key in ("step", "world_size", "identity")} | {
        "files": {name: facts["bytes"] for name, facts in values["files"].items()}
    }
    (path / "complete.json").write_text(json.dumps(values, indent=2))


def test_a_marker_of_an_earlier_version_is_accepted_and_its_files_are_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    import torch

    for step in (1, 2):
        staged = staging_folder(tmp_path) / f"checkpoint-{step}"
        staged.mkdir(parents=True)
        torch.save({"w": torch.zeros(1000)}, staged / "optimizer.pt")
        as_earlier_versions_wrote(commit(staged, tmp_path, step=step, identity={}, world_size=1))
    assert newest_verified(tmp_path).step == 2  # type: ignore[union-attr]
    assert "earlier version, which wrote sizes and no hashes" in caplog.text
    path = tmp_path / "step-2" / "optimizer.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # inside the tensor: torch.save has a check sum of it
    path.write_bytes(data)
    assert newest_verified(tmp_path).step == 1  # type: ignore[union-attr]
    assert "optimizer.pt cannot be opened" in caplog.text


def test_shares_are_all_files_once_and_even() -> None:
    from qaz_llm.train.saving.marker import share_of

    sizes = {f"f{n}": size for n, size in enumerate([100, 40, 40, 30, 20, 10, 0])}
    shares = [share_of(sizes, rank, 3) for rank in range(3)]
    assert sorted(name for share in shares for name in share) == sorted(sizes)
    assert max(sum(sizes[name] for name in share) for share in shares) == 100


def test_the_number_of_processes_that_old_runs_recorded_is_no_difference(tmp_path: Path) -> None:
    check_same_run({"lr": 1e-3}, {"lr": 1e-3, "processes": 2}, where=tmp_path)


def test_where_none_is_left_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert newest_verified(tmp_path) is None and not caplog.text
    (save(tmp_path, 1) / "complete.json").write_bytes(b"{")
    assert newest_verified(tmp_path) is None
    assert "no whole checkpoint is left; the run begins at its first step" in caplog.text
