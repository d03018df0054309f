"""What a status.json is to look like before anybody reads from it: a file of another shape is damaged, whatever made it so."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError


def _as_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without its zone")
    return text


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Sitting(_Shape):
    started: str
    ended: str | None
    how: str
    step: int | None = None
    job_id: str | None = None
    message: str | None = None


class _Restart(_Shape):
    model_config = ConfigDict(extra="forbid", strict=True)
    time: str
    reason: str
    progress: str


class _HeldOut(_Shape):
    __pydantic_extra__: dict[str, FiniteFloat | None]
    step: int


class _Best(_Shape):
    by: str
    value: FiniteFloat
    step: int


class _Rank(_Shape):
    ratio: FiniteFloat | None


class _Status(_Shape):
    """Of the keys that readers look at; those that a kind of run does not write may be absent."""

    state: str
    phase: str
    started: str
    updated: Annotated[str, AfterValidator(_as_time)]
    pid: int = Field(gt=0, lt=1 << 31)
    host: str
    sittings: list[_Sitting]
    pid_start: int | None = None
    job_id: str | None = None
    stage: int | None = None
    stages: int | None = None
    step: int | None = None
    steps: int | None = None
    loss: FiniteFloat | None = None
    tokens_per_s: FiniteFloat | None = None
    mfu_frac: FiniteFloat | None = None
    left_s: FiniteFloat | None = None
    message: str | None = None
    exit_code: int | None = None
    held_out: _HeldOut | None = None
    best: _Best | None = None
    ranks: dict[str, _Rank] | None = None
    stragglers: list[str] | None = None
    restarts: list[_Restart] | None = None


def has_shape(values: Any) -> bool:
    """Whether a JSON value is what a status.json holds."""
    try:
        _Status.model_validate(values)
    except ValidationError:
        return False
    return True
