"""The manifest of a build: every document that came in is either out or counted under the reason it was dropped for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DataConfig
from qaz_llm.data.duplicates.dedup import REASONS, Decisions
from qaz_llm.data.first_rows import note_files
from qaz_llm.data.licence_names import spdx
from qaz_llm.data.licences import refusal
from qaz_llm.data.notices import Notices
from qaz_llm.data.opt_outs import OptOuts, account
from qaz_llm.data.plan import BuildPlan
from qaz_llm.data.protect.decontaminate import Decontaminator
from qaz_llm.data.protect.items import note_item_files
from qaz_llm.data.spool import Columns
from qaz_llm.errors import DataError, InputError, QazError
from qaz_llm.io import code_fingerprint, parse_row, read_json
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
    "licences.json",
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

    def __init__(self, config: DataConfig, plan: BuildPlan, decontaminator: Decontaminator, opt_outs: OptOuts) -> None:
        self.notices = Notices()
        self._config = config
        self._refused = dict(plan.refused)
        self._decontaminator = decontaminator
        self._opt_outs = opt_outs
        self._sources: dict[str, dict[str, Any]] = {
            source.name: {
                "licence": spdx(source.licence),
                "in": 0,
                "out": 0,
                "added_by_splitting": 0,
                "bytes_in": 0,
                "bytes_out": 0,
                "words_out": 0,
                "dropped": Counter(),
                "languages": Counter(),
                "scripts": Counter(),
                "licences": {},
                "lengths_words": Counter(),
                "encodings": Counter(),
                "fingerprints": {},
                "homepage": source.homepage,
                "citation": source.citation,
            }
            for source in config.sources
            if source.name not in plan.refused
        }
        for source in config.conversations:
            why = refusal(spdx(source.licence), config.licences)
            if why is not None and source.licence_field is None:
                self.notices.add("conversations_refused", f"{source.name}: {why}")
        note_files(config, plan.tasks, plan.not_read, self.notices)
        for file in decontaminator.files:
            self.notices.add("items_unmatchable", file.name, file.items_too_short)
        note_item_files(config.decontaminate, self.notices, root=config.root)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._languages: dict[str, Counter[str]] = defaultdict(Counter)
        self._eval_items: list[tuple[int, ...]] = []
        self._clusters: Counter[int] = Counter()
        self._labelled: Counter[str] = Counter()
        self._conversations: dict[str, dict[str, Any]] = {
            source.name: {
                "licence": spdx(source.licence),
                "in": 0,
                "out": 0,
                "words_out": 0,
                "bytes_out": 0,
                "dropped": Counter(),
                "asked_answered": Counter(),
                "licences": {},
                "fingerprints": {},
                "homepage": source.homepage,
                "citation": source.citation,
            }
            for source in config.conversations
        }

    def read(self, source: str, stats: Mapping[str, Any]) -> None:
        """Count what a task read and dropped."""
        entry = self._sources[source]
        entry["in"] += stats["documents_in"]
        entry["added_by_splitting"] += stats["added_by_splitting"]
        entry["bytes_in"] += stats["bytes_in"]
        entry["dropped"].update(stats["dropped"])
        entry["fingerprints"].update(stats["fingerprints"])
        entry["encodings"].update(stats["encodings"])
        self.notices.update(stats["notices"])
        self._labelled["documents"] += stats["labelled"]
        self._eval_items += [tuple(items) for items in stats["eval_items"]]
        for name in ("repairs", "found_languages", "original_scripts"):
            self._counts[name].update(stats[name])

    def duplicates(self, decisions: Decisions) -> None:
        """Count clusters: a document that stays and the copies dropped for it."""
        for code, reason in enumerate(REASONS):
            kept = decisions.kept_N[(decisions.reasons_N == code) & (decisions.kept_N >= 0)]
            if reason in {"exact_duplicate", "near_duplicate"} and len(kept):
                _, copies = np.unique(kept, return_counts=True)
                self._clusters.update((copies + 1).tolist())

    def drop(self, source: str, reason: str) -> None:
        """Count a document dropped after cleaning."""
        self._sources[source]["dropped"][reason] += 1

    def repair(self, kind: str, number: int) -> None:
        """Count a repair made after cleaning."""
        self._counts["repairs"][kind] += number

    def keep(self, document: Document, pii: Mapping[str, int], length: int) -> None:
        """Count a document of `length` words that is written."""
        values = (document.language, document.script, document.licence)
        self._keep(document.source, values, 1, length, len(document.text.encode()))
        self._sources[document.source]["lengths_words"][_length_class(length)] += 1
        self._counts["pii"].update(pii)

    def keep_many(self, source: str, columns: Columns, rows: npt.NDArray[np.int64]) -> None:
        """Count the documents of a part, given by their numbers in it, that are written as they are."""
        if not len(rows):
            return
        groups = zip(columns.languages_N[rows], columns.scripts_N[rows], columns.licences_N[rows], strict=True)
        places: dict[tuple[str, str, str], int] = {}
        group_N = np.fromiter((places.setdefault(group, len(places)) for group in groups), dtype=np.int64)
        words_N, bytes_N = columns.words_N[rows], columns.bytes_N[rows]
        counts, lengths, sizes = (np.bincount(group_N, weights) for weights in (None, words_N, bytes_N))
        for group, place in places.items():
            self._keep(source, group, int(counts[place]), int(lengths[place]), int(sizes[place]))
        classes = np.bincount(np.searchsorted(LENGTH_EDGES, words_N), minlength=len(LENGTH_EDGES) + 1)
        for length_class, number in enumerate(classes.tolist()):
            self._sources[source]["lengths_words"][length_class] += number
        for pii in columns.pii_N[rows]:
            if pii is not None:
                self._counts["pii"].update(parse_row(pii))

    def _keep(self, source: str, group: tuple[str, str, str], number: int, length: int, size: int) -> None:
        language, script, licence = group
        entry = self._sources[source]
        entry["out"] += number
        entry["bytes_out"] += size
        entry["words_out"] += length
        entry["languages"][language] += number
        entry["scripts"][script] += number
        sizes = entry["licences"].setdefault(licence, Counter())
        sizes.update(documents=number, words=length, bytes=size)
        self._languages[language].update(documents=number, words=length, bytes=size)
        self._counts["scripts"][script] += number
        self._counts["licences"][licence] += number

    def keep_conversation(
        self, conversation: Conversation, pii: Mapping[str, int], repairs: Mapping[str, int], asked_answered: str
    ) -> None:
        entry = self._conversations[conversation.source]
        entry["in"] += 1
        entry["out"] += 1
        contents = [message.content for message in conversation.messages]
        sizes = {"words": sum(len(text.split()) for text in contents), "bytes": sum(len(t.encode()) for t in contents)}
        entry["words_out"] += sizes["words"]
        entry["bytes_out"] += sizes["bytes"]
        entry["licences"].setdefault(conversation.licence, Counter()).update(conversations=1, **sizes)
        entry["asked_answered"][asked_answered] += 1
        self._counts["conversation_languages"][conversation.language] += 1
        self._counts["conversation_pii"].update(pii)
        self._counts["conversation_repairs"].update(repairs)

    def labelled_conversation(self) -> None:
        """Note a conversation with a label of machine-made text."""
        self._labelled["conversations"] += 1

    def contaminated(self, items: Sequence[int]) -> None:
        """Note the evaluation items that a conversation holds a part of."""
        self._eval_items.append(tuple(items))

    def read_conversations(self, source: str, fingerprints: Mapping[str, str]) -> None:
        """Note the files that a source of conversations was read from."""
        self._conversations[source]["fingerprints"].update(fingerprints)

    def drop_conversation(self, source: str, reason: str) -> None:
        self._conversations[source]["in"] += 1
        self._conversations[source]["dropped"][reason] += 1

    def to_manifest(self) -> dict[str, Any]:
        """The manifest as JSON values. Raises DataError where in ≠ out + dropped, for any source."""
        for name, entry in (*self._sources.items(), *self._conversations.items()):
            dropped = sum(entry["dropped"].values())
            if entry["in"] + entry.get("added_by_splitting", 0) != entry["out"] + dropped:
                raise DataError(f"source {name}: {entry['in']} in, but {entry['out']} out and {dropped} dropped")
        sources = {name: _plain(entry) for name, entry in self._sources.items()}
        conversations = {name: _plain(entry) for name, entry in self._conversations.items()}
        return {
            "kind": KIND,
            "documents_in": _sum(sources, "in"),
            "documents_out": _sum(sources, "out"),
            "added_by_splitting": _sum(sources, "added_by_splitting"),
            "bytes_in": _sum(sources, "bytes_in"),
            "bytes_out": _sum(sources, "bytes_out"),
            "dropped": _dropped(sources),
            "labelled": {
                "policy": self._config.labelled,
                "documents": self._labelled["documents"],
                "conversations": self._labelled["conversations"],
            },
            "opt_outs": account(self._config, self._opt_outs, _dropped(sources), self.notices.to_list()),
            "pii": _by_count(self._counts["pii"]),
            "sources": sources,
            "refused_sources": self._refused,
            "languages": {code: dict(self._languages[code]) for code in sorted(self._languages)},
            "scripts": _by_count(self._counts["scripts"]),
            "licences": _by_count(self._counts["licences"]),
            "repairs": _by_count(self._counts["repairs"]),
            "found_languages": _by_count(self._counts["found_languages"]),
            "original_scripts": _by_count(self._counts["original_scripts"]),
            "lengths_words": _total(sources, "lengths_words"),
            "duplicate_clusters": {str(size): self._clusters[size] for size in sorted(self._clusters)},
            "decontamination": {
                **self._decontaminator.describe(),
                "texts": self._decontaminator.num_texts,
                "texts_too_short": self._decontaminator.num_texts_too_short,
                "items_too_short": sum(file.items_too_short for file in self._decontaminator.files),
                "hits": self._decontaminator.report(self._eval_items),
            },
            "conversations": {
                "in": _sum(conversations, "in"),
                "out": _sum(conversations, "out"),
                "dropped": _dropped(conversations),
                "pii": _by_count(self._counts["conversation_pii"]),
                "repairs": _by_count(self._counts["conversation_repairs"]),
                "languages": _by_count(self._counts["conversation_languages"]),
                "sources": conversations,
            },
            "notices": self._all_notices(),
            "code": code_fingerprint("data", "language"),
            "config": self._config.model_dump(mode="json", exclude={"out", "work", "workers", "root", "memory_gb"}),
        }

    def _all_notices(self) -> list[dict[str, Any]]:
        """The notices, and the sources of which rows were read and nothing is kept."""
        notices = Notices()
        notices.update(self.notices.to_list())
        for name, entry in (*self._sources.items(), *self._conversations.items()):
            notices.add("nothing_kept", name, entry["in"] if not entry["out"] else 0)
        return notices.to_list()


def _length_class(length: int) -> int:
    return int(np.searchsorted(LENGTH_EDGES, length))


def _length_names() -> list[str]:
    """`1–10`, `11–20` … `over 5000`, by class."""
    starts = [1, *(edge + 1 for edge in LENGTH_EDGES)]
    closed = [f"{start}–{edge}" for start, edge in zip(starts, LENGTH_EDGES, strict=False)]
    return [*closed, f"over {LENGTH_EDGES[-1]}"]


def _sum(sources: Mapping[str, Mapping[str, Any]], key: str) -> int:
    return sum(int(entry[key]) for entry in sources.values())


def _dropped(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for entry in sources.values():
        total.update(entry["dropped"])
    return _by_count(total)


def _total(sources: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, int]:
    """The sum of one histogram over all sources, its classes in order."""
    return {name: sum(entry[key][name] for entry in sources.values()) for name in _length_names()}


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a source as JSON values, without keys that say nothing."""
    plain = {key: _by_count(value) if isinstance(value, Counter) else value for key, value in entry.items()}
    if "licences" in entry:
        plain["licences"] = {name: dict(sizes) for name, sizes in sorted(entry["licences"].items())}
    if "lengths_words" in entry:
        plain["lengths_words"] = {name: entry["lengths_words"][i] for i, name in enumerate(_length_names())}
    return {key: value for key, value in plain.items() if value is not None}


def _by_count(counter: Counter[str]) -> dict[str, int]:
    """The commonest first, equal ones by name."""
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
