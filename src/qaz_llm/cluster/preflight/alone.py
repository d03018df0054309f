"""This node looked at by one process, without others: what `qaz doctor --nodes` shows, and what a training by one process begins with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.checks import check_node
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import NodeFacts, to_json
from qaz_llm.cluster.preflight.fault import settle
from qaz_llm.cluster.preflight.findings import Finding
from qaz_llm.cluster.preflight.gather import gather_facts
from qaz_llm.cluster.preflight.nodes import GatherFacts, Look, conclude


def look_at_this_node(
    environment: Environment, look: Look, *, gather: GatherFacts = gather_facts
) -> tuple[NodeFacts, list[Finding]]:
    """The facts of this node and what is wrong with it."""
    facts = gather(environment, look.folders, keeps_to_cpu=look.keeps_to_cpu, pids=(os.getpid(),))
    return facts, _findings(facts, look.config)


def _findings(facts: NodeFacts, config: PreflightConfig) -> list[Finding]:
    unread = [Finding("note", facts.node, f"not checked: {what}") for what in facts.unread]
    return [*settle(check_node(facts, config), [facts.node]), *unread]


def check_this_node(environment: Environment, look: Look, *, gather: GatherFacts = gather_facts) -> None:
    """The look of a training that one process does alone, where its node has GPUs, or should have some.

    A batch job is not to spend its hours on a processor because a driver died: under Slurm findings are what they are for many
    processes. At a person's own machine, whose desktop uses the GPU and whose torch may be built for CPUs, they are warnings. A
    small /dev/shm is for processes to talk through, and one process does not.

    Raises as `nodes.look_at_nodes`.
    """
    if look.keeps_to_cpu or not look.config.nodes:
        return
    facts = replace(gather(environment, {}, pids=(os.getpid(),)), shm_free_bytes=None)
    if environment.device == "cpu" and not facts.expected_gpus:
        return
    findings = _findings(facts, look.config)
    if not facts.in_slurm:
        findings = [replace(finding, kind="note") for finding in findings]
    conclude(findings, look, environment, nodes=[to_json(facts)])


def rows_of(facts: NodeFacts, findings: Sequence[Finding]) -> list[list[str]]:
    """Facts and findings as rows of a table."""
    return [[what, found] for what, found in (*_shown(facts), *((f.kind, f.what) for f in findings))]


def _shown(facts: NodeFacts) -> Iterator[tuple[str, str]]:
    yield "node", facts.name
    yield "GPUs seen, expected", f"{facts.visible_gpus}, {facts.expected_gpus}"
    for gpu in facts.gpus:
        used = "not told" if gpu.used_bytes is None else f"{gpu.used_bytes / 1e9:.1f} GB in use"
        errors = "not told" if gpu.uncorrected_errors is None else str(gpu.uncorrected_errors)
        yield f"GPU {gpu.index}", f"{gpu.name}, {used}, uncorrected ECC errors: {errors}"
    if facts.visible_gpus or facts.expected_gpus:
        version = facts.driver or "not told"
        yield "driver", f"{version}, CUDA {facts.driver_cuda or 'not told'}; torch's {facts.torch_cuda or 'none'}"
        yield "Xid errors", ", ".join(f"{event.xid} on {event.bus}" for event in facts.xids) or "none read"
    for disk in facts.disks:
        yield f"{disk.what} {disk.path}", disk.error or f"{disk.free_bytes / 1e9:,.1f} GB free"
    if facts.shm_free_bytes is not None:
        yield "/dev/shm", f"{facts.shm_free_bytes / 1e9:,.1f} GB free"
