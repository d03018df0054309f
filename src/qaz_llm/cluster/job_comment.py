"""The comment of a Slurm job, which `squeue -o %k` shows: what the job is doing, for whoever looks at the queue.

A thread of its own asks `scontrol`, at most every EVERY_S seconds and with a time limit: a Slurm that hangs or refuses costs the
training nothing. What it refuses is said once, and not tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from qaz_llm.cluster.asking import Ask, ask
from qaz_llm.progress import get_logger

EVERY_S = 30.0
CLOSE_S = 5.0
"""So long the end of a run waits for its last word."""

MOST_CHARACTERS = 240

_logger = get_logger("job")


class JobComment:
    """Keeps the newest text until it is time to hand it on."""

    def __init__(self, job_id: str | None, *, asks: Ask = ask, every_s: float = EVERY_S) -> None:
        self.job_id = job_id
        self.asks = asks
        self.every_s = every_s
        self._text = ""
        self._said = ""
        self._is_new = threading.Event()
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, text: str) -> None:
        """Take note of a text; returns at once."""
        if self.job_id is None:
            return
        self._text = " ".join(text.split())[:MOST_CHARACTERS]
        self._is_new.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="job-comment", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Hand on the last text, if Slurm takes it in time."""
        self._is_closed.set()
        self._is_new.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while True:
            self._is_new.wait()
            self._is_new.clear()
            text = self._text
            if text != self._said and not self._hand_on(text):
                return
            if self._is_closed.is_set():
                return
            self._is_closed.wait(self.every_s)

    def _hand_on(self, text: str) -> bool:
        """Whether Slurm took it."""
        self._said = text
        answer = self.asks(("scontrol", "update", f"JobId={self.job_id}", f"Comment={text}"))
        if answer.text is None and not answer.is_late:
            _logger.warning("the job's comment is not kept: %s", answer.why)
            return False
        return True


@contextmanager
def job_comment(job_id: str | None) -> Iterator[JobComment]:
    """A JobComment while the block runs; without a job it does nothing."""
    comment = JobComment(job_id)
    try:
        yield comment
    finally:
        comment.close()
