"""Xid errors among the kernel's messages: what NVIDIA's driver writes there when a GPU goes wrong.

    [ 8123.456789] NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, name=python, GPU has fallen off the bus.

The number in brackets is seconds since the machine was started. Many sites let nobody but root read these messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from qaz_llm.cluster.asking import Ask
from qaz_llm.cluster.preflight.facts import XidEvent
from qaz_llm.cluster.preflight.nvidia import short_bus

DMESG = ("dmesg",)
_XID = re.compile(r"^\[\s*(\d+(?:\.\d+)?)\].*?NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+)", re.MULTILINE)


def read_xids(ask: Ask) -> tuple[tuple[XidEvent, ...], str | None]:
    """The Xid errors since the machine was started, and why they could not be read."""
    answer = ask(DMESG)
    if answer.text is None:
        return (), f"Xid errors: {answer.why}"
    uptime_s = _uptime_s()
    if uptime_s is None:
        return (), "Xid errors: the machine does not say since when it runs"
    return tuple(parse_xids(answer.text, uptime_s)), None


def parse_xids(text: str, uptime_s: float) -> Iterator[XidEvent]:
    """The Xid errors among messages that were read `uptime_s` after the machine was started."""
    for since, bus, xid in _XID.findall(text):
        yield XidEvent(short_bus(bus), int(xid), max(uptime_s - float(since), 0.0))


def _uptime_s() -> float | None:
    try:
        return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
