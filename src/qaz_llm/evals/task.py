"""Tasks: those that ship with the package (`tasks/NAME.yaml`, and `tasks/suites.yaml` naming sets of them) and files of one's own."""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qaz_llm.config import LanguageCode, StrictModel, load_config, read_raw
from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalSettings
from qaz_llm.records import EvalItem, Script

TASKS = Path(__file__).parent / "tasks"
SUFFIXES = (".yaml", ".yml")
Scoring = Literal["text", "letters", "generate"]
Kind = Literal["multiple_choice", "bits_per_byte", "minimal_pairs", "similarity", "qa", "number", "translation", "open"]
Provenance = Literal["native", "human", "machine"]
Metric = Literal[
    "acc",
    "acc_per_token",
    "acc_per_byte",
    "f1",
    "f1_stems",
    "exact_match",
    "exact_number",
    "answered",
    "chrf",
    "bits_per_byte",
    "pearson",
    "spearman",
]
METRICS = {
    "multiple_choice": ("acc", "acc_per_token", "acc_per_byte"),
    "bits_per_byte": ("bits_per_byte",),
    "minimal_pairs": ("acc", "acc_per_token", "acc_per_byte"),
    "similarity": ("spearman", "pearson"),
    "translation": ("chrf", "bits_per_byte"),
    "qa": ("f1", "f1_stems", "exact_match", "bits_per_byte"),
    "number": ("exact_number",),
    "open": ("answered",),
}
ANSWER_BYTES = {"qa": 100, "number": 1200, "translation": 600, "open": 1200}
"""Length of an answer by the kind of the task, where it says nothing else; CHOICE_BYTES where a choice is generated."""
CHOICE_BYTES = 600
PLACEHOLDERS = {"text", "question", "choices"}
Place = str | tuple[str, ...]
"""A path or an address of the hub, or several whose rows follow each other; see `sources.py`."""


class FieldMap(StrictModel):
    """Which field of a row holds what. A tuple of names is joined (`id`, `group`, `cluster`) or listed (`choices`).

    Where the data has no such field, `row`, `@row_in_subject`, `@file`, `@folder`, `@subset` and `@split` say where the row stands (`sources.py`).
    """

    id: str | tuple[str, ...]
    group: str | tuple[str, ...] | None = Field(None, description="ties the twins of an item; by default the id")
    cluster: str | tuple[str, ...] | None = Field(None, description="ties items that share a passage; default: the id")
    language: str | None = Field(None, description="field with the row's language, where one file holds them all")
    text: str | dict[LanguageCode, str] | None = Field(
        None, description="text or passage; per language where columns are"
    )
    question: str | dict[LanguageCode, str] | None = Field(None, description="question; per language where columns are")
    choices: str | tuple[str, ...] | dict[LanguageCode, str | tuple[str, ...]] | None = Field(
        None, description="a list, or a field for each choice; per language where columns are"
    )
    answer: str | None = Field(None, description="number or letter of the right choice, or the name of the right label")
    subject: str | None = Field(None, description="subject of the item, for scores by subject and for examples alike")
    references: str | tuple[str, ...] | None = Field(
        None,
        description="accepted answers; a dot goes into an object: answers.text. Of several names the first that a row has",
    )


