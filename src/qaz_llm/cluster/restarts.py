"""Why a job was started again: lines that the batch script writes, `time<TAB>reason<TAB>progress`, oldest first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

RESTARTS_FILE = "restarts"
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Restart:
    """One restart. `progress` is what had been done for good by then, as the batch script knew it."""

    time: str
    reason: str
    progress: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def describe(self) -> str:
        at = f", at {self.progress}" if self.progress else ""
        return f"{self.time}: {self.reason}{at}"


def read_restarts(state: Path | None) -> tuple[Restart, ...]:
    """The restarts of a job by its state folder; none without one. A line without a reason is left out."""
    if state is None:
        return ()
    try:
        with (state / RESTARTS_FILE).open("rb") as stream:
            text = stream.read(MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ()
    cells = ([cell.strip() for cell in line.split("\t")] for line in text.splitlines())
    return tuple(Restart(*[*row, ""][:3]) for row in cells if len(row) >= 2 and row[1])
