"""Answers that the jobs of an array gave, each to one task, taken over by the evaluation that follows them.

    OUT/shares/TASK/answers/KEY.jsonl   what the model answered to that task
    OUT/shares/TASK/done.json           all of it is there; of which model and data

They are put behind one another in the order of the tasks, as one process would have written them, so the evaluation that
follows asks nothing and reports the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from qaz_llm.io import write_text
from qaz_llm.progress import get_logger

SHARES = "shares"
DONE = "done.json"

_logger = get_logger("eval")


def share_folder(out: Path, task: str) -> Path:
    """Where the answers to one task lie, of an evaluation into `out`."""
    return out / SHARES / task


def take_over(kept: Path, out: Path, tasks: Iterable[str]) -> None:
    """Append to `kept` (`out/answers/KEY.jsonl`) what shares answered under the same key, and remove the shares.

    What another model answered, or the same in another precision, has another key and goes unread.
    """
    shares = out / SHARES
    if not shares.is_dir():
        return
    names = dict.fromkeys([*tasks, *sorted(folder.name for folder in shares.iterdir() if folder.is_dir())])
    found = [share_folder(out, task) / "answers" / kept.name for task in names]
    there = [path for path in found if path.is_file()]
    lines = dict(_answers([kept, *there]))
    if there:
        write_text(kept, "".join(lines.values()))
        facts = there[0].with_suffix(".json")
        if facts.is_file() and not kept.with_suffix(".json").is_file():
            shutil.copyfile(facts, kept.with_suffix(".json"))
    _logger.info("answers to %d tasks taken over from %s", len(there), shares)
    shutil.rmtree(shares)


def _answers(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Key and line of each whole answer; of an answer that is there twice, the first counts by its place, the last by its words."""
    for path in paths:
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            try:
                key, _answer = json.loads(line)
            except (ValueError, TypeError):  # cut off by a kill; it is asked for again
                continue
            if isinstance(key, str) and line.endswith("\n"):
                yield key, line
