"""The report of a run: one HTML page for people, report.json for programs, both made from the stages' own files."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qaz_llm.io import CORPUS_DIR_VARIABLE, make_dir, read_json, read_jsonl, write_json, write_text
from qaz_llm.pipeline.config import RunConfig, training_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.report_preference import preference_parts, preference_values
from qaz_llm.pipeline.stages import read_stage_manifests
from qaz_llm.progress import format_duration
from qaz_llm.records import LANGUAGE_NAMES, LANGUAGES
from qaz_llm.report.charts import bar_chart, funnel_chart, interval_chart, line_chart
from qaz_llm.report.figures import interval_text, number_text, p_text
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table
from qaz_llm.train.metrics import read_metrics
from qaz_llm.train.watching.texts import comparable_evals

STAGE_TITLES = {
    "pretrain": "Base pretraining",
    "cpt": "Continued pretraining",
    "sft": "Instruction tuning",
    "preference": "Learning from preferences",
}
STEP_TITLES = {
    "base": "base model",
    "extended": "new tokens, untrained",
    "cpt": "after continued pretraining",
    "sft": "after instruction tuning",
    "adapted": "adapted model",
}


@dataclass(frozen=True)
class RunFacts:
    """What the stages of a run left behind, read back."""

    config: RunConfig
    stages: Mapping[str, Mapping[str, Any]]
    corpus: Mapping[str, Any]
    fertility: Mapping[str, Mapping[str, Mapping[str, float]]]
    metrics: Mapping[str, Sequence[Mapping[str, Any]]]
    watched: Mapping[str, Sequence[Mapping[str, Any]]]
    evaluation: Mapping[str, Any]
    samples: Sequence[Mapping[str, Any]]
    run: Mapping[str, Any]


def write_report(config: RunConfig, layout: Layout) -> dict[str, Any]:
    """Write report.html and report.json into the run's report folder; returns where they lie."""
    started = time.monotonic()
    facts = read_facts(config, layout)
    make_dir(layout.report)
    write_text(layout.report / "report.html", render_report(facts))
    values = report_values(facts)
    values["stages"]["report"] = {"status": "done", "seconds": round(time.monotonic() - started, 2)}
    write_json(layout.report / "report.json", values)
    return {"report": str(layout.report / "report.html")}


def read_facts(config: RunConfig, layout: Layout) -> RunFacts:
    """Read what the stages made. Raises InputError where one of them has not been run."""
    stages = {"corpus", "tokenizer", *training_stages(config), "eval"}
    manifests = read_stage_manifests(layout.run_dir)
    return RunFacts(
        config=config,
        stages={name: manifest for name, manifest in manifests.items() if name in stages},
        corpus=read_json(layout.corpus / "manifest.json"),
        fertility=read_json(layout.fertility),
        metrics={name: read_metrics(layout.training(name) / "metrics.jsonl") for name in training_stages(config)},
        watched={name: comparable_evals(layout.training(name)) for name in training_stages(config)},
        evaluation=read_json(layout.evaluation / "summary.json"),
        samples=list(read_jsonl(layout.evaluation / "samples.jsonl")),
        run=read_json(layout.run_dir / "run.json"),
    )


def report_values(facts: RunFacts) -> dict[str, Any]:
    """The values of report.json; other programs read these keys."""
    per_word = {
        name: {language: counts["tokens_per_word"] for language, counts in by_language.items()}
        for name, by_language in facts.fertility.items()
    }
    return {
        "title": facts.config.title,
        "corpus": {key: facts.corpus[key] for key in ("documents_in", "documents_out", "dropped", "pii", "languages")},
        "fertility": per_word,
        "bits_per_byte": facts.evaluation["bits_per_byte"],
        "bits_per_sentence": facts.evaluation["bits_per_sentence"],
        "parity": facts.evaluation["parity"],
        "adaptation": facts.evaluation["adaptation"],
        **preference_values(facts.metrics.get("preference", ())),
        "stages": {name: {"status": m["status"], "seconds": m["seconds"]} for name, m in facts.stages.items()},
        "run": facts.run,
    }


def render_report(facts: RunFacts) -> str:
    """The page."""
    sections = (
        _summary(facts),
        _corpus(facts),
        _tokenizer(facts),
        _training(facts),
        _bits(facts),
        _parity(facts),
        _samples(facts),
        _reproduce(facts),
    )
    seconds = sum(stage["seconds"] for stage in facts.stages.values())
    commit = facts.run.get("git_commit")
    return render_page(
        facts.config.title,
        sections,
        subtitle="From raw text to an adapted model, measured in Kazakh, Russian and English",
        facts={
            "run folder": str(facts.config.run_dir),
            "work": format_duration(seconds),
            "suite": facts.config.eval.suite,
            "code": commit[:12] if commit else "not from a checkout",
        },
    )


# ---------------------------------------------------------------------------------------------------------- sections


