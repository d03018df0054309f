"""What a training run makes of faults: killed, damaged, out of room, and whether its final weights are the same.

    python scripts/fault_drill.py [--quick] [--drills NAME,NAME] [--json FILE] [--set key=value …] [--seed N] [--keep DIR]

Each drill trains a tiny model to its end without a fault, then again with faults, starting it anew with the same command
after each. It is passed where every byte of the final weights is the same, and where damage was made, each was named in
the log. `--set distributed.timeout_minutes=5` adds settings to all drills. The exit code is 1 where one is not passed.
Faults are drawn by `--seed`; where they meet a run differs from machine to machine all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from drills import damage as damages
from drills import runs
from qaz_llm.io import write_json

REPOSITORY = Path(__file__).parent.parent
ZERO2 = str(REPOSITORY / "configs/deepspeed/zero2.json")
ZERO3 = str(REPOSITORY / "configs/deepspeed/zero3.json")
LORA = {"adapter.type": "lora", "adapter.r": 4, "adapter.dropout": 0.1}


@dataclass
class Outcome:
    """What happened in one drill. `recognised` counts the damage that the log named, where damage was made."""

    drill: str
    faults: int = 0
    starts: int = 0
    recognised: int | None = None
    same_weights: bool = False
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.same_weights and self.faults > 0 and self.recognised in (None, self.faults)

    def line(self) -> str:
        found = "" if self.recognised is None else f", {self.recognised} recognised"
        same = "same weights" if self.same_weights else "OTHER WEIGHTS"
        return (
            f"{self.drill:<14} {'passed' if self.passed else 'FAILED'}: {self.faults} faults{found}, {self.starts} starts, "
            f"{same}, {self.seconds:.0f} s"
        )


@dataclass(frozen=True)
class Place:
    """Where drills are held, with what settings beyond their own."""

    folder: Path
    base: Path
    dice: random.Random
    extra: dict[str, Any]
    quick: bool

    def values(self, name: str, overrides: dict[str, Any]) -> dict[str, Any]:
        return runs.settings(self.base, self.folder / name, **(overrides | self.extra))

    def uninterrupted(self, name: str, overrides: dict[str, Any], processes: int) -> dict[str, bytes]:
        """The final weights of the run without a fault."""
        values = self.values(f"{name}-whole", overrides)
        if runs.run_to_end(values, processes=processes) != 0:
            raise RuntimeError(f"{name}: fails without a fault, see {values['run_dir']}.log")
        return runs.result_of(values)


def kills(place: Place, name: str, *, count: int, processes: int = 1, **overrides: Any) -> Outcome:
    """Kill -9 at so many random moments of one run."""
    outcome = Outcome(name)
    count = min(count, 2) if place.quick else count
    overrides = {"max_steps": 40 if place.quick else 200} | overrides
    whole = place.uninterrupted(name, overrides, processes)
    values = place.values(name, overrides)
    for step in sorted(place.dice.sample(range(1, overrides["max_steps"]), count)):
        started = runs.start(values, processes=processes)
        outcome.starts += 1
        pause = time.monotonic() + PATIENCE_S
        seen = False

        def is_time(step: int = step) -> bool:
            nonlocal pause, seen
            if not seen and runs.steps_done(values) >= step:
                seen, pause = True, time.monotonic() + place.dice.uniform(0, 0.05)
            return time.monotonic() >= pause

        outcome.faults += runs.kill_when(started, is_time, place.dice)
    return _finish(outcome, values, whole, processes)


def kills_while_saving(place: Place, name: str, *, count: int, processes: int = 1, **overrides: Any) -> Outcome:
    """Kill -9 while a thread writes a checkpoint."""
    outcome = Outcome(name)
    overrides = {"max_steps": 40, "async_save": "on", "checkpoint_every_steps": 4} | overrides
    whole = place.uninterrupted(name, overrides, processes)
    values = place.values(name, overrides)
    staging = Path(values["run_dir"]) / "checkpoints" / ".unfinished"
    for number in range(1 if place.quick else count):
        started = runs.start(values, processes=processes)
        outcome.starts += 1
        after = (number + 1) * 8
        hit = runs.kill_when(
            started,
            lambda after=after: runs.steps_done(values) >= after and any(staging.glob("checkpoint-*/*")),
            place.dice,
        )
        outcome.faults += hit
        if any(staging.glob("checkpoint-*")):
            outcome.notes.append(f"killed with {len(list(staging.rglob('*.*')))} files of an unfinished checkpoint")
    return _finish(outcome, values, whole, processes)


def kills_in_export(place: Place, name: str, *, count: int, processes: int = 1, **overrides: Any) -> Outcome:
    """Kill -9 while the final model is written."""
    outcome = Outcome(name)
    overrides = {"max_steps": 20} | overrides
    whole = place.uninterrupted(name, overrides, processes)
    values = place.values(name, overrides)
    run_dir = Path(values["run_dir"])
    for number in range(1 if place.quick else count):
        started = runs.start(values, processes=processes)
        outcome.starts += 1
        pattern = (".model.*.tmp", ".adapter.*.tmp")[number % 2] if "adapter.type" in overrides else ".model.*.tmp"
        outcome.faults += runs.kill_when(started, lambda pattern=pattern: any(run_dir.glob(pattern)), place.dice)
        if (run_dir / "complete.json").exists():
            outcome.notes.append("killed after the run was marked as done")
    return _finish(outcome, values, whole, processes)


def damaged(place: Place, name: str, *, count: int, processes: int = 1, **overrides: Any) -> Outcome:
    """One file of the newest checkpoint damaged, at random, before going on; each time from the same run, killed at step 13."""
    count = min(count, 3) if place.quick else count
    overrides = {"max_steps": 16} | overrides

    def one(checkpoints: Path, _number: int) -> tuple[str, str]:
        newest = damages.newest(checkpoints)
        return damages.damage(newest, place.dice), newest.name

    return _damaged(place, Outcome(name, recognised=0), overrides, processes, [one] * count)


def markers(place: Place, name: str, **overrides: Any) -> Outcome:
    """Markers cut and flipped: of the newest checkpoint, of an older one, of all."""

    def cut(which: slice) -> Callable[[Path, int], tuple[str, str]]:
        def one(run_dir: Path, _number: int) -> tuple[str, str]:
            found = sorted((run_dir / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]), reverse=True)
            return "; ".join(damages.cut_marker(path) for path in found[which]), found[which][0].name

        return one

    def flip(run_dir: Path, _number: int) -> tuple[str, str]:
        newest = damages.newest(run_dir)
        return damages.flip_in_marker(newest, place.dice), newest.name

    cuts = [cut(slice(0, 1)), cut(slice(1, 2)), cut(slice(0, 2))]
    work = cuts if place.quick else cuts + [flip] * 10
    return _damaged(place, Outcome(name, recognised=0), {"max_steps": 16} | overrides, 1, work)


def full_disk(place: Place, name: str, **overrides: Any) -> Outcome:
    """A disk that is full from step 12 on: the run fails and says so, and goes on once there is room."""
    outcome = Outcome(name, recognised=0)
    disk = place.folder / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode != 0:
        outcome.notes.append("left out: a small disk can be mounted by root alone")
        outcome.faults, outcome.recognised, outcome.same_weights = 1, 1, True
        return outcome
    try:
        overrides = {"max_steps": 40} | overrides
        whole = place.uninterrupted(name, overrides, 1)
        values = runs.settings(place.base, disk / "run", **(overrides | place.extra))
        started = runs.start(values, processes=1)
        outcome.starts += 1
        while runs.steps_done(values) < 12 and started.is_running():
            time.sleep(0.001)
        started.hold()  # a step takes less time than filling the disk
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(bytes(4096))
        outcome.faults = 1
        started.let_go()
        code = started.wait()
        said = "could not be written" in _text(values)
        outcome.recognised = int(code == 1 and said)
        outcome.notes.append(f"exit code {code} on a full disk")
        filler.unlink()
        return _finish(outcome, values, whole, 1)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _damaged(
    place: Place,
    outcome: Outcome,
    overrides: dict[str, Any],
    processes: int,
    work: list[Callable[[Path, int], tuple[str, str]]],
) -> Outcome:
    """Damage copies of one interrupted run, and take each to its end."""
    name = outcome.drill
    whole = place.uninterrupted(name, overrides, processes)
    template = place.values(f"{name}-template", overrides)
    runs.kill_when(runs.start(template, processes=processes), lambda: runs.steps_done(template) >= 13, random.Random(0))
    outcome.same_weights = True
    for number, one in enumerate(work):
        values = place.values(f"{name}-{number}", overrides)
        run_dir = Path(values["run_dir"])
        shutil.copytree(template["run_dir"], run_dir)
        what, checkpoint = one(run_dir, number)
        (run_dir / "train.log").unlink(missing_ok=True)
        code = runs.run_to_end(values, processes=processes)
        outcome.starts += 1
        outcome.faults += 1
        named = any(checkpoint in line and "WARNING" in line for line in _text(values).splitlines())
        named = named or any(f"{checkpoint}:" in line for line in _text(values).splitlines())
        same = code == 0 and runs.result_of(values) == whole
        print(
            f"  {name} {number + 1}/{len(work)}: {what}: {'named' if named else 'NOT NAMED'}, {'same' if same else 'OTHER'} weights",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        outcome.recognised = (outcome.recognised or 0) + named
        outcome.same_weights = outcome.same_weights and same
        if not (named and same):
            outcome.notes.append(
                f"{what}: {'named' if named else 'NOT NAMED'}, exit code {code}, {'same' if same else 'OTHER'} weights"
            )
        else:
            shutil.rmtree(run_dir)
    return outcome


def _finish(outcome: Outcome, values: dict[str, Any], whole: dict[str, bytes], processes: int) -> Outcome:
    """Take a run to its end and compare."""
    outcome.starts += 1
    code = runs.run_to_end(values, processes=processes)
    outcome.same_weights = code == 0 and bool(whole) and runs.result_of(values) == whole
    if code != 0:
        outcome.notes.append(f"the last start ended with exit code {code}, see {values['run_dir']}.log")
    return outcome


def _text(values: dict[str, Any]) -> str:
    return Path(values["run_dir"]).with_suffix(".log").read_text(encoding="utf-8", errors="replace")


PATIENCE_S = runs.PATIENCE_S
DRILLS: dict[str, Callable[[Place, str], Outcome]] = {
    "one": lambda place, name: kills(place, name, count=20, async_save="off"),
    "one-async": lambda place, name: kills(place, name, count=20),
    "ddp": lambda place, name: kills(place, name, count=5, processes=2),
    "zero2": lambda place, name: kills(place, name, count=20, processes=2, **{"distributed.deepspeed": ZERO2}),
    "zero3": lambda place, name: kills(place, name, count=5, processes=2, **{"distributed.deepspeed": ZERO3}),
    "fsdp2": lambda place, name: kills(place, name, count=5, processes=2, **{"distributed.backend": "fsdp2"}),
    "lora": lambda place, name: kills(place, name, count=20, **LORA),
    "saving": lambda place, name: kills_while_saving(place, name, count=3),
    "saving-zero2": lambda place, name: kills_while_saving(
        place, name, count=3, processes=2, **{"distributed.deepspeed": ZERO2}
    ),
    "export": lambda place, name: kills_in_export(place, name, count=3),
    "export-lora": lambda place, name: kills_in_export(place, name, count=2, **LORA),
    "damage": lambda place, name: damaged(place, name, count=50),
    "damage-zero2": lambda place, name: damaged(place, name, count=5, processes=2, **{"distributed.deepspeed": ZERO2}),
    "markers": markers,
    "disk": full_disk,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer faults and shorter runs")
    parser.add_argument("--drills", default=",".join(DRILLS), help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings for all drills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="hold the drills here, and leave all files")
    options = parser.parse_args()
    names = options.drills.split(",")
    if unknown := [name for name in names if name not in DRILLS]:
        parser.error(f"no drill is called {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    extra = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in options.set)}
    runs.import_all()
    folder = (options.keep or Path(tempfile.mkdtemp(prefix="fault-drill-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder, runs.make_base(folder / "base"), random.Random(options.seed), extra, options.quick)
    outcomes = []
    for name in names:
        started = time.monotonic()
        outcome = DRILLS[name](place, name)
        outcome.seconds = round(time.monotonic() - started, 1)
        outcomes.append(outcome)
        print(outcome.line(), *(f"    {note}" for note in outcome.notes), sep="\n", flush=True)
        if options.json:
            write_json(
                options.json, {"drills": [asdict(o) | {"passed": o.passed} for o in outcomes], "settings": extra}
            )
    if options.keep is None and all(outcome.passed for outcome in outcomes):
        shutil.rmtree(folder)
    else:
        print(f"all files are in {folder}")
    return int(not all(outcome.passed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
