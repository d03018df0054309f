"""Fetch the public evaluation sets and lay them out as the tasks and configs look for them.

    python scripts/evaluation_sets.py DIR            # then: export QAZ_CORPUS_DIR=DIR
    python scripts/evaluation_sets.py DIR sib200     # one of flores200, sib200, belebele_kk, kazqad

FLORES+ and KazQAD are given after one has agreed to their terms on their pages; then `hf auth login`. Files that are there are
left alone. Columns are renamed nowhere but in FLORES, whose three languages become one row.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.io import atomic_path

Rows = Iterable[Mapping[str, Any]]
Load = Callable[[str, str, str], Rows]
"""(data set on the hub, subset, split) → rows."""

SUBSETS = {"kk": "kaz_Cyrl", "ru": "rus_Cyrl", "en": "eng_Latn"}


def flores(load: Load) -> dict[str, Rows]:
    """1,012 sentences of devtest; a row has id, kk, ru and en. The id joins the languages."""
    by_id: dict[int, dict[str, Any]] = {}
    for language, subset in SUBSETS.items():
        for row in load("openlanguagedata/flores_plus", subset, "devtest"):
            by_id.setdefault(row["id"], {"id": row["id"]})[language] = row["text"]
    whole = [row for row in by_id.values() if len(row) == 1 + len(SUBSETS)]
    return {"flores200/flores200_devtest_kk_ru_en.jsonl": whole}


def sib200(load: Load) -> dict[str, Rows]:
    """99 sentences of dev in each language: index_id, category, text."""
    return {
        f"sib200/sib200_{language}_dev.jsonl": load("Davlan/sib200", subset, "validation")
        for language, subset in SUBSETS.items()
    }


def belebele(load: Load) -> dict[str, Rows]:
    """900 questions with a passage."""
    return {"belebele_kk/belebele_kaz_Cyrl.jsonl.gz": load("facebook/belebele", "kaz_Cyrl", "test")}


def kazqad(load: Load) -> dict[str, Rows]:
    """764 questions of validation: id, title, context, question, answers."""
    return {"kazqad/kazqad_rc_validation.jsonl.gz": load("issai/kazqad", "kazqad", "validation")}


SETS: Mapping[str, Callable[[Load], dict[str, Rows]]] = {
    "flores200": flores,
    "sib200": sib200,
    "belebele_kk": belebele,
    "kazqad": kazqad,
}


def fetch(root: Path, names: Iterable[str], load: Load) -> list[Path]:
    """Write the files of the sets named below `root`; a set that has a folder there is passed over."""
    written = []
    for name in names:
        if (root / name).exists():
            print(f"{root / name}: there already")
            continue
        for path, rows in SETS[name](load).items():
            lines = [json.dumps(dict(row), ensure_ascii=False, default=str) + "\n" for row in rows]
            data = "".join(lines).encode()
            with atomic_path(root / path) as temporary:
                temporary.write_bytes(gzip.compress(data) if path.endswith(".gz") else data)
            print(f"{root / path}: {len(lines)} rows")
            written.append(root / path)
    return written


def from_hub(name: str, subset: str, split: str) -> Rows:
    import datasets

    return datasets.load_dataset(name, subset, split=split)  # type: ignore[no-any-return]


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(SETS):
        sys.exit(f"usage: python {sys.argv[0]} DIR [{' | '.join(SETS)}] …")
    fetch(Path(sys.argv[1]), sys.argv[2:] or SETS, from_hub)
