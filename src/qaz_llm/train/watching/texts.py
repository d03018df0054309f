"""Which held-out text a number was measured on: numbers of different texts are not compared.

Each row of evals.jsonl has one of the same step in evals_texts.jsonl, with a fingerprint of what each number was measured on. A run that goes
on with another file under the same name is told of it, and what compares evaluations reads them by `comparable_evals`:

    step 0    ru 2.0  of text a
    step 10   ru 2.1  of text a
    step 20   ru 1.4  of text b      →  to be compared with step 20: nothing of ru

Rows of earlier versions have no fingerprints; their numbers are taken to be of the text of today, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.io import fingerprint_value
from qaz_llm.progress import get_logger
from qaz_llm.train.metrics import EVAL_TEXTS_FILE, EVALS_FILE, append_metrics, read_metrics

_logger = get_logger("train")

TEXTS = "texts"

Fingerprints = Mapping[str, str]
"""By the name of a number that an evaluation gives."""


def fingerprints_of(heldout: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By name the fingerprint of the texts that are scored."""
    return {name: fingerprint_value(list(texts)) for name, texts in heldout.items()}


def append_evaluation(run_dir: Path, step: int, scores: Mapping[str, float], texts: Fingerprints) -> None:
    """Write a row of evals.jsonl. What it was measured on goes first: of a killed run no number is without it."""
    append_metrics(run_dir / EVAL_TEXTS_FILE, {"step": step, TEXTS: dict(texts)})
    append_metrics(run_dir / EVALS_FILE, {"step": step, **scores})


def comparable_evals(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of evals.jsonl, each with those of its numbers that were measured on what the last row's were."""
    rows, texts = read_metrics(run_dir / EVALS_FILE), texts_by_step(run_dir)
    last = texts.get(rows[-1]["step"], {}) if rows else {}
    return [_like(row, texts.get(row["step"], {}), last) for row in rows]


def _like(row: Mapping[str, Any], own: Fingerprints, last: Fingerprints) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not _differ(own, last, name)}


def _differ(one: Fingerprints, other: Fingerprints, name: str) -> bool:
    """Whether two numbers of a name are known to be of different texts."""
    return name in one and name in other and one[name] != other[name]


def texts_by_step(run_dir: Path) -> dict[int, Fingerprints]:
    """The fingerprints behind the rows of evals.jsonl; of a step that was evaluated again the last ones."""
    return {
        row["step"]: row[TEXTS] for row in read_metrics(run_dir / EVAL_TEXTS_FILE) if isinstance(row.get(TEXTS), dict)
    }


def say_other_texts(run_dir: Path, now: Fingerprints, watched: Sequence[str]) -> bool:
    """Warn of what the evaluations of this sitting cannot be compared with; whether any text is another than it was.

    Args:
        now: the fingerprints of this sitting's held-out texts.
        watched: names whose numbers are compared with those of step 0, for what is forgotten.
    """
    rows, texts = read_metrics(run_dir / EVALS_FILE), texts_by_step(run_dir)
    if not rows or not now:
        return False
    last, first = texts.get(rows[-1]["step"]), texts.get(0, {})
    if last is None:
        _logger.warning("%s does not say which held-out text it is of, as earlier versions wrote it: taken to be the text of today", EVALS_FILE)  # fmt: skip
    changed = [name for name in now if _differ(last or {}, now, name)]
    unjudged = [name for name in watched if _differ(first, now, name)]
    for line in _in_words(rows[-1]["step"], changed, unjudged, [name for name in last or {} if name not in now]):
        _logger.warning(line)
    return bool(changed)


def _in_words(step: int, changed: Sequence[str], unjudged: Sequence[str], gone: Sequence[str]) -> Iterator[str]:
    if changed:
        yield (
            f"held-out {', '.join(changed)}: not the text that was scored up to step {step:,}; numbers before and after are not compared "
            "(best checkpoint, patience, curves)"
        )
    if unjudged:
        yield (
            f"held-out {', '.join(unjudged)}: not the text that step 0 was scored with; forgetting is not judged for it until the run goes on "
            "with that text again, or a new run_dir begins with this one"
        )
    if gone:
        yield f"held-out {', '.join(gone)}: scored up to step {step:,}, and no longer"
