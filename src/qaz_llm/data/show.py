"""Look at what a build kept and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from qaz_llm.data.manifest import read_manifest
from qaz_llm.errors import InputError
from qaz_llm.io import read_jsonl


def show_documents(
    folder: Path,
    *,
    dropped: bool = False,
    reason: str | None = None,
    language: str | None = None,
    source: str | None = None,
    limit: int = 10,
    offset: int = 0,
) -> Iterator[dict[str, Any]]:
    """Rows of documents-* (or of dropped-*), those that fit, `limit` of them from the `offset`-th on.

    Raises InputError where the folder is no build, or dropped nothing for that reason.
    """
    manifest = read_manifest(folder)
    if source is not None and source not in manifest["sources"]:
        raise InputError(f"{folder}: no source {source!r}", hint=f"the sources are: {', '.join(manifest['sources'])}")
    if reason is not None and reason not in manifest["dropped"]:
        known = ", ".join(manifest["dropped"]) or "none, nothing was dropped"
        raise InputError(f"{folder}: no document was dropped for {reason!r}", hint=f"the reasons are: {known}")
    wanted = {"reason": reason, "language": language, "source": source}
    rows = (row for path in sorted(folder.glob("dropped-*" if dropped else "documents-*")) for row in read_jsonl(path))
    fitting = (row for row in rows if all(v is None or row.get(key) == v for key, v in wanted.items()))
    return islice(fitting, offset, offset + limit)
