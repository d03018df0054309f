"""What a look at the nodes found, kept in the run's folder: one file a look.

    preflight.json               the newest look: job, restart, process, time; nodes, rates, findings
    preflight-<time>.json        those before it, by when they began

A job that is started again looks again, and why the start before it failed is to be read all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.job import RESTART_VARIABLE
from qaz_llm.errors import QazError
from qaz_llm.io import read_json, write_json
from qaz_llm.progress import get_logger

PREFLIGHT_FILE = "preflight.json"
_TIME = "%Y%m%dT%H%M%S.%fZ"

_logger = get_logger("preflight")


def note_look(folder: Path, environment: Environment, values: Mapping[str, Any]) -> None:
    """Write down what was found: facts of nodes begin a look, rates go on with the one that this process began.

    What cannot be written is said and is no reason to end: where the folder is at fault, the look has found that.
    """
    path = folder / PREFLIGHT_FILE
    own = {
        "job": environment.job_id,
        "restart": os.environ.get(RESTART_VARIABLE),
        "process": f"{environment.host}:{os.getpid()}",
    }
    try:
        before = _read(path)
        if before and "rates" in values and all(before.get(name) == value for name, value in own.items()):
            findings = [*before.get("findings", []), *values["findings"]]
            write_json(path, {**before, **values, "findings": findings})
            return
        if path.exists():
            path.rename(path.with_name(f"preflight-{_began(path, before)}.json"))
        write_json(path, {**own, "time": datetime.now(UTC).strftime(_TIME), **values})
    except (QazError, OSError) as error:
        _logger.warning("preflight: what was found is not kept (%s)", str(error).splitlines()[0])


def _read(path: Path) -> dict[str, Any]:
    """What an earlier look wrote; nothing where there is none, or none that can be read."""
    with suppress(QazError, OSError):
        if path.is_file() and isinstance(found := read_json(path), dict):
            return found
    return {}


def _began(path: Path, values: Mapping[str, Any]) -> str:
    """When a look began, as a part of a name: by its own word where it is one, else by its file."""
    with suppress(ValueError, TypeError):
        return datetime.strptime(values.get("time", ""), _TIME).strftime(_TIME)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime(_TIME)
