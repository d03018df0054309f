"""What a part of the input counts while it is cleaned."""

from __future__ import annotations

from collections import Counter

from qaz_llm.data.clean import Cleaned
from qaz_llm.records import DocumentBatch


class Tally:
    """Counts over the documents that went through a cleaner."""

    def __init__(self) -> None:
        self.documents_in = 0
        self.bytes_in = 0
        self.added_by_splitting = 0
        self.labelled = 0
        """Documents with a label of machine-made text, whatever became of them."""
        self.eval_items: list[tuple[int, ...]] = []
        self.counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("dropped", "repairs", "found_languages", "original_scripts")
        }

    def read(self, batch: DocumentBatch) -> None:
        """Count documents before cleaning."""
        self.documents_in += len(batch)
        self.bytes_in += sum(len(document.text.encode("utf-8", "surrogatepass")) for document in batch)

    def add(self, item: Cleaned) -> None:
        """Count a document after cleaning."""
        self.added_by_splitting += item.is_split
        if item.reason is not None:
            self.counts["dropped"][item.reason] += 1
        if item.eval_items:
            self.eval_items.append(item.eval_items)
        if item.repairs:
            self.labelled += "label" in item.repairs
            self.counts["repairs"].update(item.repairs)
        self.counts["found_languages"][item.found_language] += 1
        script = item.document.meta.get("original_script", item.document.script)
        self.counts["original_scripts"][str(script)] += 1

    def to_dict(self) -> dict[str, object]:
        sizes = {
            "documents_in": self.documents_in,
            "bytes_in": self.bytes_in,
            "added_by_splitting": self.added_by_splitting,
            "labelled": self.labelled,
            "eval_items": self.eval_items,
        }
        return {**sizes, **{name: dict(sorted(counter.items())) for name, counter in self.counts.items()}}
