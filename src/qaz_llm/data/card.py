"""The data set's card: README.md in the form of the Hugging Face hub, with the ledger of licences as a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.config import dump_yaml
from qaz_llm.data.chat.languages import answered_otherwise
from qaz_llm.data.licence_ledger import LEDGER, make_ledger
from qaz_llm.data.licence_names import UNKNOWN
from qaz_llm.data.notices import lines_of
from qaz_llm.io import write_text
from qaz_llm.records import LANGUAGE_NAMES

TITLE = "Kazakh, Russian and English text"

TASKS: Mapping[str, str] = {
    "parallel": "translation",
    "qa": "question-answering",
    "classification": "text-classification",
    "chat": "text-generation",
    "continuation": "text-generation",
}
"""The hub's task categories by kind of conversation source."""

SIZE_LIMITS = ((1_000, "1K"), (10_000, "10K"), (100_000, "100K"), (1_000_000, "1M"), (10_000_000, "10M"), (100_000_000, "100M"),
               (1_000_000_000, "1B"), (10_000_000_000, "10B"), (100_000_000_000, "100B"), (1_000_000_000_000, "1T"))  # fmt: skip

_HUB_NAMES: Mapping[str, str] = {
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
    UNKNOWN: "unknown",
}
_HUB_SAME = """
    apache-2.0 mit artistic-2.0 bsl-1.0 bsd-2-clause bsd-3-clause cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
    cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl
    ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 isc mpl-2.0
    ms-pl ncsa ofl-1.1 osl-3.0 postgresql unlicense zlib
"""
"""The hub's identifiers (https://huggingface.co/docs/hub/repositories-licenses) that are SPDX ones in lower case, without
suffixes such as `-only`."""


def hub_licence(licence: str) -> str:
    """The identifier the Hugging Face hub uses, `other` where it has none.

    >>> hub_licence("GPL-3.0-only"), hub_licence("ODC-By-1.0"), hub_licence("LicenseRef-own-terms-2020")
    ('gpl-3.0', 'odc-by', 'other')
    """
    if licence in _HUB_NAMES:
        return _HUB_NAMES[licence]
    name = re.sub(r"^gfdl-.*", "gfdl", re.sub(r"-(only|or-later)$", "", licence.lower()))
    return name if name in _HUB_SAME.split() else "other"


def size_category(rows: int) -> str:
    """The hub's class of a number of rows.

    >>> size_category(999), size_category(1000), size_category(2_000_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    lower = None
    for limit, name in SIZE_LIMITS:
        if rows < limit:
            return f"{lower}<n<{name}" if lower else f"n<{name}"
        lower = name
    return f"n>{lower}"


def write_card(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the card of a build beside its shards."""
    path = folder / "README.md"
    write_text(path, make_card(manifest))
    return path


def make_card(manifest: Mapping[str, Any]) -> str:
    """The card's text: a YAML header for the hub, then what a reader has to know before using the data."""
    ledger = make_ledger(manifest)
    return "\n".join(
        [
            "---",
            dump_yaml(_header(manifest, ledger)).rstrip(),
            "---",
            "",
            f"# {TITLE}",
            "",
            *_size_lines(manifest),
            "",
            *_licence_lines(ledger),
            "## How it was made",
            "",
            "Repair (encoding, NFC, look-alike letters, script), language by sentence, quality rules, removal of texts that",
            "hold evaluation items, personal data replaced by placeholders, exact and near duplicates and repeated lines removed.",
            "",
            f"- dropped: {_list(manifest['dropped'])}",
            *_conversation_lines(manifest["conversations"]),
            f"- repaired: {_list(manifest['repairs'])}",
            *_labelled_lines(manifest.get("labelled")),
            *_opt_out_lines(manifest.get("opt_outs")),
            f"- placeholders for personal data: {_list(manifest['pii'])}",
            f"- checked against {manifest['decontamination']['texts']:,} evaluation texts",
            *(f"- {line}" for line in lines_of(manifest.get("notices", ()))),
            *(f"- {line}" for line in answered_otherwise(manifest["conversations"]["sources"])),
            "",
            "## Limits",
            "",
            "Rules find personal data by form: names and addresses stay. Kazakh in Latin and Arabic script is converted by",
            "table, which cannot tell all letters apart. Language labels of short texts are uncertain.",
            "",
        ]
    )


def _size_lines(manifest: Mapping[str, Any]) -> list[str]:
    """How much there is, and the tables of languages, of what there is any."""
    conversations = manifest["conversations"]
    sizes, tables = [], []
    if manifest["sources"]:
        size = f"{manifest['documents_out']:,} documents ({manifest['bytes_out'] / 1e6:,.1f} MB)"
        sizes.append(f"{size} of {manifest['documents_in']:,} read")
        rows = [
            (LANGUAGE_NAMES.get(code, code), entry["documents"], entry["words"], entry["bytes"])
            for code, entry in manifest["languages"].items()
        ]
        tables += ["", _table(("language", "documents", "words", "bytes"), rows)]
    if conversations["out"]:
        sizes.append(
            f"{conversations['out']:,} conversations of {conversations.get('in', conversations['out']):,} read"
        )
        counts = [(LANGUAGE_NAMES.get(code, code), count) for code, count in conversations["languages"].items()]
        tables += ["", _table(("language", "conversations"), counts)]
    dropped = "everything dropped is counted in `manifest.json` and sampled in `dropped*`"
    return [f"{'; '.join(sizes)}.", f"Made by `qaz data build`; {dropped}.", "", "## Languages", *tables]


