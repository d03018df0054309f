"""From the cleaned parts to the final shards: what needs to see all documents at once.

Memory holds arrays of numbers, some hundred bytes per document, never texts. A row that nothing changes is copied as the
bytes it is; only rows with lines to take out are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.clean import SAMPLE_CHARS, min_words_of, samples_of
from qaz_llm.data.config import DataConfig
from qaz_llm.data.duplicates.dedup import REASONS, Decisions, LinePlan, find_duplicates, plan_lines, read_ids
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.protect.pii import count_placeholders
from qaz_llm.data.spool import Spooled, dropped_row, kept_row
from qaz_llm.io import ShardWriter, parse_row
from qaz_llm.language.segment import words
from qaz_llm.progress import get_logger
from qaz_llm.records import Document, Verdict

_logger = get_logger("data")

_WAITING_ROWS = 256
"""Rows of dropped documents that are held in memory, so as to be written together."""


def merge_documents(
    spooled: Sequence[Spooled], config: DataConfig, ledger: Ledger, *, staging: Path, scratch: Path
) -> None:
    """Drop duplicates and repeated lines, and write documents-* and dropped-* to `staging`, counting in `ledger`."""
    parts = [part.dedup_part() for part in spooled]
    memory_bytes = int(config.memory_gb * 1e9)
    decisions = find_duplicates(parts, config.dedup, work=scratch, memory_bytes=memory_bytes)
    lines = plan_lines(parts, decisions.reasons_N, config.dedup, work=scratch, memory_bytes=memory_bytes)
    gone = int((decisions.reasons_N != 0).sum())
    _logger.info(f"duplicates: {gone:,} of {len(decisions.reasons_N):,} cleaned documents")
    copied = np.unique(decisions.kept_N[decisions.reasons_N != 0])
    kept_ids = _final_ids(spooled, 0, decisions, copied[copied >= 0])
    ledger.duplicates(decisions)
    with (
        ShardWriter(staging, "documents", shard_bytes=config.shard_bytes) as documents,
        ShardWriter(staging, "dropped", shard_bytes=config.shard_bytes) as dropped,
    ):
        for part in spooled:  # all of them first, so that the order does not depend on how the input was cut
            ledger.read(part.stats["source"], part.stats)
            for line in part.dropped_lines():
                dropped.write_line(line)
        merger = _Merger(config, ledger, decisions, lines, kept_ids, documents, dropped)
        first = 0
        for part in spooled:
            rows = np.flatnonzero(decisions.renamed_N[first : first + part.num_kept])
            merger.add(part, first, _final_ids([part], first, decisions, rows + first))
            first += part.num_kept


def _final_ids(
    spooled: Sequence[Spooled], first: int, decisions: Decisions, rising: npt.NDArray[np.int64]
) -> dict[int, str]:
    """The ids that documents, by their rising numbers, are written under; the parts begin with the number `first`.

    One whose id another has too gets its place beside it: `news/7` of the fourth row of b.jsonl becomes
    `news/7#b.jsonl/00000003`.
    """
    ids = {first + row: own for row, own in read_ids([part.dedup_part() for part in spooled], rising - first).items()}
    for part in spooled:
        inside = rising[(rising >= first) & (rising < first + part.num_kept)]
        renamed = inside[decisions.renamed_N[inside]]
        if len(renamed):
            places = part.places(renamed - first)
            ids |= {number: f"{ids[number]}#{place}" for number, place in zip(renamed.tolist(), places, strict=True)}
        first += part.num_kept
    return ids


class _Merger:
    """The rows of cleaned parts on their way to the final shards."""

    def __init__(
        self,
        config: DataConfig,
        ledger: Ledger,
        decisions: Decisions,
        lines: LinePlan,
        kept_ids: dict[int, str],
        documents: ShardWriter,
        dropped: ShardWriter,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._decisions = decisions
        self._lines = lines
        self._kept_ids = kept_ids
        self._documents = documents
        self._dropped = dropped
        self._waiting: list[tuple[Document, Verdict, Mapping[str, Any]]] = []

    def add(self, part: Spooled, first: int, new_ids: Mapping[int, str]) -> None:
        """Write the kept rows of a part whose first document has the number `first`, some under another id."""
        numbers = slice(first, first + part.num_kept)
        reasons, touched = self._decisions.reasons_N[numbers], self._lines.touched_N[numbers]
        same = (reasons == 0) & ~touched
        copied = same & ~self._decisions.renamed_N[numbers]
        self._ledger.notices.add("repeated_document_ids", part.stats["source"], int((same & ~copied).sum()))
        for row, (line, unchanged) in enumerate(zip(part.kept_lines(), copied.tolist(), strict=True)):
            if unchanged:
                self._documents.write_line(line)
                continue
            document = Document.from_row(parse_row(line))
            document = replace(document, id=new_ids.get(first + row, document.id))
            if reasons[row]:
                self._drop_copy(document, first + row)
            elif touched[row]:
                self._without_lines(document, first + row)
            else:
                self._documents.write(document.to_row())
        self._write_waiting()
        self._ledger.keep_many(part.stats["source"], part.columns(), np.flatnonzero(same))

    def _drop_copy(self, document: Document, number: int) -> None:
        reason = REASONS[self._decisions.reasons_N[number]]
        alike = float(self._decisions.alike_N[number])
        verdict = Verdict(False, reason)
        if alike:
            verdict = Verdict(False, reason, round(alike, 3), self._config.dedup.min_jaccard)
        self._drop(document, verdict, of=self._kept_ids.get(int(self._decisions.kept_N[number])))

    def _drop(self, document: Document, verdict: Verdict, **found: Any) -> None:
        self._ledger.drop(document.source, str(verdict.reason))
        beginning = replace(document, text=document.text[: 2 * SAMPLE_CHARS])  # a text may be megabytes long
        self._waiting.append((beginning, verdict, found))
        if len(self._waiting) >= _WAITING_ROWS:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write the dropped rows that wait: their samples are looked through for personal data together."""
        samples = samples_of([document for document, _, _ in self._waiting])
        for sample, (_, verdict, found) in zip(samples, self._waiting, strict=True):
            self._dropped.write(dropped_row(sample, verdict, **found))
        self._waiting.clear()

    def _without_lines(self, document: Document, number: int) -> None:
        text, removed = self._lines.remove(number, document.text)
        length = len(words(text))
        least = min_words_of(self._config, document.language)
        if removed and (length < least or not text.strip()):
            self._drop(document, Verdict(False, "repeated_lines", length, least), repeated_lines=removed)
            return
        pii = count_placeholders(text, document.id, document.url or "")
        if removed:
            self._ledger.repair("repeated_lines", removed)
            done = {**document.meta.get("repairs", {}), "repeated_lines": removed}
            meta = {**document.meta, "repairs": done, "pii": pii}
            document = replace(document, text=text, meta={k: v for k, v in meta.items() if k != "pii" or v})
        self._ledger.keep(document, pii, length)
        self._ledger.notices.add("repeated_document_ids", document.source, int(self._decisions.renamed_N[number]))
        self._documents.write(kept_row(document, text.encode()))
