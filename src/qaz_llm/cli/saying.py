"""An error that all processes of a run meet is said once: by the first; by another where it has its own.

Eight tasks that read one bad config have one thing to say. The first says it at once, the others wait for WAIT_S: whoever
started them ends them when the first one has ended, or its word lies in the job's folder (cluster/job.py) and is theirs.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from types import TracebackType

from qaz_llm.cluster.job import Said, first_said, job_state, say_first
from qaz_llm.cluster.preemption import EXIT_LOST, EXIT_REQUEUE
from qaz_llm.cluster.stopping import is_told
from qaz_llm.io.secrets import safe_to_show
from qaz_llm.labels.names import safe_lines

WAIT_S = 15.0
"""Processes that start at one time come to the same error within seconds; some more where a disk is slow."""

LOST_WAIT_S = 3.0
"""Who follows a lost process does so within a second of the others."""

LOOK_S = 0.1


def say_error(message: str, code: int) -> None:
    """Print the error this process ends with, unless it is the first one's, who says it. No password of an address is in it,
    and nothing that a terminal obeys: names of files are somebody's."""
    message = safe_lines(safe_to_show(message))
    written = os.environ.get("RANK", "0")
    rank = int(written) if written.isdecimal() else 0  # what is no number may be the error that is said
    said = Said(message, code)
    if rank == 0:
        say_first(said)
        print(f"error: {message}", file=sys.stderr, flush=True)
    elif code != EXIT_REQUEUE and not _is_said_by_first(said):
        place = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        print(f"error (rank {rank} on {place}): {message}", file=sys.stderr, flush=True)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As Python prints it where nothing caught the error, without passwords of addresses: a library's error quotes what it asked."""
    lines = traceback.format_exception(kind, error, trace)
    print(safe_lines(safe_to_show("".join(lines))), end="", file=sys.stderr, flush=True)


def _is_said_by_first(own: Said) -> bool:
    # Who was told to end has the time that its launcher leaves it; and the one that was lost may be the first.
    wait_s = 0.0 if is_told() else LOST_WAIT_S if own.exit_code == EXIT_LOST else WAIT_S
    until = time.monotonic() + wait_s
    try:
        while (first := first_said()) is None and time.monotonic() < until:
            time.sleep(LOOK_S)
        return first is not None and _tells(first, own)
    except KeyboardInterrupt:  # we are ended, as is done where another process has failed
        first = first_said()
        return _tells(first, own) if first is not None else job_state() is None


def _tells(first: Said, own: Said) -> bool:
    """Whether one has nothing to add to the first one's error: it is the same, or both say whom they lost."""
    return first == own or own.exit_code == first.exit_code == EXIT_LOST
