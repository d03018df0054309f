"""The sections of an evaluation's page that show figures: scores, gaps, subjects, languages of answers, what a text costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qaz_llm.evals.behaviour.simple_words import FLORES, FLORES_SENTENCES, figures
from qaz_llm.evals.report.cells import (
    Cells,
    Row,
    by_metric,
    count,
    direction,
    flat,
    forest,
    language_name,
    metric_of,
    ordered,
    second_look,
)
from qaz_llm.evals.summary.gaps import BITS_PER_BYTE, BITS_PER_SENTENCE
from qaz_llm.records import LANGUAGES
from qaz_llm.report.figures import interval_text, number_text, p_text
from qaz_llm.report.heat import heat_table
from qaz_llm.report.page import Section, paragraph, table


def scores_section(scores: Cells) -> Section:
    """All scores that are no bits per byte, with what guessing would give."""
    shares = {task: by for task, by in scores.items() if metric_of(by) != BITS_PER_BYTE}
    codes = ordered({code for by in shares.values() for code in by})
    rows = [
        [task, metric_of(by), count(by), *(interval_text(by.get(code), "score") for code in codes), _guessing(by)]
        for task, by in shares.items()
    ]
    headers = ["task", "metric", "items", *map(language_name, codes), "by guessing"]
    charts = [
        forest(
            tasks,
            "score",
            title=f"Scores, {metric}",
            x_label=direction(metric, tasks),
            mark="chance",
            mark_name="score by guessing",
        )
        for metric, tasks in by_metric(shares).items()
    ]
    lead = "With 95 % intervals, items that share a passage counted together. An item without an answer is wrong; none is left out."
    return Section("Scores", (table(headers, rows), *charts), lead=lead)


def other_scores_section(others: Mapping[str, Mapping[str, Cells]]) -> Iterator[Section]:
    """Other normalisations and the other way of asking, beside each task's own."""
    rows = [(task, metric, by) for task, metrics in others.items() for metric, by in metrics.items() if by]
    if rows:
        codes = ordered({code for _task, _metric, by in rows for code in by})
        cells = [[task, metric, *(interval_text(by.get(code), "score") for code in codes)] for task, metric, by in rows]
        shown = table(["task", "metric", *map(language_name, codes)], cells)
        lead = "What the same answers come to by other normalisations, and by the other way of asking: letters_… or cloze_… No gap is taken of these."
        yield Section("Other ways to ask and to count", (shown,), lead=lead)


def gaps_section(gaps: Cells, declared: Mapping[str, Any]) -> Section:
    """Gaps between languages and between scripts, with a second look by other methods."""
    if not gaps:
        return no_gaps()
    headers = ["task", "pair", "pairs", "gap", "p", "p (Holm)", "detectable", "McNemar's p", "bootstrap"]
    parts: list[str] = []
    for metric, tasks in by_metric(gaps).items():
        rows = [
            [
                task,
                pair,
                row["n"],
                interval_text(row, "gap"),
                p_text(row["p"]),
                p_text(row["p_holm"]) + (" exploratory" if row.get("role") == "exploratory" else ""),
                number_text(row["minimum_detectable"]),
                *second_look(row),
            ]
            for task, pair, row in flat(tasks)
        ]
        label = f"first minus second; {direction(metric, tasks)}"
        chart = forest(
            tasks,
            "gap",
            title=f"Gaps, {metric}",
            x_label=label,
            zero_line=True,
            mark="at_chance",
            mark_name="the gap if the first were guessed",
        )
        parts += [chart, table(headers, rows)]
    return Section("Gaps", (*parts, paragraph(_what_p_allows_for(declared))), lead="On the items that both sides have.")


def no_gaps() -> Section:
    return Section("Gaps", (paragraph("No task has the same items in two languages, so no gap can be taken."),))


def _what_p_allows_for(declared: Mapping[str, Any]) -> str:
    family = declared.get("family")
    tests = f"the gaps declared beforehand ({', '.join(family)})" if family else "all the gaps tested here"
    exploratory = " Exploratory ones were not declared; their p allows for everything tested." if family else ""
    return (
        f"p (Holm) allows for {tests}.{exploratory} Detectable is the true gap that a test of this size would find in four of "
        "five repetitions (a single test at 5 %); a smaller one that is not significant may well exist. McNemar's exact test (items "
        "that stand alone, right or wrong) and the bootstrap over whole clusters are second looks; where they disagree, a warning says so."
    )


def subjects_section(subjects: Mapping[str, Cells]) -> Iterator[Section]:
    """A heat map of each task whose items have subjects."""
    parts = []
    for task, by_subject in subjects.items():
        codes = ordered({code for by in by_subject.values() for code in by})
        rows = [
            (
                f"{subject} ({count(by)})",
                [by[code]["score"] if code in by else None for code in codes],
                [interval_text(by[code], "score") if code in by else "" for code in codes],
            )
            for subject, by in by_subject.items()
        ]
        values = [v for _, found, _ in rows for v in found if v is not None]
        high = 1.0 if max(values) <= 1 else max(values)
        parts.append(
            heat_table([language_name(c) for c in codes], rows, title=task, high=high, corner="subject (items)")
        )
    if parts:
        yield Section(
            "By subject",
            tuple(parts),
            lead="Subjects of few items have wide intervals; compare those, not the colours.",
        )


