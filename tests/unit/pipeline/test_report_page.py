"""The page and report.json of a run, from facts made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import load_config
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.report import RunFacts, render_report, report_values

ROOT = Path(__file__).parents[3]
HOSTILE = '<script>alert("қ")</script> & <img src=https://example.org/x.png>'


def fertility(tokens: int, words: int) -> dict[str, float]:
    return {
        "texts": 10, "words": words, "tokens": tokens, "bytes": 4 * tokens, "whole_words": words // 4,
        "tokens_per_word": tokens / words, "bytes_per_token": 4.0, "tokens_per_text": tokens / 10,
        "whole_words_frac": 0.25,
    }  # fmt: skip


def score(value: float) -> dict[str, Any]:
    return {
        "n": 48, "score": value, "ci_low": value - 0.1, "ci_high": value + 0.1, "metric": "acc", "higher_is_better": True,
    }  # fmt: skip


def gap(value: float) -> dict[str, Any]:
    return {
        "n": 48, "gap": value, "ci_low": value - 0.0625, "ci_high": value + 0.0625, "p": 0.01, "p_holm": 0.02,
        "minimum_detectable": 0.125, "metric": "acc", "higher_is_better": True,
    }  # fmt: skip


def stage(seconds: float) -> dict[str, Any]:
    return {"status": "done", "seconds": seconds, "fingerprint": "0123456789abcdef" * 2, "summary": {}}


def parity(kk: float, ru: float, en: float) -> dict[str, Any]:
    return {
        "scores": {"qaz_mc": {"kk": score(kk), "ru": score(ru), "en": score(en)}},
        "gaps": {"qaz_mc": {"kk-ru": gap(kk - ru), "kk-en": gap(kk - en)}},
    }


@pytest.fixture
def facts() -> RunFacts:
    words = {"base": fertility(600, 100), "extended": fertility(250, 100)}
    languages = ("kk", "ru", "en")
    change = {"change": -0.375, "ci_low": -0.4, "ci_high": -0.35, "p": 0.0001, "p_holm": 0.0002, "n": 48}
    return RunFacts(
        config=load_config(RunConfig, ROOT / "configs" / "demo.yaml", ["run_dir=runs/қазақша", "title=A & B < C"]),
        stages={"corpus": stage(61.0), "tokenizer": stage(2.0), "cpt": stage(120.0), "eval": stage(17.0)},
        corpus={
            "documents_in": 1234,
            "documents_out": 1000,
            "dropped": {"near_duplicate": 34, "too_short": 200},
            "pii": {"phone": 7},
            "languages": {"kk": {"documents": 1000, "words": 56789, "bytes": 1_250_000}},
            "sources": {HOSTILE: {"licence": "CC0-1.0", "in": 1234, "out": 1000, "dropped": {"too_short": 200}}},
        },
        fertility={name: dict.fromkeys(languages, words[name]) for name in words},
        metrics={"cpt": [{"step": n, "loss": 5.0 - n, "tokens": 3000 * n, "seconds": 20.0 * n} for n in (1, 2)]},
        watched={"cpt": [{"step": n, "kk": 3.0 - n, "ru": 2.0, "en": 2.5} for n in (1, 2)]},
        evaluation={
            "bits_per_byte": {
                "base": {"kk": 4.0, "ru": 2.0, "en": 2.125},
                "extended": {"kk": 3.5, "ru": 2.0, "en": 2.125},
                "cpt": {"kk": 1.5, "ru": 2.0625, "en": 2.25},
                "adapted": {"kk": 1.0, "ru": 2.03125, "en": 2.21875},
            },
            "bits_per_sentence": {
                name: {"kk": 400.0, "ru": 200.0, "en": 150.5} for name in ("base", "extended", "cpt", "adapted")
            },
            "parity": {"base": parity(0.25, 0.5, 0.5), "adapted": parity(0.4375, 0.5, 0.5625)},
            "adaptation": {"qaz_mc": {"kk": change}},
            "difference_of_differences": {},
            "forgetting": {},
            "tasks": {},
            "data": {},
        },
        samples=[
            {"model": "base", "language": "kk", "prompt": "Абай", "text": HOSTILE, "kind": "continue", "prompt_id": "1"}
        ],
        run={"packages": {"torch": "2.11.0"}, "git_commit": "abcdef0123456789"},
    )


def test_preferences_are_reported_with_how_far_the_answers_came_apart(facts: RunFacts) -> None:
    config = load_config(RunConfig, ROOT / "configs" / "demo_preference.yaml")
    rows = [
        {"step": n, "loss": 0.75 - n / 8, "tokens": 9 * n, "seconds": 2.0 * n, "reward_chosen": n / 4,
         "reward_rejected": -n / 2, "reward_margin": 3 * n / 4, "reward_accuracy_frac": n / 4}
        for n in (1, 2, 3)
    ]  # fmt: skip
    preferring = replace(facts, config=config, metrics={**facts.metrics, "preference": rows})
    values = report_values(preferring)["preference"]
    assert values["first"]["loss"] == 0.625
    assert values["last"] == {
        "step": 3, "loss": 0.375, "reward_chosen": 0.75, "reward_rejected": -1.5, "reward_margin": 2.25,
        "reward_accuracy_frac": 0.75,
    }  # fmt: skip
    text = Page(render_report(preferring)).text
    for words in ("Learning from preferences", "75%", "2.250 nats", "embedded:preferences.jsonl", "mean of the pairs"):
        assert words in text
    assert "preference" not in report_values(facts)


class Page(HTMLParser):
    """Tags, attributes, table rows and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset", "data"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def test_the_values_are_the_facts(facts: RunFacts) -> None:
    values = report_values(facts)
    assert values["fertility"] == {"base": dict.fromkeys(("kk", "ru", "en"), 6.0), "extended": dict.fromkeys(("kk", "ru", "en"), 2.5)}  # fmt: skip
    assert values["bits_per_byte"] == facts.evaluation["bits_per_byte"]
    assert values["parity"]["adapted"]["scores"]["qaz_mc"]["kk"]["score"] == 0.4375
    assert values["stages"]["cpt"] == {"status": "done", "seconds": 120.0}
    assert values["corpus"]["dropped"] == {"near_duplicate": 34, "too_short": 200}


