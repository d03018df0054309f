"""Which tests were meant beforehand: the family that Holm's correction allows for.

Many gaps tested and the best one told is a way to find something where nothing is. What a config names in `family` is primary, and its
p-values are adjusted for the family alone; all else is exploratory, and adjusted for everything that was tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from qaz_llm.errors import InputError
from qaz_llm.evals.stats import holm

Role = Literal["primary", "exploratory"]
Test = tuple[str, ...]
"""Task and pair of languages (`("sib200", "kk-ru")`) or task and language; what comes after tells models apart."""


@dataclass(frozen=True, slots=True)
class Family:
    """`names`: tasks, or `TASK.PAIR`; None where nothing was declared, and all tests are the family."""

    names: tuple[str, ...] | None = None

    def role(self, test: Test) -> Role:
        """A pair belongs where it or its task is named; a language of a task also where a pair with it is.

        >>> family = Family(("sib200.kk-ru",))
        >>> family.role(("sib200", "kk-ru")), family.role(("sib200", "ru")), family.role(("sib200", "kk-en"))
        ('primary', 'primary', 'exploratory')
        """
        task, key, *_ = test
        if self.names is None or task in self.names or f"{task}.{key}" in self.names:
            return "primary"
        pairs = [name.removeprefix(f"{task}.") for name in self.names if name.startswith(f"{task}.")]
        return "primary" if any(key in pair.split("-") for pair in pairs) else "exploratory"

    def adjusted(self, p_values: Mapping[Test, float]) -> dict[Test, float]:
        """Holm's p: of primary tests among themselves, of exploratory ones among all."""
        primary = [test for test in p_values if self.role(test) == "primary"]
        everything = dict(zip(p_values, holm(list(p_values.values())), strict=True))
        return everything | dict(zip(primary, holm([p_values[test] for test in primary]), strict=True))

    def check(self, tests: Iterable[Test]) -> None:
        """Raise InputError where a name means none of the `tests` that will be made."""
        known = {name for task, pair in tests for name in (task, f"{task}.{pair}")}
        if unknown := [name for name in self.names or () if name not in known]:
            raise InputError(
                f"family names {', '.join(unknown)}, which no test will answer to",
                hint=f"the gaps of these tasks are: {', '.join(sorted(n for n in known if '.' in n)) or 'none'}",
            )
