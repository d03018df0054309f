"""Whatever the documentation names is there: files, modules, linked headings, commands that would be understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main

from qaz_llm.cli import app
from qaz_llm.config import load_config
from qaz_llm.data.config import DataConfig, MixConfig
from qaz_llm.errors import ConfigError
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.train.config import TrainConfig

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
LINE_OF_COMMAND = re.compile(r"(?:^\s*(?:\$ )?(?:\w+=\S+ )*(?:\S+/)?qaz|[|&]\s*qaz|\bsrun qaz|-m qaz_llm) (.*)")
SHELL = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "2>", "<"})
CONFIGS: dict[tuple[str, ...], Any] = {
    ("run",): RunConfig,
    ("chain",): RunConfig,
    ("train",): TrainConfig,
    ("plan",): TrainConfig,
    ("data", "tokenize"): TrainConfig,
    ("data", "build"): DataConfig,
    ("data", "mix"): MixConfig,
}
"""Commands whose first argument is a config and whose others are overrides of it."""


def code_of(text: str) -> Iterator[tuple[str, bool]]:
    """What stands in backticks, fences and indented blocks, and whether its lines are whole."""
    for match in CODE.finditer(text):
        yield (f"`{match.group(2)}`", False) if match.group(2) else (match.group(1) or match.group(0), True)


ASSUMED = " "
"""The command of a group that is meant where none is named: `qaz train CONFIG` beside `qaz train report RUN_DIR`."""


def anchors_of(page: Path) -> set[str]:
    """Headings as links call them: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_paths(text: str) -> list[str]:
    missing = []
    for code, _whole in code_of(text):
        for base, pattern in ((ROOT, FROM_ROOT), (PACKAGE, IN_PACKAGE)):
            missing += [name for name in pattern.findall(code) if not list(base.glob(name.rstrip("/")))]
    return [name for name in missing if name not in MADE_BY_THE_USER]


def commands_of(text: str) -> Iterator[tuple[list[str], bool]]:
    """The words of each `qaz …` command, and whether it stands on a line of its own: then nothing may be left out."""
    for code, whole in code_of(text):
        for line in code.strip("`").replace("\\\n", " ").splitlines():
            match = LINE_OF_COMMAND.search(line)
            if match:
                yield words_of(match.group(1).replace("…", "...").replace("\\|", "|")), whole


def words_of(line: str) -> list[str]:
    """The words up to the shell's next sign; of a synopsis ([--a | --b]) without its brackets and bars."""
    words: list[str] = []
    optional = False
    for word in shlex.split(line, comments=True):
        if word in SHELL and not optional:
            break
        if word.startswith("["):
            optional, word = True, word[1:]
        if optional and word.endswith("]"):
            optional, word = False, word[:-1]
        if word not in SHELL:
            words.append(word)
    return words


def is_placeholder(word: str) -> bool:
    return bool(re.fullmatch(r"[A-Z_/.]+|\.\.\.|\$.*|", word))


def fault(words: Sequence[str], *, whole: bool = True) -> str | None:
    """What the command line's own parser says of a command, none of which is run; None where it would be understood."""
    command: Any = typer.main.get_command(app)
    rest, named = [word for word in words if word != "--debug"], []
    while hasattr(command, "commands"):
        if ASSUMED in command.commands and (not rest or rest[0] not in command.commands):
            command = command.commands[ASSUMED]
            break
        if not rest or rest[0].startswith("-"):
            return None if not rest or rest[0] in ("--help", "--version") else f"no option {rest[0]}"
        if is_placeholder(rest[0]):
            return None
        named.append(rest.pop(0))
        if named[-1] not in command.commands:
            return f"no command {named[-1]}"
        command = command.commands[named[-1]]
    if "--help" in rest:
        return None
    given, said = understood(command, ["1" if word in ("N", "...") else word for word in rest])  # a number, or any word
    if said is not None and "..." in rest:
        given, said = understood(command, [word for word in rest if word != "..."])  # or several more options
    if said is not None:
        may_leave_out = not whole or any(map(is_placeholder, rest))
        is_left_out = said.startswith(("Missing", "NoArgsIsHelp")) or said.endswith("requires an argument.")
        return None if may_leave_out and is_left_out else said
    return fault_of_overrides(tuple(named), given.get("config"), given.get("overrides") or ())


