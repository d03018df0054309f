"""What jobs on a real Slurm make of faults: signals at any moment, killed tasks, lost nodes, preemption, a full disk.

    scripts/slurm_test_cluster.sh up
    python scripts/slurm_drills.py [--quick] [--drills NAME,NAME] [--json FILE] [--folder DIR] [--seed N]

On the two nodes of the test cluster, by sbatch, on CPUs with gloo. A drill of a fault trains a tiny model to its end
without one, then strikes a second job at random moments: as it starts, and at steps. It is passed where nobody had to do
anything, every byte of the final weights is the same, and no more work was lost than may be: nothing after a signal, one
checkpoint interval after a kill. Drills that are in --json and passed are not held again, so a broken-off series goes on.
The exit code is 1 where one is not passed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from drills import runs, slurm
from drills.slurm_list import DRILLS
from drills.slurm_outcome import Outcome, Place
from drills.slurm_page import page
from qaz_llm import __version__
from qaz_llm.io import read_json, write_json, write_text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short form: one moment of each fault, fewer shapes")
    parser.add_argument("--drills", help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--json", type=Path, help="where outcomes are kept, and read from")
    parser.add_argument("--page", type=Path, help="write them as a page, too")
    parser.add_argument("--folder", type=Path, help="hold the drills here, and leave all files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=3, help="drills that are held at one time, where they may")
    options = parser.parse_args()
    names = (
        options.drills.split(",") if options.drills else [n for n, d in DRILLS.items() if d.quick or not options.quick]
    )
    if unknown := [name for name in names if name not in DRILLS]:
        parser.error(f"no drill is called {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    if not slurm.is_test_cluster():
        parser.error("no test cluster; scripts/slurm_test_cluster.sh up")
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="slurm-drills-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "base"
    if not base.is_dir():
        runs.make_base(base)
    place = Place(folder, base, options.quick, options.seed)
    series = Series(place, options.json)
    beside = sorted((name for name in names if not DRILLS[name].alone), key=lambda name: not DRILLS[name].long)
    series.hold(beside, options.at_once)
    series.hold([name for name in names if DRILLS[name].alone], 1)
    print(f"{series.seconds:.0f} s in all", flush=True)
    if options.page:
        write_text(options.page, page(series.outcomes, list(DRILLS)))
    failed = [name for name in names if not series.outcomes[name].passed]
    if options.folder is None and not failed:
        shutil.rmtree(folder)
    else:
        print(f"all files are in {folder}")
    return int(bool(failed))


class Series:
    """Drills that are held one after another, or some at one time, and what became of them."""

    def __init__(self, place: Place, path: Path | None) -> None:
        self.place, self.path = place, path
        self.outcomes: dict[str, Outcome] = {}
        self.started = time.monotonic()
        self._lock = Lock()
        if path is not None and path.is_file():
            found = [Outcome.from_dict(values) for values in read_json(path)["drills"]]
            self.outcomes = {outcome.drill: outcome for outcome in found if outcome.passed}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def hold(self, names: list[str], at_once: int) -> None:
        left = [name for name in names if name not in self.outcomes]
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self._hold_one, left))

    def _hold_one(self, name: str) -> None:
        started = time.monotonic()
        outcome = Outcome(name, held=f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {__version__}")
        self.place.clear(name)
        try:
            DRILLS[name].hold(self.place, outcome, random.Random(f"{name} {self.place.seed}"))
        except Exception as error:
            outcome.wrong(f"{type(error).__name__}: {error}")
        outcome.seconds = round(time.monotonic() - started, 1)
        with self._lock:
            self.outcomes[name] = outcome
            print(
                outcome.line(), *(f"    {note}" for note in [*outcome.problems, *outcome.notes]), sep="\n", flush=True
            )
            if self.path is not None:
                drills = [asdict(one) | {"passed": one.passed} for one in self.outcomes.values()]
                write_json(self.path, {"drills": drills, "quick": self.place.quick})


if __name__ == "__main__":
    sys.exit(main())
