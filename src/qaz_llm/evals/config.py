"""What an evaluation is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from qaz_llm.config import StrictModel
from qaz_llm.model.choices import Attention


class EvalSettings(StrictModel):
    """Suite, data and machine: what stays the same for every model that is to be compared."""

    suite: str = Field(
        description="a set of tasks, which `qaz eval tasks` lists; `own`: none but those named in `tasks`"
    )
    tasks: tuple[str, ...] | None = Field(
        None, min_length=1, description="only these tasks of the suite, and task files or folders of your own"
    )
    shots: int = Field(
        0, ge=0, description="solved examples before each question, from the task's dev split, never from its items"
    )
    formats: Literal["both", "primary"] = Field(
        "both",
        description="multiple choice by letters and by the words of the choices, or only in the task's primary way",
    )
    root: Path | None = Field(None, description="folder that the tasks' data paths start at, else $QAZ_CORPUS_DIR")
    max_items: int | None = Field(None, ge=1, description="the first so many groups of each task, for a quick look")
    samples: bool = Field(True, description="also write sample generations in kk, ru and en")
    sample_tokens: int = Field(60, ge=1, description="length of a sample, in tokens")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    devices: int = Field(
        1, ge=1, description="processes on this machine that share the work, each on a GPU of its own, or on the CPU"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers the model computes with; `auto`: those of its file."""
    attn_implementation: Attention = "auto"
    """How attention is computed; `auto`: `sdpa` where the architecture has it, else `eager`."""
    trust_remote_code: bool = False
    """Run code that a checkpoint brings. Leave this off for what you have not read."""
    batch_tokens: int = Field(8192, ge=64, description="tokens of one forward pass, padding included")
    seed: int = Field(0, ge=0, description="of everything random; scoring itself draws nothing")


class EvalConfig(EvalSettings):
    """One model on one suite."""

    model: str = Field(description="folder or hub id")
    out: Path = Field(description="folder for items.jsonl, parity.json, samples.jsonl and report.html")
