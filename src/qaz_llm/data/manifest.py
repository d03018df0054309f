"""The manifest of a build: every document that came in is either out or counted under the reason it was dropped for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.data.config import DataConfig
from qaz_llm.data.decontaminate import Decontaminator
from qaz_llm.data.licences import spdx
from qaz_llm.data.plan import BuildPlan
from qaz_llm.errors import DataError, InputError, QazError
from qaz_llm.io import code_fingerprint, read_json
from qaz_llm.language.segment import words
from qaz_llm.records import Conversation, Document

MANIFEST = "manifest.json"
KIND = "qaz data build"
OUTPUT_PATTERNS = (
    "documents-*.jsonl.zst",
    "dropped-*.jsonl.zst",
    "conversations-*.jsonl.zst",
    "dropped_conversations-*.jsonl.zst",
    "report.html",
    "README.md",
    MANIFEST,
)
LENGTH_EDGES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper edges, in words, of the length histogram; the last class is open."""


def is_build(folder: Path) -> bool:
    """Whether the folder holds the manifest of a data build."""
    try:
        manifest = read_json(folder / MANIFEST)
    except (QazError, OSError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == KIND


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a build. Raises InputError where the folder is none."""
    if not is_build(folder):
        raise InputError(
            f"{folder}: not the folder of a finished data build (no {MANIFEST} of one)",
            hint="name the `out` folder of `qaz data build`",
        )
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    return manifest


class Ledger:
    """Counts while the shards are written; `to_manifest` checks that they add up."""

    def __init__(self, config: DataConfig, plan: BuildPlan, decontaminator: Decontaminator) -> None:
        self._config = config
        self._refused = dict(plan.refused)
        self._decontaminator = decontaminator
        self._sources: dict[str, dict[str, Any]] = {
            source.name: {
                "licence": spdx(source.licence),
                "in": 0,
                "out": 0,
                "bytes_in": 0,
                "bytes_out": 0,
                "dropped": Counter(),
                "fingerprints": {},
            }
            for source in config.sources
            if source.name not in plan.refused
        }
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._languages: dict[str, Counter[str]] = defaultdict(Counter)
        self._lengths: Counter[int] = Counter()
        self._conversations: dict[str, dict[str, Any]] = {
            source.name: {"licence": spdx(source.licence), "in": 0, "out": 0, "dropped": Counter()}
            for source in config.conversations
        }

    def read(self, source: str, stats: Mapping[str, Any]) -> None:
        """Count what a task read and dropped."""
        entry = self._sources[source]
        entry["in"] += stats["documents_in"]
        entry["bytes_in"] += stats["bytes_in"]
        entry["dropped"].update(stats["dropped"])
        entry["fingerprints"].update(stats["fingerprints"])
        for name in ("repairs", "found_languages", "original_scripts"):
            self._counts[name].update(stats[name])

    def drop(self, source: str, reason: str) -> None:
        """Count a document dropped after cleaning."""
        self._sources[source]["dropped"][reason] += 1

    def repair(self, kind: str, number: int) -> None:
        """Count a repair made after cleaning."""
        self._counts["repairs"][kind] += number

    def keep(self, document: Document, pii: Mapping[str, int]) -> None:
        """Count a document written."""
        size = len(document.text.encode())
        length = len(words(document.text))
        entry = self._sources[document.source]
        entry["out"] += 1
        entry["bytes_out"] += size
        self._languages[document.language].update(documents=1, words=length, bytes=size)
        self._counts["scripts"][document.script] += 1
        self._counts["licences"][document.licence] += 1
        self._counts["pii"].update(pii)
        self._lengths[next((edge for edge in LENGTH_EDGES if length <= edge), 0)] += 1

    def keep_conversation(self, conversation: Conversation, pii: Mapping[str, int]) -> None:
        self._conversations[conversation.source]["in"] += 1
        self._conversations[conversation.source]["out"] += 1
        self._counts["conversation_languages"][conversation.language] += 1
        self._counts["conversation_pii"].update(pii)

    def drop_conversation(self, source: str, reason: str) -> None:
        self._conversations[source]["in"] += 1
        self._conversations[source]["dropped"][reason] += 1

    def to_manifest(self) -> dict[str, Any]:
        """The manifest as JSON values. Raises DataError where in ≠ out + dropped, for any source."""
        for name, entry in (*self._sources.items(), *self._conversations.items()):
            dropped = sum(entry["dropped"].values())
            if entry["in"] != entry["out"] + dropped:
                raise DataError(f"source {name}: {entry['in']} in, but {entry['out']} out and {dropped} dropped")
        sources = {name: _plain(entry) for name, entry in self._sources.items()}
        conversations = {name: _plain(entry) for name, entry in self._conversations.items()}
        return {
            "kind": KIND,
            "documents_in": _sum(sources, "in"),
            "documents_out": _sum(sources, "out"),
            "bytes_in": _sum(sources, "bytes_in"),
            "bytes_out": _sum(sources, "bytes_out"),
            "dropped": _dropped(sources),
            "pii": _by_count(self._counts["pii"]),
            "sources": sources,
            "refused_sources": self._refused,
            "languages": {code: dict(self._languages[code]) for code in sorted(self._languages)},
            "scripts": _by_count(self._counts["scripts"]),
            "licences": _by_count(self._counts["licences"]),
            "repairs": _by_count(self._counts["repairs"]),
            "found_languages": _by_count(self._counts["found_languages"]),
            "original_scripts": _by_count(self._counts["original_scripts"]),
            "lengths_words": {_length_name(edge): self._lengths[edge] for edge in (*LENGTH_EDGES, 0)},
            "decontamination": {
                "texts": self._decontaminator.num_texts,
                "texts_too_short": self._decontaminator.num_texts_too_short,
                "ngram_words": self._config.decontaminate.ngram_words,
            },
            "conversations": {
                "in": _sum(conversations, "in"),
                "out": _sum(conversations, "out"),
                "dropped": _dropped(conversations),
                "pii": _by_count(self._counts["conversation_pii"]),
                "languages": _by_count(self._counts["conversation_languages"]),
                "sources": conversations,
            },
            "code": code_fingerprint("data", "language"),
            "config": self._config.model_dump(mode="json", exclude={"out", "workers", "root"}),
        }


def _length_name(edge: int) -> str:
    if edge == 0:
        return f"over {LENGTH_EDGES[-1]}"
    place = LENGTH_EDGES.index(edge)
    return f"{LENGTH_EDGES[place - 1] + 1 if place else 1}–{edge}"


def _sum(sources: Mapping[str, Mapping[str, Any]], key: str) -> int:
    return sum(int(entry[key]) for entry in sources.values())


def _dropped(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for entry in sources.values():
        total.update(entry["dropped"])
    return _by_count(total)


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _by_count(value) if isinstance(value, Counter) else value for key, value in entry.items()}


def _by_count(counter: Counter[str]) -> dict[str, int]:
    """The commonest first, equal ones by name."""
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
