"""The facts of one node → what is wrong with it. Pure: each check is tried with a node that was never there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import GpuFacts, NodeFacts
from qaz_llm.cluster.preflight.findings import Finding, joined

Check = Callable[[NodeFacts, PreflightConfig], Iterator[Finding]]

HARDWARE_XIDS = {
    46: "GPU stopped processing",
    48: "double bit ECC error",
    62: "internal micro-controller halt",
    64: "row could not be remapped",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    92: "high rate of single-bit ECC errors",
    94: "contained memory error",
    95: "uncontained memory error",
    119: "GSP did not answer",
    120: "GSP error",
    136: "link training failed",
    140: "unrecovered ECC error",
    143: "GPU could not be initialised",
    144: "NVLink error",
    145: "NVLink error",
    149: "NVLink error",
    150: "NVLink error",
}
"""Xid errors of the hardware, by NVIDIA's catalogue of Xid errors; others are mostly a program's (13, 31, 43, 45)."""


def check_gpu_count(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """As many GPUs as the node has processes."""
    if node.visible_gpus < node.expected_gpus:
        yield Finding("bad", node.node, f"{node.visible_gpus} GPUs seen, {node.expected_gpus} expected")


def check_answers(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """The driver answers."""
    if node.hangs is not None:
        yield Finding("bad", node.node, node.hangs)


def check_gpu_kind(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """GPUs of one kind."""
    kinds = sorted({gpu.name for gpu in node.gpus})
    if len(kinds) > 1:
        yield Finding("bad", node.node, f"GPUs of several kinds: {', '.join(kinds)}")


def check_gpus_free(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """Nobody else's processes on the GPUs, and no memory in use that nobody owns up to."""
    foreign = [process for process in node.gpu_processes if process.pid not in node.pids]
    for gpu in node.gpus:
        here = [process for process in foreign if process.gpu_uuid == gpu.uuid]
        if here:
            names = joined([f"{process.name} ({process.pid})" for process in here], 3)
            yield Finding("bad", node.node, f"GPU {gpu.index} is used by others: {names}")
        elif gpu.used_bytes is not None and _not_ours(node, gpu) > config.gpu_used_gb * 1e9:
            yield Finding(
                "bad", node.node, f"GPU {gpu.index}: {_not_ours(node, gpu) / 1e9:.1f} GB in use by nobody that is shown"
            )


def _not_ours(node: NodeFacts, gpu: GpuFacts) -> int:
    """Bytes in use on a GPU beside those of this run's processes."""
    ours = (p.used_bytes or 0 for p in node.gpu_processes if p.pid in node.pids and p.gpu_uuid == gpu.uuid)
    return (gpu.used_bytes or 0) - sum(ours)


def check_driver(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """The driver knows the CUDA that torch was built with: its major version or a later one (CUDA Compatibility, NVIDIA)."""
    if node.driver_cuda is None or node.torch_cuda is None:
        return
    if _major(node.driver_cuda) < _major(node.torch_cuda):
        yield Finding(
            "bad",
            node.node,
            f"driver {node.driver or 'of unknown version'} knows CUDA {node.driver_cuda}, torch was built with {node.torch_cuda}",
        )


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def check_ecc(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """No errors of memory that could not be corrected, no row that waits for a reset."""
    for gpu in node.gpus:
        if gpu.uncorrected_errors:
            yield Finding("bad", node.node, f"GPU {gpu.index}: {gpu.uncorrected_errors} uncorrected ECC errors")
        if gpu.remap_failed:
            yield Finding("bad", node.node, f"GPU {gpu.index}: a damaged row of memory could not be remapped")
        if gpu.reset_needed:
            yield Finding("bad", node.node, f"GPU {gpu.index}: a damaged row of memory waits for a reset")


def check_xids(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """No Xid error of the hardware of late, on GPUs that this run uses."""
    ours = {gpu.bus: gpu.index for gpu in node.gpus}
    for event in node.xids:
        if event.bus in ours and event.xid in HARDWARE_XIDS and event.age_s <= config.xid_hours * 3600:
            yield Finding(
                "bad",
                node.node,
                f"GPU {ours[event.bus]}: Xid {event.xid} ({HARDWARE_XIDS[event.xid]}) {event.age_s / 3600:.1f} h ago",
            )


def check_disks(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """The run's folders can be written, and are the same as the first process's."""
    for disk in node.disks:
        if disk.error is not None:
            yield Finding("bad", node.node, f"{disk.what} {disk.path}: {disk.error}")
        elif disk.is_shared is False:
            yield Finding(
                "bad", node.node, f"{disk.what} {disk.path} is another folder than the first process's, or not seen yet"
            )


def check_shm(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """Room in /dev/shm."""
    if node.shm_free_bytes is not None and node.shm_free_bytes < config.shm_gb * 1e9:
        yield Finding(
            "bad", node.node, f"{node.shm_free_bytes / 1e9:.2f} GB free in /dev/shm, {config.shm_gb:g} asked for"
        )


def check_clock(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """A clock as the first process's."""
    if abs(node.clock_ahead_s) > config.clock_s:
        way = "ahead of" if node.clock_ahead_s > 0 else "behind"
        yield Finding("bad", node.node, f"its clock is {abs(node.clock_ahead_s):.1f} s {way} the first node's")


CHECKS: tuple[Check, ...] = (
    check_answers,
    check_gpu_count,
    check_gpu_kind,
    check_gpus_free,
    check_driver,
    check_ecc,
    check_xids,
    check_disks,
    check_shm,
    check_clock,
)


def check_node(node: NodeFacts, config: PreflightConfig) -> list[Finding]:
    """All that is wrong with a node."""
    return [finding for check in CHECKS for finding in check(node, config)]
