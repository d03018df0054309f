"""From an item to what the model reads, in the item's own language.

    template "Сұрақ: {question}\\nЖауабы:" and choice "Обь"  →  context "Сұрақ: …\\nЖауабы:", continuation " Обь"

The space belongs to the continuation: tokenizers attach it to the word, and a context that ends in a space would cut the
first token of every answer in two.

A multiple choice is asked in two ways: by letters, the choices listed in the prompt, and by the choices' own words. A template says one of them; the
other is made from it: the line with {choices} comes before the last line, or goes. Solved examples stand before the question in the same form:

    Сұрақ: 2 + 2?\\nЖауабы: 4

    Сұрақ: 3 + 3?\\nЖауабы:
"""

from __future__ import annotations

from collections.abc import Sequence

from qaz_llm.errors import RowError
from qaz_llm.evals.metrics.minimal_pairs import pair_requests
from qaz_llm.evals.prompts.chat import ChatTemplate
from qaz_llm.evals.task import Scoring, TaskConfig
from qaz_llm.records import EvalItem, Request

LETTERS = "ABCDEFGHIJ"
CHOICES = "{choices}"


def check_letters(task: TaskConfig, items: Sequence[EvalItem], *, both: bool) -> None:
    """Raise RowError where an item has more choices than there are letters for, and is to be asked by letters."""
    by_letters = task.scoring != "text" or both
    if task.kind != "multiple_choice" or not by_letters:
        return
    for item in items:
        if len(item.choices) > len(LETTERS):
            hint = (
                "formats=primary asks by words alone"
                if task.scoring == "text"
                else "set scoring: text, formats=primary"
            )
            raise RowError(
                f"task {task.name}: item {item.item_id} has {len(item.choices)} choices, and letters are there for "
                f"{len(LETTERS)} (A to {LETTERS[-1]})",
                hint=hint,
            )


def render_context(
    task: TaskConfig,
    item: EvalItem,
    *,
    scoring: Scoring | None = None,
    examples: Sequence[EvalItem] = (),
    chat: ChatTemplate | None = None,
) -> str:
    """What stands before the answer: as it is, or in a chat template."""
    template = _template(task, item.language, scoring or task.scoring)
    solved = [(_filled(template, one), _solution(task, one, scoring or task.scoring)) for one in examples]
    if chat is not None:
        return chat.render(solved, _filled(template, item))
    return "\n\n".join([*(" ".join(pair) for pair in solved), _filled(template, item)])


def render_requests(
    task: TaskConfig,
    item: EvalItem,
    *,
    scoring: Scoring | None = None,
    examples: Sequence[EvalItem] = (),
    chat: ChatTemplate | None = None,
) -> tuple[Request, ...]:
    """One request per choice; for bits per byte one, of the whole text from its start, and no chat template there."""
    if task.kind == "bits_per_byte":
        return (Request("", item.text),)
    if task.kind == "minimal_pairs":
        return pair_requests(item)
    context = render_context(task, item, scoring=scoring, examples=examples, chat=chat)
    space = " " if chat is None else ""
    if task.kind in ("qa", "translation"):
        return (Request(context, f"{space}{item.references[0]}"),)
    answers = LETTERS[: len(item.choices)] if (scoring or task.scoring) == "letters" else item.choices
    return tuple(Request(context, f"{space}{answer}") for answer in answers)


def render_unconditional(task: TaskConfig, item: EvalItem, *, chat: ChatTemplate | None = None) -> tuple[Request, ...]:
    """The choices after the last line of the prompt alone ("Жауабы:"): how likely they are whatever was asked."""
    opening = _template(task, item.language, "text").rpartition("\n")[2]
    bare = opening if "{" not in opening else ""
    if chat is not None:
        context = chat.render([], bare)
        return tuple(Request(context, choice) for choice in item.choices)
    return tuple(Request(bare, f" {choice}" if bare else choice) for choice in item.choices)


def _template(task: TaskConfig, language: str, scoring: Scoring) -> str:
    template = task.prompts[language]
    if task.kind == "multiple_choice" and scoring != task.scoring and language in task.other_prompts:
        return task.other_prompts[language]
    lines = template.split("\n")
    if task.kind != "multiple_choice" or (scoring == "letters") == (CHOICES in template):
        return template
    if scoring == "letters":
        return "\n".join([*lines[:-1], CHOICES, lines[-1]])
    return "\n".join(line for line in lines if CHOICES not in line)


def _filled(template: str, item: EvalItem) -> str:
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, item.choices, strict=False))
    return template.format(text=item.text, question=item.question, choices=listed)


def _solution(task: TaskConfig, item: EvalItem, scoring: Scoring) -> str:
    if task.kind in ("qa", "number", "translation"):
        return item.references[0]
    assert item.answer is not None
    return LETTERS[item.answer] if scoring == "letters" else item.choices[item.answer]
