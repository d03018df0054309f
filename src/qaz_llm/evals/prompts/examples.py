"""Solved examples for few-shot prompts: fixed, from a split of their own, never from the items that are scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qaz_llm.errors import ConfigError, DataError
from qaz_llm.evals.items.load import dev_sources, read_items
from qaz_llm.evals.items.same import what_is_asked
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem

WITHOUT_EXAMPLES = ("bits_per_byte", "minimal_pairs")
"""Kinds of task that ask about texts alone, from their start."""


@dataclass(frozen=True)
class Examples:
    """The examples of a task by language, in the order of their file; `repeated`: how many were left out as asking the same again."""

    shots: int = 0
    by_language: dict[str, list[EvalItem]] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)

    def of(self, item: EvalItem) -> Sequence[EvalItem]:
        """The first `shots` of the item's language and, where there are enough, of its subject."""
        own = self.by_language.get(item.language, [])
        alike = [example for example in own if example.subject == item.subject]
        return (alike if len(alike) >= self.shots else own)[: self.shots]

    def borrowed(self, items: Sequence[EvalItem]) -> dict[str, list[str]]:
        """By language, the subjects of the items that have fewer than `shots` examples, so that those of others are shown."""
        found: dict[str, set[str]] = defaultdict(set)
        for language, subject in {(item.language, item.subject) for item in items if item.subject}:
            own = self.by_language.get(language, [])
            if sum(example.subject == subject for example in own) < self.shots:
                found[language].add(subject)
        return {language: sorted(subjects) for language, subjects in sorted(found.items())}


def load_examples(task: TaskConfig, items: Sequence[EvalItem], *, shots: int, root: Path | None) -> Examples:
    """The examples that `shots` of each language are taken from; none for a task of texts alone.

    Raises:
        ConfigError: the task has no dev split, or too few examples in a language.
        DataError: an example is one of the items.
        InputError: its file is not there.
    """
    if not shots or task.kind in WITHOUT_EXAMPLES:
        return Examples()
    sources = dev_sources(task, root)
    if not sources:
        raise ConfigError(
            f"task {task.name} has no examples to show, and shots is {shots}",
            hint="set shots=0, leave the task out, or give it a dev_file",
        )
    by_language: dict[str, list[EvalItem]] = defaultdict(list)
    for language, source in sources:
        for item in read_items(task, source, language):
            by_language[item.language].append(item)
    asked = {what_is_asked(item) for item in items}
    repeated: dict[str, int] = {}
    for code in task.languages:
        found = _once(by_language[code])
        if again := len(by_language[code]) - len(found):
            repeated[code] = again
        by_language[code] = found
        if len(found) < shots:
            raise ConfigError(f"task {task.name} has {len(found)} examples in {code}, and shots is {shots}")
        if same := [example.item_id for example in found if what_is_asked(example) in asked]:
            raise DataError(
                f"task {task.name}: the example {same[0]} ({code}) is also an item that is scored",
                hint="take it out of the dev split",
            )
    return Examples(shots, dict(by_language), repeated)


def _once(examples: Sequence[EvalItem]) -> list[EvalItem]:
    """The examples without those that ask what an earlier one asked: shown twice, one of them tells nothing."""
    first: dict[tuple[str, ...], EvalItem] = {}
    for example in examples:
        first.setdefault(what_is_asked(example), example)
    return list(first.values())
