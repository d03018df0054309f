"""The `qaz` command: parses, calls, prints; what the commands do lies in the rooms.

Exit codes: 0 done, 2 the user's input is wrong, 1 the work failed, 75 stopped by a signal, 76 another process was lost.
Rooms are imported inside the commands that need them, so `qaz --help` answers at once; the command line itself is
imported once signals are listened to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

from qaz_llm.cluster.preemption import EXIT_REQUEUE, PreemptedError
from qaz_llm.cluster.stopping import EXIT_INTERRUPTED, INTERRUPTED, Told, stopped_by_signals

if TYPE_CHECKING:
    from qaz_llm.cli.entry import app

__all__ = ["app", "main"]

GO_ON = (("train",), ("run",), ("data", "build"), ("data", "tokenize"), ("eval", "run"))
"""Commands that go on where they were stopped; a signal ends them with 75. Others end as any program does."""


def main() -> NoReturn:
    """Run the command line; every error becomes one readable message and an exit code."""
    try:
        with stopped_by_signals(_nothing_begun) if _goes_on(sys.argv[1:]) else nullcontext():
            from qaz_llm.cli.entry import run_command_line

            run_command_line()
    except PreemptedError as stopped:
        _end(str(stopped), EXIT_REQUEUE)
    except Told as told:  # between two blocks
        _end(_nothing_begun(told.signal_name), EXIT_REQUEUE)
    except KeyboardInterrupt:
        _end(INTERRUPTED, EXIT_INTERRUPTED)
    sys.exit(0)


def _end(message: str, code: int) -> NoReturn:
    """Say it and end at once: what libraries do at the end of a process takes seconds, or waits for other processes."""
    from qaz_llm.cli.saying import say_error

    say_error(message, code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _goes_on(arguments: Sequence[str]) -> bool:
    words = tuple(argument for argument in arguments if not argument.startswith("-"))
    return any(words[: len(command)] == command for command in GO_ON)


def _nothing_begun(signal_name: str) -> str:
    return f"stopped by {signal_name} before any work was begun; the same command begins it"


def __getattr__(name: str) -> Any:
    """`app`, whose import takes long, when it is asked for."""
    if name == "app":
        from qaz_llm.cli.entry import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
