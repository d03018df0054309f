"""The status of a training in one short line, for the job's comment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qaz_llm.progress import format_duration


def comment_of(values: Mapping[str, Any]) -> str:
    """`training 120/1000, loss 2.3100, 10,400 tokens/s, 13 min 20 s left, 2 restarts (last: node failed)`, from the values of status.json."""
    state = values["phase"] if values["state"] == "running" else values["state"]
    at = f" {values['step']}" + (f"/{values['steps']}" if values.get("steps") else "") if "step" in values else ""
    parts = [f"{state}{at}"]
    if values.get("loss") is not None:
        parts.append(f"loss {values['loss']:.4f}")
    if values.get("tokens_per_s") is not None:
        parts.append(f"{values['tokens_per_s']:,.0f} tokens/s")
    if values.get("left_s") is not None:
        parts.append(f"{format_duration(values['left_s'])} left")
    if values.get("stragglers"):
        parts.append(f"{len(values['stragglers'])} slow")
    if restarts := values.get("restarts"):
        parts.append(f"{len(restarts)} restart{'s' if len(restarts) > 1 else ''} (last: {restarts[-1]['reason']})")
    return ", ".join(parts)
