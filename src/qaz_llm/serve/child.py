"""A program that ends with the one that started it: `python -m qaz_llm.serve.child PARENT COMMAND…`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from qaz_llm.cluster.stopping import end_with


def run_with(parent: int, command: Sequence[str]) -> None:
    """Become `command`; the kernel ends it with `parent`, on Linux also after kill -9."""
    end_with(parent)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    run_with(int(sys.argv[1]), sys.argv[2:])
