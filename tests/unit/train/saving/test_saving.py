"""Saving beside training: what is written is what was there when it was asked for, and errors come out."""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from qaz_llm.errors import WorkError, WriteError
from qaz_llm.train.saving import saver as saving
from qaz_llm.train.saving.checkpoint import newest_verified, staging_folder
from qaz_llm.train.saving.saver import CheckpointSaver


def make_saver(folder: Path, *, beside: bool = True) -> CheckpointSaver:
    return CheckpointSaver(folder, identity={"lr": 1.0}, keep=2, beside=beside)


def write(folder: Path, step: int, state: dict[str, Any]) -> None:
    """As Trainer does: into a folder of its own in the staging folder, a small file at once, tensors by torch.save."""
    staged = staging_folder(folder) / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "trainer_state.json").write_text("{}")
    torch.save(state, staged / "optimizer.pt")


def save(saver: CheckpointSaver, step: int, state: dict[str, Any]) -> None:
    saver.save(step, partial(write, saver.folder, step, state), check=lambda: None)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Event:
    """No file of tensors is written before the event is set."""
    go_on = Event()
    torch_save = torch.save

    def waiting_save(*args: Any, **named: Any) -> None:
        assert go_on.wait(120)
        torch_save(*args, **named)

    monkeypatch.setattr(torch, "save", waiting_save)
    return go_on


def test_the_state_of_the_moment_is_written(tmp_path: Path, held: Event) -> None:
    saver = make_saver(tmp_path)
    base = torch.arange(8.0)
    state = {"w": base, "part": base[2:4], "list": [torch.ones(3), 7], "step": 5}
    save(saver, 1, state)
    base.zero_()  # training goes on
    state["step"] = 6
    state["list"][0].zero_()
    saver.poll()
    assert newest_verified(tmp_path) is None
    held.set()
    saver.wait()
    found = newest_verified(tmp_path)
    assert found is not None and found.identity == {"lr": 1.0}
    loaded = torch.load(found.path / "optimizer.pt")
    assert torch.equal(loaded["w"], torch.arange(8.0)) and loaded["step"] == 5
    assert torch.equal(loaded["list"][0], torch.ones(3))
    assert loaded["part"].untyped_storage().data_ptr() == loaded["w"].untyped_storage().data_ptr()
    saver.close()


def test_one_save_at_a_time_and_the_wait_is_counted(
    tmp_path: Path, held: Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    saver = make_saver(tmp_path)
    save(saver, 1, {"w": torch.ones(2)})
    thread = saver._thread
    assert thread is not None
    monkeypatch.setattr(thread, "join", lambda: (held.set(), type(thread).join(thread)))  # ends only once waited for
    save(saver, 2, {"w": torch.ones(2)})
    assert saver.waits == 1 and "for the save under way (1 times" in caplog.text
    saver.wait()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-1", "step-2"]
    saver.close()


@pytest.mark.parametrize("beside", [False, True])
def test_an_error_has_the_same_words_either_way(tmp_path: Path, beside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = make_saver(tmp_path, beside=beside)
    save(saver, 1, {"w": torch.ones(2)})
    saver.wait()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving.checkpoints, "commit", full)
    with pytest.raises(WriteError, match=r"checkpoint of step 2 could not be written.*No space left") as caught:
        save(saver, 2, {"w": torch.ones(2)})
        saver._thread.join()  # type: ignore[union-attr]
        saver.poll()
    assert "older checkpoints are whole" in str(caught.value)
    assert newest_verified(tmp_path).step == 1  # type: ignore[union-attr]
    saver.close()


def test_nothing_that_is_no_number_is_committed(tmp_path: Path) -> None:
    saver = make_saver(tmp_path)
    save(saver, 1, {"state": {0: {"exp_avg": torch.ones(2)}}})
    save(saver, 2, {"state": {0: {"exp_avg": torch.tensor([1.0, float("nan")])}}})
    with pytest.raises(WorkError, match=r"diverged at step 2 .*1 moments of the optimizer.*step-1"):
        saver.wait()
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-1"]
    saver.close()


def test_closing_waits_and_says_what_went_wrong(tmp_path: Path, held: Event, caplog: pytest.LogCaptureFixture) -> None:
    """As when training itself fails with a save under way: the save is whole all the same."""
    saver = make_saver(tmp_path)
    save(saver, 1, {"w": torch.ones(2)})
    held.set()
    saver.close()
    assert newest_verified(tmp_path).step == 1  # type: ignore[union-attr]
    saver = make_saver(tmp_path)
    save(saver, 2, {"w": torch.tensor(float("inf"))})
    saver.close()
    assert "the last save was not written" in caplog.text
