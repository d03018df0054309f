"""Whether all processes would run the same: their facts → findings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qaz_llm.cluster.preflight.facts import NodeFacts, RankFacts
from qaz_llm.cluster.preflight.findings import Finding, joined


def check_agreement(ranks: Sequence[RankFacts]) -> Iterator[Finding]:
    """The same code, packages and config as the first process; `ranks` in order, the first one first."""
    first = ranks[0]
    names = dict.fromkeys(name for rank in ranks for name in rank.fingerprints)
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


def check_devices(ranks: Sequence[RankFacts]) -> Iterator[Finding]:
    """A node without a GPU among nodes with one would train on its CPU, and the others wait for it."""
    if not any(rank.device == "cuda" for rank in ranks):
        return
    for node in dict.fromkeys(rank.node for rank in ranks if rank.device != "cuda"):
        yield Finding("bad", node, "torch sees no GPU, and those of other nodes it sees")


def check_kinds(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """GPUs of one kind on all nodes: the rarer kind is named."""
    kinds = [node.gpus[0].name for node in nodes if node.gpus]
    if len(set(kinds)) < 2:
        return
    usual = max(dict.fromkeys(kinds), key=kinds.count)
    for node in nodes:
        if node.gpus and node.gpus[0].name != usual:
            yield Finding("bad", node.node, f"its GPUs are {node.gpus[0].name}, those of most others {usual}")


def check_unread(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """What could not be looked at, said once for all nodes where it was the same."""
    for what in dict.fromkeys(what for node in nodes for what in node.unread):
        where = [node.node for node in nodes if what in node.unread]
        yield Finding("note", None, f"not checked on {joined(where)}: {what}")
