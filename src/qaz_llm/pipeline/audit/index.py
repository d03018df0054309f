"""The index of an audit's folder: one HTML page in Kazakh, Russian and English, the same figures under each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from qaz_llm.pipeline.audit.energy import Energy
from qaz_llm.pipeline.audit.signing import PUBLIC_KEY, SIGNATURE, SUMS
from qaz_llm.pipeline.audit.words import ALL, Words
from qaz_llm.records import Language
from qaz_llm.report.figures import interval_text
from qaz_llm.report.page import Section, paragraph, preformatted, render_page, table

OWN_NAMES: Mapping[Language, str] = {"kk": "Қазақша", "ru": "Русский", "en": "English"}
VERIFY = f"openssl pkeyutl -verify -pubin -inkey {PUBLIC_KEY} -rawin -in {SUMS} -sigfile {SIGNATURE}"
ASSUMED: Mapping[bool, Mapping[Language, str]] = {
    True: {"kk": "иесі көрсеткен", "ru": "указано владельцем", "en": "stated by the owner"},
    False: {"kk": "болжам", "ru": "предположение", "en": "assumed"},
}


@dataclass(frozen=True)
class Contents:
    """What the index tells. `files` by part, in the order of the page; `manifests` and `parities` by their place."""

    name: str
    version: str
    files: Mapping[str, Sequence[str]]
    manifests: Mapping[str, Mapping[str, Any]]
    parities: Mapping[str, Mapping[str, Any]]
    energy: Energy | None
    signed: bool
    replaced: Counter[str]
    left_out: Sequence[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that the run does not have."""
        return tuple(part for part, files in self.files.items() if not files)


def make_index(contents: Contents) -> str:
    """The page's HTML."""
    title = " · ".join(words.title for words in ALL.values())
    sections = [_section(language, words, contents) for language, words in ALL.items()]
    return render_page(title, sections, subtitle=contents.name, facts={"qaz-llm": contents.version})


def _section(language: Language, words: Words, contents: Contents) -> Section:
    parts = [
        *_absent(words, contents),
        _head(words.contents),
        _parts_table(words, contents),
        *_data(words, contents),
        *_evaluation(words, contents),
        *_energy(language, words, contents.energy),
        _head(words.forms),
        paragraph(words.forms_text),
        f"<p>{_link(f'forms/owner_{language}.md')}</p>",
        _head(words.check),
        paragraph(words.check_text),
        preformatted("\n".join([f"sha256sum --check {SUMS}", *([VERIFY] if contents.signed else [])])),
        paragraph(words.replaced.format(counts=_counts(contents.replaced))),
    ]
    body = f'<div lang="{language}">{"".join(parts)}</div>'
    return Section(OWN_NAMES[language], (body,), lead=words.no_certificate)


def _head(title: str) -> str:
    return f"<h3>{escape(title)}</h3>"


def _absent(words: Words, contents: Contents) -> list[str]:
    """One sentence with what the run does not have, before all else."""
    names = [words.parts[part] for part in contents.missing]
    return [f"<p><strong>{escape(words.is_missing)}: {escape('; '.join(names))}</strong></p>"] if names else []


def _parts_table(words: Words, contents: Contents) -> str:
    """Each part with links to its files, or with what it means that it is not there."""
    rows = []
    for part, places in contents.files.items():
        shown = "<br>".join(_link(place) for place in places)
        if not places:
            shown = f"<strong>{escape(words.is_missing)}</strong>: {escape(words.missing[part])}"
        rows.append((words.parts[part], shown))
    rows += [(place, f"<strong>{escape(words.is_missing)}</strong>: &gt; 64 MiB") for place in contents.left_out]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in words.contents_head)
    cell = '<td style="overflow-wrap:anywhere">'
    body = "".join(f"<tr><td>{escape(name)}</td>{cell}{shown}</td></tr>" for name, shown in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _link(place: str) -> str:
    return f'<a href="{escape(place)}">{escape(place)}</a>'


def _data(words: Words, contents: Contents) -> list[str]:
    shown = [_head(words.data)]
    if not contents.manifests:
        return [*shown, paragraph(f"{words.is_missing}: {words.missing['manifest']}")]
    for place, manifest in contents.manifests.items():
        rows = [
            [name, entry["licence"], entry["in"], entry["out"], sum(entry["dropped"].values())]
            for name, entry in [*manifest["sources"].items(), *manifest["conversations"]["sources"].items()]
        ]
        hits = manifest["decontamination"].get("hits", {}).get("files", {})
        shown += [
            table(words.data_head, rows, caption=place),
            _count_table(words, words.dropped, manifest["dropped"]),
            _count_table(words, words.personal, manifest["pii"]),
            paragraph(words.personal_note),
            table(
                words.hits_head,
                [[file, found["items"], found["items_hit"]] for file, found in hits.items()],
                caption=words.decontamination,
            ),
        ]
        shown.append(
            _count_table(words, words.opt_outs, _opt_out_counts(words, manifest["opt_outs"]))
            if manifest.get("opt_outs")
            else paragraph(words.opt_outs_missing)
        )
    return shown


def _opt_out_counts(words: Words, found: Mapping[str, Any]) -> dict[str, int]:
    names = ("entries", "rows_closed", "rows_without_address")
    return {shown: found[name] for shown, name in zip(words.opt_outs_rows, names, strict=True)}


def _count_table(words: Words, caption: str, counts: Mapping[str, int]) -> str:
    return table(words.count_head, [[name, number] for name, number in counts.items()], caption=caption)


def _evaluation(words: Words, contents: Contents) -> list[str]:
    shown = [_head(words.evaluation)]
    if not contents.parities:
        return [*shown, paragraph(f"{words.is_missing}: {words.missing['evaluation']}")]
    for place, parity in contents.parities.items():
        rows = [
            [task, language, row["n"], interval_text(row, "score"), row.get("metric", "")]
            for task, by_language in parity["scores"].items()
            for language, row in by_language.items()
        ]
        shown.append(table(words.evaluation_head, rows, caption=place))
    return shown


def _energy(language: Language, words: Words, energy: Energy | None) -> list[str]:
    if energy is None:
        return [_head(words.energy), paragraph(f"{words.is_missing}: {words.missing['energy']}")]
    how = ASSUMED[energy.stated][language]
    said = words.energy_text.format(
        hours=energy.device_hours, watts=energy.watts, how=how, kwh=energy.kwh, device=energy.device
    )
    return [_head(words.energy), paragraph(said)]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in sorted(counts.items())) or "0"
