"""Work shared out among processes that leave nothing behind.

    for number, result in in_processes(work, state, jobs, count=4): ...

Each process is a new interpreter (a fork would copy the threads of numpy and arrow half-way) that gets the state once and then
one job after another. It ends with the block, and with this process, whatever ended that: an error, a signal or kill -9.
multiprocessing's own pools leave a helper behind and print tracebacks of their workers; of it only the pipes are used.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar, cast

from qaz_llm.cluster.stopping import end_with, signals_held
from qaz_llm.errors import WorkError

State = TypeVar("State")
Job = TypeVar("Job")
Result = TypeVar("Result")

_Workers = dict[Connection, "subprocess.Popen[bytes]"]


def in_processes(
    work: Callable[[State, Job], Result], state: State, jobs: Sequence[Job], *, count: int
) -> Iterator[tuple[int, Result]]:
    """The number and the result of each job, in the order in which they are done.

    Args:
        work: a function of a module, called in the processes as work(state, job).
        count: processes; no more are started than there are jobs.

    Raises:
        WorkError: a process was killed. Else what `work` raises; the other processes are ended then.
    """
    workers = _start(work, min(count, len(jobs)))
    try:
        data = pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
        for connection in workers:
            with suppress(OSError):  # it has ended: reading from it says so
                connection.send_bytes(data)
        waiting = iter(enumerate(jobs))
        busy: dict[Connection, int] = {}
        for connection in workers:
            _hand_out(connection, waiting, busy)
        while busy:
            for connection in cast("list[Connection]", wait(list(busy))):
                number = busy.pop(connection)
                yield number, _answer(connection, workers[connection])
                _hand_out(connection, waiting, busy)
    finally:
        _end(workers)


def here_or_in_processes(
    work: Callable[[State, Job], Result], state: State, jobs: Sequence[Job], *, count: int
) -> Iterator[tuple[int, Result]]:
    """As `in_processes`; in this process, in their order, where `count` is 1 or there is but one job."""
    if count == 1 or len(jobs) <= 1:
        return ((number, work(state, job)) for number, job in enumerate(jobs))
    return in_processes(work, state, jobs, count=count)


def _start(work: Callable[..., Any], count: int) -> _Workers:
    workers: _Workers = {}
    with signals_held():
        for _ in range(count):
            ours, theirs = Pipe()
            with theirs:  # closed here, so that reading ends where the process does
                code = (
                    f"import sys; sys.path[:] = {sys.path!r}; "
                    f"from {__name__} import serve; serve({theirs.fileno()}, {os.getpid()})"
                )
                command = [sys.executable, "-c", code]
                workers[ours] = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            with suppress(OSError):
                ours.send(work)
    return workers


def _hand_out(connection: Connection, waiting: Iterator[tuple[int, Any]], busy: dict[Connection, int]) -> None:
    """The next job to a process, or the news that there is none."""
    number, job = next(waiting, (-1, None))
    with suppress(OSError):
        connection.send((number, job))
    if number >= 0:
        busy[connection] = number


def _answer(connection: Connection, process: subprocess.Popen[bytes]) -> Any:
    try:
        is_done, answer = connection.recv()
    except (EOFError, ConnectionResetError) as error:
        raise WorkError(
            f"a process of this build was ended from outside ({_ending(process.wait())})",
            hint="where memory ran out, take fewer workers; the same command goes on with the parts that are missing",
        ) from error
    if is_done:
        return answer
    raise answer


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _end(workers: _Workers) -> None:
    """Those that are idle have been told to end and would; nothing of worth is in the others."""
    for connection, process in workers.items():
        connection.close()
        process.kill()
    for process in workers.values():
        process.wait()


# ------------------------------------------------------------------------------------------------- in the processes


def serve(descriptor: int, parent: int) -> None:
    """What a process does: read the function, the state and then jobs from the pipe, until there are no more."""
    end_with(parent)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread in each, as there is a process for each core
    connection = Connection(descriptor)
    with suppress(EOFError, OSError):  # who started us is gone, or has seen enough
        work = connection.recv()
        state = pickle.loads(connection.recv_bytes())
        while True:
            number, job = connection.recv()
            if number < 0:
                return
            connection.send(_done(work, state, job))


def _done(work: Callable[[Any, Any], Any], state: Any, job: Any) -> tuple[bool, Any]:
    """Whether the job went well, and its result or else the error, with the traceback as a note for --debug."""
    try:
        return True, work(state, job)
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself where it survives the way to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        told = WorkError(f"{type(error).__name__}: {error}")
        told.__notes__ = error.__notes__
        return told
    return error
