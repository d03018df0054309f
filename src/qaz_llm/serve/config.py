"""What a gateway is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from qaz_llm.config import StrictModel

Engine = Literal["transformers", "vllm", "llama"]
NoticeLanguage = Literal["kk", "ru", "en"]


class Limits(StrictModel):
    """How much is asked of the service at most."""

    body_bytes: int = Field(default=1 << 20, ge=1024)
    """Of one request; more is refused with 413."""
    requests_per_minute: int = Field(default=120, ge=0)
    """By one key; more are refused with 429. 0: no limit."""
    concurrency: int | None = Field(default=None, ge=1)
    """Requests at one engine at a time; 8 for transformers, which computes one after the other and is never to wait for the next, 4 for llama, 64 for vllm."""
    queue: int = Field(default=256, ge=0)
    """Requests that wait for an engine; more are refused with 503."""
    queue_s: float = Field(default=60.0, gt=0)
    """How long one waits, in seconds, before it is refused with 503."""
    request_s: float = Field(default=600.0, gt=0)
    """How long one may take at the engine, in seconds, before it ends with 504."""
    client_s: float = Field(default=60.0, gt=0)
    """How long a client may take to send its request, and to take a piece of the answer, in seconds; then it is left."""
    answer_tokens: int = Field(default=1024, ge=1)
    """Longest answer where a request does not say; always within the model's window."""


class ServeConfig(StrictModel):
    """A gateway: the model, the engine behind it, and who may ask."""

    model: Path
    """The model's folder, or a run's: its tokenizer counts, its template and settings are read."""
    name: str
    """How requests call the model."""
    engine: Engine = "transformers"
    """What computes, or what the engines at `upstream` are."""
    upstream: tuple[str, ...] = ()
    """Addresses of engines that run already; without one they are started here."""
    upstream_model: str | None = None
    """How the engines at `upstream` call the model; asked of them where it is not given."""
    gguf: Path | None = None
    """The weights for llama, made of the same model."""
    workers: int = Field(default=1, ge=1)
    """Engines to start."""
    window_tokens: int | None = Field(default=None, ge=16)
    """Tokens of prompt and answer together; the model's own window where it is not given, and never more."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    keys_file: Path | None = None
    """Keys of those who may ask, `name:key` or a key a line; beside it the variable QAZ_API_KEYS, keys with commas between."""
    label_keys: Path | None = None
    """A folder of `qaz label keys`: free text of answers gets a label. Without one it gets none, which each answer says."""
    watermark: Path | None = None
    """A file of `qaz label watermark`: every answer is marked in the choice of its tokens. transformers alone, started here."""
    notice: NoticeLanguage | None = None
    """A warning in words behind every answer, in this language; requests can ask for another."""
    start_s: float = Field(default=900.0, gt=0)
    """How long an engine may take to load the model, in seconds."""
    limits: Limits = Limits()
    """How much is asked at most."""

    @property
    def at_once(self) -> int:
        """Requests at one engine at a time."""
        return self.limits.concurrency or {"transformers": 8, "llama": 4, "vllm": 64}[self.engine]
