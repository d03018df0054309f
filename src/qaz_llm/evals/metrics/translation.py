"""Translations scored by sacrebleu: chrF++ of each sentence, BLEU and chrF++ of all together (Post 2018, arXiv 1804.08771).

A task is one direction; its items are in the language translated into. The figure with an interval is the mean of the sentences' chrF++ (0–1, like
every other share here), because a corpus score is no mean and has no items to cluster. Beside it stand the corpus scores that papers print (0–100),
with the signatures that say how they were made. An empty answer scores 0 and stays in the count.

chrF++ is chrF with word pairs (Popović 2017): n-grams of 6 characters and 2 words. BLEU splits words by sacrebleu's `13a`, which knows no Kazakh
endings; chrF++ is the one to read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from qaz_llm.errors import InputError, RowError
from qaz_llm.evals.metrics.rows import score_row
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig
from qaz_llm.installed import how_to_install
from qaz_llm.language.identify import identify
from qaz_llm.records import LANGUAGES, EvalItem, Generated, ItemScore, Scored

CHRF = "chrf"
SAMPLE_ITEMS, LEAST_CHARS = 50, 500
"""Of source and target so much is read to see which language it is in."""


def check_translations(tasks: Sequence[TaskConfig], items: Mapping[str, Sequence[EvalItem]]) -> None:
    """All that can be seen before a model is loaded.

    Raises:
        InputError: sacrebleu is not installed, and a task needs it.
        RowError: source or target of a task reads as another language: columns or files are swapped.
    """
    chosen = [task for task in tasks if task.kind == "translation"]
    if chosen:
        _metrics()
    for task in chosen:
        few = items[task.name][:SAMPLE_ITEMS]
        sides = {
            task.source_language: "\n".join(item.text for item in few),
            task.languages[0]: "\n".join(item.references[0] for item in few),
        }
        for code, sample in sides.items():
            found = identify(sample).main if code in LANGUAGES and len(sample) >= LEAST_CHARS else code
            if found != code and found in sides:
                raise RowError(
                    f"task {task.name}: what is declared as {code} reads as {found}",
                    hint="look whether fields.text and fields.references are swapped",
                )


def score_translation(task: TaskConfig, item: EvalItem, generated: Generated, gold: Scored | None) -> list[ItemScore]:
    """chrF++ of the answer against the best reference, and bits per byte of the first reference after the prompt.

    `gold`: its log-probability; None where the backend has none to give, and then there is no such row. An answer that the limit of its length ended
    is scored as it is, and counted: a translation that goes on too long loses by that already.
    """
    text = generated.text
    flags = {"prompt_cut": generated.is_cut, "unfinished": generated.is_unfinished, "no_answer": not text}
    found = doubts.of_scored([gold]) if gold is not None else []
    found += [name for name, flag in flags.items() if flag]
    references = list(item.references)
    detail: dict[str, Any] = {"generated": text, "references": references, **({"doubts": found} if found else {})}
    _bleu, chrf = _metrics()
    score = chrf.sentence_score(text, references).score / 100 if text else 0.0
    rows = [score_row(task, item, CHRF, score, detail=detail)]
    if gold is not None:
        bits = -gold.logprob / math.log(2)
        rows.append(score_row(task, item, "bits_per_byte", bits, weight=gold.num_bytes, higher_is_better=False))
    return rows


def corpus_scores(scores: Iterable[ItemScore]) -> dict[str, dict[str, Any]]:
    """Of each task of translations among the scores: BLEU and chrF++ of all its sentences, signatures, and what is to be known beside them.

        {"flores_kk_ru": {"n": 1012, "bleu": 12.3, "chrf++": 38.9, "empty": 0, "unfinished": 4, "bleu_signature": "nrefs:1|case:mixed|…"}}

    `unfinished` answers were ended by the limit of their length, and are scored as they are.
    """
    by_task: dict[str, list[ItemScore]] = defaultdict(list)
    for score in scores:
        if score.metric == CHRF:
            by_task[score.task].append(score)
    return {task: _corpus_score(rows) for task, rows in by_task.items()}


def _corpus_score(rows: Sequence[ItemScore]) -> dict[str, Any]:
    answers = [str(row.detail["generated"]) for row in rows]
    most = max(len(row.detail["references"]) for row in rows)
    streams = [[dict(enumerate(row.detail["references"])).get(n, "") for row in rows] for n in range(most)]
    found: dict[str, Any] = {"n": len(rows)}
    for name, metric in zip(("bleu", "chrf++"), _metrics(), strict=True):
        found[name] = metric.corpus_score(answers, streams).score
        found[f"{name}_signature"] = str(metric.get_signature())
    marks = [row.detail.get("doubts", ()) for row in rows]
    return {
        **found,
        "empty": sum(not answer for answer in answers),
        "unfinished": sum("unfinished" in mark for mark in marks),
        "prompt_cut": sum("prompt_cut" in mark for mark in marks),
    }


@cache
def _metrics() -> tuple[Any, Any]:
    """BLEU and chrF++. Raises InputError where sacrebleu is not installed."""
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError as error:
        raise InputError(
            "translations are scored by sacrebleu, which is not installed",
            hint=f"{how_to_install('translation')}    (or leave these tasks out)",
        ) from error
    return BLEU(), CHRF(word_order=2)