def understood(command: Any, words: Sequence[str]) -> tuple[dict[str, Any], str | None]:
    """What the parser makes of the words, or what it says of them."""
    try:
        return command.make_context("qaz", list(words)).params, None
    except Exception as error:  # the parser's classes are private
        name = type(error).__name__
        said = getattr(error, "message", "") or str(error)
        return {}, f"{name}: {said}" if name.startswith(("Missing", "NoArgs")) else said


def fault_of_overrides(named: tuple[str, ...], config: Path | None, overrides: Sequence[str]) -> str | None:
    """What the config's own check says of it with these overrides, where it is a config that ships."""
    meant = [word for word in overrides if not is_placeholder(word) and word not in ("1", "key=value")]
    unlike = [word for word in meant if "=" not in word]
    if unlike:
        return f"{unlike[0]} is no override"
    filled = [word for word in meant if not is_placeholder(word.partition("=")[2])]
    if named not in CONFIGS or config is None or not (ROOT / config).is_file():
        return None
    try:
        load_config(CONFIGS[named], ROOT / config, filled)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    assert missing_paths(text) == []
    faults = [(" ".join(words), fault(words, whole=whole)) for words, whole in commands_of(text)]
    assert [(line, said) for line, said in faults if said] == []
    for name, anchor in LINK.findall(text):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors_of(target), f"{name}#{anchor}"


def test_the_checks_see_what_is_wrong() -> None:
    text = "`data/nothing.py`, `configs/none.yaml`, `data/readers/` and\n\n```\nqaz data bild C\nqaz data build C --shares 1/2\n```\n"
    assert missing_paths(text) == ["data/nothing.py", "configs/none.yaml"]
    assert [fault(words) for words, _whole in commands_of(text)] == ["no command bild", "No such option: --shares"]


@pytest.mark.parametrize(
    "line",
    [
        "data build C --share 0/2",
        "train C --dry-run",
        "train report D --out F",
        "plan CONFIG [--gpu NAME --gpus N --nodes N \\| --site FILE]",
        "run configs/demo.yaml cpt.lr=1e-3 run_dir=DIR --json | less",
        "chat runs/mine/model --max-new-tokens 20      # or type",
        "data build configs/data/embedded.yaml out=…",
    ],
)
def test_a_right_command_is_understood(line: str) -> None:
    assert [fault(words, whole=whole) for words, whole in commands_of(f"```\nqaz {line}\n```\n")] == [None]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train C --shares", "--shares"),
        ("chat", "Missing"),
        ("chat one two", "unexpected extra argument"),
        ("chat M --max-new-tokens some", "integer"),
        ("eval run --model", "requires an argument"),
        ("run configs/demo.yaml dry-run", "no override"),
        ("run configs/demo.yaml cpt.warmup_step=3", "did you mean 'warmup_steps'"),
        ("train configs/train/tiny.yaml max_steps=few", "max_steps"),
        ("--no-such", "--no-such"),
    ],
)
def test_a_wrong_command_is_seen(line: str, said: str) -> None:
    (found,) = [fault(words, whole=whole) for words, whole in commands_of(f"```\nqaz {line}\n```\n")]
    assert found is not None and said in found


def test_every_page_is_linked_from_the_readme_or_a_page_that_is() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = [(page.parent / name).resolve() for name, _ in LINK.findall(page.read_text()) if name.endswith(".md")]
        waiting += [target for target in links if target not in seen and target.exists()]
    assert sorted(set((ROOT / "docs").rglob("*.md")) - seen) == []
