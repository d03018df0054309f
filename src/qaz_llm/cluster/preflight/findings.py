"""What a look at the nodes found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bad", "slow", "different", "input", "note"]
"""`bad` and `slow`: of a node, another one may do; `different`: processes would not run the same; `input`: what the run was given
no node can do, so that another one would not help; `note`: worth a line, no reason to stop."""


@dataclass(frozen=True)
class Finding:
    """`node` as Slurm calls it, None where no single one is at fault; `what` is a part of a sentence.

    `cause`: what all nodes share, and whose fault it is where every node has the finding (fault.py); "" where there is none.
    """

    kind: Kind
    node: str | None
    what: str
    cause: str = ""
    hint: str = ""

    def line(self) -> str:
        return f"{self.node}: {self.what}" if self.node else self.what


def nodes_at_fault(findings: Iterable[Finding]) -> dict[str, str]:
    """Node → what is wrong with it, of those that another node could stand in for."""
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.kind in ("bad", "slow") and finding.node is not None:
            reasons.setdefault(finding.node, []).append(finding.what)
    return {node: "; ".join(dict.fromkeys(whats)) for node, whats in reasons.items()}


def joined(names: Sequence[str], most: int = 6) -> str:
    """`a, b and 3 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