class TaskConfig(StrictModel):
    """One task: its data, its prompts in each language, and what is scored.

    `scoring`: `text` scores each choice's own words after the prompt; `letters` lists the choices in the prompt and
    scores A, B, C, D; the other way is reported beside it. `generate` lists the choices and reads which one the written answer names. `version` rises with any change to prompts or data, so that scores of two versions never meet.
    """

    name: str
    version: int = Field(ge=1)
    kind: Kind
    description: str
    licence: str
    citation: str
    provenance: dict[LanguageCode, Provenance] = Field({}, description="native, or translated by people or machines")
    file: Place | None = Field(None, description="one file for all languages, or `hub:OWNER/NAME/SUBSET/SPLIT`")
    files: dict[LanguageCode, Place] = Field({}, description="or one per language, or several")
    dev_file: Place | None = Field(None, description="as file, for the solved examples of few-shot prompts")
    dev_files: dict[LanguageCode, Place] = Field({}, description="as files, for the solved examples")
    fields: FieldMap
    optional_choices: bool = Field(False, description="empty choices are none: questions with, say, four to eight")
    right_first: bool = Field(
        False,
        description="the first choice is the right one; choices are put into an order that a hash of their words gives",
    )
    parallel: bool = Field(
        True,
        description="items of the same id in two languages are twins; false where each language has questions of its own",
    )
    empty_rows: dict[LanguageCode, int] = Field(
        {},
        description="rows without a question or with an empty choice that the data is known to have: left out and said; a further one is refused",
    )
    scale: tuple[int, int] | None = Field(
        None, description="of likeness: the least and the highest grade; the model is asked for a whole one"
    )
    first_answer: int = Field(0, description="number of the first choice in the data")
    labels: dict[LanguageCode, dict[str, str]] = Field({}, description="the words of each label, in each language")
    question_words: dict[LanguageCode, dict[str, str]] = Field(
        {}, description="what is asked for each value of fields.question, where that names a kind of question"
    )
    scoring: Scoring = "text"
    prompts: dict[LanguageCode, str] = Field({}, description="template with {text}, {question}, {choices}")
    other_prompts: dict[LanguageCode, str] = Field(
        {}, description="of the way of asking that is not `scoring`, where the one made from `prompts` would read badly"
    )
    source_language: str | None = Field(
        None, description="of a translation: the ISO 639 code of what fields.text is in"
    )
    max_answer_bytes: int | None = Field(
        None,
        ge=1,
        description="length of a generated answer in bytes of English; kk and ru have twice as many, which is as much text. A longer answer is wrong",
    )
    stop: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None,
        description="what ends a generated answer; by default a line end for qa and translations, else the beginning of a next question",
    )
    columns: tuple[str, ...] | None = Field(
        None,
        description="names of the columns of a CSV or TSV file without a line of names; `row` is the line's number",
    )
    quoted: bool | None = Field(
        None, description="whether quotes hold a cell of a table together; by default in CSV, and not in TSV"
    )
    metric: Metric
    script: Script = Field("Cyrl", description="script that the task's Kazakh is written in")
    twin_of: str | None = Field(None, description="task that asks the same questions (by group) in another script")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if problem := next(self._problems(), None):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if (self.file is None) == (not self.files):
            yield "give either file or files"
        by_column = [f for f in (self.fields.text, self.fields.question) if isinstance(f, Mapping)]
        if self.file is not None and self.fields.language is None and not by_column:
            yield "one file for all languages needs fields.language, or fields.text or question with a column per language"
        if bool(self.dev_file or self.dev_files) and bool(self.dev_files) != bool(self.files):
            yield "examples lie as the items do: dev_file beside file, dev_files beside files"
        if self.twin_of == self.name:
            yield "twin_of names the task itself; it names the one that asks the same in another script"
        if self.metric not in METRICS[self.kind]:
            yield f"a task of kind {self.kind} is scored by {', '.join(METRICS[self.kind])}, not by {self.metric}"
        if self.scoring == "letters" and self.metric != "acc":
            yield f"letters are all of one length: they are scored by acc, not by {self.metric}"
        if self.kind == "minimal_pairs" and self.fields.choices is None:
            yield "a task of kind minimal_pairs needs fields.choices: the good text, then the bad one"
        if self.scoring == "generate" and (self.kind != "multiple_choice" or self.metric != "acc"):
            yield "scoring: generate reads the choice that an answer names: it is for multiple_choice, and scored by acc"
        if self.kind in ("bits_per_byte", "minimal_pairs"):
            return
        if not self.prompts:
            yield f"a task of kind {self.kind} needs prompts"
        for what, given in (("prompts", set(self.prompts)), ("labels", set(self.labels) or set(self.languages))):
            if missing := [code for code in self.languages if code not in given]:
                yield f"{what} are missing for {', '.join(missing)}"
        if len({frozenset(words) for words in self.labels.values()}) > 1:
            yield "the labels have other names in one language than in another"
        for code, prompt in [*self.prompts.items(), *self.other_prompts.items()]:
            yield from (f"the {code} prompt {problem}" for problem in self._prompt_problems(prompt))
        if self.kind == "similarity":
            yield from self._grade_problems()
        if self.kind in ("qa", "number", "translation", "similarity") and self.fields.references is None:
            yield f"a task of kind {self.kind} needs fields.references"
        if self.kind == "translation" and (self.source_language is None or len(self.languages) != 1):
            yield "a task of kind translation is one direction: it needs source_language, and files in the language translated into"
        if self.right_first and (self.labels or self.fields.answer is not None):
            yield "right_first says that the first of fields.choices is right: leave labels and fields.answer out"
        has_answer = self.fields.answer is not None or self.right_first
        if self.kind == "multiple_choice" and not (has_answer and (self.labels or self.fields.choices)):
            yield "a task of kind multiple_choice needs fields.answer, and fields.choices or labels"

    def _grade_problems(self) -> Iterator[str]:
        if self.scale is None or not 0 <= self.scale[0] < self.scale[1] <= 9:
            yield (
                "a task of kind similarity needs a scale: the least and the highest grade, of one digit each, as in [0, 5]; "
                "a grade of two digits has more tokens, and is found less likely for that alone"
            )
        for code, prompt in self.prompts.items():
            if missing := [name for name in ("text", "question") if f"{{{name}}}" not in prompt]:
                yield f"the {code} prompt shows one of the two sentences alone: it lacks {{{missing[0]}}}"
        if self.scoring != "text":
            yield "a task of kind similarity asks for a grade: scoring is text"
        if self.fields.subject is not None:
            yield "a task of kind similarity has no subjects: a correlation belongs to a whole set"

    def _prompt_problems(self, prompt: str) -> Iterator[str]:
        try:
            parts = [part for part in string.Formatter().parse(prompt) if part[1] is not None]
        except ValueError as error:
            yield f"cannot be read ({error}); write {{{{ and }}}} for braces that are text"
            return
        names = {str(name) for _text, name, _format, _conversion in parts}
        if unknown := names - PLACEHOLDERS:
            yield f"has {{{min(unknown)}}}; it may have {{text}}, {{question}} and {{choices}}"
        if any(format_ or conversion for _text, _name, format_, conversion in parts):
            yield "has a placeholder with ! or : in it; it may have plain {text}, {question} and {choices}"
        if not names & {"text", "question"}:
            yield "asks nothing of the item: it has neither {text} nor {question}"
        for name, field in (("text", self.fields.text), ("question", self.fields.question)):
            if name in names and field is None:
                yield f"has {{{name}}}, and fields.{name} does not say where that stands"
        if prompt != prompt.rstrip():
            yield "ends in a blank, which belongs to the answer: end it with the last sign, as in 'Жауабы:'"

    @property
    def answer_bytes(self) -> int:
        """Bytes of an answer in English; see answers/limits.py for other languages."""
        return self.max_answer_bytes or ANSWER_BYTES.get(self.kind, CHOICE_BYTES)

    @property
    def is_generated(self) -> bool:
        """Whether all that is scored is what the model writes, so that no log-probability is asked for."""
        return self.kind in ("number", "open") or self.scoring == "generate"

    @property
    def languages(self) -> tuple[str, ...]:
        if self.files:
            return tuple(self.files)
        for field in (self.fields.text, self.fields.question):
            if isinstance(field, dict):
                return tuple(field)
        return tuple(self.prompts)


