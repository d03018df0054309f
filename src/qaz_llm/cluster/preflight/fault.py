"""Whose fault a finding is: a node's, or that of what all nodes were given. Pure.

A node is left out of a job where another one would do. What no node can do is not mended by another node, however few there are:

    found                                    on some nodes     on every node, be it one
    a folder cannot be written               theirs            the path's: permissions, quota, a full disk
      … full, read-only, on a disk of its own (/tmp)  theirs   theirs
    a folder is another one                  theirs            the path's: no disk that nodes share
    fewer GPUs than processes                theirs            the command's
    torch sees none: built for CPUs, no driver in the container, none given by Slurm     theirs     the command's
    what was asked for needs a GPU           theirs            the config's
    the driver is older than torch's CUDA    theirs            the installation's
    /dev/shm was made too small              theirs            the container's
    a dead driver, ECC, Xid, others' processes, a full /dev/shm, slowness    theirs    theirs, up to half of three or more

Of two nodes whose clocks, links or kinds of GPUs differ neither can be told to be the one at fault, and none is named.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qaz_llm.cluster.preflight.findings import Finding, joined


def settle(findings: Sequence[Finding], nodes: Collection[str]) -> list[Finding]:
    """The findings, in which those that stand at every node by one and the same cause are one, of kind `input`."""
    at: dict[str, set[str | None]] = {}
    for finding in findings:
        if finding.cause:
            at.setdefault(finding.cause, set()).add(finding.node)
    common = {cause for cause, where in at.items() if where >= set(nodes)}
    settled: list[Finding] = []
    for finding in findings:
        if finding.cause not in common:
            settled.append(finding)
        elif finding.cause in at:
            del at[finding.cause]  # said once, where the first of them stood
            settled.append(_of_all([other for other in findings if other.cause == finding.cause], nodes))
    return settled


def _of_all(findings: Sequence[Finding], nodes: Collection[str]) -> Finding:
    whats = "; ".join(dict.fromkeys(finding.what for finding in findings))
    where = f" (on all {len(nodes)} nodes: {joined(list(nodes), 4)})" if len(nodes) > 1 else ""
    return Finding("input", None, whats + where, findings[0].cause, findings[0].hint)
