"""Prompts put to a model for an answer: where the answer ends, how long it may be, and what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from qaz_llm.evals.answers.limits import bytes_in
from qaz_llm.evals.prompts.chat import ChatTemplate
from qaz_llm.evals.prompts.examples import Examples
from qaz_llm.evals.prompts.render import render_context
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, Generated


def generate_answers(
    task: TaskConfig,
    items: Sequence[EvalItem],
    scorer: Scorer,
    examples: Examples,
    chat: ChatTemplate | None = None,
) -> list[Generated]:
    """An answer to each item, in their order."""
    prompts = [
        render_context(
            task,
            item,
            scoring="letters" if task.scoring == "generate" else task.scoring,
            examples=examples.of(item),
            chat=chat,
        )
        for item in items
    ]
    limits = [bytes_in(item.language, task.answer_bytes) for item in items]
    return generate_each(scorer, prompts, limits=limits, stops=[stop_strings(task, item.language) for item in items])


def generate_each(
    scorer: Scorer, prompts: Sequence[str], *, limits: Sequence[int], stops: Sequence[tuple[str, ...]]
) -> list[Generated]:
    """Answers in the order of the prompts, which are asked together where limit and stop strings are the same."""
    groups: dict[tuple[int, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, key in enumerate(zip(limits, stops, strict=True)):
        groups[key].append(number)
    found: dict[int, Generated] = {}
    for (limit, stop), numbers in groups.items():
        answers = scorer.generate([prompts[n] for n in numbers], max_bytes=limit, stop=stop)
        found |= zip(numbers, answers, strict=True)
    return [found[n] for n in range(len(prompts))]


def stop_strings(task: TaskConfig, language: str) -> tuple[str, ...]:
    """The task's own; else of a short answer the line end, and of others what the next question would begin with.

    The template "Сұрақ: {question} …" gives "\\nСұрақ:": a model that goes on with a question of its own has ended its answer.
    """
    if task.stop is not None:
        return task.stop
    if task.kind in ("qa", "translation"):
        return ("\n",)
    opening = task.prompts[language].partition("{")[0].partition("\n")[0].strip()
    return (f"\n{opening}",) if opening else ()
