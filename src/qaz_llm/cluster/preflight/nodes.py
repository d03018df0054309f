"""All nodes looked at before anything is loaded, as one of the processes; and measured, once there is a process group.

The first process judges and says it; the others follow. What was found lies in `preflight.json` of the run's folder (record.py).
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.job import job_state
from qaz_llm.cluster.nodelist import expand_nodelist
from qaz_llm.cluster.preflight.agreement import (
    OF_START,
    check_agreement,
    check_clocks,
    check_devices,
    check_kinds,
    check_shared,
    check_start,
    check_unread,
)
from qaz_llm.cluster.preflight.bandwidth import measure
from qaz_llm.cluster.preflight.checks import check_node
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import DiskFacts, NodeFacts, RankFacts, node_from_json, rank_from_json, to_json
from qaz_llm.cluster.preflight.fault import settle
from qaz_llm.cluster.preflight.findings import Finding, joined, nodes_at_fault
from qaz_llm.cluster.preflight.gather import gather_facts, gather_rank
from qaz_llm.cluster.preflight.meeting import AbsentError, Meeting, where_absent
from qaz_llm.cluster.preflight.rates import RankRates, describe_rates, floors_of, judge_rates, rates_from_json
from qaz_llm.cluster.preflight.record import note_look
from qaz_llm.cluster.preflight.verdict import EXIT_BAD_NODE, error_of, write_bad_nodes
from qaz_llm.errors import NoGpuError, QazError
from qaz_llm.io import make_dir
from qaz_llm.progress import get_logger

SEEN_LATE_S = 10.0
"""A file of another node is looked for so long: a shared disk may show it late."""

GatherFacts = Callable[..., NodeFacts]

_logger = get_logger("preflight")


@dataclass(frozen=True)
class Look:
    """What a run is to be looked at by: its folders by what they are, and fingerprints of what it was told to do.

    `record`: the folder that preflight.json goes to, None for no file. `keeps_to_cpu`: the run does by its config, whatever
    GPUs there are. `lacking`: why this process cannot begin; the look then ends with an error.
    """

    config: PreflightConfig
    folders: Mapping[str, Path]
    fingerprints: Mapping[str, str]
    record: Path | None = None
    keeps_to_cpu: bool = False
    lacking: NoGpuError | None = None


def look_at_nodes(
    meeting: Meeting, environment: Environment, look: Look, *, gather: GatherFacts = gather_facts
) -> None:
    """Meet all processes, ask each node, and judge. Called on all processes; `environment.device` is what they train on.

    Raises:
        BadNodeError: nodes are not fit, or processes did not come; they are named, also for the batch script.
        DifferentProcessesError: code, packages or config of some are not those of the first process.
        InputError: what the run was given no node can do: a folder, the GPUs asked for, the installation.
        WorkError: it is not the nodes.
        LostError: the first process says nothing.
        FollowedError: on all processes but the first, for any of these.
    """
    meeting.give("came", environment.node)
    if environment.is_main:
        with _ending_all(meeting, look, environment):
            _judge_nodes(meeting, environment, look, gather)
        return
    go = meeting.hear("go")
    meeting.give("facts", _facts(environment, look, go, gather))
    meeting.hear("fit")


def _judge_nodes(meeting: Meeting, environment: Environment, look: Look, gather: GatherFacts) -> None:
    """What the first process does."""
    started = time.monotonic()
    came = _gathered(meeting, environment, "came", "did not come", {})
    with _tokens(look.folders if look.config.nodes else {}) as tokens:
        go = {"time": time.time(), "tokens": tokens}
        meeting.tell("go", go)
        meeting.give("facts", _facts(environment, look, go, gather))
        given = _gathered(meeting, environment, "facts", "came, but gave no answer", dict(enumerate(came)))
    ranks = [rank_from_json(facts["rank"]) for facts in given]
    nodes = [_with_pids(node_from_json(facts["node"]), ranks) for facts in given if facts["node"] is not None]
    if look.config.nodes:
        conclude(judge_facts(ranks, nodes, look.config), look, environment, nodes=[to_json(node) for node in nodes])
        many = "s" if len(nodes) > 1 else ""
        _logger.info("preflight: %d node%s fit, in %.1f s", len(nodes), many, time.monotonic() - started)
    else:  # processes that were started otherwise, or are of two kinds, would wait for each other all the same
        found = settle([*check_start(ranks), *check_devices(ranks)], {rank.node for rank in ranks})
        conclude(found, replace(look, record=None), environment)
    meeting.tell("fit", True)


def judge_facts(ranks: Sequence[RankFacts], nodes: Sequence[NodeFacts], config: PreflightConfig) -> list[Finding]:
    """All that is wrong with the processes and nodes of a run."""
    found = [
        *(finding for node in nodes for finding in check_node(node, config)),
        *check_devices(ranks, nodes),
        *check_kinds(nodes),
        *check_shared(nodes),
        *check_clocks(nodes, config),
        *check_agreement(ranks),
        *check_unread(nodes),
    ]
    return settle(found, [node.node for node in nodes])


def measure_nodes(meeting: Meeting, environment: Environment, look: Look) -> None:
    """Measure how fast all compute and talk. Called on all processes once the process group was made. Raises as `look_at_nodes`."""
    if not look.config.nodes:
        return
    own = measure(environment, device=environment.device)
    meeting.give("rates", asdict(own))
    if not environment.is_main:
        meeting.hear("fast")
        return
    with _ending_all(meeting, look, environment):
        given = _gathered(meeting, environment, "rates", "did not finish measuring", {})
        rates = [rates_from_json(values) for values in given]
        _judge_rates(rates, look, environment)
    meeting.tell("fast", True)


def _judge_rates(rates: Sequence[RankRates], look: Look, environment: Environment) -> None:
    _logger.info(describe_rates(rates))
    name, nodes = environment.device_name, environment.num_nodes
    floors = floors_of(look.config, device=environment.device, device_name=name, num_nodes=nodes)
    conclude(judge_rates(rates, floors), look, environment, rates=[asdict(rate) for rate in rates])


# ------------------------------------------------------------------------------------------------------------- parts


def _facts(environment: Environment, look: Look, go: Mapping[str, Any], gather: GatherFacts) -> dict[str, Any]:
    """What a process gives: what it says of itself, and its node's first one what the node does, where nodes are looked at."""
    ahead_s = time.time() - go["time"]
    of_start = dict(zip(OF_START, (str(environment.world_size), str(look.config.nodes).lower()), strict=True))
    rank = gather_rank(environment, {**of_start, **look.fingerprints}, look.lacking)
    if environment.local_rank != 0 or not look.config.nodes:
        return {"rank": to_json(rank), "node": None}
    node = gather(environment, look.folders, keeps_to_cpu=look.keeps_to_cpu, clock_ahead_s=ahead_s)
    disks = tuple(_as_seen(disk, go["tokens"].get(disk.what)) for disk in node.disks)
    return {"rank": to_json(rank), "node": to_json(replace(node, disks=disks))}


