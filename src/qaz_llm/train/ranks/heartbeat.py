"""A heartbeat beside the collectives: each process writes what it does, and sees who has fallen silent.

run_dir/heartbeat/rank-<n>.json    rewritten every few seconds by a thread of process n: it proves that the process lives

    {"rank": 1, "host": "a", "pid": 712, "count": 88, "marks": 4102, "doing": "backward pass", "step": 512, …}

`count` grows with every beat; `marks` with everything that the main thread begins, which is the same on all ranks: who has
fewer is behind, and the others wait for it. The rule (silence.py):

    no beat for silent_rank_s                                   the process is killed, stopped, or cut off
    behind, and no new mark for what it does now                it hangs: silent_rank_s within a step; three quarters of
                                                                timeout_minutes while loading, saving, evaluating,
                                                                compiling (the first step) or exporting

Whoever sees that says which rank it is, on which host, what it did last and where its main thread stands, and ends with exit
code 76, or with 1 where that one failed by an error of its own: long before the collectives' own time-out, which names
nobody. The thread does it, since the main thread cannot be reached in a collective. Of each node the first process reads all files, the others read the first one's.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preemption import EXIT_LOST, EXIT_REQUEUE, LostError, PreemptedError
from qaz_llm.cluster.stopping import Told
from qaz_llm.errors import QazError, WorkError
from qaz_llm.io import make_dir, read_json, write_json
from qaz_llm.progress import FILE_ONLY, get_logger
from qaz_llm.train.ranks.silence import Beat, Finding, PeerWatch

FOLDER = "heartbeat"
BEATS_PER_LIMIT = 8
"""So many beats go into `silent_rank_s`: one that comes late, or is seen late on a shared disk, is no silence."""

LONG_FRAC = 0.75
"""Share of the collectives' time-out that loading, saving, evaluating and the first step may take."""

STACK_FRAMES = 12

_logger = get_logger("train")


@dataclass
class _Doing:
    marks: int = 0
    what: str = "starting"
    step: int = 0
    is_long: bool = True
    since: str = ""


