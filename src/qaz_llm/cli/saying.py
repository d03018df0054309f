"""An error that all processes of a run meet is said once: by the first; by another where it has its own.

Eight tasks that read one bad config have one thing to say. The first says it at once, the others wait for WAIT_S: whoever
started them ends them when the first one has ended, or its word lies in the job's folder (cluster/job.py) and is theirs.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from qaz_llm.cluster.job import Said, first_said, job_state, say_first
from qaz_llm.cluster.preemption import EXIT_LOST, EXIT_REQUEUE

WAIT_S = 15.0
"""Processes that start at one time come to the same error within seconds; some more where a disk is slow."""

LOOK_S = 0.1


def say_error(message: str, code: int) -> None:
    """Print the error this process ends with, unless it is the first one's, who says it."""
    rank = int(os.environ.get("RANK", "0"))
    said = Said(message, code)
    if rank == 0:
        say_first(said)
        print(f"error: {message}", file=sys.stderr, flush=True)
    elif code != EXIT_REQUEUE and not _is_said_by_first(said):
        place = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        print(f"error (rank {rank} on {place}): {message}", file=sys.stderr, flush=True)


def _is_said_by_first(own: Said) -> bool:
    until = time.monotonic() + WAIT_S
    try:
        while time.monotonic() < until:
            first = first_said()
            if first is not None:
                return _tells(first, own)
            time.sleep(LOOK_S)
    except KeyboardInterrupt:  # we are ended, as is done where another process has failed
        first = first_said()
        return _tells(first, own) if first is not None else job_state() is None
    return False


def _tells(first: Said, own: Said) -> bool:
    """Whether one has nothing to add to the first one's error: it is the same, or both say whom they lost."""
    return first == own or own.exit_code == first.exit_code == EXIT_LOST
