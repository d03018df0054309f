"""What parity.json says of behaviour: the confusion of languages, how simple the words are, and agreement over twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qaz_llm.evals.behaviour.agreement import agreement_of
from qaz_llm.evals.behaviour.languages import confusion_of
from qaz_llm.evals.behaviour.simple_words import readability_of
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import ItemScore


def behaviour_of(tasks: Sequence[TaskConfig], scores: Sequence[ItemScore]) -> dict[str, Any]:
    """`{"languages": {task: {language: Confusion}}, "readability": {task: {language: counts}}, "agreement": {task: {pair: Agreement}}}` of primary rows, as JSON values."""
    languages = {
        task: {code: found.to_dict() for code, found in by.items()} for task, by in confusion_of(scores).items()
    }
    return {"languages": languages, "readability": readability_of(scores), "agreement": agreement_of(tasks, scores)}
