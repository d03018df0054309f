"""Before and after: paired by item, signs by hand, refusals of what does not compare."""

import json
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.compare import compare, compare_scores, read_item_scores
from qaz_llm.evals.parity import parity_report
from qaz_llm.evals.stats import mean_with_interval
from qaz_llm.io import write_json, write_jsonl
from qaz_llm.records import ItemScore

DATA = {"mc": {"data": "aa", "prompts": "bb"}}


def scores(by_language: Mapping[str, Sequence[float]], *, task: str = "mc") -> list[ItemScore]:
    return [
        ItemScore(f"{n}-{code}", str(n), str(n), task, code, "acc", float(value))
        for code, values in by_language.items()
        for n, value in enumerate(values)
    ]


def texts(by_language: Mapping[str, Sequence[tuple[float, int]]]) -> list[ItemScore]:
    return [
        ItemScore(
            f"{n}-{code}", str(n), str(n), "bpb", code, "bits_per_byte", bits, higher_is_better=False, weight=size
        )
        for code, values in by_language.items()
        for n, (bits, size) in enumerate(values)
    ]


def write_evaluation(folder: Path, rows: list[ItemScore], *, data: Mapping[str, Any] = DATA, model: str = "m") -> Path:
    folder.mkdir()
    secondary = [replace(row, metric="acc_per_byte", score=0.5) for row in rows]
    lines = [{**asdict(row), "primary": True} for row in rows] + [
        {**asdict(row), "primary": False} for row in secondary
    ]
    write_jsonl(folder / "items.jsonl", lines)
    write_json(folder / "parity.json", {**parity_report(rows).to_dict(), "model": model, "suite": "s", "data": data})
    return folder


def test_changes_by_hand() -> None:
    base = scores({"kk": [0, 0, 1, 0], "ru": [1, 1, 1, 0]})
    adapted = scores({"kk": [1, 0, 1, 1], "ru": [1, 1, 0, 0]})
    found = compare_scores(base, list(reversed(adapted)))
    kk, ru = found["changes"]["mc"]["kk"], found["changes"]["mc"]["ru"]
    assert (kk["n"], kk["change"], ru["change"]) == (4, 0.5, -0.25)
    assert kk["p"] == pytest.approx(0.5)  # differences 1 0 0 1: two coins on the same side
    assert kk["p_holm"] == pytest.approx(1.0)
    assert (kk["metric"], kk["higher_is_better"]) == ("acc", True)
    moved = found["difference_of_differences"]["mc"]["kk-ru"]
    assert moved["change"] == pytest.approx((0.75 - 0.5) - (0.25 - 0.75))  # gap after − gap before
    assert found["forgetting"] == {"ru": []}


def test_pairing_sees_what_two_separate_intervals_cannot() -> None:
    rng = random.Random(0)
    before = [float(rng.random() < 0.5) for _ in range(200)]
    after = [1.0 if rng.random() < 0.1 else value for value in before]
    found = compare_scores(scores({"kk": before}), scores({"kk": after}))["changes"]["mc"]["kk"]
    separate = [mean_with_interval(values, range(200)) for values in (before, after)]
    assert found["change"] == pytest.approx(statistics.fmean(after) - statistics.fmean(before))
    assert found["p"] < 0.05
    assert separate[0].ci_high is not None and separate[1].ci_low is not None
    assert separate[0].ci_high > separate[1].ci_low


def test_bits_per_byte_change_as_ratios_and_move_gaps_as_sentences() -> None:
    base = texts({"kk": [(100, 50), (300, 250)], "en": [(90, 30), (210, 90)]})
    adapted = texts({"kk": [(80, 50), (200, 250)], "en": [(95, 30), (215, 90)]})
    found = compare_scores(base, adapted)
    assert found["changes"]["bpb"]["kk"]["change"] == pytest.approx(280 / 300 - 400 / 300)
    assert found["changes"]["bpb"]["kk"]["metric"] == "bits_per_byte"
    moved = found["difference_of_differences"]["bpb"]["kk-en"]
    assert moved["change"] == pytest.approx(((80 - 95) + (200 - 215)) / 2 - ((100 - 90) + (300 - 210)) / 2)
    assert (moved["metric"], moved["higher_is_better"]) == ("bits_per_sentence", False)


def test_the_error_of_a_changed_ratio_agrees_with_a_bootstrap() -> None:
    rng = random.Random(8)
    sizes = [rng.randint(50, 300) for _ in range(150)]
    before = [size * rng.uniform(1, 2) for size in sizes]
    after = [bits * rng.uniform(0.8, 1.0) for bits in before]
    found = compare_scores(
        texts({"kk": list(zip(before, sizes, strict=True))}), texts({"kk": list(zip(after, sizes, strict=True))})
    )["changes"]["bpb"]["kk"]
    drawn = [rng.choices(range(150), k=150) for _ in range(3000)]
    changes = [sum(after[i] - before[i] for i in draw) / sum(sizes[i] for i in draw) for draw in drawn]
    reach = (found["ci_high"] - found["ci_low"]) / 2
    assert reach == pytest.approx(1.976 * statistics.stdev(changes), rel=0.06)


