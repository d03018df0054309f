"""A server that was started as a program: wait until it answers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx2


def wait_until_well(url: str, server: subprocess.Popen[bytes], log: Path, *, within_s: int) -> None:
    """Return once `url`/health says 200; end the script, with the end of its log, where the server ended or is late."""
    for _ in range(2 * within_s):
        try:
            if httpx2.get(f"{url}/health").status_code == 200:
                return
        except httpx2.HTTPError:
            pass  # not yet
        if server.poll() is not None:
            sys.exit(f"ended with {server.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.5)
    sys.exit(f"{url} was not ready within {within_s} s:\n{log.read_text(errors='replace')[-2000:]}")
