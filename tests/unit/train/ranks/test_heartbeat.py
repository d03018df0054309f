"""A heartbeat where there is nowhere to write it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from qaz_llm.cluster.environment import Environment
from qaz_llm.train.ranks.heartbeat import heartbeat


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.ESTALE])
def test_a_folder_that_cannot_be_made_is_left_to_the_look_at_the_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(path: Path, **known: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", fail)
    with heartbeat(tmp_path / "run", Environment(world_size=2), silent_rank_s=60.0, timeout_s=600.0) as beat:
        assert beat.is_on
    assert not (tmp_path / "run").exists()