class Heartbeat:
    """The beat of this process. Of one that is alone it does nothing."""

    def __init__(self, run_dir: Path, environment: Environment, *, silent_rank_s: float, timeout_s: float) -> None:
        self.environment = environment
        self.folder = run_dir / FOLDER
        self.silent_rank_s = silent_rank_s
        self.long_s = max(LONG_FRAC * timeout_s, silent_rank_s)
        self._doing = _Doing(since=_now())
        self._count = 0
        self._end: tuple[int, str] | None = None
        self._peers: PeerWatch | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._main = threading.main_thread().ident

    @property
    def is_on(self) -> bool:
        return self.environment.world_size > 1

    def mark(self, what: str, *, step: int = 0, is_long: bool = False) -> None:
        """Say what the main thread begins now. All ranks make the same marks in the same order."""
        self._doing = _Doing(self._doing.marks + 1, what, step, is_long, _now())

    def met(self) -> None:
        """All processes are there: from now on they are watched, and their marks counted."""
        self._doing = _Doing(0, "starting", since=_now())
        self._peers = PeerWatch(self.environment.rank, self.silent_rank_s)

    # ------------------------------------------------------------------------------------------------- the thread

    def start(self) -> None:
        with suppress(OSError, QazError):  # a folder that cannot be written is said by the checks that follow
            make_dir(self.folder)
            if self.environment.is_main:
                # Of an earlier sitting; those of this one are written again.
                for left in self.folder.glob("rank-*.json"):
                    left.unlink(missing_ok=True)
        self._write()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._write()

    def _beat(self) -> None:
        while not self._stopped.wait(self.silent_rank_s / BEATS_PER_LIMIT):
            self._write()
            if self._peers is not None and (found := self._peers.observe(time.monotonic(), self.read())) is not None:
                self._follow(found)

    def _write(self) -> None:
        with self._lock, suppress(OSError, QazError):  # a beat that is not written is a beat that is missed
            self._count += 1
            write_json(self.path(self.environment.rank), asdict(self._own()))

    def _own(self) -> Beat:
        doing, (code, message) = self._doing, self._end or (None, "")
        return Beat(
            rank=self.environment.rank,
            host=self.environment.host,
            pid=os.getpid(),
            count=self._count,
            marks=doing.marks,
            doing=doing.what,
            step=doing.step,
            since=doing.since,
            allowance_s=self.long_s if doing.is_long else self.silent_rank_s,
            stack=self._stack(),
            end_code=code,
            end=message,
        )

    def _stack(self) -> str:
        """Where the main thread stands."""
        frame = sys._current_frames().get(self._main or 0)
        return "".join(traceback.format_stack(frame)[-STACK_FRAMES:]) if frame is not None else ""

    def path(self, rank: int) -> Path:
        return self.folder / f"rank-{rank}.json"

    def read(self) -> Mapping[int, Beat]:
        """The last beats of those that this process watches, and its own."""
        here = self.environment
        first = here.rank - here.local_rank
        ranks = range(here.world_size) if here.local_rank == 0 else (first, here.rank)
        beats: dict[int, Beat] = {}
        for rank in ranks:
            with suppress(OSError, QazError, TypeError):
                beats[rank] = Beat(**read_json(self.path(rank)))
        return beats

    def _follow(self, found: Finding) -> None:
        """End this process, and say after whom."""
        code = found.exit_code
        message = found.message(self.environment.rank, in_full=self.environment.local_rank == 0)
        self._end = (code, message)
        self._write()
        _logger.error(message, extra={FILE_ONLY: True})
        os.write(sys.stderr.fileno(), f"error: {message}\n".encode())
        os._exit(code)

    # ------------------------------------------------------------------------------------------------ how it ends

    def ends(self, code: int, message: str) -> None:
        """Let the others know how this process ended."""
        self._end = (code, message)
        self._write()

    def explained(self, error: Exception) -> Exception:
        """The error to raise in place of one: where another process was lost, which one and why."""
        if not is_of_others(error):
            return error
        peers = self._peers or PeerWatch(self.environment.rank, self.silent_rank_s)
        self._peers = None  # the thread is not to end this process while it looks
        limit = time.monotonic() + self.silent_rank_s + 10
        while time.monotonic() < limit:
            found = peers.observe(time.monotonic(), self.read(), is_lost=True)
            if found is not None:
                message = found.message(self.environment.rank, in_full=self.environment.local_rank == 0)
                errors = {EXIT_REQUEUE: PreemptedError, EXIT_LOST: LostError}
                return errors.get(found.exit_code, WorkError)(message)
            time.sleep(self.silent_rank_s / BEATS_PER_LIMIT)
        return LostError(f"the connection to another process was lost, and none says why ({error})")


@contextmanager
def heartbeat(
    run_dir: Path, environment: Environment, *, silent_rank_s: float, timeout_s: float
) -> Iterator[Heartbeat]:
    """The heartbeat of this process while the block runs; what ends the block is written down for the others."""
    beat = Heartbeat(run_dir, environment, silent_rank_s=silent_rank_s, timeout_s=timeout_s)
    if not beat.is_on:
        yield beat
        return
    beat.start()
    try:
        yield beat
        beat.ends(0, "")
    except QazError as error:
        beat.ends(error.exit_code, error.message)
        raise
    except Told as told:
        beat.ends(EXIT_REQUEUE, told.signal_name)
        raise
    except BaseException as error:
        beat.ends(1, f"{type(error).__name__}: {error}")
        raise
    finally:
        beat.stop()


def first_beat(run_dir: Path) -> object:
    """What changes while the first process lives; for those that wait for its files before all have met."""
    with suppress(OSError, QazError, KeyError):
        values = read_json(run_dir / FOLDER / "rank-0.json")
        return values["host"], values["pid"], values["count"], values["end_code"]
    return None


def is_of_others(error: Exception) -> bool:
    """Whether an error says that another process was lost: gloo's are plain RuntimeErrors, known by their text."""
    from torch.distributed import DistError

    text = str(error)
    return isinstance(error, DistError) or (
        isinstance(error, RuntimeError) and any(mark in text for mark in ("gloo", "by peer", "NCCL", "ncclRemoteError"))
    )


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
