"""metrics.jsonl: one row per logged step, each step once, however often the run was interrupted.

    {"step": 20, "loss": 3.41, "lr": 0.0003, "grad_norm": 0.8, "tokens": 81920, "tokens_per_s": 10400.0, "seconds": 7.9}

All but `step`, `tokens` and `seconds` is over the steps since the last row. `loss` is the mean over the steps of each
one's mean over its learned tokens, in nats; `tokens` counts from the run's start, padding left out. `tokens_per_s` leaves
out the time of saving, evaluation and samples, which `saving_s`, `evaluation_s` and `sampling_s` give; `seconds`, from the
run's start, has them in. `mfu_frac`, on a GPU whose peak is known, is the share of that peak which the model's own FLOPs
reach at that rate. `ranks` compares several processes (ranks/stragglers.py): `median` and `most` seconds of each kind of work, `ratio`, and the
slowest's `rank` and `node`; `stragglers` says in words who is slow. `languages` and `sources` have `loss` and `learned_tokens` of each, and `learned_tokens` is their sum:

    Σ loss × learned_tokens over the sources = loss × learned_tokens of the row   (exactly so with a row for each step)
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.errors import WriteError
from qaz_llm.io import write_text
from qaz_llm.progress import get_logger

_logger = get_logger("train")

METRICS_FILE = "metrics.jsonl"
EVALS_FILE = "evals.jsonl"
EVAL_TEXTS_FILE = "evals_texts.jsonl"
"""By what the held-out texts behind a row of evals.jsonl are known (watching/texts.py)."""
SAMPLES_FILE = "samples.jsonl"
KEPT_IN_STEP = (METRICS_FILE, EVALS_FILE, EVAL_TEXTS_FILE, SAMPLES_FILE)
"""Files of rows by step, which a resumed run brings back to its own step."""


ALWAYS = ("loss", "tokens", "seconds")
"""What every row of metrics.jsonl has beside its step."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file. Empty where there is no file.

    A last line that was cut off is left out, as a killed run leaves one. Any other that is no row is left out too, and
    said: a damaged row costs itself alone, not the run.
    """
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = []
    damaged: list[int] = []
    needed = ALWAYS if path.name == METRICS_FILE else ()
    lines = path.read_bytes().split(b"\n")  # the last is empty, or a row that was cut off
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not all(_is_number(row.get(key)) for key in ("step", *needed)):
                raise ValueError(row)
            rows.append(row)
        except ValueError:
            if number < len(lines):
                damaged.append(number)
    if damaged:
        shown = ", ".join(str(number) for number in damaged[:5])
        _logger.warning("%s: %d damaged rows left out, line %s", path, len(damaged), shown)
    return rows


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def truncate_metrics(path: Path, *, last_step: int) -> list[dict[str, Any]]:
    """Forget the rows after `last_step`, whose weights were lost with the interruption. Returns what stays."""
    if not path.is_file():
        return []
    kept = [row for row in read_metrics(path) if row["step"] <= last_step]
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
    return kept


def append_metrics(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row and hand it to the operating system, so that a killed run has all rows before."""
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise WriteError(
            f"{path}: step {row['step']} could not be written ({error.strerror})",
            hint="free some space; the same command goes on from the newest checkpoint",
        ) from error
