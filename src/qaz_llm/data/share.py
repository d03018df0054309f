"""Work shared out among the jobs of an array."""

from __future__ import annotations

from dataclasses import dataclass

from qaz_llm.errors import InputError


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the work that one job of an array does: of what is to be done the numbers `index`, `index + count`, …."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """`3/16` is the fourth of sixteen. Raises InputError for anything else."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise InputError(
                f"--share {text}: a number from 0 and how many there are were expected",
                hint="for instance --share 0/16 to --share 15/16",
            )
        return cls(int(index), int(count))
