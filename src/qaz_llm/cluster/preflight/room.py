"""What can be known to go wrong before hours are spent: an output folder that cannot be written, a disk too small."""

from __future__ import annotations

import shutil
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.io import check_writable


def preflight(folder: Path, *, needed_bytes: int) -> None:
    """Check that `folder` can be written and that its disk has room for what the run will keep.

    Raises:
        InputError: the folder cannot be created or written, or `needed_bytes` exceed what is free.
    """
    check_writable(folder)
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise InputError(
            f"{folder}: {free_bytes / 2**30:,.1f} GiB free, the run will write about {needed_bytes / 2**30:,.1f} GiB",
            hint="choose another run_dir, or keep fewer checkpoints with keep_checkpoints=1",
        )


def nearest_existing(folder: Path) -> Path:
    """The folder, or where it is missing the next above it that is there."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())
