"""Every speed bar of the data room in one run on one core, each figure beside its peer's where there is a peer.

    python scripts/bench_data.py --corpus DIR               filters, near duplicates, the whole chain
    python scripts/bench_data.py --corpus DIR --all         and each step alone, personal data, languages, memory
    python scripts/bench_data.py --corpus DIR filters chain

The benches are the scripts of `scripts/bench/`, which can be run alone and say in their docstrings what they measure. Peers are
in the `bench` extra. Processor time is what they print: other work on the machine moves it by some tens of percent, ratios
within one run far less.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

BENCHES = ("filters", "minhash", "chain", "readers", "repair", "identify", "protect", "memory")
BARS = ("filters", "minhash", "chain")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"), help="folder with real text")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHES)}; by default {', '.join(BARS)}")
    arguments = parser.parse_args()
    if arguments.corpus is None:
        parser.error("name the folder of real text: --corpus DIR, or QAZ_CORPUS_DIR")
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    names = BENCHES if arguments.all else tuple(arguments.names) or BARS
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "QAZ_CORPUS_DIR": str(arguments.corpus)}
    failed = [name for name in names if not run(name, environment)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, environment: dict[str, str]) -> bool:
    """Run one bench and let it print; whether it ended well."""
    print(f"\n=== {name} ===", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "bench" / f"{name}.py")], env=environment, check=False
    )
    print(f"({time.monotonic() - started:.0f} s)", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