def test_the_page_shows_the_same_values(facts: RunFacts) -> None:
    page = Page(render_report(facts))
    summary = next(row for row in page.rows if row[0] == "Kazakh" and len(row) == 6)
    assert summary == ["Kazakh", "4.000", "1.000", "−75.0%", "6.00", "2.50"]
    assert ["base model", "4.0000", "2.0000", "2.1250"] in page.rows
    assert ["adapted model", "1.0000", "2.0312", "2.2188"] in page.rows
    assert ["qaz_mc", "adapted", "0.438 [0.338, 0.537]", "0.500 [0.400, 0.600]", "0.562 [0.463, 0.662]"] in page.rows
    (kk_ru,) = [row for row in page.rows if row[:2] == ["qaz_mc", "kk-ru"]]
    assert kk_ru[2:] == ["acc", "−0.062 [−0.125, 0.000]", "0.020", "0.125"]
    assert ["qaz_mc", "kk", "−0.375 [−0.400, −0.350]", "<0.001"] in page.rows
    assert "Kazakh takes 1.00 bits per byte after adaptation, 4.00 before" in page.text
    assert "3 min 20 s" in page.text, "61 + 2 + 120 + 17 seconds"
    assert "phone 7" in page.text


def test_what_was_dropped_is_counted_off_one_reason_after_the_other(facts: RunFacts) -> None:
    text = Page(render_report(facts)).text
    for count in ("1,234", "1,034", "1,000"):  # 1234 − 200 too short, − 34 near-duplicates
        assert count in text
    assert text.index("after too short") < text.index("after near duplicate")


def test_the_page_needs_nothing_else_and_runs_nothing(facts: RunFacts) -> None:
    html = render_report(facts)
    page = Page(html)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "object", "embed"}
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"@import|url\(\s*['\"]?http", html)
    assert not re.search(r"\son\w+\s*=", html.replace(HOSTILE, ""))


def test_text_of_models_sources_and_titles_is_shown_as_text(facts: RunFacts) -> None:
    html = render_report(facts)
    assert HOSTILE not in html
    page = Page(html)
    assert page.text.count(HOSTILE) == 2  # the sample, and the name of the source
    assert "A & B < C" in page.text


def test_the_command_to_reproduce_survives_a_folder_with_blanks(facts: RunFacts) -> None:
    config = facts.config.model_copy(update={"run_dir": Path("my runs/a")})
    assert "qaz run 'my runs/a/config.yaml' run_dir=" in Page(render_report(replace(facts, config=config))).text


def test_a_run_without_intervals_gaps_or_samples_still_has_a_page(facts: RunFacts) -> None:
    bare = {"n": 1, "score": 1.0, "ci_low": None, "ci_high": None, "metric": "acc", "higher_is_better": True}
    parity_of_one = {"scores": {"qaz_mc": {"kk": bare}}, "gaps": {}}
    evaluation = {**facts.evaluation, "parity": {"base": parity_of_one, "adapted": parity_of_one}, "adaptation": {}}
    page = Page(render_report(replace(facts, evaluation=evaluation, samples=[], metrics={}, watched={})))
    (row,) = [row for row in page.rows if row[:2] == ["qaz_mc", "adapted"]]
    assert float(row[2].split()[0]) == 1.0
    assert row[3] == row[4] and not any(letter.isdigit() for letter in row[3]), "no value is no number"


def test_a_negative_gap_keeps_its_interval_readable(facts: RunFacts) -> None:
    cells = [cell for row in Page(render_report(facts)).rows for cell in row]
    assert "−0.125 [−0.188, −0.062]" in cells
    assert not [cell for cell in cells if "-0." in cell]
