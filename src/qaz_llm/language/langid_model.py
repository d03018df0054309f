"""py3langid's model, unpacked once per machine.

Its file is packed with LZMA, which takes half a second to unpack, more than all kernels together to load, and a data
build asks it of some ten pieces. So what comes out of the file is kept as plain arrays, of which the larger are not even read
but where a question needs them.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qaz_llm.errors import QazError
from qaz_llm.io import atomic_dir, cache_dir

_VERSION = "0.4"
"""Of py3langid, whose identifier is made from these arrays; another is asked as it comes."""
_MAPPED = "nb_ptc"
"""The table of 28 MB, of which a question needs some hundred rows."""
_ARRAYS = ("nb_ptc", "nb_pc", "nb_classes", "tk_nextmove", "tk_output", "tk_row")


@cache
def identifier() -> Any:
    """py3langid, or the same model out of the arrays of an earlier process: an object with `classify`."""
    import py3langid

    release = version("py3langid")
    if not release.startswith(f"{_VERSION}."):
        return py3langid
    folder = cache_dir("detectors") / f"py3langid-{release}"
    try:
        if not folder.is_dir():
            _unpack(folder)
        return _read(folder)
    except (QazError, OSError, ValueError):  # no folder to write to, or a file that was cut off since
        return py3langid


def _unpack(folder: Path) -> None:
    from py3langid.langid import MODEL_DIR, MODEL_FILE
    from py3langid.modelio import load_model

    ptc, pc, classes, nextmove, row, output = load_model(MODEL_DIR / MODEL_FILE)
    with atomic_dir(folder) as temporary:
        for name, values in zip(_ARRAYS, (ptc, pc, classes, nextmove, output, row), strict=True):
            np.save(temporary / f"{name}.npy", np.asarray(values), allow_pickle=False)


def _read(folder: Path) -> Any:
    from py3langid.langid import LanguageIdentifier

    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == _MAPPED else None, allow_pickle=False)
        for name in _ARRAYS
    }
    tables = {name: memoryview(arrays[name]) for name in ("tk_nextmove", "tk_output", "tk_row")}  # read one by one
    return LanguageIdentifier(arrays["nb_ptc"], arrays["nb_pc"], arrays["nb_classes"].tolist(), **tables)
