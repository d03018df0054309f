"""How functions over arrays of text are compiled, and where the compiled code is kept.

    @kernel
    def count_lines(codes_C): ...

numba compiles a kernel when it is first called and keeps the result on disk. It looks at the kernel's own file to see
whether the result is still good, but kernels call kernels of other files, whose code goes into theirs: a change there would
go unseen. So the folder is named after the source of all of them, and any change begins a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from qaz_llm.io import code_fingerprint


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function over numpy arrays and numbers when it is first called; it runs without Python's lock."""
    _choose_folder()
    compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A small kernel that is written into those that call it, so that the call costs nothing."""
    _choose_folder()
    compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True, inline="always")(function)
    return compiled


def were_compiled() -> bool:
    """Whether compiled kernels of this version are on this machine; if not, the first calls take a minute or so."""
    folder = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else None
    return folder is not None and any(folder.rglob("*.nbi"))


@cache
def _choose_folder() -> None:
    """Once per process, before the first kernel is looked up. NUMBA_CACHE_DIR is left as the user has set it; where no
    folder can be written to, numba compiles anew each time."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        numba.config.CACHE_DIR = str(home / "qaz_llm" / "kernels" / code_fingerprint("language", "data")[:16])