def test_forgetting_names_losses_of_either_kind_and_no_gains() -> None:
    n = 40
    base = scores({"kk": [1] * n, "ru": [1] * n, "en": [0] * n}) + texts({"ru": [(100 + i, 50) for i in range(n)]})
    adapted = scores({"kk": [0] * n, "ru": [i % 2 for i in range(n)], "en": [i % 2 for i in range(n)]})
    adapted += texts({"ru": [(130 + 2 * i, 50) for i in range(n)]})
    forgetting = compare_scores(base, adapted)["forgetting"]
    assert [row["task"] for row in forgetting["ru"]] == ["mc", "bpb"]  # fewer right answers; more bits
    assert forgetting["en"] == []
    assert "kk" not in forgetting


def test_the_same_twice_changed_nothing() -> None:
    base = scores({"kk": [0, 1] * 10, "en": [1, 1] * 10})
    found = compare_scores(base, base)
    row = found["changes"]["mc"]["kk"]
    assert (row["change"], row["p"], found["forgetting"]) == (0, 1, {"en": []})
    assert row["ci_low"] < 0 < row["ci_high"]
    json.dumps(found, allow_nan=False)


def test_items_on_one_side_only_are_counted_and_refused() -> None:
    base, adapted = scores({"kk": [1, 0, 1]}), scores({"kk": [1]})
    with pytest.raises(DataError, match=r"2 items .* base model only, 0 .* adapted only"):
        compare_scores(base, adapted)
    with pytest.raises(DataError, match=r"0 items .* base model only, 3 .* adapted only"):
        compare_scores(base, base + scores({"kk": [1, 0, 1]}, task="other"))


def test_other_bytes_or_metrics_are_refused() -> None:
    with pytest.raises(DataError, match="50 bytes in one, 51 in the other"):
        compare_scores(texts({"kk": [(9, 50)]}), texts({"kk": [(9, 51)]}))
    base = scores({"kk": [1.0]})
    with pytest.raises(DataError, match="metric or group differs"):
        compare_scores(base, [replace(base[0], metric="f1")])


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [replace(row, detail={"prediction": 2}) for row in scores({"kk": [1, 0], "ru": [0, 1]})]
    folder = write_evaluation(tmp_path / "a", rows)
    assert read_item_scores(folder / "items.jsonl") == rows
    assert len(read_item_scores(folder / "items.jsonl", primary_only=False)) == 8


def test_compare_folders(tmp_path: Path) -> None:
    base = write_evaluation(tmp_path / "a", scores({"kk": [0, 0, 1, 0], "ru": [1, 1, 1, 0]}), model="before-model")
    adapted = write_evaluation(tmp_path / "b", scores({"kk": [1, 0, 1, 1], "ru": [1, 1, 0, 0]}), model="after-model")
    found = compare(base, adapted, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == found
    assert found["models"] == {"base": "before-model", "adapted": "after-model"}
    assert found["changes"]["mc"]["kk"]["change"] == 0.5
    page = (tmp_path / "out" / "report.html").read_text()
    assert "before-model" in page and "after-model" in page and "0.500 [" in page
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["comparison.json", "report.html"]


def test_other_data_is_refused_and_named(tmp_path: Path) -> None:
    base = write_evaluation(tmp_path / "a", scores({"kk": [0, 1]}))
    adapted = write_evaluation(tmp_path / "b", scores({"kk": [0, 1]}), data={"mc": {"data": "other", "prompts": "bb"}})
    with pytest.raises(InputError, match="mc differ"):
        compare(base, adapted, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_that_are_no_evaluation(tmp_path: Path) -> None:
    base = write_evaluation(tmp_path / "a", scores({"kk": [0, 1]}))
    with pytest.raises(InputError, match=r"parity\.json: no such file"):
        compare(base, tmp_path / "nowhere", tmp_path / "out")
    write_json(tmp_path / "a" / "parity.json", {"scores": {}})
    with pytest.raises(DataError, match="lacks"):
        compare(base, base, tmp_path / "out")
    (tmp_path / "items.jsonl").write_text('{"item_id": "1", "primary": true}\n')
    with pytest.raises(DataError, match="row 1"):
        read_item_scores(tmp_path / "items.jsonl")
    (tmp_path / "items.jsonl").write_text("")
    with pytest.raises(InputError, match="holds no scores"):
        read_item_scores(tmp_path / "items.jsonl")
