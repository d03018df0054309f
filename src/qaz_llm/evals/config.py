"""What an evaluation is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from qaz_llm.config import LanguageCode, StrictModel
from qaz_llm.model.choices import Attention

OUR_KEYS = frozenset(("messages", "prompt", "model", "echo", "logprobs"))
"""Of a request to a server: what an answer is read by."""


class ServerConfig(StrictModel):
    """An OpenAI-compatible server. Its key is read from QAZ_API_KEY, else OPENAI_API_KEY."""

    url: str = Field(description="address up to the version, such as http://localhost:8000/v1")
    api: Literal["chat", "completions"] = Field(
        "chat", description="prompts as messages with the server's chat template, or as they are"
    )
    logprobs: bool = Field(
        False, description="its /completions echoes a prompt with log-probabilities, so that all tasks can be scored"
    )
    concurrency: int = Field(8, ge=1, le=256, description="requests under way at once")
    retries: int = Field(6, ge=0, description="tries after the first, with growing waits")
    timeout_s: float = Field(300, gt=0, description="silence after which a request is tried again")
    price_in: float | None = Field(None, ge=0, description="price of a million tokens read, for the cost that is shown")
    price_out: float | None = Field(None, ge=0, description="price of a million tokens written")
    body: dict[str, Any] = Field({}, description="further keys of each request; null takes out one that is sent")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.logprobs and self.api != "completions":
            raise ValueError("log-probabilities come from /completions: set api to completions")
        if changed := sorted(key for key in OUR_KEYS if self.body.get(key) is not None):
            raise ValueError(f"body: {changed[0]} is what an answer is read by, and not to be changed")
        if (
            self.body.get("stream")
            or self.body.get("n", 1) not in (1, None)
            or self.body.get("best_of", 1) not in (1, None)
        ):
            raise ValueError("body: one answer is read, and whole: leave stream, n and best_of out")
        return self


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
    chat_template: Literal["none", "auto"] = Field(
        "none",
        description="prompts as they stand, or laid out as a dialogue in the tokenizer's own chat template where it has one; texts alone never are",
    )
    formats: Literal["both", "primary", "generate"] = Field(
        "both",
        description="multiple choice by letters and by the words of the choices, only in the task's primary way, or by an answer that is written and read",
    )
    root: Path | None = Field(None, description="folder that the tasks' data paths start at, else $QAZ_CORPUS_DIR")
    max_items: int | None = Field(None, ge=1, description="the first so many groups of each task, for a quick look")
    family: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="the gaps that were of interest before scoring, which p (Holm) allows for: `TASK` or `TASK.kk-ru`; "
        "others are called exploratory; by default all",
    )
    non_inferiority: dict[LanguageCode, PositiveFloat] = Field(
        {},
        description="how much worse a language may get by adaptation and be called kept: a share for accuracies (0.02: "
        "two of a hundred items), a share of the base's bits for bits per byte",
    )
    data_manifest: Path | None = Field(
        None, description="manifest.json of `qaz data build`, for what it says of evaluation items in training data"
    )
    samples: bool = Field(True, description="also write sample generations in kk, ru and en")
    sample_bytes: int = Field(
        200, ge=1, description="length of a sample, in bytes of English; kk and ru have two a letter"
    )
    backend: Literal["transformers", "vllm"] = Field("transformers", description="what runs a local model")
    server: ServerConfig | None = Field(None, description="a server that is asked instead; `model` is a name it knows")
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
    seed: int = Field(0, ge=0, lt=2**32, description="of everything random; scoring itself draws nothing")


class EvalConfig(EvalSettings):
    """One model on one suite."""

    model: str = Field(description="folder or hub id")
    out: Path = Field(description="folder for items.jsonl, parity.json, samples.jsonl and report.html")
