"""What a drill on Slurm found, and where drills are held."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import Any

from drills import runs, slurm


@dataclass
class Outcome:
    """What happened in one drill. It is passed where nothing was wrong."""

    drill: str
    shape: str = ""
    faults: int = 0
    restarts: int = 0
    lost_steps: int = 0
    """The most steps that one fault made be done again."""
    seconds: float = 0.0
    held: str = ""
    """When, in UTC, and with which version."""
    checks: list[str] = field(default_factory=list)
    """What was found to be as it should."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.checks) and not self.problems

    def check(self, is_right: bool, what: str) -> None:
        """Note what is as it should be, or that it is not."""
        (self.checks if is_right else self.problems).append(what if is_right else f"NOT: {what}")

    def wrong(self, what: str) -> None:
        self.problems.append(what)

    def line(self) -> str:
        return (
            f"{self.drill:<18} {'passed' if self.passed else 'FAILED'}: {self.faults} faults, {self.restarts} restarts, "
            f"at most {self.lost_steps} steps again, {self.seconds:.0f} s; {'; '.join(self.checks)}"
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Outcome:
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})


@dataclass
class Place:
    """Where drills are held. What runs without faults come to is worked out once for all drills that compare with it."""

    folder: Path
    base: Path
    quick: bool
    seed: int
    lock: Lock = field(default_factory=Lock)

    def clear(self, name: str) -> None:
        """Remove what a drill left that was broken off or not passed."""
        shutil.rmtree(self.folder / "runs" / name, ignore_errors=True)
        for path in (self.folder / "runs").glob(f"{name}.*"):  # its log and config
            path.unlink()

    def values(self, name: str, **overrides: Any) -> dict[str, Any]:
        """Settings of a run that saves every SAVE_EVERY of its STEPS steps. Overrides have dotted names."""
        given = {"max_steps": STEPS, "checkpoint_every_steps": SAVE_EVERY} | overrides
        return runs.settings(self.base, self.folder / "runs" / name, **given)

    def whole(self, name: str, options: tuple[str, ...], **overrides: Any) -> Path:
        """The run_dir of a run without a fault, by a job of its own."""
        values = self.values(f"whole-{name}", **overrides)
        run_dir = Path(values["run_dir"])
        with self.lock:
            if not (run_dir / "complete.json").is_file():
                job = slurm.train(self.folder, values, options)
                state, code = job.wait()
                if (state, code) != ("COMPLETED", 0):
                    raise RuntimeError(f"{name}: fails without a fault ({state}, {code}), see {job.log}")
        return run_dir


STEPS = 200
SAVE_EVERY = 20
