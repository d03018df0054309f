"""`status.json` of a run folder: what a run is doing, for another terminal, and how it ended.

    {"state": "running", "phase": "training", "step": 120, "steps": 1000, "loss": 2.31, "tokens_per_s": 10400.0,
     "left_s": 812.0, "pid": 4711, "host": "node03", "job_id": "81", "updated": "2026-01-31T10:15:02+00:00", …,
     "sittings": [{"started": …, "ended": …, "step": 80, "job_id": "81", "how": "preempted", "message": …}],
     "restarts": [{"time": …, "reason": …, "progress": …}], "stragglers": [], "ranks": {"forward_s": {…}}}

`state` is `running`, or how it ended: `done`, `preempted`, `interrupted`, `failed` (with the `exit_code`). The first process writes the file whole,
at most every WRITE_EVERY_S but at once when the phase changes. `sittings` are the earlier ones: each restart and why.
`restarts` are those of the Slurm job, by its batch script; `ranks` and `stragglers` are those of the last row of metrics.
A process that is killed writes nothing more, so whoever reads the file judges whether it can still be true (`read_status`).
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import DataError, InputError, QazError, WriteError
from qaz_llm.io import read_json, write_json
from qaz_llm.progress import get_logger
from qaz_llm.train.status_shape import has_shape

STATUS_FILE = "status.json"
WRITE_EVERY_S = 3.0

SILENT_S = 900.0
"""A training that has written nothing for so long hangs, or is gone where it was on another host; it writes at each step."""
STEPPING = ("training", "saving", "evaluation", "sampling")
"""Phases in which steps are to be expected; the others write when they begin and end, and may be long."""

_logger = get_logger("status")


class StatusFile:
    """Writes status.json; one without a path (all processes but the first) writes nothing."""

    def __init__(
        self, path: Path | None, *, on_write: Callable[[Mapping[str, Any]], None] = lambda _: None, **facts: Any
    ) -> None:
        self.path = path
        self.on_write = on_write
        self._written_at = -math.inf
        self._warned = False
        before = _read_if_there(path) if path is not None else None
        self._is_kept = before is not None and before["state"] == "done"
        self.values: dict[str, Any] = {
            "state": "running",
            "phase": "loading",
            "started": _now(),
            "pid": os.getpid(),
            "pid_start": start_of_process(os.getpid()),
            "host": socket.gethostname(),
            "job_id": os.environ.get("SLURM_JOB_ID"),
            **facts,
            "sittings": _sittings(before),
        }

    def set(self, *, at_once: bool = False, **values: Any) -> None:
        """Take note of `values`, and write them if it is time to. Values that are no finite numbers become null, inside mappings too."""
        self.values |= _finite(values)
        if self.path is None or self._is_kept or (not at_once and time.monotonic() - self._written_at < WRITE_EVERY_S):
            return
        self._written_at = time.monotonic()
        self.on_write(self.values)
        try:
            write_json(self.path, self.values | {"updated": _now()})
        except (WriteError, OSError) as error:  # no reason to lose the run
            if not self._warned:
                _logger.warning("%s could not be written (%s); the run goes on", self.path, error)
            self._warned = True

    def begin(self) -> None:
        """There is work to do. Until this is said the status of a run that is done stays as it is, untouched."""
        self._is_kept = False
        self.phase("loading")

    def phase(self, name: str) -> None:
        """Say at once what the run is doing now."""
        self.set(at_once=True, phase=name)


@contextmanager
def reported_status(
    path: Path | None, *, on_write: Callable[[Mapping[str, Any]], None] = lambda _: None, **facts: Any
) -> Iterator[StatusFile]:
    """A StatusFile while the block runs, which says afterwards how it ended. `on_write` is told the values each time."""
    status = StatusFile(path, on_write=on_write, **facts)
    status.phase("loading")
    ending: dict[str, Any] = {"state": "done"}
    try:
        yield status
    except BaseException as error:
        match error:
            case PreemptedError():
                ending["state"] = "preempted"
            case KeyboardInterrupt():
                ending["state"] = "interrupted"
            case _:
                ending |= {"state": "failed", "exit_code": error.exit_code if isinstance(error, QazError) else 1}
        ending["message"] = str(error) or type(error).__name__
        raise
    finally:
        status.set(at_once=True, **ending, ended=_now(), left_s=None)


# ----------------------------------------------------------------------------------------------------------- reading


def read_status(run_dir: Path, *, now: datetime | None = None) -> dict[str, Any]:
    """What status.json says, with `state` judged: `gone` where it says running and its process is no more, `silent` where
    a training has not written for SILENT_S; `why` says what that rests on, `age_s` how old the file is.

    A process of this host is looked for by its number and start; of another host only the age of the file is known.

    Raises InputError where the folder holds no run.
    """
    status = _read_if_there(run_dir / STATUS_FILE)
    if status is None and not run_dir.is_dir():
        raise InputError(f"{run_dir}: no such folder", hint="name the run_dir of a training or of `qaz run`")
    if status is None and os.path.lexists(run_dir / STATUS_FILE):
        raise InputError(
            f"{run_dir / STATUS_FILE}: damaged, so it says nothing of the run",
            hint="train.log and metrics.jsonl beside it tell how far it came; the next start writes it anew",
        )
    if status is None:
        raise InputError(
            f"{run_dir}: holds no {STATUS_FILE}, so no run that could be told about",
            hint="name the run_dir of a training or of `qaz run`; runs of earlier versions do not write it",
        )
    age_s = ((now or datetime.now(UTC)) - datetime.fromisoformat(status["updated"])).total_seconds()
    status["age_s"] = round(max(age_s, 0.0), 1)
    return status | _judged(status) if status["state"] == "running" else status


def _judged(status: Mapping[str, Any]) -> dict[str, str]:
    """What is to be corrected in a status that says `running`."""
    if _is_here(status) and not _is_alive(status):
        why = f"process {status['pid']} is not there any more; it ended without a word (killed, out of memory, power)"
        return {"state": "gone", "why": why}
    if status["age_s"] > SILENT_S:
        where = "which is still there" if _is_here(status) else f"which was on {status['host']}"
        why = f"nothing written since {status['updated']} by its process, {where}"
        return (
            {"state": "silent", "why": why}
            if status["phase"] in STEPPING
            else {"why": f"{why}; this phase may be long"}
        )
    return {}


def _is_here(status: Mapping[str, Any]) -> bool:
    return bool(status["host"] == socket.gethostname())


def _is_alive(status: Mapping[str, Any]) -> bool:
    """Whether the process is there, and is not another that was given its number."""
    try:
        os.kill(status["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    began = start_of_process(status["pid"])
    return began is None or status["pid_start"] is None or bool(began == status["pid_start"])


def start_of_process(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (field 22 of proc(5)'s stat); None where that is not told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything; a zombie (Z) is no more at work
    return -1 if fields[0] == "Z" else int(fields[19])


def _sittings(before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The sittings before this one, the last of them as its status.json left it."""
    if before is None:
        return []
    killed = before["state"] == "running"
    last = {
        "started": before["started"],
        "ended": before.get("updated") if killed else before.get("ended"),
        "step": before.get("step"),
        "job_id": before.get("job_id"),
        "how": "killed" if killed else before["state"],
        "message": "it ended without a word" if killed else before.get("message"),
    }
    return [*before.get("sittings", []), last]


def _read_if_there(path: Path) -> dict[str, Any] | None:
    """The file's values; None where it is missing or is not what this module writes."""
    if not path.is_file():
        return None
    try:
        values = read_json(path)
    except DataError:
        return None
    return dict(values) if has_shape(values) else None


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
