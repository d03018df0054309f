"""Libraries kept quiet, and from what takes seconds or minutes and changes nothing."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

NEVER_USED = ("datasets", "scipy", "sklearn")
"""What transformers imports where it is installed, and no training of a language model calls: rows of `datasets` (with pandas),
the losses of models that find objects in pictures, metrics."""


def import_trainer() -> None:
    """Import transformers' Trainer without NEVER_USED; a third of the processor's time that it takes.

    Nothing is left out in a process that has transformers already: it would have noted that the packages are there.
    """
    with left_out(*NEVER_USED) if "transformers" not in sys.modules else nullcontext():
        import transformers.trainer  # noqa: F401


@contextmanager
def left_out(*packages: str) -> Iterator[None]:
    """While the block runs, packages that were not imported before cannot be, as if they were not installed."""
    hidden = dict.fromkeys(name for name in packages if name not in sys.modules)
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None is what stops an import
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def quiet_libraries(*, on_cpu: bool, with_deepspeed: bool) -> bool:
    """Keep the libraries' own lines out of ours. Returns whether a process group was there before."""
    import torch.distributed as dist
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|transformers|peft|accelerate)\.")
    os.environ["DS_ACCELERATOR"] = "cpu" if on_cpu else "cuda"  # else DeepSpeed looks for one, aloud
    if with_deepspeed:
        import deepspeed.utils

        deepspeed.utils.logger.setLevel(logging.ERROR)  # its import sets it
        skip_slow_builds()
    return dist.is_available() and dist.is_initialized()


def skip_slow_builds() -> None:
    """Keep DeepSpeed from compiling its shared-memory collectives on a CPU: three minutes, and the losses are the same."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
