"""How functions over arrays of text are compiled, and where the compiled code is kept.

    @kernel
    def count_lines(codes_C): ...

numba compiles a kernel when it is first called and keeps the result on disk. It looks at the kernel's own file to see
whether the result is still good, but kernels call kernels of other files, whose code goes into theirs: a change there would
go unseen. So the folder is named after the source of all of them, and any change begins a new one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba

from qaz_llm.io import cache_dir, code_fingerprint


@contextmanager
def _without(module: str) -> Iterator[None]:
    """As if a module were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        yield
    finally:
        del sys.modules[module]


# numba looks for the linear algebra of SciPy, whose import takes longer than that of numba. No kernel multiplies matrices.
with _without("scipy.linalg"):
    import_module("numba.np.arraymath")


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
        numba.config.CACHE_DIR = str(cache_dir("kernels") / code_fingerprint("language", "data")[:16])
