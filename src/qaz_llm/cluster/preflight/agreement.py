"""Whether all processes would run the same: their facts → findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import NodeFacts, RankFacts
from qaz_llm.cluster.preflight.findings import Finding, joined

BY_DEVICE = ("config",)
"""Fingerprints of what depends on the device: the config as it was settled there, or was asked for where none could be."""


OF_START = ("number of processes", "preflight.nodes")
"""Fingerprints of what has to be the same for the processes to go on together at all: with others they wait for each other for ever."""


def check_start(ranks: Sequence[RankFacts]) -> Iterator[Finding]:
    """As many processes, and the same look at the nodes, by each process; a part of `check_agreement`."""
    yield from _compared(ranks, OF_START)


def check_agreement(ranks: Sequence[RankFacts]) -> Iterator[Finding]:
    """The same code, packages and config as the first process, or the first on its device; `ranks` in order, the first one first."""
    names = dict.fromkeys(name for rank in ranks for name in rank.fingerprints)
    yield from _compared(ranks, [name for name in names if name not in BY_DEVICE])
    for device in dict.fromkeys(rank.device for rank in ranks):
        yield from _compared([rank for rank in ranks if rank.device == device], BY_DEVICE)


def _compared(ranks: Sequence[RankFacts], names: Iterable[str]) -> Iterator[Finding]:
    first = ranks[0]
    for name in names:
        others = [rank for rank in ranks if rank.fingerprints.get(name) != first.fingerprints.get(name)]
        if others:
            yield Finding(
                "different", None, f"{name}: {_who(others)} not as {first.place}{_how(name, first, others[0])}"
            )


def _who(ranks: Sequence[RankFacts]) -> str:
    return joined([rank.place for rank in ranks]) + (" has" if len(ranks) == 1 else " have")


def _how(name: str, first: RankFacts, other: RankFacts) -> str:
    """What stands in the two: of a list of versions those that differ."""
    mine = (first.fingerprints.get(name) or "none").split(", ")
    theirs = (other.fingerprints.get(name) or "none").split(", ")
    of_first = joined([part for part in mine if part not in theirs])
    of_other = joined([part for part in theirs if part not in mine])
    return f" ({of_other or 'less'}, not {of_first or 'that'})"


def check_devices(ranks: Sequence[RankFacts], nodes: Sequence[NodeFacts] = ()) -> Iterator[Finding]:
    """All processes train on the same. One without a GPU among others with theirs would train on its CPU, or not at all.

    Where none has one, it is what was asked for that needs it; but not on those of `nodes` that should have some, which
    `check_gpus_seen` names.
    """
    blind: dict[str, list[RankFacts]] = {}
    for rank in ranks:
        if rank.device != "cuda":
            blind.setdefault(rank.node, []).append(rank)
    seeing = next((rank for rank in ranks if rank.device == "cuda"), None)
    dead = {node.node for node in nodes if node.expected_gpus and not node.visible_gpus}
    for node, here in blind.items():
        lacking = next((rank for rank in here if rank.lacks), None)
        if seeing is not None:
            number = "rank" if len(here) == 1 else "ranks"
            numbers = joined([str(rank.rank) for rank in here], 16)
            yield Finding("bad", node, f"torch sees no GPU in {number} {numbers}, and one in {seeing.place}")
        elif lacking is not None and node not in dead:
            yield Finding("bad", node, lacking.lacks, "device", lacking.hint)


def check_kinds(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """GPUs of one kind on all nodes: the rarer kinds are named, where one is that of most."""
    kinds = {node.node: node.gpus[0].name for node in nodes if node.gpus}
    counts = Counter(kinds.values())
    if len(counts) < 2:
        return
    usual, most = counts.most_common(1)[0]
    if 2 * most <= len(kinds):
        found = ", ".join(f"{name} on {joined([n for n in kinds if kinds[n] == name], 4)}" for name in counts)
        yield Finding("input", None, f"GPUs of several kinds: {found}", hint="ask for one: --gpus-per-node=KIND:N")
        return
    for node, kind in kinds.items():
        if kind != usual:
            yield Finding("bad", node, f"its GPUs are {kind}, those of most others {usual}")


def check_shared(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """The run's folders are the same on all nodes; that of the first is compared with. What no other sees is no shared folder."""
    for number, disk in enumerate(nodes[0].disks):
        others = {node.node: node.disks[number] for node in nodes[1:]}
        seen = {node: disk.is_shared for node, disk in others.items() if disk.error is None}
        unseen = [node for node, is_shared in seen.items() if is_shared is False]
        what = f"{disk.what} {disk.path}"
        if unseen and len(unseen) == len(seen):
            where = f"what {nodes[0].node} writes there is not seen on {joined(unseen, 4)}"
            yield Finding("input", None, f"{what}: {where}", hint=f"choose a {disk.what} on a disk that all nodes see")
            continue
        for node in unseen:
            yield Finding("bad", node, f"{what} is another folder than the first process's, or not seen yet")


def check_clocks(nodes: Sequence[NodeFacts], config: PreflightConfig) -> Iterator[Finding]:
    """Clocks that agree: of three or more nodes those are named that are far from the middle one; of two neither."""
    ahead = {node.node: node.clock_ahead_s for node in nodes}
    if len(ahead) == 2:
        apart, (one, other) = abs(nodes[0].clock_ahead_s - nodes[1].clock_ahead_s), ahead
        if apart > config.clock_s:
            what = f"the clocks of {one} and {other} are {apart:.1f} s apart; which of the two is wrong cannot be told"
            yield Finding("bad", None, what)
        return
    middle = median(ahead.values())
    for node, seconds in ahead.items():
        if abs(seconds - middle) > config.clock_s:
            way = "ahead of" if seconds > middle else "behind"
            yield Finding("bad", node, f"its clock is {abs(seconds - middle):.1f} s {way} most others'")


def check_unread(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """What could not be looked at, said once for all nodes where it was the same."""
    for what in dict.fromkeys(what for node in nodes for what in node.unread):
        where = [node.node for node in nodes if what in node.unread]
        yield Finding("note", None, f"not checked on {joined(where)}: {what}")
