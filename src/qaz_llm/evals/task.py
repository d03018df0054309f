"""Tasks and suites as they ship with the package: `tasks/NAME.yaml`, and `tasks/suites.yaml` naming sets of them."""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, StrictModel, load_config, read_raw
from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalSettings

TASKS = Path(__file__).parent / "tasks"
Metric = Literal["acc", "acc_per_token", "acc_per_byte", "f1", "exact_match", "bits_per_byte"]
METRICS = {
    "multiple_choice": ("acc", "acc_per_token", "acc_per_byte"),
    "bits_per_byte": ("bits_per_byte",),
    "qa": ("f1", "exact_match", "bits_per_byte"),
}
PLACEHOLDERS = {"text", "question", "choices"}


class FieldMap(StrictModel):
    """Which field of a row holds what. A tuple of names is joined (`id`, `group`, `cluster`) or listed (`choices`)."""

    id: str | tuple[str, ...]
    group: str | tuple[str, ...] | None = Field(None, description="ties the twins of an item; by default the id")
    cluster: str | tuple[str, ...] | None = Field(None, description="ties items that share a passage; default: the id")
    language: str | None = Field(None, description="field with the row's language, where one file holds them all")
    text: str | dict[LanguageCode, str] | None = Field(
        None, description="text or passage; per language where columns are"
    )
    question: str | None = None
    choices: str | tuple[str, ...] | None = None
    answer: str | None = Field(None, description="number of the right choice, or the name of the right label")
    references: str | None = Field(None, description="accepted answers; a dot goes into an object: answers.text")


class TaskConfig(StrictModel):
    """One task: its data, its prompts in each language, and what is scored.

    `scoring`: `text` scores each choice's own words after the prompt; `letters` lists the choices in the prompt and
    scores A, B, C, D. `version` rises with any change to prompts or data, so that scores of two versions never meet.
    """

    name: str
    version: int = Field(ge=1)
    kind: Literal["multiple_choice", "bits_per_byte", "qa"]
    description: str
    licence: str
    citation: str
    file: str | None = Field(None, description="one file for all languages")
    files: dict[LanguageCode, str] = Field({}, description="or one per language")
    fields: FieldMap
    first_answer: int = Field(0, description="number of the first choice in the data")
    labels: dict[LanguageCode, dict[str, str]] = Field({}, description="the words of each label, in each language")
    scoring: Literal["text", "letters"] = "text"
    prompts: dict[LanguageCode, str] = Field({}, description="template with {text}, {question}, {choices}")
    max_new_tokens: int = Field(24, ge=1)
    metric: Metric

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if problem := next(self._problems(), None):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if (self.file is None) == (not self.files):
            yield "give either file or files"
        if self.file is not None and self.fields.language is None and not isinstance(self.fields.text, Mapping):
            yield "one file for all languages needs fields.language, or fields.text with a column per language"
        if self.metric not in METRICS[self.kind]:
            yield f"a task of kind {self.kind} is scored by {', '.join(METRICS[self.kind])}, not by {self.metric}"
        if self.kind == "bits_per_byte":
            return
        if not self.prompts:
            yield f"a task of kind {self.kind} needs prompts"
        for what, given in (("prompts", set(self.prompts)), ("labels", set(self.labels) or set(self.languages))):
            if missing := [code for code in self.languages if code not in given]:
                yield f"{what} are missing for {', '.join(missing)}"
        if len({frozenset(words) for words in self.labels.values()}) > 1:
            yield "the labels have other names in one language than in another"
        for code, prompt in self.prompts.items():
            if unknown := {name for _, name, _, _ in string.Formatter().parse(prompt) if name} - PLACEHOLDERS:
                yield f"the {code} prompt has {{{unknown.pop()}}}; it may have {{text}}, {{question}} and {{choices}}"
        if self.kind == "qa" and self.fields.references is None:
            yield "a task of kind qa needs fields.references"
        if self.kind == "multiple_choice" and (self.fields.answer is None or not (self.labels or self.fields.choices)):
            yield "a task of kind multiple_choice needs fields.answer, and fields.choices or labels"

    @property
    def languages(self) -> tuple[str, ...]:
        if self.files:
            return tuple(self.files)
        if isinstance(self.fields.text, dict):
            return tuple(self.fields.text)
        return tuple(self.prompts)


def load_task(name: str) -> TaskConfig:
    """The task of this name. Raises InputError, with what was probably meant, where there is none."""
    path = TASKS / f"{name}.yaml"
    known = sorted(p.stem for p in TASKS.glob("*.yaml") if p.stem != "suites")
    if name not in known:
        raise InputError(f"{name}: no such task", hint=_meant(name, known, "tasks"))
    return load_config(TaskConfig, path)


def load_suite(name: str) -> tuple[TaskConfig, ...]:
    """The tasks of a suite, in order. Raises InputError, with what was probably meant, where there is none."""
    suites: Mapping[str, list[str]] = read_raw(TASKS / "suites.yaml").values
    if name not in suites:
        raise InputError(f"{name}: no such suite", hint=_meant(name, sorted(suites), "suites"))
    return tuple(load_task(task) for task in suites[name])


def choose_tasks(config: EvalSettings) -> tuple[TaskConfig, ...]:
    """The tasks of the suite, or those of them that the config names. Raises InputError for names it does not have."""
    suite = load_suite(config.suite)
    if config.tasks is None:
        return suite
    unknown = set(config.tasks) - {task.name for task in suite}
    if unknown:
        raise InputError(
            f"suite {config.suite} has no task {', '.join(sorted(unknown))}",
            hint=f"its tasks are: {', '.join(task.name for task in suite)}",
        )
    return tuple(task for task in suite if task.name in config.tasks)


def _meant(name: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"the {what} are: {', '.join(known)}"
