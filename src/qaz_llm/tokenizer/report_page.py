"""The report on tokenizers as files: report.html for a person, report.json for programs, fertility.svg for a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from qaz_llm.io import make_dir, write_json, write_text
from qaz_llm.records import LANGUAGE_NAMES, LANGUAGES
from qaz_llm.report.charts import bar_chart
from qaz_llm.report.page import Section, paragraph, render_page, table
from qaz_llm.report.scale import MISSING, Axis
from qaz_llm.report.svg import CHAR_PX, WIDTH
from qaz_llm.tokenizer.fertility import Fertility
from qaz_llm.tokenizer.morphemes import MorphemeAgreement
from qaz_llm.tokenizer.report import PIVOT, TokenizerMeasures

PLOT_FILE = "fertility.svg"
COLOURS = {"kk": "#0072b2", "ru": "#d55e00", "en": "#008a64"}
"""As on report pages (light), written out: programs that place an SVG in a paper do not read CSS variables."""

Table = tuple[list[str], list[list[str]]]
"""Headers and rows, each cell as text."""


def write_report(measured: Mapping[str, TokenizerMeasures], folder: Path, *, facts: Mapping[str, str] = {}) -> Path:
    """Write report.html, report.json and fertility.svg; returns the path of the page. `facts` are shown under its title."""
    make_dir(folder)
    write_json(folder / "report.json", {name: measures.to_dict() for name, measures in measured.items()})
    write_text(folder / PLOT_FILE, fertility_plot(measured))
    write_text(folder / "report.html", make_page(measured, facts=facts))
    return folder / "report.html"


def make_page(measured: Mapping[str, TokenizerMeasures], *, facts: Mapping[str, str] = {}) -> str:
    """The page's HTML."""
    sections = [_fertility(measured)]
    if any(measures.aligned for measures in measured.values()):
        sections.append(_premium(measured))
    if any(measures.morphemes is not None for measures in measured.values()):
        sections.append(_morphemes(measured))
    names = {label: name for name, label in short_names(list(measured)).items() if name != label}
    return render_page(
        "Tokenizers", sections, subtitle="What they make of the same words and sentences", facts={**facts, **names}
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The last part of each path or hub id, or as many parts as it takes to tell all apart.

    >>> short_names(["out/a/tokenizer", "out/b/tokenizer"])
    {'out/a/tokenizer': 'a/tokenizer', 'out/b/tokenizer': 'b/tokenizer'}
    """
    parts = {name: Path(name).parts for name in names}
    for depth in range(1, max(map(len, parts.values()), default=0) + 1):
        labels = {name: str(Path(*parts[name][-depth:])) for name in names}
        if len(set(labels.values())) == len(labels):
            return labels
    return {name: name for name in names}


# ------------------------------------------------------------------------------------------------------------ tables


def fertility_table(measured: Mapping[str, TokenizerMeasures]) -> Table:
    """A row for each tokenizer and language; columns on unknown tokens and premium only where there are such."""
    unknown = _has_unknown(measured)
    premium = any(measures.premium(PIVOT) for measures in measured.values() if PIVOT in measures.fertility)
    aligned = any(measures.aligned for measures in measured.values())
    headers = ["tokenizer", "language", "tokens/word", "bytes/token", "tokens/sentence" if aligned else "tokens/text"]
    headers += [
        "words whole",
        *(["unknown tokens"] if unknown else []),
        *([f"premium over {PIVOT}"] if premium else []),
    ]
    rows = []
    for name, label in short_names(list(measured)).items():
        for language, f in measured[name].fertility.items():
            row = [label, language, f"{f.tokens_per_word:.3f}", f"{f.bytes_per_token:.2f}", f"{f.tokens_per_text:.1f}"]
            row.append(f"{f.whole_words_frac:.1%}")
            if unknown:
                row.append(f"{f.unknown_tokens / f.tokens:.2%}")
            if premium:
                row.append(_decimals(measured[name].premium(language), 2))
            rows.append(row)
    return headers, rows


def morpheme_table(measured: Mapping[str, TokenizerMeasures]) -> Table:
    """A row for each tokenizer that was held against segmented words."""
    headers = ["tokenizer", "precision", "by chance", "recall", "by chance", "F1", "cuts in characters"]
    headers += ["words whole", "cut at morphemes only", "recall, cut words"]
    rows = []
    for name, label in short_names(list(measured)).items():
        if (m := measured[name].morphemes) is not None:
            ratios = (m.precision, m.chance_precision, m.recall, m.chance_recall, m.f1)
            shares = (m.in_characters_frac, m.whole_frac, m.cut_at_morphemes_frac)
            rows.append(
                [
                    label,
                    *(_decimals(ratio, 3) for ratio in ratios),
                    *(_percent(share) for share in shares),
                    _decimals(m.recall_in_cut_words, 3),
                ]
            )
    return headers, rows


def corpus_note(measured: Mapping[str, TokenizerMeasures]) -> str:
    """What was held against morphemes, and what was skipped; empty where nothing was."""
    agreements = [measures.morphemes for measures in measured.values() if measures.morphemes is not None]
    if not agreements:
        return ""
    m = agreements[0]  # the rows are the same for all
    return (
        f"Morphemes: {m.words:,} running words ({m.distinct_words:,} distinct, {m.segmented_words:,} running words of two"
        f" morphemes or more) from {m.rows:,} rows; {m.skipped_rows:,} rows skipped because their segmentation spells"
        " another text."
    )


def _has_unknown(measured: Mapping[str, TokenizerMeasures]) -> bool:
    return any(f.unknown_tokens for measures in measured.values() for f in measures.fertility.values())


def _decimals(value: float | None, decimals: int) -> str:
    return MISSING if value is None else f"{value:.{decimals}f}"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1%}"


# ---------------------------------------------------------------------------------------------------------- sections


def _by_language(values: Mapping[str, float | None]) -> dict[str, float]:
    return {language: values[language] or 0.0 for language in LANGUAGES if values.get(language) is not None}


def _bars(
    measured: Mapping[str, TokenizerMeasures], figure: Callable[[Fertility], float]
) -> list[tuple[str, dict[str, float]]]:
    """For each tokenizer its label, and a figure for each language."""
    return [
        (label, _by_language({code: figure(f) for code, f in measured[name].fertility.items()}))
        for name, label in short_names(list(measured)).items()
    ]


def _fertility(measured: Mapping[str, TokenizerMeasures]) -> Section:
    bars = _bars(measured, lambda fertility: fertility.tokens_per_word)
    first = next(iter(measured.values())).fertility
    texts = [
        [LANGUAGE_NAMES[language], first[language].texts, first[language].words, first[language].bytes]
        for language in LANGUAGES
        if language in first
    ]
    parts = [
        bar_chart(bars, title="Tokens per word"),
        table(*fertility_table(measured)),
        table(["language", "texts", "words", "bytes"], texts, caption="The texts"),
    ]
    if _has_unknown(measured):
        parts.append(
            paragraph("An unknown token hides characters that the model never sees: such a tokenizer looks too cheap.")
        )
    lead = (
        "Tokens per word between white space, without special tokens. Compare tokenizers within a language: Kazakh words"
        " carry what Russian and English spread over several, so the languages' figures do not measure the same thing."
    )
    return Section("Tokens per word", tuple(parts), lead=lead)


def _premium(measured: Mapping[str, TokenizerMeasures]) -> Section:
    labels = short_names(list(measured))
    others = {
        name: {code: m.premium(code) for code in m.fertility if code != PIVOT}
        for name, m in measured.items()
        if PIVOT in m.fertility
    }
    sentences = _bars(measured, lambda fertility: fertility.tokens_per_text)
    parts = [bar_chart(sentences, title="Tokens per aligned sentence")]
    if others:
        premiums = [(labels[name], _by_language(values)) for name, values in others.items()]
        parts.insert(
            0, bar_chart(premiums, title=f"Premium: tokens ÷ tokens of the same sentences in {LANGUAGE_NAMES[PIVOT]}")
        )
    lead = (
        "The same sentences in each language, so these figures compare languages: a premium of 3 takes three times the"
        " context, time and money that English takes (Petrov et al. 2023, arXiv 2305.15425)."
    )
    return Section("The same sentences", tuple(parts), lead=lead)


def _morphemes(measured: Mapping[str, TokenizerMeasures]) -> Section:
    labels = short_names(list(measured))
    agreements = {labels[name]: m.morphemes for name, m in measured.items() if m.morphemes is not None}
    bars = [(label, _agreement_bars(m)) for label, m in agreements.items()]
    headers, rows = morpheme_table(measured)
    words = [word for word, _cut in next(iter(agreements.values())).examples]
    cuts = [[word, *(dict(m.examples)[word] for m in agreements.values())] for word in words]
    parts = (
        bar_chart(bars, title="Boundaries: how many cuts are at morphemes, how many morphemes are cut"),
        table(headers[:7], [row[:7] for row in rows]),
        table(
            [headers[0], *headers[7:]], [[row[0], *row[7:]] for row in rows], caption="Words of two morphemes or more"
        ),
        table(["morphemes", *agreements], cuts, caption="Frequent words, as segmented and as cut"),
        paragraph("⟨ң⟩ is a character that is cut into its bytes, which is never right and lowers precision."),
        paragraph(corpus_note(measured)),
    )
    lead = (
        "Where tokens end inside Kazakh words, against marked morpheme boundaries. Chance is what as many cuts at"
        " random character borders would reach: no more than that, and the tokenizer knows nothing of morphemes. One that"
        " keeps more words whole has a lower recall without cutting any worse; look at the cut words too."
    )
    return Section("Morpheme boundaries", parts, lead=lead)


def _agreement_bars(m: MorphemeAgreement) -> dict[str, float]:
    bars = {"precision": m.precision, "precision by chance": m.chance_precision}
    bars |= {"recall": m.recall, "recall by chance": m.chance_recall}
    return {name: value for name, value in bars.items() if value is not None}


# -------------------------------------------------------------------------------------------------------------- plot


def fertility_plot(measured: Mapping[str, TokenizerMeasures]) -> str:
    """A standalone SVG: for each tokenizer a bar per language, tokens per word, and beside it the premium where known."""
    panels: list[tuple[str, dict[tuple[str, str], float]]] = [("tokens per word", {}), (f"premium over {PIVOT}", {})]
    for name, measures in measured.items():
        for language, fertility in measures.fertility.items():
            panels[0][1][name, language] = fertility.tokens_per_word
            if (premium := measures.premium(language)) is not None:
                panels[1][1][name, language] = premium
    panels = [panel for panel in panels if panel[1]]
    left, value_px, top, bar, gap = 36.0, 6 * CHAR_PX, 24.0, 16.0, 14.0
    panel_px = (WIDTH - left) / len(panels)
    shapes = [_svg_text(left + i * panel_px, 14, title, "#5a6169") for i, (title, _) in enumerate(panels)]
    axes = [
        Axis(0.0, max(values.values()), left + i * panel_px, left + (i + 1) * panel_px - value_px)
        for i, (_, values) in enumerate(panels)
    ]
    y = top
    for name, label in short_names(list(measured)).items():
        shapes.append(_svg_text(0, y + 12, label, weight="600"))
        y += 20
        for language in (code for code in LANGUAGES if code in measured[name].fertility):
            shapes.append(_svg_text(left - 8, y + 12, language, anchor="end"))
            for axis, (_, values) in zip(axes, panels, strict=True):
                if (name, language) in values:
                    shapes += _svg_bar(axis, y, bar, values[name, language], COLOURS[language])
            y += bar
        y += gap
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {WIDTH + 16} {y:.0f}" width="{WIDTH + 16}"'
        f' height="{y:.0f}" font-family="DejaVu Sans, Arial, sans-serif" font-size="12.5" role="img"'
        f' aria-label="Tokens per word"><rect x="-8" y="-4" width="100%" height="100%" fill="#ffffff"/>'
        f"{''.join(shapes)}</svg>\n"
    )


def _svg_bar(axis: Axis, y: float, height: float, value: float, colour: str) -> list[str]:
    width = axis(value) - axis.start
    rect = f'<rect x="{axis.start:.1f}" y="{y + 1:.1f}" width="{width:.1f}" height="{height - 2:.1f}" fill="{colour}"/>'
    return [rect, _svg_text(axis(value) + 5, y + 12, f"{value:.2f}", "#5a6169")]


def _svg_text(
    x: float, y: float, text: str, colour: str = "#1c1f23", *, anchor: str = "start", weight: str = "400"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"
