"""Libraries kept quiet, and from what takes minutes and changes nothing."""

from __future__ import annotations

import logging
import os
import warnings
from importlib.util import find_spec


def quiet_libraries(*, on_cpu: bool, with_deepspeed: bool) -> bool:
    """Keep the libraries' own lines out of ours. Returns whether a process group was there before."""
    import torch.distributed as dist
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|transformers|peft|accelerate)\.")
    os.environ["DS_ACCELERATOR"] = "cpu" if on_cpu else "cuda"  # else DeepSpeed looks for one, aloud
    if find_spec("deepspeed") is not None:  # accelerate imports it in any case, and that sets its own level
        import deepspeed.utils

        deepspeed.utils.logger.setLevel(logging.ERROR)
    if with_deepspeed:
        skip_slow_builds()
    return dist.is_available() and dist.is_initialized()


def skip_slow_builds() -> None:
    """Keep DeepSpeed from compiling its shared-memory collectives on a CPU: three minutes, and the losses are the same."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
