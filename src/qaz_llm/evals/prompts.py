"""From an item to what the model reads, in the item's own language.

    template "Сұрақ: {question}\\nЖауабы:" and choice "Обь"  →  context "Сұрақ: …\\nЖауабы:", continuation " Обь"

The space belongs to the continuation: tokenizers attach it to the word, and a context that ends in a space would cut the
first token of every answer in two.
"""

from __future__ import annotations

from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, Request

LETTERS = "ABCDEFGHIJ"


def render_context(task: TaskConfig, item: EvalItem) -> str:
    """What stands before the answer."""
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, item.choices, strict=False))
    return task.prompts[item.language].format(text=item.text, question=item.question, choices=listed)


def render_requests(task: TaskConfig, item: EvalItem) -> tuple[Request, ...]:
    """One request per choice; for bits per byte one, of the whole text from its start."""
    if task.kind == "bits_per_byte":
        return (Request("", item.text),)
    context = render_context(task, item)
    if task.kind == "qa":
        return (Request(context, f" {item.references[0]}"),)
    answers = LETTERS[: len(item.choices)] if task.scoring == "letters" else item.choices
    return tuple(Request(context, f" {answer}") for answer in answers)
