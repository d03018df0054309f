"""Programs of the machine asked for an answer: nvidia-smi, dmesg, squeue. None of them can stall or fail who asks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ANSWER_S = 20.0
MAX_ANSWER_BYTES = 16 << 20
MOST_LINES = 20
"""Of what a program says when it fails: sites explain in several lines why sbatch refuses a job."""


@dataclass(frozen=True)
class Answer:
    """What a program wrote, or why there is none. `is_missing`: it is not installed; `is_late`: it did not answer in time."""

    text: str | None
    why: str = ""
    is_missing: bool = False
    is_late: bool = False


Ask = Callable[[Sequence[str]], Answer]


def ask(command: Sequence[str], *, timeout_s: float = ANSWER_S, cwd: str | None = None) -> Answer:
    """What a program writes to its standard output; `cwd` is the folder it runs in, by default this one.

    One that does not answer is killed and not waited for: a driver that hangs keeps even a killed process.
    """
    name = command[0]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=cwd,
        )
    except FileNotFoundError:
        return Answer(None, f"no {name}", is_missing=True)
    except OSError as error:
        return Answer(None, f"{name}: {error.strerror}", is_missing=True)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return Answer(None, f"{name} gave no answer for {timeout_s:.0f} s", is_late=True)
    text = out[:MAX_ANSWER_BYTES].decode("utf-8", errors="replace")
    if process.returncode != 0:
        lines = (err.decode("utf-8", errors="replace").strip() or text.strip()).splitlines()
        said = "; ".join(lines[-MOST_LINES:]) if lines else f"exit code {process.returncode}"
        return Answer(None, f"{name}: {said}")
    return Answer(text)
