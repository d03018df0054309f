"""The learning rate by hand arithmetic, and a metrics file that survives interruption."""

import json
import math

import pytest

from qaz_llm.train.config import TrainSettings
from qaz_llm.train.loop.schedule import lr_factor
from qaz_llm.train.metrics import append_metrics, read_metrics, truncate_metrics


def factors(total: int, **settings) -> list[float]:
    config = TrainSettings(method="cpt", **settings)
    return [lr_factor(step, config, total_steps=total) for step in range(total)]


def test_linear_by_hand() -> None:
    got = factors(10, schedule="linear", warmup_steps=2, min_lr_frac=0.0)
    assert got == pytest.approx([0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_cosine_passes_its_middle_and_nears_its_floor() -> None:
    got = factors(1000, schedule="cosine", min_lr_frac=0.2)
    assert got[0] == 1 and got[500] == pytest.approx(0.6)
    assert got[-1] == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi * 0.999)) / 2)


def test_wsd_stays_and_then_falls() -> None:
    got = factors(10, schedule="wsd", warmup_steps=0, decay_frac=0.4, min_lr_frac=0.0)
    assert got == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_constant_ignores_the_number_of_steps() -> None:
    assert factors(5, schedule="constant") == factors(50, schedule="constant")[:5] == [1.0] * 5


def test_truncating_forgets_later_steps_and_a_torn_line(tmp_path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in range(1, 6):
        append_metrics(path, {"step": step, "loss": 1.0, "tokens": 8 * step, "seconds": 0.5 * step})
    with path.open("a") as stream:
        stream.write('{"step": 6, "lo')
    assert [row["step"] for row in read_metrics(path)] == [1, 2, 3, 4, 5]
    truncate_metrics(path, last_step=3)
    append_metrics(path, {"step": 4, "loss": 2.0, "tokens": 32, "seconds": 2.0})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_a_row_that_lacks_what_all_have_is_damaged(tmp_path, caplog) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = {"step": 1, "loss": 2.0, "tokens": 8, "seconds": 0.5}
    rows = [whole, {"step": 2}, {**whole, "step": 3, "seconds": None}, {**whole, "step": True}, {**whole, "step": 4}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with caplog.at_level("WARNING", logger="qaz_llm"):
        assert [row["step"] for row in read_metrics(path)] == [1, 4]
    assert "3 damaged rows left out, line 2, 3, 4" in caplog.text


def test_truncating_nothing_is_nothing(tmp_path) -> None:
    assert truncate_metrics(tmp_path / "none.jsonl", last_step=3) == []
    assert not (tmp_path / "none.jsonl").exists()
