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
CARD_CELLS, PROCESS_CELLS = (2, 4), (2, 1)
"""Cells before and after the name, which alone may hold commas: the CSV has no quotes."""


@dataclass(frozen=True)
class Cards:
    """The GPUs of a node. `why`: what stands in place of an answer; `hangs`: that the driver gave none at all."""

    gpus: tuple[GpuFacts, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    driver: str | None = None
    unread: tuple[str, ...] = ()
    why: str = ""
    hangs: str | None = None


def read_cards(ask: Ask, *, names: Collection[str] | None = None) -> Cards:
    """Ask the driver. `names`: of the GPUs that this job may use, by index or (first letters of) UUID; None for all."""
    cards = ask(CARDS)
    if cards.text is None:
        not_known = f"GPUs' memory, ECC and processes: {cards.why}"
        return Cards(unread=(not_known,), why=cards.why, hangs=cards.why if cards.is_late else None)
    gpus, driver = parse_cards(cards.text)
    gpus = tuple(gpu for gpu in gpus if names is None or _is_named(gpu, names))
    answers = {"ECC errors": ask(ERRORS), "remapped rows": ask(ROWS), "processes on GPUs": ask(PROCESSES)}
    unread = [f"{what}: {answer.why}" for what, answer in answers.items() if answer.text is None]
    unread += [f"a line of nvidia-smi: {line}" for line in _odd_lines(cards.text, *CARD_CELLS)]
    errors, rows = _by_uuid(answers["ECC errors"], 1), _by_uuid(answers["remapped rows"], 2)
    known = tuple(_with_errors(gpu, errors.get(gpu.uuid, ()), rows.get(gpu.uuid, ())) for gpu in gpus)
    unread += _not_told(known, asked_errors=bool(errors), asked_rows=bool(rows))
    processes = tuple(parse_processes(answers["processes on GPUs"].text or ""))
    return Cards(known, processes, driver, tuple(unread))


def _is_named(gpu: GpuFacts, names: Collection[str]) -> bool:
    return any(name == str(gpu.index) or (name != "" and gpu.uuid.startswith(name)) for name in names)


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
    version = None
    for index, uuid, name, bus, driver, total, used in _rows(text, *CARD_CELLS):
        gpus.append(GpuFacts(_number(index) or 0, uuid, name, short_bus(bus), _mib(total), _mib(used)))
        version = driver
    return tuple(gpus), version


def parse_processes(text: str) -> Iterator[GpuProcess]:
    """Processes, from the answer to PROCESSES."""
    for uuid, pid, name, used in _rows(text, *PROCESS_CELLS):
        if (number := _number(pid)) is not None:
            yield GpuProcess(uuid, number, name, _mib(used))


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


def _rows(text: str, before: int, after: int) -> Iterator[list[str]]:
    """The cells of each line: so many before a name, the name with whatever commas it holds, and so many after it.

    >>> list(_rows("0, GPU-aa, a, b, 570, 4", 2, 2))
    [['0', 'GPU-aa', 'a, b', '570', '4']]
    """
    for line in text.splitlines():
        *first, rest = line.split(",", before)
        cells = [cell.strip() for cell in (*first, *rest.rsplit(",", after))]
        if len(cells) == before + 1 + after:
            yield cells


def _odd_lines(text: str, before: int, after: int) -> list[str]:
    """Lines that are no row: the driver writes its complaints of one GPU among the others' rows."""
    return [line.strip() for line in text.splitlines() if line.strip() and not list(_rows(line, before, after))]


def _by_uuid(answer: Answer, values: int) -> Mapping[str, Sequence[str]]:
    """So many values of each GPU, none of which holds a comma."""
    return {uuid: cells for uuid, *cells in _rows(answer.text or "", 1, values - 1)}


def _number(cell: str) -> int | None:
    return int(cell) if cell.isdecimal() else None


def _mib(cell: str) -> int | None:
    number = _number(cell)
    return None if number is None else number * _MIB


def _is_yes(cell: str) -> bool | None:
    word = cell.lower()
    return word in ("yes", "1") if word in ("yes", "no", "0", "1") else None
