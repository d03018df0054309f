"""Before and after: paired by item, signs by hand, refusals of what does not compare."""

import json
import random
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import DamagedFileError, DataError, InputError
from qaz_llm.evals.comparing.compare import compare
from qaz_llm.evals.comparing.compare import compare_scores as compare_all
from qaz_llm.evals.comparing.finished import read_item_scores
from qaz_llm.evals.comparing.leaderboard import leaderboard
from qaz_llm.evals.stats import mean_with_interval
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.io import read_jsonl, write_json, write_jsonl
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


def compare_scores(base: Sequence[ItemScore], adapted: Sequence[ItemScore]) -> dict[str, Any]:
    found: dict[str, Any] = compare_all({"base": base, "adapted": adapted})["adapted"]
    return found


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
    with pytest.raises(DataError, match=r"2 items .* base only, 0 .* adapted only"):
        compare_scores(base, adapted)
    with pytest.raises(DataError, match=r"0 items .* base only, 3 .* adapted only"):
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
    found = compare([base, adapted], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == found
    assert (found["base"], found["models"]) == ("a", {"a": "before-model", "b": "after-model"})
    assert found["versus"]["b"]["changes"]["mc"]["kk"]["change"] == 0.5
    page = (tmp_path / "out" / "report.html").read_text()
    assert "before-model" in page and "after-model" in page and "0.500 [" in page
    files = ["comparison.json", "report.csv", "report.html", "report.md"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == files


def test_any_number_against_any_base(tmp_path: Path) -> None:
    rows = {"a": [0, 0, 1, 0], "b": [1, 0, 1, 1], "c": [1, 1, 1, 1]}
    folders = [write_evaluation(tmp_path / name, scores({"kk": row, "ru": [1, 1, 1, 0]})) for name, row in rows.items()]
    found = compare(folders, tmp_path / "out")
    alone = compare(folders[::2], tmp_path / "two")
    changes = {name: parts["changes"]["mc"]["kk"] for name, parts in found["versus"].items()}
    assert {name: row["change"] for name, row in changes.items()} == {"b": 0.5, "c": 0.75}
    assert changes["c"]["p"] == alone["versus"]["c"]["changes"]["mc"]["kk"]["p"]
    assert changes["c"]["p_holm"] == pytest.approx(min(1, 4 * changes["c"]["p"]))  # two models, two languages
    moved = {
        name: parts["difference_of_differences"]["mc"]["kk-ru"]["change"] for name, parts in found["versus"].items()
    }
    assert moved == {"b": 0.5, "c": 0.75}  # Russian is the same in all
    turned = compare(folders, tmp_path / "turned", base=folders[2])
    assert list(turned["versus"]) == ["a", "b"]
    assert turned["versus"]["a"]["changes"]["mc"]["kk"]["change"] == -0.75
    with pytest.raises(InputError, match="none of the evaluations"):
        compare(folders[:2], tmp_path / "x", base=folders[2])
    with pytest.raises(InputError, match="named twice"):
        compare([folders[0], tmp_path / "b" / ".." / "a"], tmp_path / "x")
    with pytest.raises(InputError, match="nothing to be compared with"):
        compare(folders[:1], tmp_path / "x")


def test_other_data_is_refused_and_named(tmp_path: Path) -> None:
    base = write_evaluation(tmp_path / "a", scores({"kk": [0, 1]}))
    adapted = write_evaluation(tmp_path / "b", scores({"kk": [0, 1]}), data={"mc": {"data": "other", "prompts": "bb"}})
    with pytest.raises(InputError, match=r"a and b .* data of mc \(aa and other\)"):
        compare([base, adapted], tmp_path / "out")
    more = write_evaluation(tmp_path / "c", scores({"kk": [0, 1]}), data={**DATA, "more": {"data": "x"}})
    with pytest.raises(InputError, match="task more is in the second only"):
        compare([base, more], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [{"dtype": "bfloat16"}, {"shots": 5}, {"window_tokens": 128}, {"start_token": "<s>"}, {"chat_template": "chatml"}],
)
def test_what_was_scored_otherwise_is_refused_unless_it_is_allowed(tmp_path: Path, change: dict[str, Any]) -> None:
    setting = {"dtype": "float32", "shots": 0, "window_tokens": 64, "start_token": None, "chat_template": "none"}
    (name, value) = next(iter(change.items()))
    folders = [write_evaluation(tmp_path / label, scores({"kk": [0, 1]})) for label in "ab"]
    for folder, own in zip(folders, (setting, {**setting, **change}), strict=True):
        write_json(folder / "parity.json", {**json.loads((folder / "parity.json").read_text()), "setting": own})
    with pytest.raises(InputError, match=rf"a and b were not scored alike: {name} \({setting[name]} and {value}\)"):
        compare(folders, tmp_path / "out")
    found = compare(folders, tmp_path / "out", allowed=[name])
    assert any(name in warning and "was allowed" in warning for warning in found["warnings"])
    with pytest.raises(InputError, match="no part of a setting"):
        compare(folders, tmp_path / "out", allowed=["weather"])


def declaring(folder: Path, **declared: Any) -> Path:
    write_json(folder / "parity.json", {**json.loads((folder / "parity.json").read_text()), "declared": declared})
    return folder


def test_a_margin_that_was_declared_beforehand(tmp_path: Path) -> None:
    """400 items: none lost is shown to be kept; 60 lost (0.15) is not; 4 lost and found is neither."""
    n = 400
    base = [1.0] * n
    ends = {"same": base, "lost": [0.0] * 60 + [1.0] * (n - 60), "some": [0.0] * 6 + [1.0] * (n - 6)}
    margins = {"non_inferiority": {"ru": 0.02}}
    folders = [declaring(write_evaluation(tmp_path / "base", scores({"kk": base, "ru": base})), **margins)]
    for name, row in ends.items():
        folders.append(declaring(write_evaluation(tmp_path / name, scores({"kk": base, "ru": row})), **margins))
    found = compare(folders, tmp_path / "out")["versus"]
    verdicts = {name: parts["non_inferiority"]["ru"]["verdict"] for name, parts in found.items()}
    assert verdicts == {"same": "non-inferior", "lost": "inferior", "some": "undecided"}
    declaring(folders[1], non_inferiority={"ru": 0.1})
    with pytest.raises(InputError, match="declared another non_inferiority beforehand"):
        compare(folders, tmp_path / "out")


def test_the_margin_of_bits_is_a_share_of_the_base() -> None:
    base = texts({"ru": [(100 + n % 3, 50) for n in range(60)]})
    for factor, verdict in ((1.01, "non-inferior"), (1.04, "inferior")):
        later = [replace(row, score=row.score * factor) for row in base]
        first = parity_report(base).to_dict()["scores"]
        found = compare_all({"a": base, "b": later}, margins={"ru": 0.02}, base_scores=first)["b"]["non_inferiority"]
        assert found["ru"]["verdict"] == verdict
        assert found["ru"]["tasks"]["bpb"]["margin"] == pytest.approx(0.02 * first["bpb"]["ru"]["score"])


def test_tests_that_are_not_parallel_are_never_differenced(tmp_path: Path) -> None:
    folders = [write_evaluation(tmp_path / label, scores({"kk": [0, 1, 1], "ru": [1, 0, 1]})) for label in "ab"]
    doubts = {"mc": {"kk": {"not_parallel": {"items": 3, "of": 3, "examples": ["0"]}}}}
    write_json(folders[1] / "parity.json", {**json.loads((folders[1] / "parity.json").read_text()), "doubts": doubts})
    parts = compare(folders, tmp_path / "out")["versus"]["b"]
    assert parts["difference_of_differences"] == {} and set(parts["changes"]["mc"]) == {"kk", "ru"}


def test_folders_that_are_no_evaluation(tmp_path: Path) -> None:
    base = write_evaluation(tmp_path / "a", scores({"kk": [0, 1]}))
    with pytest.raises(InputError, match=r"parity\.json: no such file"):
        compare([base, tmp_path / "nowhere"], tmp_path / "out")
    write_json(tmp_path / "a" / "parity.json", {"scores": {}})
    with pytest.raises(DataError, match="lacks"):
        compare([base, write_evaluation(tmp_path / "b", scores({"kk": [0, 1]}))], tmp_path / "out")
    (tmp_path / "items.jsonl").write_text('{"item_id": "1", "primary": true}\n')
    with pytest.raises(DataError, match="row 1"):
        read_item_scores(tmp_path / "items.jsonl")
    (tmp_path / "items.jsonl").write_text("")
    with pytest.raises(InputError, match="holds no scores"):
        read_item_scores(tmp_path / "items.jsonl")


def edited(folder: Path, path: Sequence[str], value: Any) -> None:
    """parity.json with one value put in the place of another."""
    values: Any = json.loads((folder / "parity.json").read_text())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "parity.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("scores", "mc", "kk", "score"), 0.99, "parity.json says 0.99 over 4 items for mc in kk, items.jsonl holds 0.25 over 4"),
        (("scores", "mc", "kk", "n"), 800, "over 800 items"),
        (("scores", "mc", "kk", "score"), "0.25", "score is '0.25'"),
        (("scores", "mc", "kk", "score"), None, "score is None"),
        (("scores", "mc", "kk"), [0.25], "no object"),
        (("scores",), [], "lacks scores"),
        (("setting",), None, "setting is no object"),
        (("gaps",), {"mc": {"kk-ru": {"n": 4}}}, "n or metric is missing"),
        (("doubts",), {"mc": {"kk": {"tie": 3}}}, "doubts of mc are not counted"),
    ],
)  # fmt: skip
def test_a_summary_that_was_changed_is_refused(tmp_path: Path, path: Sequence[str], value: Any, said: str) -> None:
    good, bad = (
        write_evaluation(tmp_path / name, scores({"kk": [0, 0, 1, 0], "ru": [1, 1, 1, 0]})) for name in ("good", "bad")
    )
    edited(bad, path, value)
    with pytest.raises(DamagedFileError, match=re.escape(said)):
        compare([good, bad], tmp_path / "out")
    board = leaderboard([good, bad])
    assert board["evaluations"] == 1 and any(said in note for note in board["notes"])


