"""How work that was told to stop ends: with EXIT_REQUEUE, upon which slurm/train.sh puts the job back into the queue."""

from __future__ import annotations

from qaz_llm.errors import QazError

EXIT_REQUEUE = 75
"""EX_TEMPFAIL of sysexits.h: the work is unfinished for a reason that will pass; start the same command again."""


class PreemptedError(QazError):
    """The run was told to stop, and has saved what it had."""

    exit_code = EXIT_REQUEUE