def _summary(facts: RunFacts) -> Section:
    bits, words = facts.evaluation["bits_per_byte"], facts.fertility
    rows = []
    for language in LANGUAGES:
        if language in bits["base"]:
            before, after = bits["base"][language], bits["adapted"][language]
            old, new = (words[name][language]["tokens_per_word"] for name in ("base", "extended"))
            rows.append(
                [
                    LANGUAGE_NAMES[language],
                    f"{before:.3f}",
                    f"{after:.3f}",
                    _change(before, after),
                    f"{old:.2f}",
                    f"{new:.2f}",
                ]
            )
    headers = ["language", "bits/byte before", "after", "change", "tokens/word before", "after "]
    before, after = bits["base"]["kk"], bits["adapted"]["kk"]
    old, new = (words[name]["kk"]["tokens_per_word"] for name in ("base", "extended"))
    verdict = (
        f"Kazakh takes {after:.2f} bits per byte after adaptation, {before:.2f} before ({_change(before, after)}), "
        f"and {new:.2f} tokens per word instead of {old:.2f}."
    )
    note = "Lower is better in every column. Measured on sentences that were in no training text."
    return Section("In short", (paragraph(verdict), table(headers, rows, caption=note)))


def _corpus(facts: RunFacts) -> Section:
    corpus = facts.corpus
    steps, left = [("documents read", corpus["documents_in"])], corpus["documents_in"]
    for reason, count in sorted(corpus["dropped"].items(), key=lambda item: -item[1]):
        left -= count
        steps.append((f"after {reason.replace('_', ' ')}", left))
    shares = {language: values["words"] / 1000 for language, values in corpus["languages"].items()}
    words = sum(values["words"] for values in corpus["languages"].values())
    by_language = [
        [
            LANGUAGE_NAMES.get(code, code),
            f"{v['documents']:,}",
            f"{v['words']:,}",
            f"{v['words'] / words:.1%}",
            f"{v['bytes'] / 1e6:.2f}",
        ]
        for code, v in corpus["languages"].items()
    ]
    sources = [
        [name, s["licence"], f"{s['in']:,}", f"{s['out']:,}", ", ".join(f"{k} {v:,}" for k, v in s["dropped"].items())]
        for name, s in corpus["sources"].items()
    ]
    pii = ", ".join(f"{kind} {count:,}" for kind, count in corpus["pii"].items()) or "none found"
    return Section(
        "Corpus",
        (
            funnel_chart(steps, title="What was kept of what was read (documents)"),
            table(["language", "documents", "words", "share of words", "MB"], by_language),
            bar_chart(
                [(LANGUAGE_NAMES.get(k, k), {k: float(v)}) for k, v in shares.items()],
                title="Thousand words per language",
            ),
            paragraph(f"Personal data replaced by placeholders: {pii}."),
            details("Sources", table(["source", "licence", "read", "kept", "dropped"], sources)),
        ),
        lead="Every document that is not in the corpus is counted under a reason; the counts add up.",
    )


def _tokenizer(facts: RunFacts) -> Section:
    measured = facts.fertility
    languages = [language for language in LANGUAGES if language in measured["base"]]
    rows = [
        [
            LANGUAGE_NAMES[language],
            name,
            counts["tokens_per_word"],
            counts["tokens_per_text"],
            counts["bytes_per_token"],
            f"{counts['whole_words_frac']:.1%}",
        ]
        for language in languages
        for name in ("base", "extended")
        for counts in [measured[name][language]]
    ]
    bars = [
        (LANGUAGE_NAMES[language], {name: measured[name][language]["tokens_per_word"] for name in ("base", "extended")})
        for language in languages
    ]
    headers = ["language", "tokenizer", "tokens/word", "tokens/sentence", "bytes/token", "words kept whole"]
    return Section(
        "Tokenizer",
        (bar_chart(bars, title="Tokens per word, before and after extension"), table(headers, rows)),
        lead="What a word costs, on the held-out sentences. New tokens are learned from Kazakh words alone, and no text gets longer.",
    )


def _training(facts: RunFacts) -> Section:
    parts = []
    for name, rows in facts.metrics.items():
        if not rows:
            continue
        title, last = STAGE_TITLES[name], rows[-1]
        points = [(float(row["step"]), float(row["loss"])) for row in rows]
        unit = "loss, mean of the pairs" if name == "preference" else "loss, nats per token"
        parts.append(line_chart({"training loss": points}, title=title, x_label="step", y_label=unit))
        if name == "preference":
            parts += preference_parts(facts.config, rows)
        if watched := facts.watched.get(name):
            curves: dict[str, list[tuple[float, float]]] = {
                c: [(float(row["step"]), row[c]) for row in watched if c in row] for c in LANGUAGES if c in watched[-1]
            }
            caption = f"{title}: held-out text"
            parts.append(line_chart(curves, title=caption, x_label="step", y_label="bits per byte"))
        speed = last["tokens"] / max(last["seconds"], 1e-9)
        parts.append(
            paragraph(
                f"{last['step']:,} steps, {last['tokens']:,} tokens, {speed:,.0f} tokens per second, "
                f"last logged loss {last['loss']:.3f}."
            )
        )
    return Section(
        "Training",
        tuple(parts),
        lead="Loss per token depends on how long tokens are, so the losses of two tokenizers do not compare; bits per byte do.",
    )