def test_an_item_that_was_changed_is_refused(tmp_path: Path) -> None:
    good, bad = (write_evaluation(tmp_path / name, scores({"kk": [0, 0, 1, 0]})) for name in ("good", "bad"))
    rows = list(read_jsonl(bad / "items.jsonl"))
    write_jsonl(bad / "items.jsonl", [{**row, "score": 1.0} for row in rows])
    with pytest.raises(DamagedFileError, match=r"items\.jsonl holds 1 over 4"):
        compare([good, bad], tmp_path / "out")


def test_the_report_of_an_evaluation_is_never_replaced_by_a_comparison(tmp_path: Path) -> None:
    one, two = (write_evaluation(tmp_path / name, scores({"kk": [0, 0, 1, 0]})) for name in ("one", "two"))
    with pytest.raises(InputError, match="whose report it would replace"):
        compare([one, two], one)
    with pytest.raises(InputError, match="whose report it would replace"):
        leaderboard([one, two], out=two)


def test_other_items_cannot_be_allowed(tmp_path: Path) -> None:
    one, two = (write_evaluation(tmp_path / name, scores({"kk": [0, 0, 1, 0]})) for name in ("one", "two"))
    edited(one, ("setting",), {"max_items": 4, "dtype": "float32"})
    edited(two, ("setting",), {"max_items": 8, "dtype": "bfloat16"})
    with pytest.raises(InputError, match=r"--allow dtype$"):
        compare([one, two], tmp_path / "out")
    with pytest.raises(InputError, match="max_items is no part of a setting that may differ"):
        compare([one, two], tmp_path / "out", allowed=["max_items", "dtype"])