def _labelled_lines(labelled: Mapping[str, Any] | None) -> list[str]:
    """How many texts say of themselves that a machine made them, and what became of them."""
    if not labelled or not labelled["documents"] + labelled["conversations"]:
        return []
    done = {"drop": "dropped", "keep": "kept", "mark": "kept and marked"}[labelled["policy"]]
    counts = f"{labelled['documents']:,} documents, {labelled['conversations']:,} conversations"
    return [f"- labelled as machine-made: {counts}, {done}; text without a label may be machine-made all the same"]


def _opt_out_lines(closed: Mapping[str, Any] | None) -> list[str]:
    """What was kept out because its holders closed it to training; that nothing was asked for is said too."""
    if not closed:
        return ["- closed to training by their holders: no list and no field of such rows was given"]
    asked = [f"{closed['entries']:,} hosts and addresses"] if closed["lists"] else []
    asked += [f"field {field} of {name}" for name, field in closed["fields"].items()]
    return [
        f"- closed to training by their holders ({', '.join(asked)}): {closed['rows_closed']:,} rows left out; "
        f"{closed['rows_without_address']:,} rows have no address to hold against the lists"
    ]


def _conversation_lines(made: Mapping[str, Any]) -> list[str]:
    counts = {
        "conversations dropped": made.get("dropped"),
        "repaired in conversations": made.get("repairs"),
        "placeholders for personal data in conversations": made.get("pii"),
    }
    return [f"- {what}: {_list(found)}" for what, found in counts.items() if found]


def _header(manifest: Mapping[str, Any], ledger: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [source["kind"] for source in manifest["config"].get("conversations", ())]
    tasks = dict.fromkeys(["text-generation", *(TASKS[kind] for kind in kinds)])
    sizes = {"documents": manifest["documents_out"], "conversations": manifest["conversations"]["out"]}
    parts = [name for name, size in sizes.items() if size]
    return {
        "pretty_name": TITLE,
        "language": sorted({*manifest["languages"], *manifest["conversations"]["languages"]}),
        **_licence_header(list(ledger["licences"])),
        "size_categories": [size_category(manifest["documents_out"] or manifest["conversations"]["out"])],
        "task_categories": list(tasks),
        "configs": [
            {"config_name": name, "data_files": f"{name}-*.jsonl.zst", "default": name == parts[0]} for name in parts
        ],
    }


def _licence_header(licences: Sequence[str]) -> dict[str, str]:
    """One licence by the hub's name; several, or one the hub has no name for, as `other` with a name and the ledger."""
    if len(licences) == 1 and hub_licence(licences[0]) != "other":
        return {"license": hub_licence(licences[0])}
    name = licences[0].lower() if len(licences) == 1 else "mixed"
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.+-]+", "-", name)}


def _licence_lines(ledger: Mapping[str, Any]) -> list[str]:
    sources = [
        (
            f"[{name}]({entry['homepage']})" if "homepage" in entry else name,
            ", ".join(entry["licences"]) or entry["licence"],
            entry.get("documents", entry.get("conversations", 0)),
            entry.get("words", ""),
            entry.get("bytes", ""),
        )
        for name, entry in ledger["sources"].items()
    ]
    citations = [f"- {name}: {entry['citation']}" for name, entry in ledger["sources"].items() if "citation" in entry]
    refused = [f"- {name}: left out, licence refused ({why})" for name, why in ledger["refused_sources"].items()]
    pairs = [f"- {' and '.join(pair['licences'])}: {pair['reason']}" for pair in ledger["conflicts"]]
    return [
        "## Sources and licences",
        "",
        "Each document carries the licence of its source, or of its own row; a use of the whole has to respect all of them.",
        f"`{LEDGER}` holds the same for programs, with the fingerprints of the files read; `meta.hash` of a document is",
        "the SHA-256 of its text.",
        "",
        _table(("source", "licence", "documents or conversations", "words", "bytes"), sources),
        "",
        *refused,
        *([""] if refused else []),
        "The whole asks for:",
        "",
        *(
            f"- {demand.replace('_', ' ')}: {entry['means']} ({', '.join(entry['licences'])})"
            for demand, entry in ledger["obligations"].items()
        ),
        "",
        *(
            ["These may lie side by side in a collection, but no text made from both may be passed on:", "", *pairs, ""]
            if pairs
            else []
        ),
        *(["Cite:", "", *citations, ""] if citations else []),
    ]


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows]
    lines = [headers, ["---"] * len(headers), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
