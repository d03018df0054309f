"""What a reader has to know beside a score: of how many items something was cut, guessed, tied or missing.

Each kind has a name, which stands in the `doubts` of an item's detail and in parity.json, and a sentence for people.

    {"sib200": {"kk": {"cut": {"items": 3, "of": 99, "examples": ["12", "40", "77"]}}}}
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qaz_llm.evals.items.same import what_is_asked
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Scored

SENTENCES: Mapping[str, str] = {
    "cut": "are longer than the model's window; the start token and the end of the context were kept",
    "changed": "are not given back by the tokenizer (unknown or folded letters), or hold one of its control tokens spelled out, so the model was asked about another text",
    "one_choice": "get one and the same choice, whatever is asked, so that the score is how often that one is right",
    "tie": "have several best choices; the first of them was taken",
    "few_grades": "are too few for a correlation to have an interval",
    "uneven_grades": "have grades of different lengths in tokens, so that the longer ones are found less likely",
    "no_spread": "are graded all alike, by the model or by people: there is no correlation, and it counts as 0",
    "prompt_cut": "have prompts longer than the model's window; the first token and the end were kept",
    "unfinished": "have answers that were ended by the limit of their length: a translation is scored as it is, any other counts as wrong",
    "unread": "have answers that name no choice or no number, which counts as wrong",
    "no_answer": "got no answer, which counts as wrong",
    "refused": "were refused by the server (too long, or a filter), which counts as wrong",
    "no_twin": "have no twin in the other languages, so they are in no gap",
    "equal_choices": "offer the same choice twice, so that one answer is right and wrong",
    "asked_twice": "ask the same as an item before them, so that one question counts more than once",
    "other_answer": "have a twin with another right answer; a gap takes them for the same question",
    "other_choices": "have a twin with more or fewer choices, so that guessing is right more often in one of the languages",
    "no_items": "are there: the task names this language, but its file has no row in it, so nothing is compared with it",
    "not_parallel": "are not the same questions in each language (declared so, or their right answers differ too often): no gap is taken",
    "no_script_twin": "have no twin in the other script, so they are not in that gap",
    "other_script_answer": "have a twin in the other script with another right answer; a gap takes them for the same question",
}

OTHER_WAY, OTHER_WAYS = "_other_way", ("letters_acc", "cloze_acc")
"""What ends the name of a doubt about the way of asking that is not the task's own, and the metrics that each item has in it."""

OTHER_SHARE, LEAST_OTHER = 0.25, 4
"""Where more than this share of twins, and no fewer than these, have other right answers, they are not taken for twins."""

LEAST_ALIKE = 10
"""So many answers that are all the same choice are no accident."""

EXAMPLES = 10