def behaviour_section(behaviour: Mapping[str, Any]) -> Iterator[Section]:
    """Languages that answers came in, asked in (rows) against answered in (columns), and agreement over twins."""
    parts = []
    for task, by in behaviour.get("languages", {}).items():
        codes = list(dict.fromkeys([*LANGUAGES, *(code for row in by.values() for code in row["observed"])]))
        rows = [
            (
                f"{language_name(asked)} ({by[asked]['sentences']:,})",
                [by[asked]["observed"].get(code, 0.0) for code in codes],
                [f"{100 * by[asked]['observed'].get(code, 0.0):.0f} %" for code in codes],
            )
            for asked in ordered(by)
        ]
        names = list(map(language_name, codes))
        parts.append(heat_table(names, rows, title=f"{task}: languages of answers", corner="asked in (sentences)"))
        parts.append(table(ANSWERS, [_answers_row(asked, by[asked]) for asked in ordered(by)]))
    parts += _readability(behaviour.get("readability", {}))
    agreement = [
        [task, pair, row["n"], number_text(row["agreement"]), number_text(row.get("kappa"))]
        for task, pairs in behaviour.get("agreement", {}).items()
        for pair, row in pairs.items()
    ]
    if agreement:
        caption = "How often the same choice was taken in two languages, right or wrong; kappa: beyond chance"
        parts.append(table(["task", "pair", "pairs", "same choice", "kappa"], agreement, caption=caption))
    if parts:
        yield Section("Behaviour", tuple(parts), lead="What a model does beside being right.")


def _readability(readability: Mapping[str, Any]) -> Iterator[str]:
    """Sentences and words of answers in figures, with those of FLORES below."""
    rows = [
        [task, language_name(code), *_readability_row(row)]
        for task, by in readability.items()
        for code, row in by.items()
    ]
    codes = {code for by in readability.values() for code in by}
    beside = [
        ["FLORES, for comparison", language_name(code), *_readability_row(figures(found, FLORES_SENTENCES))]
        for code, found in FLORES.items()
        if code in codes
    ]
    if rows:
        caption = "How simple the words of answers are: of one language, compare with other answers or with FLORES; languages do not compare"
        yield table(READABILITY, [*rows, *beside], caption=caption)


def _readability_row(row: Row) -> list[object]:
    share = row["frequent_words_frac"]
    means = [f"{row[key]:.1f}" if row[key] is not None else "–" for key in ("words_per_sentence", "letters_per_word")]
    return [row["answers"], f"{row['words']:,}", *means, "–" if share is None else f"{100 * share:.0f} %"]


READABILITY = ("task", "asked in", "answers", "words", "words a sentence", "letters a word", "frequent words")
ANSWERS = (
    "asked in",
    "answers",
    "mostly in another language",
    "of no language that could be told",
    "asked language, corrected",
    "scripts",
)


def _answers_row(asked: str, row: Row) -> list[object]:
    """`corrected`: without the detector's own mistakes."""
    scripts = ", ".join(f"{script} {100 * share:.0f} %" for script, share in row.get("scripts", {}).items())
    corrected = row.get("corrected", {}).get(asked)
    return [language_name(asked), row["answers"], row["wrong_answers"], row["untold"], number_text(corrected), scripts]


def costs_section(values: Row) -> Iterator[Section]:
    """Bits per byte and per text, tokens per word."""
    tasks = {task: by for task, by in values["scores"].items() if metric_of(by) == BITS_PER_BYTE}
    if not tasks:
        return
    costs: Mapping[str, Mapping[str, Row]] = values.get("text_costs", {})
    aligned = {_aligned_task(values): values.get(BITS_PER_SENTENCE, {})}
    rows = []
    for task, code, row in flat(tasks):
        cost = costs.get(task, {}).get(code, {})
        sentence = aligned.get(task, {}).get(code, cost.get(BITS_PER_SENTENCE))
        tail = [number_text(cost.get(key)) for key in ("tokens_per_word", "bytes_per_token")]
        rows.append([task, language_name(code), row["n"], interval_text(row, "score"), number_text(sentence), *tail])
    headers = [
        "task",
        "language",
        "texts",
        "bits per byte",
        "bits per aligned sentence",
        "tokens per word",
        "bytes per token",
    ]
    note = (
        "Bits per byte compare models on one text, whatever their tokenizers. They do not compare languages: the same sentence "
        "has about twice as many bytes in Cyrillic as in Latin letters. Bits per aligned sentence do, as sentences say the same. "
        "Tokens per word (split at spaces) are the tokenizer's fertility: what a text costs in time and in the window."
    )
    lead = "What unseen text costs the model; lower is better, except bytes per token."
    yield Section("Bits per byte", (table(headers, rows), paragraph(note)), lead=lead)


def _aligned_task(values: Row) -> str | None:
    """The task whose texts `bits_per_sentence` speaks of: the first that is made for bits per byte."""
    tasks: Mapping[str, Row] = values.get("tasks", {})
    return next((name for name, task in tasks.items() if task["kind"] == BITS_PER_BYTE), None)


def _guessing(by: Mapping[str, Row]) -> str:
    found = list(dict.fromkeys(number_text(row.get("chance")) for row in by.values()))
    return " / ".join(found)
