"""Evaluations between steps keep to their part of the time, on a clock of the test's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qaz_llm.io import read_jsonl
from qaz_llm.train.config import WatchConfig
from qaz_llm.train.watching import clock as clock_module
from qaz_llm.train.watching import evaluation as module
from qaz_llm.train.watching.best import best_of
from qaz_llm.train.watching.clock import PhaseClock
from qaz_llm.train.watching.evaluation import EvalCallback, takes_too_long


class Status:
    """What was told to the status file."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def set(self, **values: Any) -> None:
        self.values |= values


class Time:
    """A clock that stands still but for what is added to it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def steps_evaluated(folder: Path, monkeypatch: pytest.MonkeyPatch, most: float | None) -> tuple[list[int], Status]:
    """Of 100 steps of 10 s each, with an evaluation of 20 s due after every fifth."""
    time, status = Time(), Status()
    monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(clock_module, "time", time)

    def on_eval(_model: Any, _tokenizer: Any, _step: int) -> dict[str, float]:
        time.now += 20
        return {"kk": 1.5}

    watch: Any = SimpleNamespace(
        run_dir=folder, settings=WatchConfig(max_eval_frac=most), status=status, clock=PhaseClock()
    )
    model: Any = SimpleNamespace(training=True, eval=lambda: None, train=lambda *_: None, config=SimpleNamespace())
    monkeypatch.setattr(module, "evaluating", lambda _model: clock_module.PhaseClock().phase("sampling"))
    callback = EvalCallback(watch, on_eval, None, every_steps=5)  # type: ignore[arg-type]
    control: Any = SimpleNamespace()
    for step in range(1, 101):
        time.now += 10
        callback.on_step_end(None, SimpleNamespace(global_step=step, max_steps=100), control, model=model)  # type: ignore[arg-type]
    return [row["step"] for row in read_jsonl(folder / "evals.jsonl")], status


def test_without_a_limit_all_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, status = steps_evaluated(tmp_path, monkeypatch, None)
    assert steps == list(range(5, 101, 5)) and "evaluations_left_out" not in status.values


def test_a_tenth_of_the_time_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at 50 s. With n behind them, the next is made at step s once 20 (n + 1) <= 0.1 (10 s + 20 n + 20): s >= 18 (n + 1)."""
    steps, status = steps_evaluated(tmp_path, monkeypatch, 0.1)
    assert steps == [5, 40, 55, 75, 90, 100]  # 36, 54, 72, 90 brought to fives; the last step whatever it takes
    assert status.values["evaluations_left_out"] == 20 - len(steps)


def test_the_first_is_made_whatever_it_takes() -> None:
    assert not takes_too_long(0.01, spent_s=0, next_s=None, elapsed_s=1)
    assert takes_too_long(0.01, spent_s=5, next_s=5, elapsed_s=100)


def test_a_mean_is_of_bits_and_not_of_wrong_answers() -> None:
    rows = [{"step": 1, "kk": 2.0, "ru": 1.0, "sib200.kk": 0.2}, {"step": 2, "kk": 1.8, "ru": 1.0, "sib200.kk": 0.9}]
    best = best_of(rows, WatchConfig(keep_best="mean"))
    assert best is not None and (best.step, best.value) == (2, pytest.approx(1.4))
    best = best_of(rows, WatchConfig(keep_best="sib200.kk"))
    assert best is not None and (best.step, best.value) == (1, 0.2)
