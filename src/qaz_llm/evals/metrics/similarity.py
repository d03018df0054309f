"""How well a model's grades of likeness follow those of people: Pearson's and Spearman's correlation (STS, Cer et al. 2017, arXiv 1708.00055).

A pair of sentences is graded by people on a scale, say from 0 to 5, with fractions. The model is asked for a whole grade; its grade is the mean
of all grades, each as likely as the model finds it after the prompt:

    log-probabilities of " 0" … " 5"  →  shares p₀ … p₅ (softmax)  →  Σ k · p_k, between 0 and 5

A correlation belongs to the whole set and is no mean of items. So that it has an interval, gaps and twins as any other score, each item gets what it
does to the correlation r of n items, with r₋ᵢ that of all others (the jackknife, Efron & Stein, Annals of Statistics 9, 1981):

    vᵢ = r + (n − 1) (mean of r₋ − r₋ᵢ)

The mean of v is r itself, and their standard error that of the jackknife. Single values lie outside −1 to 1; the interval of r, taken on
Fisher's scale, does not (stats/correlations.py).

    people 1 2 3, model 1 3 2:   r = 0.5,   r₋ = −1, 1, 1   →   v = 0.5 + 2 (1/3 − r₋ᵢ) = 3.167, −0.833, −0.833
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from qaz_llm.evals.metrics.rows import score_row
from qaz_llm.evals.stats import LEAST_ITEMS
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Scored

Statistic = Callable[[np.ndarray, np.ndarray], float]


def score_similarity(
    task: TaskConfig, items: Sequence[EvalItem], scored: Sequence[Sequence[Scored]]
) -> list[ItemScore]:
    """Two rows per item, `pearson` and `spearman`, whose means over a language are its correlations.

    Where all grades of the model or of people are the same there is no correlation: it counts as 0, and is said.
    """
    by_language: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        by_language[item.language].append(number)
    rows: dict[int, list[ItemScore]] = {}
    for numbers in by_language.values():
        own = [items[n] for n in numbers]
        answers = [scored[n] for n in numbers]
        graded_N = np.array([mean_grade(item, found) for item, found in zip(own, answers, strict=True)])
        people_N = np.array([float(item.references[0]) for item in own])
        said = ["few_grades"] * (len(own) < LEAST_ITEMS)
        said += ["no_spread"] * (not _varies(graded_N) or not _varies(people_N))
        values = [influences(statistic, graded_N, people_N) for statistic in (pearson, spearman)]
        for place, number in enumerate(numbers):
            found = doubts.of_scored(answers[place]) + said
            found += ["uneven_grades"] * (len({one.num_tokens for one in answers[place]}) > 1)
            detail = {
                "graded": round(float(graded_N[place]), 4),
                "by_people": float(people_N[place]),
                "logprobs": [round(s.logprob, 4) for s in answers[place]],
                **({"doubts": found} if found else {}),
            }
            rows[number] = [
                score_row(task, own[place], name, float(of[place]), detail=detail)
                for name, of in zip(("pearson", "spearman"), values, strict=True)
            ]
    return [row for number in range(len(items)) for row in rows[number]]


def mean_grade(item: EvalItem, scored: Sequence[Scored]) -> float:
    """The grade to be expected of the model: its choices, weighted by how likely they are beside each other."""
    logprob_C = np.array([one.logprob for one in scored])
    share_C = np.exp(logprob_C - logprob_C.max())
    return float((share_C / share_C.sum()) @ np.array([float(choice) for choice in item.choices]))


def influences(statistic: Statistic, one_N: np.ndarray, other_N: np.ndarray) -> np.ndarray:
    """vᵢ of each item (see above)."""
    n = len(one_N)
    whole = statistic(one_N, other_N)
    without_N = np.array([statistic(np.delete(one_N, i), np.delete(other_N, i)) for i in range(n)])
    return np.asarray(whole + (n - 1) * (without_N.mean() - without_N))


def pearson(one_N: np.ndarray, other_N: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two does not vary."""
    if not (_varies(one_N) and _varies(other_N)):
        return 0.0
    one_N, other_N = one_N - one_N.mean(), other_N - other_N.mean()
    return float(one_N @ other_N / np.sqrt((one_N @ one_N) * (other_N @ other_N)))


def spearman(one_N: np.ndarray, other_N: np.ndarray) -> float:
    """Pearson's correlation of the ranks; equal values share the mean of theirs."""
    return pearson(_ranks(one_N), _ranks(other_N))


def _ranks(values_N: np.ndarray) -> np.ndarray:
    """1 for the least; 20, 10, 20 are of ranks 2.5, 1, 2.5."""
    _, which_N, counts_U = np.unique(values_N, return_inverse=True, return_counts=True)
    return np.asarray((counts_U.cumsum() - (counts_U - 1) / 2)[which_N])


def _varies(values_N: np.ndarray) -> bool:
    return len(values_N) > 1 and bool(np.ptp(values_N) > 0)
