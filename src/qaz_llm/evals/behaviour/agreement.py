"""Whether a model picks the same answer to the same question in two languages, right or wrong.

    agreement   share of pairs of twins with the same choice
    kappa       agreement beyond chance: (p − e) / (1 − e), e = Σ over choices of the product of their shares in the two languages (Cohen 1960)
    all         share of groups where all languages of the task picked the same choice

A model that is right nowhere may agree with itself, and one that guesses agrees by chance; so kappa stands beside accuracy, not for it. Answers that could
not be read are a choice of their own ("none"): two of them are no agreement.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import ItemScore


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two languages over n pairs of twins; `kappa` is None where each language has one choice alone."""

    n: int
    agreement: float
    kappa: float | None
    unread: int


def agreement_of(tasks: Sequence[TaskConfig], scores: Iterable[ItemScore]) -> dict[str, dict[str, Any]]:
    """Task → {"kk-ru": …, "all": {"n", "agreement"}} over primary rows with a `prediction`; tasks without twins are left out."""
    by_name = {task.name: task for task in tasks}
    chosen: dict[str, dict[str, dict[str, Hashable]]] = defaultdict(lambda: defaultdict(dict))
    for score in scores:
        if "prediction" in score.detail:
            chosen[score.task][score.group_id][score.language] = _choice(by_name[score.task], score)
    found: dict[str, dict[str, Any]] = {}
    for name, groups in chosen.items():
        languages = [code for code in by_name[name].languages if any(code in group for group in groups.values())]
        pairs = {f"{a}-{b}": _agreement(groups.values(), a, b) for a, b in combinations(languages, 2)}
        table: dict[str, Any] = {key: asdict(value) for key, value in pairs.items() if value is not None}
        whole = [group for group in groups.values() if len(group) == len(languages)]
        if table and len(languages) > 2 and whole:
            same = sum(len(set(group.values())) == 1 and None not in group.values() for group in whole)
            table["all"] = {"n": len(whole), "agreement": same / len(whole)}
        if table:
            found[name] = table
    return found


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Agreement of two raters beyond chance; None where chance alone would make them agree always.

    >>> cohens_kappa([("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")])
    0.5
    """
    n = len(pairs)
    left, right = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(left[key] * right[key] for key in left) / n**2
    observed = sum(a == b for a, b in pairs) / n
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def _agreement(groups: Iterable[Mapping[str, Hashable]], one: str, other: str) -> Agreement | None:
    pairs = [(group[one], group[other]) for group in groups if one in group and other in group]
    if not pairs:
        return None
    apart = [(a, b if b is not None else "none") for a, b in pairs]  # two that were not read are no agreement
    same = sum(a == b for a, b in apart)
    return Agreement(len(pairs), same / len(pairs), cohens_kappa(apart), sum(None in pair for pair in pairs))


def _choice(task: TaskConfig, score: ItemScore) -> Hashable:
    """What was chosen: the name of a label, which may stand elsewhere in another language, or the number of a choice."""
    prediction: int | None = score.detail["prediction"]
    if prediction is None or not task.labels:
        return prediction
    return list(task.labels[score.language])[prediction]
