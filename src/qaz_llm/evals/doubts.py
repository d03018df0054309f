"""What a reader has to know beside a score: of how many items something was cut, guessed, tied or missing.

Each kind has a name, which stands in the `doubts` of an item's detail and in parity.json, and a sentence for people.

    {"sib200": {"kk": {"cut": {"items": 3, "of": 99, "examples": ["12", "40", "77"]}}}}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Scored

SENTENCES: Mapping[str, str] = {
    "cut": "longer than the model's window; the start token and the end of the context were kept",
    "changed": "not given back by the tokenizer (unknown or folded letters), so the model was asked about another text",
    "tie": "have several best choices; the first of them was taken",
    "prompt_cut": "prompts are longer than the model's window; the first token and the end were kept",
    "unfinished": "answers were ended by the limit of their length, which counts as wrong",
    "unread": "answers name no choice or no number, which counts as wrong",
    "no_answer": "got no answer, which counts as wrong",
    "refused": "were refused by the server (too long, or a filter), which counts as wrong",
    "no_twin": "have no twin in the other languages, so they are in no gap",
    "equal_choices": "offer the same choice twice, so that one answer is right and wrong",
    "other_answer": "have a twin with another right answer; a gap takes them for the same question",
}

EXAMPLES = 10

Doubts = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""task → language → kind → {"items", "of", "examples"}"""


def of_scored(scored: Sequence[Scored]) -> list[str]:
    """Of an item, by the answers to its requests."""
    return [
        name
        for name, flag in (("cut", any(s.is_cut for s in scored)), ("changed", any(s.is_changed for s in scored)))
        if flag
    ]


def of_scores(scores: Iterable[ItemScore]) -> Doubts:
    """Counted over the primary scores of an evaluation."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for score in scores:
        where = (score.task, score.language)
        totals[where] += 1
        for name in score.detail.get("doubts", ()):
            found[where][name].append(score.item_id)
    return _table(found, totals)


def of_items(task: TaskConfig, items: Sequence[EvalItem]) -> Doubts:
    """Of the data itself: items without a twin in a task of several languages, and twins with other right answers."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    groups: dict[str, dict[str, EvalItem]] = defaultdict(dict)
    for item in items:
        totals[item.task, item.language] += 1
        groups[item.group_id][item.language] = item
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for twins in groups.values():
        answers = {_answer(task, item) for item in twins.values()}
        for item in twins.values():
            if task.parallel and len(twins) == 1 and len(totals) > 1:
                found[item.task, item.language]["no_twin"].append(item.item_id)
            if len(set(item.choices)) < len(item.choices):
                found[item.task, item.language]["equal_choices"].append(item.item_id)
            if len(answers) > 1:
                found[item.task, item.language]["other_answer"].append(item.item_id)
    return _table(found, totals)


def _answer(task: TaskConfig, item: EvalItem) -> object:
    """What is right, whatever the order in which a language lists its labels."""
    return list(task.labels[item.language])[item.answer] if task.labels and item.answer is not None else item.answer


def merged(*tables: Doubts) -> Doubts:
    """Several tables as one; no kind is in two of them."""
    result: Doubts = {}
    for table in tables:
        for task, by in table.items():
            for language, kinds in by.items():
                result.setdefault(task, {}).setdefault(language, {}).update(kinds)
    return result


def lines(doubts: Doubts) -> Iterator[str]:
    """A sentence for each kind, task and language, with its number and the first items."""
    for task, by in doubts.items():
        for language, kinds in by.items():
            for name, found in kinds.items():
                shown = ", ".join(found["examples"][:3]) + (" …" if found["items"] > 3 else "")
                yield f"{task}, {language}: {found['items']:,} of {found['of']:,} items {SENTENCES[name]} ({shown})"


def _table(
    found: Mapping[tuple[str, str], Mapping[str, Sequence[str]]], totals: Mapping[tuple[str, str], int]
) -> Doubts:
    table: Doubts = {}
    for (task, language), kinds in found.items():
        table.setdefault(task, {})[language] = {
            name: {"items": len(ids), "of": totals[task, language], "examples": list(ids[:EXAMPLES])}
            for name, ids in kinds.items()
        }
    return table