def chance_level(task: TaskConfig, items: Sequence[EvalItem] = ()) -> float | None:
    """The share right by guessing: 1 / choices, on average over the items, or as the task's labels or columns tell.

    None where nothing is chosen, or where only the data knows how many choices there are.
    """
    if task.kind not in ("multiple_choice", "minimal_pairs"):
        return None
    if items:
        return sum(1 / len(item.choices) for item in items) / len(items)
    choices = task.fields.choices
    several = next(iter(choices.values())) if isinstance(choices, Mapping) else choices
    listed = next(iter(task.labels.values())) if task.labels else several
    known = listed is not None and not isinstance(listed, str) and not task.optional_choices
    return 1 / len(listed) if known and listed is not None else None


def as_generated(task: TaskConfig) -> TaskConfig:
    """A multiple choice asked for its answer in words; other tasks as they are."""
    if task.kind != "multiple_choice":
        return task
    return task.model_copy(update={"scoring": "generate", "metric": "acc"})


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
    """The tasks of the suite, or those that the config names: of the suite by name, one's own by file or folder.

    Raises:
        InputError: a name that the suite does not have, a file that is none, or two tasks of one name.
    """
    suite = load_suite(config.suite)
    if config.tasks is None:
        if not suite:
            raise InputError("nothing to score", hint="name a suite (--suite demo) or a task file (--tasks my.yaml)")
        return suite
    own = [task for name in config.tasks if is_path(name) for task in tasks_in(Path(name))]
    names = {name for name in config.tasks if not is_path(name)}
    unknown = names - {task.name for task in suite}
    if unknown and not suite:
        shipped = [load_task(name) for name in config.tasks if name in names]
        return _named_once([*shipped, *own])
    if unknown:
        raise InputError(
            f"suite {config.suite} has no task {', '.join(sorted(unknown))}",
            hint=f"its tasks are: {', '.join(task.name for task in suite)}",
        )
    return _named_once([*(task for task in suite if task.name in names), *own])


def is_path(name: str) -> bool:
    """Whether a task is named by its file or folder, not by its name."""
    return name.endswith(SUFFIXES) or "/" in name


def tasks_in(path: Path) -> list[TaskConfig]:
    """The task of a file, or of all YAML files of a folder. Raises InputError where there are none."""
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError(f"{path}: no task file there", hint="docs/tasks.md shows how to write one")
    return [load_config(TaskConfig, file) for file in files]


def shipped_tasks() -> dict[str, TaskConfig]:
    """All tasks of the package by name."""
    return {p.stem: load_config(TaskConfig, p) for p in sorted(TASKS.glob("*.yaml")) if p.stem != "suites"}


def shipped_suites() -> dict[str, list[str]]:
    """The names of the tasks of each suite of the package."""
    return dict(read_raw(TASKS / "suites.yaml").values)


def _named_once(tasks: list[TaskConfig]) -> tuple[TaskConfig, ...]:
    names = [task.name for task in tasks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two tasks are named {twice[0]}", hint="give each task file its own name")
    return tuple(tasks)


def _meant(name: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"the {what} are: {', '.join(known)}"
