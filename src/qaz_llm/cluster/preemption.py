"""How work ends that can be done by the same command once more: told to stop, or left alone by another process.

slurm/ending.sh puts a job back into the queue after either; after EXIT_LOST only so often.
"""

from __future__ import annotations

from qaz_llm.errors import QazError

EXIT_REQUEUE = 75
"""EX_TEMPFAIL of sysexits.h: the work is unfinished for a reason that will pass; start the same command again."""

EXIT_LOST = 76
"""EX_PROTOCOL of sysexits.h: what was at the other end is gone. Start all processes again."""


class PreemptedError(QazError):
    """The run was told to stop, and has saved what it had."""

    exit_code = EXIT_REQUEUE


class LostError(QazError):
    """Another process of the run was killed, hangs or cannot be reached; this one had no fault of its own."""

    exit_code = EXIT_LOST
