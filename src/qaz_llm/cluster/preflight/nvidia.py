"""What NVIDIA's driver says of the GPUs of a node, by `nvidia-smi`, which comes with every driver.

Lines of CSV, one a GPU; a value that the card or the driver does not have is `[N/A]`, `[Not Supported]` or the like.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qaz_llm.cluster.asking import Answer, Ask
from qaz_llm.cluster.preflight.facts import GpuFacts, GpuProcess

_MIB = 1 << 20
_CSV = "--format=csv,noheader,nounits"
CARDS = ("nvidia-smi", "--query-gpu=index,uuid,name,pci.bus_id,driver_version,memory.total,memory.used", _CSV)
ERRORS = ("nvidia-smi", "--query-gpu=uuid,ecc.errors.uncorrected.volatile.total", _CSV)
ROWS = ("nvidia-smi", "--query-remapped-rows=gpu_uuid,remapped_rows.failure,remapped_rows.pending", _CSV)
PROCESSES = ("nvidia-smi", "--query-compute-apps=gpu_uuid,pid,process_name,used_memory", _CSV)


@dataclass(frozen=True)
class Cards:
    """The GPUs of a node. `hangs`: the driver gave no answer at all."""

    gpus: tuple[GpuFacts, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    driver: str | None = None
    unread: tuple[str, ...] = ()
    hangs: str | None = None


def read_cards(ask: Ask, *, uuids: Collection[str] | None = None) -> Cards:
    """Ask the driver. `uuids`: of the GPUs that this job may use, None for all."""
    cards = ask(CARDS)
    if cards.text is None:
        return Cards(
            unread=(f"GPUs' memory, ECC and processes: {cards.why}",), hangs=cards.why if cards.is_late else None
        )
    gpus, driver = parse_cards(cards.text)
    gpus = tuple(gpu for gpu in gpus if uuids is None or gpu.uuid in uuids)
    answers = {"ECC errors": ask(ERRORS), "remapped rows": ask(ROWS), "processes on GPUs": ask(PROCESSES)}
    unread = [f"{what}: {answer.why}" for what, answer in answers.items() if answer.text is None]
    errors, rows = _by_uuid(answers["ECC errors"]), _by_uuid(answers["remapped rows"])
    known = tuple(_with_errors(gpu, errors.get(gpu.uuid, ()), rows.get(gpu.uuid, ())) for gpu in gpus)
    unread += _not_told(known, asked_errors=bool(errors), asked_rows=bool(rows))
    processes = tuple(parse_processes(answers["processes on GPUs"].text or ""))
    return Cards(known, processes, driver, tuple(unread))


def _with_errors(gpu: GpuFacts, errors: Sequence[str], rows: Sequence[str]) -> GpuFacts:
    return replace(
        gpu,
        uncorrected_errors=_number(errors[0]) if errors else None,
        remap_failed=_is_yes(rows[0]) if rows else None,
        reset_needed=_is_yes(rows[1]) if len(rows) > 1 else None,
    )


def _not_told(gpus: Sequence[GpuFacts], *, asked_errors: bool, asked_rows: bool) -> Iterator[str]:
    """What the driver answered without saying it."""
    if asked_errors and any(gpu.uncorrected_errors is None for gpu in gpus):
        yield "ECC errors: not told by the driver (ECC is off, or the card has none)"
    if asked_rows and any(gpu.remap_failed is None for gpu in gpus):
        yield "remapped rows: not told by the driver"


def parse_cards(text: str) -> tuple[tuple[GpuFacts, ...], str | None]:
    """GPUs and the driver's version, from the answer to CARDS."""
    gpus: list[GpuFacts] = []
    driver = None
    for cells in _lines(text, 7):
        index, uuid, name, bus, driver, total, used = cells
        gpus.append(GpuFacts(_number(index) or 0, uuid, name, short_bus(bus), _mib(total), _mib(used)))
    return tuple(gpus), driver


def parse_processes(text: str) -> Iterator[GpuProcess]:
    """Processes, from the answer to PROCESSES. A name may hold commas."""
    for cells in _lines(text, 4):
        uuid, pid, *names, used = cells
        if (number := _number(pid)) is not None:
            yield GpuProcess(uuid, number, ", ".join(names), _mib(used))


def short_bus(bus: str) -> str:
    """`00000000:3B:00.0` as the kernel writes it.

    >>> short_bus("00000000:3B:00.0")
    '0000:3b:00'
    """
    domain, _, rest = bus.lower().partition(":")
    return f"{domain[-4:]}:{rest.partition('.')[0]}"


def driver_cuda() -> str | None:
    """The newest CUDA that the driver knows, `12.8`; None without a driver. By cuDriverGetVersion, which opens no GPU."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        version = ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
            return None
    except (OSError, AttributeError):
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def _lines(text: str, least: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) >= least:
            yield cells


def _by_uuid(answer: Answer) -> Mapping[str, Sequence[str]]:
    return {cells[0]: cells[1:] for cells in _lines(answer.text or "", 2)}


def _number(cell: str) -> int | None:
    return int(cell) if cell.isdecimal() else None


def _mib(cell: str) -> int | None:
    number = _number(cell)
    return None if number is None else number * _MIB


def _is_yes(cell: str) -> bool | None:
    word = cell.lower()
    return word in ("yes", "1") if word in ("yes", "no", "0", "1") else None
