"""Slurm's short spelling of many nodes."""

from __future__ import annotations

import re

MOST_NODES = 100_000

_PART = re.compile(r"([^\[,]+(?:\[[^\]]*\][^\[,]*)*)")
_RANGE = re.compile(r"^(.*?)\[([^\]]*)\](.*)$")


def expand_nodelist(spelling: str) -> list[str]:
    """The nodes of a list, in its order; as `scontrol show hostnames` gives them.

    >>> expand_nodelist("gpu[08-10,12],login")
    ['gpu08', 'gpu09', 'gpu10', 'gpu12', 'login']
    """
    nodes: list[str] = []
    for part in _PART.findall(spelling):
        nodes += _expand(part.strip())
        if len(nodes) > MOST_NODES:
            return nodes[:MOST_NODES]
    return nodes


def _expand(part: str) -> list[str]:
    match = _RANGE.match(part)
    if match is None:
        return [part] if part else []
    before, inside, after = match.groups()
    numbers: list[str] = []
    for piece in inside.split(","):
        low, _, high = piece.partition("-")
        if high and low.isdecimal() and high.isdecimal():
            last = min(int(high), int(low) + MOST_NODES)
            numbers += [str(number).zfill(len(low)) for number in range(int(low), last + 1)]
        else:
            numbers.append(piece)
    return [before + number + rest for number in numbers for rest in _expand(after) or [""]]
