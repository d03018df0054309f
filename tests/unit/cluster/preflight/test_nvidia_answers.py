"""The driver's answers and the kernel's messages, as they are written, read by hand beside them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from qaz_llm.cluster.asking import Answer, ask
from qaz_llm.cluster.preflight.facts import GpuProcess, XidEvent
from qaz_llm.cluster.preflight.kernel_log import parse_xids, read_xids
from qaz_llm.cluster.preflight.nvidia import CARDS, ERRORS, PROCESSES, ROWS, parse_cards, parse_processes, read_cards

CARD_LINES = """\
0, GPU-aa, NVIDIA H200, 00000000:0A:00.0, 570.86.15, 143771, 4
1, GPU-bb, NVIDIA H200, 00000000:18:00.0, 570.86.15, 143771, [N/A]
"""
ANSWERS = {
    CARDS: Answer(CARD_LINES),
    ERRORS: Answer("GPU-aa, 0\nGPU-bb, 3\n"),
    ROWS: Answer("GPU-aa, No, No\nGPU-bb, 0, 1\n"),
    PROCESSES: Answer("GPU-aa, 4711, /usr/bin/python3, a, b, 512\nGPU-bb, [N/A], x, [N/A]\n"),
}


def test_cards_are_read() -> None:
    cards = read_cards(lambda command: ANSWERS[tuple(command)])  # type: ignore[index]
    first, second = cards.gpus
    assert (first.bus, first.used_bytes, first.uncorrected_errors, first.reset_needed) == (
        "0000:0a:00",
        4 << 20,
        0,
        False,
    )
    assert (second.used_bytes, second.uncorrected_errors, second.remap_failed, second.reset_needed) == (
        None,
        3,
        False,
        True,
    )
    assert cards.driver == "570.86.15" and cards.unread == () and cards.hangs is None
    assert cards.processes == (GpuProcess("GPU-aa", 4711, "/usr/bin/python3, a, b", 512 << 20),)


def test_only_the_job_s_own_cards_count() -> None:
    cards = read_cards(lambda command: ANSWERS[tuple(command)], names={"GPU-bb"})  # type: ignore[index]
    assert [gpu.uuid for gpu in cards.gpus] == ["GPU-bb"]


def test_a_name_with_commas_is_one_cell() -> None:
    """One rule for cards and processes: cells before the name and cells behind it are counted from their ends."""
    line = "0, GPU-aa, NVIDIA X1, 80GB, rev 2, 00000000:0A:00.0, 570.86.15, 143771, 4\n"
    (card,), driver = parse_cards(line)
    assert (card.name, card.bus, card.used_bytes, driver) == (
        "NVIDIA X1, 80GB, rev 2",
        "0000:0a:00",
        4 << 20,
        "570.86.15",
    )
    (process,) = parse_processes("GPU-aa, 4711, python, -c, x, 512\n")
    assert (process.pid, process.name, process.used_bytes) == (4711, "python, -c, x", 512 << 20)
    assert parse_cards("0, GPU-aa, X, 0:0A:0, 570, 4") == ((), None)


def test_a_complaint_among_the_cards_is_said() -> None:
    complaint = "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error"
    cards = read_cards(lambda c: Answer(CARD_LINES + complaint) if c == CARDS else ANSWERS[tuple(c)])  # type: ignore[index]
    assert len(cards.gpus) == 2 and cards.unread == (f"a line of nvidia-smi: {complaint}",)


def test_what_is_not_told_is_said() -> None:
    def answer(command: Sequence[str]) -> Answer:
        if command == ROWS:
            return Answer(None, "nvidia-smi: unknown option")
        return Answer("GPU-aa, [N/A]\nGPU-bb, [N/A]\n") if command == ERRORS else ANSWERS[tuple(command)]  # type: ignore[index]

    cards = read_cards(answer)
    assert cards.gpus[0].uncorrected_errors is None and cards.gpus[0].remap_failed is None
    assert cards.unread == (
        "remapped rows: nvidia-smi: unknown option",
        "ECC errors: not told by the driver (ECC is off, or the card has none)",
    )


def test_a_driver_that_hangs_is_no_driver_that_is_missing() -> None:
    late = read_cards(lambda _: Answer(None, "nvidia-smi gave no answer for 20 s", is_late=True))
    missing = read_cards(lambda _: Answer(None, "no nvidia-smi", is_missing=True))
    assert late.hangs == "nvidia-smi gave no answer for 20 s" and missing.hangs is None
    assert missing.unread == ("GPUs' memory, ECC and processes: no nvidia-smi",)


MESSAGES = """\
[    0.000000] Linux version 6.8.0
[ 8123.456789] NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, name=python, GPU has fallen off the bus.
[12000.000000] NVRM: Xid (PCI:0000:86:00): 31, pid=12, name=python, Ch 00000010, MMU Fault
[12001.000000] a program wrote: Xid (PCI:0000:86:00): 79
"""


def test_xid_errors_are_read_with_their_age() -> None:
    assert list(parse_xids(MESSAGES, 12123.456789)) == [
        XidEvent("0000:3b:00", 79, 4000.0),
        XidEvent("0000:86:00", 31, pytest.approx(123.456789)),
    ]


def test_messages_that_may_not_be_read_are_said() -> None:
    found, why = read_xids(lambda _: Answer(None, "dmesg: read kernel buffer failed: Operation not permitted"))
    assert found == () and why == "Xid errors: dmesg: read kernel buffer failed: Operation not permitted"


def test_programs_are_asked() -> None:
    assert ask(["printf", "a"]) == Answer("a")
    assert ask(["no-such-program-here"]).is_missing
    assert ask(["sh", "-c", "echo why >&2; exit 3"]) == Answer(None, "sh: why")
    assert ask(["sh", "-c", "echo a >&2; echo b >&2; exit 3"]) == Answer(None, "sh: a; b")
    assert ask(["pwd"], cwd="/") == Answer("/\n")
    assert ask(["sh", "-c", "exit 3"]) == Answer(None, "sh: exit code 3")
    assert ask(["sleep", "60"], timeout_s=0.1).is_late
