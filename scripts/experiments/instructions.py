"""Sixty English instructions whose answers a few lines of code can judge, of our own, after the idea of IFEval (arXiv 2311.07911).

What is judged is the form that was asked for, never whether the answer is good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

SUBJECTS = ("the sea", "bread", "a train station", "winter", "horses", "a school library")


@dataclass(frozen=True)
class Instruction:
    """What is asked, and whether an answer does it."""

    kind: str
    prompt: str
    is_done: Callable[[str], bool]


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def words_of(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text)


def is_json_with(key: str, text: str) -> bool:
    found = re.search(r"\{.*\}", text, re.S)
    try:
        value = json.loads(found[0]) if found else None
    except ValueError:
        return False
    return isinstance(value, dict) and key in value


def bullets(text: str) -> int:
    return sum(bool(re.match(r"([-*•]|\d+[.)])\s", line)) for line in lines_of(text))


KINDS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "capitals": ("Write one sentence about {s} in capital letters only.", lambda a, _s: bool(words_of(a)) and a == a.upper()),
    "lower case": ("Write one sentence about {s} in lower case letters only.", lambda a, _s: bool(words_of(a)) and a == a.lower()),
    "three bullets": ("Write exactly three bullet points about {s}.", lambda a, _s: bullets(a) == 3),
    "one word": ("Name one thing that goes with {s}. Answer with one word.", lambda a, _s: len(words_of(a)) == 1),
    "at most ten words": ("Describe {s} in at most ten words.", lambda a, _s: 0 < len(words_of(a)) <= 10),
    "begins": ("Write a sentence about {s} that begins with the word Today.", lambda a, _s: a.strip().strip('"').startswith("Today")),
    "ends": ("Write a sentence about {s} and end your answer with the words THE END", lambda a, _s: a.strip().rstrip('."').endswith("THE END")),
    "json": ('Answer with a JSON object that has the key "subject", about {s}, and with nothing else.', lambda a, _s: is_json_with("subject", a)),
    "no comma": ("Write two sentences about {s} without any comma.", lambda a, _s: bool(words_of(a)) and "," not in a),
    "repeat": ("Repeat this sentence and write nothing else: I like {s} very much.", lambda a, s: a.strip().strip('"') == f"I like {s} very much."),
}  # fmt: skip


def instructions() -> list[Instruction]:
    """Every kind with every subject."""
    return [
        Instruction(kind, prompt.format(s=subject), lambda answer, c=check, s=subject: c(answer, s))
        for kind, (prompt, check) in KINDS.items()
        for subject in SUBJECTS
    ]
