"""A training between others: neither the environment nor what an earlier training left behind overrules its config.

accelerate, transformers and DeepSpeed take settings from environment variables, some of which they set themselves
(`ACCELERATE_USE_DEEPSPEED` stays after a run with DeepSpeed), and keep a state per process. A shell that was set up for
`accelerate launch`, or the stage before this one, would decide about precision, accumulation or the engine. So their
variables are put aside for the time of a training, which the log says, and their states begin anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from qaz_llm.cluster.environment import Environment

TOOLS = ("ACCELERATE_", "FSDP_", "MEGATRON_LM_", "PARALLELISM_CONFIG_", "FP8_", "DS_ACCELERATOR", "XLA_")
"""Beginnings of the names of settings that belong into the config or follow from the plan."""

RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "PMI_", "OMPI_COMM_WORLD_", "MV2_COMM_WORLD_")
"""Beginnings of the names that say where a process stands among others; wrong for one that is alone."""


@contextmanager
def isolated(environment: Environment) -> Iterator[Sequence[str]]:
    """Put aside the variables of TOOLS, and of RANKS for a process that is alone; put all back afterwards.

    Gives the names of those that were set.
    """
    names = TOOLS + (RANKS if environment.launcher == "alone" else ())
    before = _matching(os.environ, names)
    for name in before:
        del os.environ[name]
    forget_earlier_trainings()
    try:
        yield sorted(before)
    finally:
        for name in _matching(os.environ, names):
            del os.environ[name]
        os.environ.update(before)
        forget_earlier_trainings()


def forget_earlier_trainings() -> None:
    """Let accelerate and transformers begin anew; both keep what the first training of a process was told."""
    from accelerate.state import AcceleratorState, GradientState
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    unset_hf_deepspeed_config()


def _matching(variables: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(names)}