def _bits(facts: RunFacts) -> Section:
    bits, sentence = facts.evaluation["bits_per_byte"], facts.evaluation["bits_per_sentence"]
    names = [name for name in STEP_TITLES if name in bits]
    languages: list[str] = [language for language in LANGUAGES if language in bits["base"]]
    rows = [[STEP_TITLES[name], *(f"{bits[name][code]:.4f}" for code in languages)] for name in names]
    aligned = [[STEP_TITLES[name], *(f"{sentence[name][code]:.1f}" for code in languages)] for name in names]
    chart = [(STEP_TITLES[name], {code: bits[name][code] for code in languages}) for name in names]
    titles = [LANGUAGE_NAMES[code] for code in languages]
    return Section(
        "Bits per byte",
        (
            bar_chart(chart, title="Bits per byte of held-out text, by stage"),
            table(["model", *titles], rows, caption="Bits per byte"),
            table(
                ["model", *titles], aligned, caption="Bits per sentence; the sentences say the same in each language"
            ),
        ),
        lead="How many bits the model needs for a byte it has not seen: comparable between tokenizers within one language.",
    )


def _parity(facts: RunFacts) -> Section:
    parity = facts.evaluation["parity"]
    parts: list[str] = []
    scores = [
        [task, model, *(interval_text(parity[model]["scores"][task].get(code), "score") for code in LANGUAGES)]
        for task in parity["adapted"]["scores"]
        for model in ("base", "adapted")
    ]
    parts.append(
        table(
            ["task", "model", *(LANGUAGE_NAMES[code] for code in LANGUAGES)],
            scores,
            caption="Scores with 95 % intervals",
        )
    )
    rows = []
    for task, pairs in parity["adapted"]["gaps"].items():
        bars = []
        for pair, gap in pairs.items():
            rows.append(
                [
                    task,
                    pair,
                    gap["metric"],
                    interval_text(gap, "gap"),
                    p_text(gap["p_holm"]),
                    number_text(gap["minimum_detectable"]),
                ]
            )
            if gap["ci_low"] is not None:
                bars.append((pair, gap["gap"], gap["ci_low"], gap["ci_high"]))
        metric = next(iter(pairs.values()))["metric"]
        title = f"{task}: gap of the adapted model on the same items"
        parts.append(interval_chart(bars, title=title, x_label=f"Kazakh minus the other, {metric}", zero_line=True))
    if rows:
        headers = ["task", "pair", "in", "gap", "p (Holm)", "smallest gap detectable"]
        parts.append(table(headers, rows))
    changes = facts.evaluation["adaptation"]
    moved = [
        [task, code, interval_text(v, "change"), p_text(v["p_holm"])]
        for task, by in changes.items()
        for code, v in by.items()
    ]
    if moved:
        parts.append(
            table(
                ["task", "language", "adapted − base", "p (Holm)"],
                moved,
                caption="What adaptation changed, item by item",
            )
        )
    return Section(
        "Parity",
        tuple(parts),
        lead="The same items in Kazakh, Russian and English. A model that gives no answer is wrong; no item is left out.",
    )


def _samples(facts: RunFacts) -> Section:
    parts = []
    for sample in facts.samples:
        label = f"{LANGUAGE_NAMES.get(sample['language'], sample['language'])}, {STEP_TITLES.get(sample['model'], sample['model'])}"
        parts.append(paragraph(label))
        parts.append(preformatted(f"› {sample['prompt']}\n{sample['text']}", sample["language"]))
    return Section("Samples", tuple(parts), lead="Greedy answers to fixed prompts, as they came; nothing was picked.")


def _reproduce(facts: RunFacts) -> Section:
    stages = [
        [name, manifest["status"], format_duration(manifest["seconds"]), manifest["fingerprint"][:12]]
        for name, manifest in facts.stages.items()
    ]
    corpus_dir = facts.run.get("corpus_dir")
    variable = f"{CORPUS_DIR_VARIABLE}={shlex.quote(corpus_dir)} " if corpus_dir else ""
    command = f"{variable}qaz run {shlex.quote(str(facts.config.run_dir / 'config.yaml'))} run_dir=runs/again"
    packages = json.dumps(facts.run["packages"], indent=2)
    return Section(
        "How to reproduce it",
        (
            preformatted(command),
            table(["stage", "status", "time", "fingerprint"], stages),
            details("Packages", preformatted(packages)),
        ),
        lead="config.yaml in the run folder holds every value, defaults included.",
    )


# ----------------------------------------------------------------------------------------------------------- helpers


def _change(before: float, after: float) -> str:
    return f"{(after - before) / before:+.1%}".replace("-", "−")