def _with_pids(node: NodeFacts, ranks: Sequence[RankFacts]) -> NodeFacts:
    return replace(node, pids=tuple(rank.pid for rank in ranks if (rank.node, rank.host) == (node.node, node.host)))


@contextmanager
def _tokens(folders: Mapping[str, Path]) -> Iterator[dict[str, str]]:
    """A file with a name of its own in each folder while the block runs: who does not see it has another folder."""
    name = f".preflight-{uuid.uuid4().hex[:12]}"
    written: dict[str, str] = {}
    try:
        for what, folder in folders.items():
            with suppress(OSError, QazError):  # that it cannot be written is found by the checks
                make_dir(folder)
                (folder / name).write_bytes(b"")
                written[what] = name
        yield written
    finally:
        for what in written:
            (folders[what] / name).unlink(missing_ok=True)


def _as_seen(disk: DiskFacts, token: str | None) -> DiskFacts:
    if token is None:
        return disk
    end = time.monotonic() + SEEN_LATE_S
    while not (is_seen := (Path(disk.path) / token).exists()) and time.monotonic() < end:
        time.sleep(0.5)
    return replace(disk, is_shared=is_seen)


def _gathered(
    meeting: Meeting, environment: Environment, what: str, missing: str, came: Mapping[int, str]
) -> list[Any]:
    """What all processes gave. Raises BadNodeError, or WorkError, with those that gave nothing."""
    try:
        return meeting.gather(what)
    except AbsentError as error:
        nodes = came or {rank: node for rank, node in error.given.items() if isinstance(node, str)}
        hosts = expand_nodelist(os.environ.get("SLURM_STEP_NODELIST", ""))
        places = where_absent(error.ranks, nodes, hosts, environment.local_world_size)
        findings = list(_absent(error.ranks, places, f"{missing} within {meeting.wait_s:.0f} s"))
        raise _Found(findings) from None


class _Found(Exception):
    """Findings that end the look at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


def _absent(ranks: Sequence[int], places: Mapping[int, str], what: str) -> Iterator[Finding]:
    by_node: dict[str | None, list[int]] = {}
    for rank in ranks:
        by_node.setdefault(places.get(rank), []).append(rank)
    for node, absent in by_node.items():
        number = "rank" if len(absent) == 1 else "ranks"
        yield Finding("bad", node, f"{number} {joined([str(rank) for rank in absent], 16)} {what}")


@contextmanager
def _ending_all(meeting: Meeting, look: Look, environment: Environment) -> Iterator[None]:
    """What ends the first process ends the others, by the same exit code."""
    try:
        try:
            yield
        except _Found as found:
            conclude(found.findings, look, environment)
    except QazError as error:
        meeting.end(error)
        raise


def conclude(findings: Sequence[Finding], look: Look, environment: Environment, **facts: Any) -> None:
    """Say what was found, write it down, name bad nodes to the batch script. Raises what the findings come to."""
    for finding in findings:
        if finding.kind == "note":
            _logger.warning("preflight: %s", finding.line())
    if look.record is not None:
        note_look(look.record, environment, {**facts, "findings": [asdict(finding) for finding in findings]})
    state = job_state()
    error = error_of(findings, num_nodes=environment.num_nodes, state=state)
    if error is None:
        return
    faults = nodes_at_fault(findings)
    if state is not None and error.exit_code == EXIT_BAD_NODE:
        write_bad_nodes(state, faults)
    raise error
