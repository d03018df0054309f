"""The page of an evaluation, read back with an HTML parser: what stands in which table, and that nothing is loose."""

import csv
import random
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import InputError
from qaz_llm.evals.report import first_examples, render_comparison, write_report
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.io import write_json, write_jsonl
from qaz_llm.records import ItemScore
from qaz_llm.report.figures import interval_text


class Page(HTMLParser):
    """The cells of each table row, all text, and whether tags close in order."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self.details = 0
        self.stack: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in self.VOID:
            return
        self.stack.append(tag)
        self.details += tag == "details"
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.stack and self.stack[-1] in {"td", "th"}:
            self.rows[-1][-1] += data

    def row(self, *start: str) -> list[str]:
        return next(row for row in self.rows if row[: len(start)] == list(start))


def all_scores() -> list[ItemScore]:
    rng = random.Random(0)
    rows = []
    for code, share in (("kk", 0.3), ("ru", 0.7), ("en", 0.8)):
        for n in range(30):
            score = float(rng.random() < share)
            detail = {"prediction": 1, "note": "жауап <жоқ>"}
            rows.append(ItemScore(f"mc-{n}-{code}", f"mc-{n}", f"mc-{n}", "mc", code, "acc", score, detail=detail))
            size = rng.randint(80, 120) * (1 if code == "en" else 2)
            rows.append(
                ItemScore(f"t-{n}-{code}", f"t-{n}", f"t-{n}", "bpb", code, "bits_per_byte", size * 1.5, False, size)
            )
    return rows


def write_folder(folder: Path, *, samples: bool = True, **more: Any) -> Path:
    rows = all_scores()
    write_jsonl(folder / "items.jsonl", [{**asdict(row), "primary": True} for row in rows])
    if samples:
        write_jsonl(
            folder / "samples.jsonl",
            [{"prompt_id": "p1", "language": "kk", "prompt": "Сәлем", "text": "Қалың <b> қалай"}],
        )
    task = {"kind": "multiple_choice", "metric": "acc", "description": "d", "licence": "CC0-1.0", "citation": "c",
            "prompt_version": 1, "languages": ["kk", "ru", "en"], "items": 90}  # fmt: skip
    values = {
        **parity_report(rows).to_dict(),
        "bits_per_byte": {"kk": 1.5},
        "bits_per_sentence": {"kk": 301.25, "ru": 299.5, "en": 150.0},
        "model": "models/tiny",
        "suite": "smoke",
        "tasks": {"mc": task, "bpb": {**task, "kind": "bits_per_byte", "metric": "bits_per_byte"}},
        "data": {"mc": {"data": "f00d"}},
        "versions": {"torch": "2.11"},
        "warnings": [],
        **more,
    }
    write_json(folder / "parity.json", values)
    return folder


def read_page(path: Path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    assert page.stack == []
    return page


def test_the_page_holds_the_numbers_of_the_files(tmp_path: Path) -> None:
    path = write_report(write_folder(tmp_path))
    page = read_page(path)
    assert path == tmp_path / "report.html"
    right = {
        code: sum(r.score for r in all_scores() if r.task == "mc" and r.language == code) / 30
        for code in ("kk", "ru", "en")
    }
    row = page.row("mc", "acc", "30")
    for cell, code in zip(row[3:6], ("kk", "ru", "en"), strict=True):
        assert cell.startswith(f"{right[code]:.3f} [")
    gap = page.row("mc", "kk-ru")
    assert gap[2] == "30"
    assert gap[3].startswith(f"{right['kk'] - right['ru']:.3f} [".replace("-", "−"))
    assert "жауап <жоқ>" in page.text and "Қалың <b> қалай" in page.text
    assert "models/tiny" in page.text and "f00d" in page.text
    assert page.details >= 2  # the items of two tasks


def test_bits_per_byte_stand_apart_with_bits_per_sentence_beside(tmp_path: Path) -> None:
    page = read_page(write_report(write_folder(tmp_path)))
    row = page.row("bpb", "Kazakh")
    assert row[2] == "30" and row[3].startswith("1.500") and row[4] == "301.2"
    assert "Gaps, bits_per_sentence" in page.text
    assert "do not compare languages" in page.text
    assert not any(row[:2] == ["bpb", "bits_per_byte"] and len(row) == 6 for row in page.rows)


def test_only_the_task_made_for_it_has_bits_per_sentence(tmp_path: Path) -> None:
    tasks = {"mc": {"kind": "multiple_choice", "metric": "acc"}, "bpb": {"kind": "qa", "metric": "bits_per_byte"}}
    page = read_page(write_report(write_folder(tmp_path, tasks=tasks)))
    assert page.row("bpb", "Kazakh")[4] == "–"


def test_a_folder_with_little_in_it_gives_a_page(tmp_path: Path) -> None:
    rows = [ItemScore("1", "1", "1", "bpb", "kk", "bits_per_byte", 12.0, False, 6.0)]
    write_jsonl(tmp_path / "items.jsonl", [{**asdict(row), "primary": True} for row in rows])
    write_json(tmp_path / "parity.json", {**parity_report(rows).to_dict(), "warnings": ["only 1 item <each>"]})
    page = read_page(write_report(tmp_path))
    assert "2.000 (no interval: too few items)" in page.text
    assert "only 1 item <each>" in page.text
    assert "no gap can be taken" in page.text


def test_the_same_figures_for_a_spreadsheet_and_for_notes(tmp_path: Path) -> None:
    write_report(write_folder(tmp_path))
    parity = parity_report(all_scores()).to_dict()
    with (tmp_path / "report.csv").open(encoding="utf-8") as stream:
        rows = {(row["what"], row["task"], row["key"]): row for row in csv.DictReader(stream)}
    for what, table, key in (("score", parity["scores"], "score"), ("gap", parity["gaps"], "gap")):
        for task, by in table.items():
            for code, cell in by.items():
                row = rows.pop((what, task, code))
                assert float(row["value"]) == cell[key] and float(row["ci_low"]) == cell["ci_low"]
    assert not rows
    gap = parity["gaps"]["mc"]["kk-ru"]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"| mc | kk-ru | acc | 30 | {interval_text(gap, 'gap')} |" in text


def test_what_stands_behind_the_figures_is_shown(tmp_path: Path) -> None:
    """Subjects, behaviour, costs, contamination, failures with their text, setting: each where it was written."""
    cell = {"n": 7, "score": 0.5, "ci_low": 0.2, "ci_high": 0.8, "metric": "acc", "higher_is_better": True}
    confusion = {"answers": 9, "untold": 1, "sentences": 12, "observed": {"kk": 0.75, "ru": 0.25},
                 "corrected": {"kk": 0.8}, "scripts": {"Cyrl": 1.0}, "wrong_answers": 2, "examples": []}  # fmt: skip
    file = {"task": "mc", "file": "mc.jsonl", "looked_for": False, "items": None, "items_too_short": None,
            "items_met": None, "documents_dropped": None}  # fmt: skip
    failure = {"task": "mc", "language": "kk", "item_id": "q7", "kinds": ["cut"], "text": "ұзын мәтін " * 99,
               "question": "Кім?", "choices": ["Айгүл", "Марат"], "score": 0.0, "metric": "acc", "detail": {}}  # fmt: skip
    folder = write_folder(
        tmp_path,
        by_subject={"mc": {"тарих": {"kk": cell}}},
        behaviour={"languages": {"qa": {"kk": confusion}},
                   "agreement": {"mc": {"kk-ru": {"n": 30, "agreement": 0.6, "kappa": 0.4, "unread": 0}}}},
        text_costs={"bpb": {"kk": {"bits_per_sentence": 300.0, "tokens_per_word": 2.25, "bytes_per_token": 5.5}}},
        contamination={"manifest": "m.json", "fingerprint": "f" * 32, "ngram_words": 13, "files": [file]},
        doubts={"mc": {"kk": {"cut": {"items": 3, "of": 30, "examples": ["q7"]}}}},
        setting={"dtype": "float32", "window_tokens": 256},
    )  # fmt: skip
    write_jsonl(folder / "failures.jsonl", [failure])
    page = read_page(write_report(folder))
    assert page.row("тарих (7)")[1] == "0.500 [0.200, 0.800]"
    assert page.row("Kazakh (12)")[1:3] == ["75 %", "25 %"] and page.row("Kazakh", "9")[2] == "2"
    assert page.row("mc", "kk-ru", "30", "0.600") and page.row("bpb", "Kazakh")[5:] == ["2.250", "5.500"]
    assert page.row("mc", "mc.jsonl")[2] == "no: not known"
    assert page.row("mc", "kk")[2] == "3 of 30" and "Айгүл" in page.text and "(1,089 characters)" in page.text
    assert page.row("dtype") == ["dtype", "float32"] and page.row("window tokens") == ["window tokens", "256"]


def test_a_folder_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"parity\.json"):
        write_report(tmp_path)


def test_examples_take_the_languages_in_turn_and_primary_rows_only() -> None:
    rows = [
        {"task": "t", "language": code, "item_id": f"{code}{n}", "primary": primary}
        for code in ("en", "kk", "ru")
        for n in range(3)
        for primary in (False, True)
    ]
    assert [row["item_id"] for row in first_examples(rows)["t"]] == ["kk0", "ru0", "en0", "kk1", "ru1"]
    assert len(first_examples(rows, per_task=20)["t"]) == 9


def test_a_comparison_says_better_worse_and_forgotten() -> None:
    def change(value: float, p: float, *, higher: bool = True) -> dict[str, Any]:
        return {"n": 9, "change": value, "ci_low": value - 0.1, "ci_high": value + 0.1, "p": p, "p_holm": p,
                "metric": "acc" if higher else "bits_per_byte", "higher_is_better": higher}  # fmt: skip

    changes = {
        "mc": {"kk": change(0.3, 0.001), "ru": change(-0.2, 0.01), "en": change(-0.01, 0.9)},
        "bpb": {"kk": change(-0.4, 0.0001, higher=False)},
    }
    score = {"n": 9, "score": 0.25, "ci_low": 0.1, "ci_high": 0.4, "metric": "acc", "higher_is_better": True}
    values = {
        "base": "base",
        "models": {"base": "b", "adapted": "a"},
        "versus": {
            "adapted": {
                "changes": changes,
                "difference_of_differences": {"mc": {"kk-ru": change(0.5, 0.02)}},
                "forgetting": {"ru": [{"task": "mc", **changes["mc"]["ru"]}], "en": []},
                "non_inferiority": {
                    "en": {
                        "verdict": "undecided",
                        "margin": 0.02,
                        "tasks": {"mc": {"verdict": "undecided", "margin": 0.02}},
                    }
                },
            }
        },
        "scores": {"base": {"mc": {"kk": score}}, "adapted": {}},
        "data": {"mc": "x"},
    }
    page = Page(render_comparison(values))
    assert page.row("mc", "kk")[-1] == "better" and page.row("mc", "kk")[3:5] == ["0.250", "–"]
    assert page.row("mc", "ru")[-1] == "worse"
    assert page.row("mc", "en")[-1] == "not significant"
    assert page.row("bpb", "kk")[-1] == "better" and page.row("bpb", "kk")[6] == "<0.001"
    assert page.row("mc", "kk-ru")[3].startswith("0.500 [")
    assert page.row("English", "mc") == ["English", "mc", "0.020", "undecided"]
    assert "Russian got worse in mc −0.200" in page.text
    assert "English: nothing got significantly worse." in page.text
