"""Whatever the documentation names is there: files, modules, linked headings, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from qaz_llm.cli import app

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "qaz_llm"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ROOMS = "|".join(sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name.isidentifier()))

FROM_ROOT = re.compile(r"(?<![\w./-])(?:src|configs|scripts|slurm|tests|docs)/[\w./*-]*[\w*/]")
IN_PACKAGE = re.compile(rf"(?<![\w./-])(?:{ROOMS})/(?:[\w/*]+\.py|[\w/*]+\.yaml|[\w/]+/(?=`))")
"""`data/spool.py`, `data/readers/`: modules are named from the package on."""
MADE_BY_THE_USER = {"slurm/site.env"}
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"```.*?\n(.*?)```|(?:^    .*\n)+|`([^`\n]+)`", re.MULTILINE | re.DOTALL)


def code_of(text: str) -> Iterator[str]:
    """What stands in backticks, fences and indented blocks."""
    for match in CODE.finditer(text):
        yield f"`{match.group(2)}`" if match.group(2) else match.group(1) or match.group(0)


ASSUMED = " "
"""The command of a group that is meant where none is named: `qaz train CONFIG` beside `qaz train report RUN_DIR`."""


def anchors_of(page: Path) -> set[str]:
    """Headings as links call them: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_paths(text: str) -> list[str]:
    missing = []
    for code in code_of(text):
        for base, pattern in ((ROOT, FROM_ROOT), (PACKAGE, IN_PACKAGE)):
            missing += [name for name in pattern.findall(code) if not list(base.glob(name.rstrip("/")))]
    return [name for name in missing if name not in MADE_BY_THE_USER]


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each `qaz …` command: at the start of a line or of a span in backticks, or after an assignment."""
    for code in code_of(text):
        for line in code.strip("`").splitlines():
            match = re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*qaz (.*)", line)
            if match:
                yield shlex.split(match.group(1).replace("…", "..."), comments=True)


def fault(words: list[str]) -> str | None:
    """What is wrong with a command: a name that is none, or an option that it has not."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        if ASSUMED in command.commands and (not rest or rest[0] not in command.commands):
            command = command.commands[ASSUMED]
            break
        if not rest or rest[0].startswith("-"):
            break
        name = rest.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--debug"}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    assert missing_paths(text) == []
    assert [(" ".join(words), fault(words)) for words in commands_of(text) if fault(words)] == []
    for name, anchor in LINK.findall(text):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors_of(target), f"{name}#{anchor}"


def test_the_checks_see_what_is_wrong() -> None:
    text = "`data/nothing.py`, `configs/none.yaml`, `data/readers/` and\n\n```\nqaz data bild C\nqaz data build C --shares 1/2\n```\n"
    assert missing_paths(text) == ["data/nothing.py", "configs/none.yaml"]
    assert [fault(words) for words in commands_of(text)] == ["no command bild", "no option --shares"]
    assert fault(["data", "build", "C", "--share", "0/2"]) is None
    assert fault(["train", "C", "--shares"]) == "no option --shares"
    assert fault(["train", "C", "--dry-run"]) is fault(["train", "report", "D", "--out", "F"]) is None


def test_every_page_is_linked_from_the_readme_or_a_page_that_is() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = [(page.parent / name).resolve() for name, _ in LINK.findall(page.read_text()) if name.endswith(".md")]
        waiting += [target for target in links if target not in seen and target.exists()]
    assert sorted(set((ROOT / "docs").rglob("*.md")) - seen) == []