Doubts = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""task → language → kind → {"items", "of", "examples"}"""


def sentence_of(kind: str) -> str:
    """What a kind of doubt says of so many items."""
    found = SENTENCES.get(kind.removesuffix(OTHER_WAY), kind)
    return f"asked in the other way, by letters or by words, {found}" if kind.endswith(OTHER_WAY) else found


def of_scored(scored: Sequence[Scored]) -> list[str]:
    """Of an item, by the answers to its requests."""
    return [
        name
        for name, flag in (("cut", any(s.is_cut for s in scored)), ("changed", any(s.is_changed for s in scored)))
        if flag
    ]


def of_scores(scores: Iterable[tuple[ItemScore, bool]]) -> Doubts:
    """Counted over the scores of an evaluation, each with whether it has its task's own metric.

    Of the others those count that were asked in the other way, by letters or by words: `cut_other_way` and so on.
    """
    totals: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    chosen: dict[tuple[str, str, bool], list[ItemScore]] = defaultdict(list)
    for score, is_primary in scores:
        where = (score.task, score.language)
        totals[where] += is_primary
        if is_primary or score.metric in OTHER_WAYS:
            chosen[*where, is_primary].append(score)
            for name in score.detail.get("doubts", ()):
                found[where][_named(name, is_primary)].append(score.item_id)
    for (task, language, is_primary), rows in chosen.items():
        if _is_one_choice(rows):
            found[task, language][_named("one_choice", is_primary)] = [row.item_id for row in rows]
    return _table(found, totals)


def _named(name: str, is_primary: bool) -> str:
    return name if is_primary else f"{name}{OTHER_WAY}"


def _is_one_choice(rows: Sequence[ItemScore]) -> bool:
    """Whether a model took the same choice everywhere, though another one would often have been right."""
    choices, answers = ({row.detail.get(key) for row in rows} for key in ("prediction", "answer"))
    return len(rows) >= LEAST_ALIKE and len(choices) == 1 and None not in choices and len(answers) > 1


def of_items(task: TaskConfig, items: Sequence[EvalItem]) -> Doubts:
    """Of the data itself: items without a twin in a task of several languages, and twins with other right answers."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    groups: dict[str, dict[str, EvalItem]] = defaultdict(dict)
    for item in items:
        totals[item.task, item.language] += 1
        groups[item.group_id][item.language] = item
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    seen: set[tuple[str, ...]] = set()
    for item in items:
        question = what_is_asked(item)
        if question in seen:
            found[item.task, item.language]["asked_twice"].append(item.item_id)
        seen.add(question)
    for twins in groups.values():
        answers = {_answer(task, item) for item in twins.values()}
        for item in twins.values():
            if task.parallel and len(twins) == 1 and len(totals) > 1:
                found[item.task, item.language]["no_twin"].append(item.item_id)
            if len({unicodedata.normalize("NFC", choice) for choice in item.choices}) < len(item.choices):
                found[item.task, item.language]["equal_choices"].append(item.item_id)
            if len(answers) > 1:
                found[item.task, item.language]["other_answer"].append(item.item_id)
            if len({len(twin.choices) for twin in twins.values()}) > 1:
                found[item.task, item.language]["other_choices"].append(item.item_id)
    for language in task.languages:
        if (task.name, language) not in totals:
            found[task.name, language]["no_items"] = []
    if is_apart(task, items):
        for item in items:
            found[item.task, item.language]["not_parallel"].append(item.item_id)
    return _table(found, totals)


def is_apart(task: TaskConfig, items: Sequence[EvalItem]) -> bool:
    """Whether items that share a group are no twins: so declared, or seen by right answers that differ too often."""
    answers: dict[str, list[object]] = defaultdict(list)
    for item in items:
        if item.answer is not None:
            answers[item.group_id].append(_answer(task, item))
    twins = [found for found in answers.values() if len(found) > 1]
    other = sum(len(set(found)) > 1 for found in twins)
    differ = other >= LEAST_OTHER and other > OTHER_SHARE * len(twins)
    return len({item.language for item in items}) > 1 and (differ or not task.parallel)


def of_scripts(tasks: Sequence[TaskConfig], items: Mapping[str, Sequence[EvalItem]]) -> Doubts:
    """Of tasks that name a twin in another script: items that it lacks, or answers otherwise; all where it is not scored."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    totals: dict[tuple[str, str], int] = defaultdict(int)
    by_name = {task.name: task for task in tasks}
    for task in (task for task in tasks if task.twin_of is not None):
        other = by_name.get(str(task.twin_of))
        answers = {(i.language, i.group_id): _answer(other, i) for i in items[other.name]} if other else {}
        for item in items[task.name]:
            where = (task.name, item.language)
            totals[where] += 1
            if (item.language, item.group_id) not in answers:
                found[where]["no_script_twin"].append(item.item_id)
            elif answers[item.language, item.group_id] != _answer(task, item):
                found[where]["other_script_answer"].append(item.item_id)
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
                count = f"{found['items']:,} of {found['of']:,}" if found["of"] else "no"
                yield f"{task}, {language}: {count} items {sentence_of(name)}" + (f" ({shown})" if shown else "")


def _table(
    found: Mapping[tuple[str, str], Mapping[str, Sequence[str]]], totals: Mapping[tuple[str, str], int]
) -> Doubts:
    table: Doubts = {}
    for (task, language), kinds in found.items():
        table.setdefault(task, {})[language] = {
            name: {"items": len(ids), "of": totals.get((task, language), 0), "examples": list(ids[:EXAMPLES])}
            for name, ids in kinds.items()
        }
    return table
