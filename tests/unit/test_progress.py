"""Progress: items pass unchanged, lines come at most every so often, durations read as a person says them."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qaz_llm import progress
from qaz_llm.progress import format_duration, get_logger, log_to_file, set_up_logging, track


@pytest.fixture(autouse=True)
def _logger_as_before() -> Iterator[None]:
    logger = logging.getLogger("qaz")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What stderr, which is no terminal here, was told since the last call, without the time of day."""
    monkeypatch.delenv("RANK", raising=False)
    return lambda: [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_items_pass_unchanged_and_lazily(said: Callable[[], list[str]]) -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    tracked = track(source(), "read", total=5)
    assert taken == []
    assert next(tracked) == 0
    assert taken == [0]
    assert list(tracked) == [1, 2, 3, 4]


def test_lines_name_rate_and_rest(said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_logging()
    clock = iter([0.0, *(float(second) for second in range(2, 42, 2))])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(track(range(20), "read", total=20, unit="rows"))
    # one row every 2 s; a line when 15 s have passed, so after 16 s (8 rows) and after 32 s (16 rows)
    assert said() == ["read: 8/20 rows, 0.5 rows/s, 24 s left", "read: 16/20 rows, 0.5 rows/s, 8 s left"]


def test_lines_without_a_total(said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_logging()
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(track("ab", "read", unit="rows"))
    assert said() == ["read: 2 rows, 0.1 rows/s"]


def test_a_terminal_gets_a_bar_and_items_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("RANK", raising=False)
    for total in (3, None, 0):
        assert list(track("abc", "read the rows", total=total)) == ["a", "b", "c"]
    assert "read the rows" in terminal.getvalue()


def test_only_the_first_process_speaks(
    said: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    set_up_logging()
    with log_to_file(tmp_path / "logs" / "run.log"):
        get_logger("train").info("step 1")
        get_logger("train").warning("something is wrong")
        assert list(track("ab", "read")) == ["a", "b"]
    assert said() == ["something is wrong"]
    assert not (tmp_path / "logs").exists()


def test_the_log_file_is_appended_to_and_closed(said: Callable[[], list[str]], tmp_path: Path) -> None:
    set_up_logging()
    path = tmp_path / "logs" / "run.log"
    for word in ("бір", "екі"):
        with log_to_file(path):
            get_logger("data").info(word)
    get_logger("data").info("үш")
    assert [line.rsplit(" ", 1)[1] for line in path.read_text(encoding="utf-8").splitlines()] == ["бір", "екі"]
    assert said() == ["бір", "екі", "үш"]


def test_levels(said: Callable[[], list[str]]) -> None:
    for options, spoken in (({}, "iw"), ({"debug": True}, "diw"), ({"quiet": True}, "w")):
        set_up_logging(**options)
        for method, letter in (("debug", "d"), ("info", "i"), ("warning", "w")):
            getattr(get_logger("x"), method)(letter)
        assert "".join(said()) == spoken
