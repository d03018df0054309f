"""The facts of one node → what is wrong with it. Pure: each check is tried with a node that was never there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import DiskFacts, GpuFacts, NodeFacts
from qaz_llm.cluster.preflight.findings import Finding, joined
from qaz_llm.cluster.preflight.signs import VISIBLE
from qaz_llm.cluster.preflight.unseen import driver_silence, is_too_old, why_unseen

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


def check_gpus_seen(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """Torch sees as many GPUs as the job was given or the node has, and as the node has processes."""
    seen, needed = node.visible_gpus, max(node.expected_gpus, node.processes)
    if seen == 0 and node.expected_gpus:
        unseen = why_unseen(node)
        by = f" ({node.expected_by})" if node.expected_by else ""
        told = (driver_silence(node) or node.driver_says) if node.has_driver else ""
        said = f"; {told}" if told and told != unseen.why else ""
        number = f"{node.expected_gpus} GPU{'s' if node.expected_gpus > 1 else ''}"
        what = f"expected {number}{by}, torch sees 0: {unseen.why}{said}"
        yield Finding("bad", node.node, what, unseen.cause, unseen.hint)
    elif seen < needed:
        cause, hint = "", ""
        if node.expected_by == VISIBLE and not node.in_slurm:
            cause, hint = VISIBLE, f"name the GPUs that are there in {VISIBLE}"
        elif seen >= node.expected_gpus and seen >= min(node.machine_gpus, needed):
            cause = "processes"
            hint = f"start a process for each GPU: --nproc-per-node {seen}, --ntasks-per-node={seen}"
        yield Finding("bad", node.node, f"{seen} GPUs seen, {needed} expected", cause, hint)


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
    if is_too_old(node):
        driver = node.driver or "of unknown version"
        what = f"driver {driver} knows CUDA {node.driver_cuda}, torch was built with {node.torch_cuda}"
        hint = f"install torch for CUDA {node.driver_cuda} or older, or ask for nodes with a newer driver"
        yield Finding("bad", node.node, what, "CUDA", hint)


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
    """No Xid error of the hardware of late, on GPUs that this run uses; on all of the node's where the driver names none."""
    ours = {gpu.bus: f"GPU {gpu.index}" for gpu in node.gpus} or {bus: f"GPU at {bus}" for bus in node.gpu_buses}
    for event in node.xids:
        if event.bus in ours and event.xid in HARDWARE_XIDS and event.age_s <= config.xid_hours * 3600:
            what = f"Xid {event.xid} ({HARDWARE_XIDS[event.xid]}) {event.age_s / 3600:.1f} h ago"
            yield Finding("bad", node.node, f"{ours[event.bus]}: {what}")


def check_disks(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """The run's folders can be written."""
    for disk in node.disks:
        if disk.error is not None:
            what = f"{disk.what} {disk.path}"
            hint = f"choose a folder for {disk.what} that can be written, or mend its permissions or room"
            yield Finding("bad", node.node, f"{what}: {_behind(disk)}", "" if disk.is_of_node else what, hint)


def _behind(disk: DiskFacts) -> str:
    """The error without the path that stands before it already."""
    return (disk.error or "").removeprefix(f"{disk.path}: ")


def check_shm(node: NodeFacts, config: PreflightConfig) -> Iterator[Finding]:
    """Room in /dev/shm."""
    free, asked = node.shm_free_bytes, config.shm_gb * 1e9
    if free is not None and free < asked:
        is_small = node.shm_bytes is not None and node.shm_bytes < asked
        made = f" of {node.shm_bytes / 1e9:.2f} GB" if is_small and node.shm_bytes is not None else ""
        what = f"{free / 1e9:.2f} GB free in /dev/shm{made}, {config.shm_gb:g} asked for"
        hint = "give the container more: --shm-size, --ipc=host; `preflight.shm_gb` is the limit" if is_small else ""
        yield Finding("bad", node.node, what, "/dev/shm" if is_small else "", hint)


CHECKS: tuple[Check, ...] = (
    check_answers,
    check_gpus_seen,
    check_gpu_kind,
    check_gpus_free,
    check_driver,
    check_ecc,
    check_xids,
    check_disks,
    check_shm,
)


def check_node(node: NodeFacts, config: PreflightConfig) -> list[Finding]:
    """All that is wrong with a node."""
    return [finding for check in CHECKS for finding in check(node, config)]
