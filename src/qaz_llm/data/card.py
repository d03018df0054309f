"""The data set's card: README.md in the form of the Hugging Face hub, with the ledger of licences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.config import dump_yaml
from qaz_llm.io import write_text
from qaz_llm.records import LANGUAGE_NAMES


def write_card(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the card of a build beside its shards."""
    path = folder / "README.md"
    write_text(path, make_card(manifest))
    return path


def make_card(manifest: Mapping[str, Any]) -> str:
    """The card's text: a YAML header for the hub, then what a reader has to know before using the data."""
    languages = list(manifest["languages"])
    header = {
        "pretty_name": "Kazakh, Russian and English text",
        "language": languages,
        "license": "other",
        "task_categories": ["text-generation"],
        "configs": [
            {"config_name": "documents", "data_files": "documents-*.jsonl.zst", "default": True},
            *(
                [{"config_name": "conversations", "data_files": "conversations-*.jsonl.zst"}]
                if manifest["conversations"]["out"]
                else []
            ),
        ],
    }
    return "\n".join(
        [
            "---",
            dump_yaml(header).rstrip(),
            "---",
            "",
            "# Kazakh, Russian and English text",
            "",
            f"{manifest['documents_out']:,} documents ({manifest['bytes_out'] / 1e6:,.1f} MB) of "
            f"{manifest['documents_in']:,} read; {manifest['conversations']['out']:,} conversations.",
            "Made by `qaz data build`; every dropped document is counted in `manifest.json` and sampled in `dropped-*`.",
            "",
            "## Languages",
            "",
            _table(
                ("language", "documents", "words", "bytes"),
                [
                    (LANGUAGE_NAMES.get(c, c), v["documents"], v["words"], v["bytes"])
                    for c, v in manifest["languages"].items()
                ],
            ),
            "",
            "## Sources and licences",
            "",
            "Each document carries the licence of its source; a use of the whole has to respect all of them.",
            "",
            _table(
                ("source", "licence", "documents", "bytes"),
                [(name, v["licence"], v["out"], v["bytes_out"]) for name, v in manifest["sources"].items()],
            ),
            "",
            *_conversation_lines(manifest),
            "## How it was made",
            "",
            "Repair (encoding, NFC, look-alike letters, script), language by sentence, quality rules, removal of texts that",
            "hold evaluation items, personal data replaced by placeholders, exact and near duplicates and repeated lines removed.",
            "",
            f"- dropped: {_list(manifest['dropped'])}",
            f"- repaired: {_list(manifest['repairs'])}",
            f"- placeholders for personal data: {_list(manifest['pii'])}",
            f"- checked against {manifest['decontamination']['texts']:,} evaluation texts",
            "",
            "## Limits",
            "",
            "Rules find personal data by form: names and addresses stay. Kazakh in Latin and Arabic script is converted by",
            "table, which cannot tell all letters apart. Language labels of short texts are uncertain.",
            "",
        ]
    )


def _conversation_lines(manifest: Mapping[str, Any]) -> list[str]:
    sources = manifest["conversations"]["sources"]
    if not sources:
        return []
    rows = [(name, v["licence"], v["out"]) for name, v in sources.items()]
    return ["## Conversations", "", _table(("source", "licence", "conversations"), rows), ""]


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows]
    lines = [headers, ["---"] * len(headers), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
