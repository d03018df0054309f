"""Files copied into an audit without what tells of the machine: paths, users, hosts are replaced and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qaz_llm.errors import DataError
from qaz_llm.io import read_json, write_json, write_text
from qaz_llm.io.machine import MachineWords
from qaz_llm.pipeline.audit.parts import Found, of_run

MAX_BYTES = 64 << 20
"""A file larger than this is no report; it is named and left out."""

DROPPED_KEYS = frozenset({"pid", "pid_start", "job_id", "host"})


def words_of_run(run_dir: Path) -> MachineWords:
    """The names that a run's own files tell: its hosts, and the users in the paths they hold."""
    hosts, users = set[str](), set[str]()
    for path in of_run(run_dir, "status.json", "*/status.json"):
        status = read_json(path)
        hosts |= {str(one["host"]) for one in [status, *status.get("sittings", [])] if one.get("host")}
    for part in (run_dir.resolve(), Path.home()):
        users |= {part.parts[2]} if len(part.parts) > 2 and part.parts[1] in ("home", "Users") else set()
    roots = {str(path): "<run>" for path in (run_dir.absolute(), run_dir.resolve())}
    return MachineWords.here(users=users, hosts=hosts, roots=roots)


def copy_clean(files: Iterable[Found], out: Path, words: MachineWords) -> tuple[Counter[str], list[str]]:
    """Write each file to its place below `out`; what was replaced by kind, and the places of files left out for their size.

    Raises:
        DataError: a file is not the JSON or text it is named.
    """
    counts: Counter[str] = Counter()
    left_out = []
    for file in files:
        if file.source.stat().st_size > MAX_BYTES:
            left_out.append(file.place)
            continue
        target = out / file.place
        if file.source.suffix == ".json":
            value, found = words.replace_in(_without_process(read_json(file.source)))
            write_json(target, value)
        else:
            try:
                text, found = words.replace(file.source.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise DataError(f"{file.source}: not UTF-8 at byte {error.start}") from error
            write_text(target, text)
        counts += found
    return counts, left_out


def _without_process(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_process(item) for key, item in value.items() if key not in DROPPED_KEYS}
    return [_without_process(item) for item in value] if isinstance(value, list) else value


def texts_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of an audit as text, for whoever looks for what should not be there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_text(encoding="utf-8", errors="replace")
