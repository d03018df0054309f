"""Who is waited for in vain, with a clock and beats of the test's own; and beats as files of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preemption import LostError, PreemptedError
from qaz_llm.errors import ConfigError, WorkError
from qaz_llm.train.ranks.heartbeat import Heartbeat, first_beat, heartbeat
from qaz_llm.train.ranks.silence import ENDED_GRACE_S, Beat, Finding, PeerWatch

LIMIT_S = 120.0


def beat(rank: int, **values: Any) -> Beat:
    known = {"host": f"host{rank}", "pid": 1, "count": 0, "marks": 0, "doing": "the update", "step": 7, "since": "noon"}
    return Beat(rank=rank, **(known | {"allowance_s": LIMIT_S, "stack": "in work\n"} | values))


class Run:
    """Beats of several processes over time, as the first one sees them."""

    def __init__(self, count: int = 3, sees: int = 0) -> None:
        self.watch = PeerWatch(sees, LIMIT_S)
        self.beats = {rank: beat(rank) for rank in range(count)}
        self.now = 0.0

    def after(self, seconds: float, *, still: tuple[int, ...] = (), **marks: int) -> Finding | None:
        """Look again; all but `still` have beaten. `r1=8`: rank 1 is at mark 8 now."""
        self.now += seconds
        for rank, old in self.beats.items():
            new = replace(old, count=old.count + (rank not in still), marks=marks.get(f"r{rank}", old.marks))
            self.beats[rank] = new
        return self.watch.observe(self.now, self.beats)


def test_no_beat_for_the_limit_is_silence_whatever_is_done() -> None:
    run = Run()
    run.beats[2] = beat(2, allowance_s=9999.0)
    run.after(0)
    assert run.after(LIMIT_S, still=(2,)) is None
    found = run.after(1, still=(2,))
    assert found is not None and found.beat.rank == 2
    said = found.message(0, in_full=True)
    assert said == (
        "rank 2 (host host2, process 1) has given no sign for 121 s: it was stopped or killed, or cannot be reached; rank 0 "
        "follows its failure; its last was the update of step 7, since noon; its main thread stood in\nin work\n"
    )
    assert found.message(1, in_full=False).endswith("since noon")


def test_who_is_behind_and_does_nothing_new_hangs_and_who_waits_does_not() -> None:
    run = Run()
    run.after(0)
    run.after(1000)  # all at one mark: nobody waits for anybody
    run.after(5, r0=9, r2=9, r1=8)
    assert run.after(LIMIT_S) is None
    found = run.after(1)
    assert found is not None and (found.beat.rank, found.what) == (
        1,
        "did not get on for 121 s while others waited for it",
    )


def test_a_slow_one_that_gets_on_and_a_long_phase_are_no_silence() -> None:
    run = Run()
    run.after(0)
    run.after(1, r0=9)
    for mark in range(1, 9):
        assert run.after(100, r1=mark, r2=9) is None
    run = Run(2)
    run.beats[1] = beat(1, allowance_s=450.0, doing="saving")
    run.after(0)
    run.after(1, r0=9)
    assert run.after(450) is None
    assert run.after(1) is not None


def test_it_waits_from_when_another_is_ahead() -> None:
    """Rank 1 computes for long while all do; then the others are through, and from then on it is waited for."""
    run = Run()
    run.after(0)
    run.after(1000)
    run.after(1, r0=1)
    assert run.after(LIMIT_S) is None
    assert run.after(1) is not None


def test_who_hangs_notices_itself() -> None:
    run = Run(2, sees=1)
    run.after(0)
    run.after(1, r0=9)
    found = run.after(LIMIT_S + 1)
    assert found is not None and found.beat.rank == 1
    assert found.message(1, in_full=True).startswith("rank 1 (host host1, process 1) did not get on for 121 s")


@pytest.mark.parametrize(
    ("code", "end", "said"),
    [
        (1, "ValueError: x", "failed (ValueError: x); rank 0 follows it"),
        (75, "SIGTERM", "was told to stop (SIGTERM); rank 0"),
    ],
)
def test_who_has_ended_is_followed_after_a_while_and_at_once_where_a_connection_broke(
    code: int, end: str, said: str
) -> None:
    run = Run(2)
    run.after(0)
    run.beats[1] = beat(1, end_code=code, end=end)
    assert run.after(1) is None
    found = run.after(ENDED_GRACE_S)
    assert found is not None and said in found.message(0, in_full=True)
    assert PeerWatch(0, LIMIT_S).observe(0.0, run.beats, is_lost=True) == found
    run = Run(2)
    run.beats[1] = beat(1, end_code=0)
    run.after(0)
    assert run.after(1000, still=(1,)) is None  # it is done


def test_a_process_of_this_host_that_was_killed_is_seen_before_the_limit() -> None:
    import socket

    gone = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{gone.pid}/stat").exists() and gone.poll() is None:
        pass
    run = Run(2)
    run.beats[1] = beat(1, host=socket.gethostname(), pid=gone.pid)
    run.after(0)
    assert run.after(LIMIT_S / 8, still=(1,)) is None
    run.after(LIMIT_S / 4, still=(1,))
    found = run.after(ENDED_GRACE_S, still=(1,))
    assert found is not None and found.what == "was killed"


# ---------------------------------------------------------------------------------------------------------- as files


def of_rank(rank: int, folder: Path, *, world_size: int = 2) -> Heartbeat:
    here = Environment(world_size=world_size, rank=rank, local_rank=rank, local_world_size=world_size, launcher="slurm")
    return Heartbeat(folder, here, silent_rank_s=LIMIT_S, timeout_s=600)


def test_what_a_process_does_and_how_it_ended_is_on_disk(tmp_path: Path) -> None:
    one = of_rank(0, tmp_path)
    one.start()
    one.mark("saving", step=3, is_long=True)
    before = first_beat(tmp_path)
    one.ends(1, "why")
    assert first_beat(tmp_path) != before
    (found,) = one.read().values()
    assert (found.doing, found.step, found.allowance_s, found.end_code, found.end) == ("saving", 3, 450.0, 1, "why")
    assert "test_what_a_process_does" in found.stack and found.pid == os.getpid()
    one.stop()


def test_of_a_node_the_first_reads_all_and_the_others_the_first(tmp_path: Path) -> None:
    for rank in range(3):
        of_rank(rank, tmp_path, world_size=3).ends(0, "")
    assert set(of_rank(0, tmp_path, world_size=3).read()) == {0, 1, 2}
    assert set(of_rank(2, tmp_path, world_size=3).read()) == {0, 2}


@pytest.mark.parametrize(("code", "kind"), [(1, WorkError), (2, WorkError), (75, PreemptedError), (76, LostError)])
def test_a_broken_connection_is_explained_by_who_ended(tmp_path: Path, code: int, kind: type[Exception]) -> None:
    of_rank(1, tmp_path).ends(code, "why")
    one = of_rank(0, tmp_path)
    own = RuntimeError("shapes do not fit")
    assert one.explained(own) is own
    lost = RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1")
    explained = one.explained(lost)
    assert isinstance(explained, kind) and "(why)" in str(explained) and "rank 1 (host " in str(explained)


def test_an_error_is_written_down_and_alone_there_is_no_beat(tmp_path: Path) -> None:
    here = Environment(world_size=2, rank=1, local_rank=1, local_world_size=2, launcher="slurm")
    with pytest.raises(ConfigError), heartbeat(tmp_path, here, silent_rank_s=1, timeout_s=9):
        raise ConfigError("no such thing")
    assert of_rank(1, tmp_path).read()[1].end == "no such thing"
    with heartbeat(tmp_path / "alone", Environment(), silent_rank_s=1, timeout_s=9):
        pass
    assert not (tmp_path / "alone").exists()


def test_every_mark_counts_and_says_what_begins(tmp_path: Path) -> None:
    beats = Heartbeat(tmp_path, Environment(world_size=2), silent_rank_s=60.0, timeout_s=600.0)
    found = []
    for what, step, is_long in (("loading", 0, True), ("forward pass", 7, False), ("saving", 7, True)):
        beats.mark(what, step=step, is_long=is_long)
        beats.start()
        own = beats.read()[0]
        found.append((own.marks, own.doing, own.step, own.allowance_s))
        beats.stop()
    assert found == [(1, "loading", 0, 450.0), (2, "forward pass", 7, 60.0), (3, "saving", 7, 450.0)]
    beats.met()
    beats.stop()
    assert beats.read()[0].marks == 0
