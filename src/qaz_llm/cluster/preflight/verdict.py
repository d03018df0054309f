"""How a run ends where a node is bad: with exit code 69, and with the node's name where the batch script reads it.

The batch script of a job under Slurm exports QAZ_JOB_STATE, a folder on a shared disk. A line `node<TAB>reason` in its file
`bad-nodes` keeps that node out of the job's next start. Outside such a script the message is all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qaz_llm.cluster.preflight.findings import Finding, joined, nodes_at_fault
from qaz_llm.errors import InputError, QazError, UserError, WorkError
from qaz_llm.io import make_dir

EXIT_BAD_NODE = 69
"""EX_UNAVAILABLE of sysexits.h: a node is not fit for the work; the same command on other nodes would be."""

BAD_NODES_FILE = "bad-nodes"

_EXCLUDED = "the job goes back into the queue without these nodes, if restarts are left"


class BadNodeError(QazError):
    """Nodes that the run cannot use; on others the same command would work."""

    exit_code = EXIT_BAD_NODE


class DifferentProcessesError(UserError):
    """Processes that would not run the same code, config or data."""


def error_of(findings: Sequence[Finding], *, num_nodes: int, state: Path | None) -> QazError | None:
    """What to raise for the findings; None where nothing keeps the run from its work.

    What no node can do is an InputError, whatever else was found: a start on other nodes would end the same way. Nodes are
    blamed up to one half of three or more; where more are at fault it is not the nodes, and none is named to be left out.
    """
    different = [finding.line() for finding in findings if finding.kind == "different"]
    if different:
        return DifferentProcessesError(
            "the processes would not run the same:\n  " + "\n  ".join(different),
            hint="start all of them from one checkout, environment and config, on a disk that all nodes see",
        )
    given = [finding for finding in findings if finding.kind == "input"]
    faults = nodes_at_fault(findings)
    others = [f.line() for f in findings if f.kind in ("bad", "slow") and f.node is None]
    if not faults and not others and not given:
        return None
    lines = "\n  ".join([*(f.line() for f in given), *(f"{node}: {why}" for node, why in faults.items()), *others])
    if given:
        return InputError(f"no node can do this run as it was asked for:\n  {lines}", hint=_hints(given))
    if not faults or (num_nodes > 2 and 2 * len(faults) > num_nodes):
        return WorkError(
            f"the nodes are not fit, and it is not one of them:\n  {lines}",
            hint="look at what they share: network, driver, disk; `preflight.nodes=false` leaves the look out",
        )
    leave_out = f"leave {joined(list(faults))} out: sbatch --exclude={','.join(faults)}; `preflight` in the config has the limits"
    more = _hints([f for f in findings if f.kind in ("bad", "slow") and not f.cause])
    return BadNodeError(
        f"{len(faults)} of {num_nodes} nodes {'is' if len(faults) == 1 else 'are'} not fit for the run:\n  {lines}",
        hint="; ".join(part for part in (_EXCLUDED if state is not None else leave_out, more) if part),
    )


def _hints(findings: Sequence[Finding]) -> str:
    return "; ".join(dict.fromkeys(finding.hint for finding in findings if finding.hint))


def write_bad_nodes(state: Path, faults: Mapping[str, str]) -> None:
    """Add lines to the file that the batch script reads; a node that stands there already is not named twice."""
    path = make_dir(state) / BAD_NODES_FILE
    known = {line.partition("\t")[0] for line in _lines(path)}
    with path.open("a", encoding="utf-8") as stream:
        for node, why in faults.items():
            if node not in known:
                stream.write(f"{node}\t{' '.join(why.split())}\n")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
