"""What running out of memory looks like: a class of torch's on a GPU, a message on a CPU."""

from __future__ import annotations

import torch

NO_MEMORY = "can't allocate memory"
"""What torch's allocator for CPUs says, in an error of no class of its own."""


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and NO_MEMORY in str(error)
    )
