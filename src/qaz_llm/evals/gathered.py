"""What the shares of an evaluation answered (part.py), made the evaluation's own: as one process would have written it.

OUT/shares/0-of-2/answers/KEY.jsonl ┐
OUT/shares/1-of-2/answers/KEY.jsonl ┴─► OUT/answers/KEY.jsonl     and the shares are removed
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qaz_llm.data.share import Share
from qaz_llm.errors import QazError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.identity import model_identity
from qaz_llm.evals.items.load import task_fingerprints
from qaz_llm.evals.part import FOLDER, Part
from qaz_llm.evals.task import as_generated, choose_tasks
from qaz_llm.io import read_json, write_text
from qaz_llm.progress import get_logger

_logger = get_logger("eval")


def take_over(config: EvalConfig) -> None:
    """Put what finished shares of this model answered into `out/answers`, in the order of the shares, and remove all shares.

    What another model answered is left out, so that nothing shows afterwards that there were shares.
    """
    shares = config.out / FOLDER
    if not shares.is_dir():
        return
    identity = model_identity(config)
    answered = [
        folder
        for folder in sorted(shares.iterdir(), key=_place)
        if _parity(folder).get("model_fingerprint") == identity
    ]
    for name in dict.fromkeys(path.name for folder in answered for path in (folder / "answers").glob("*.jsonl")):
        kept = config.out / "answers" / name
        parts = [path for folder in answered if (path := folder / "answers" / name).is_file()]
        write_text(kept, "".join(dict(_answers([kept, *parts])).values()))
        facts = parts[0].with_suffix(".json")
        if facts.is_file():
            shutil.copyfile(facts, kept.with_suffix(".json"))
    _logger.info("answers of %d shares taken over from %s", len(answered), shares)
    shutil.rmtree(shares)


def missing_shares(config: EvalConfig, count: int) -> list[int]:
    """The numbers of the shares that are not finished, of so many. Raises InputError where the model is none."""
    identity = model_identity(config)
    return [number for number in range(count) if not _is_finished(config, Share(number, count), identity)]


def _is_finished(config: EvalConfig, share: Share, identity: str) -> bool:
    part = Part(share)
    tasks = part.of_tasks(choose_tasks(config))
    if config.formats == "generate":
        tasks = tuple(map(as_generated, tasks))
    parity = _parity(part.of_config(config).out)
    data = {task.name: task_fingerprints(task, config.root) for task in tasks}
    return parity.get("model_fingerprint") == identity and parity.get("data") == data


def _parity(folder: Path) -> dict[str, Any]:
    """What a finished evaluation says of itself; nothing of one that is not finished."""
    try:
        found = read_json(folder / "parity.json")
    except (QazError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(folder: Path) -> tuple[int, int]:
    """The share's number and how many there were, of a folder `3-of-16`."""
    index, _, count = folder.name.partition("-of-")
    return (int(index), int(count)) if index.isdecimal() and count.isdecimal() else (0, 0)


def _answers(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Key and line of each whole answer; the first time it comes says where it stands."""
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
