"""metrics.jsonl: one row per logged step, each step once, however often the run was interrupted.

    {"step": 20, "loss": 3.41, "lr": 0.0003, "grad_norm": 0.8, "tokens": 81920, "tokens_per_s": 10400.0, "seconds": 7.9}

`loss` is the mean over all learned tokens of the steps since the last row, in nats; `tokens` counts from the run's
start, padding left out; `tokens_per_s` is over the steps since the last row; `mfu_frac`, on a GPU whose peak is known,
is the share of that peak which the model's own FLOPs reach.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.errors import WriteError
from qaz_llm.io import open_text, write_text

METRICS_FILE = "metrics.jsonl"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last line that was cut off is left out. Empty where there is no file.

    Raises DamagedFileError where a line is longer than any row.
    """
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = []
    with open_text(path) as lines:
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def truncate_metrics(path: Path, *, last_step: int) -> list[dict[str, Any]]:
    """Forget the rows after `last_step`, whose weights were lost with the interruption. Returns what stays."""
    if not path.is_file():
        return []
    kept = [row for row in read_metrics(path) if row["step"] <= last_step]
    write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
    return kept


def append_metrics(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row and hand it to the operating system, so that a killed run has all rows before."""
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise WriteError(
            f"{path}: step {row['step']} could not be written ({error.strerror})",
            hint="free some space; the same command goes on from the newest checkpoint",
        ) from error
