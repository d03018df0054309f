"""The import directions between rooms, read from the source: every import counts, also inside functions."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import qaz_llm

PACKAGE = Path(qaz_llm.__file__).parent
LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("records", "config", "progress", "provenance", "installed"),
    ("io",),
    ("language", "report", "cluster"),
    ("data", "tokenizer"),
    ("labels",),
    ("rows",),
    ("model",),
    ("train", "evals", "serve"),
    ("pipeline",),
    ("fetch",),
    ("cli",),
    ("__main__",),
)
"""From left to right; a room imports only from rooms further to the left, and from itself."""

LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
BESIDE = {("config", "records")}
"""Imports inside one level: the language codes that configs check are the records'."""

NO_TORCH = (
    "errors",
    "records",
    "config",
    "progress",
    "provenance",
    "io",
    "language",
    "report",
    "labels",
    "data",
    "tokenizer",
    "rows",
)
HEAVY = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "numba",
    "numpy",
    "pyarrow",
    "peft",
    "accelerate",
    "deepspeed",
    "c2patxt",
    "cryptography",
    "fastapi",
    "httpx2",
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """`data` for data/build.py, `config` for config.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted(path: Path) -> str:
    return ".".join(("qaz_llm", *path.relative_to(PACKAGE).with_suffix("").parts))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports: `from qaz_llm.data import build` gives `qaz_llm.data.build`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = dotted(path).split(".")[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "import_module",
            "importlib.import_module",
            "__import__",
        }:
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "qaz_llm" and len(parts) > 1 and parts[1] in LEVEL_OF:
            yield line, parts[1]


def allowed(room: str, other: str) -> bool:
    return room == other or LEVEL_OF[other] < LEVEL_OF[room] or (room, other) in BESIDE


def test_every_module_belongs_to_a_room() -> None:
    unknown = {room_of(path) for path in modules()} - set(LEVEL_OF) - {"__init__"}
    assert not unknown, f"give {unknown} a place in LEVELS"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {room_of(path)} imports {other}"
        for path in modules()
        if room_of(path) in LEVEL_OF
        for line, other in imported_rooms(path)
        if not allowed(room_of(path), other)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_sees_each_form_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "qaz_llm"
    (package / "data").mkdir(parents=True)
    source = package / "data" / "x.py"
    source.write_text(
        "import qaz_llm.train.run\nfrom qaz_llm import evals\nfrom ..model import load\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from qaz_llm.pipeline.run import run\n"
        "def f():\n    from qaz_llm.cli import main\n    import importlib\n    importlib.import_module('qaz_llm.train')\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    found = [(line, room) for line, room in imported_rooms(source) if not allowed(room_of(source), room)]
    assert sorted(found) == [(1, "train"), (2, "evals"), (3, "model"), (6, "pipeline"), (8, "cli"), (10, "train")]
    assert not allowed("train", "evals")
    assert not allowed("evals", "train")


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a room too: every module can be understood after those it stands on."""
    known = {dotted(path).removesuffix(".__init__"): path for path in modules()}

    def module_named(name: str) -> str | None:
        return name if name in known else name.rpartition(".")[0] if name.rpartition(".")[0] in known else None

    graph = {
        name: {found for _line, other in imports(path) if (found := module_named(other)) and found != name}
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_rooms_for_text_never_import_torch() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in modules()
        if room_of(path) in NO_TORCH
        for line, name in imports(path)
        if name.split(".")[0] == "torch"
    ]
    assert not wrong, "\n".join(wrong)


def test_configs_and_the_command_line_load_nothing_heavy() -> None:
    """In a fresh interpreter, so that `qaz --help` and a config check answer at once."""
    light = ["qaz_llm.cli", *(dotted(path) for path in sorted(PACKAGE.glob("*/config.py")))]
    assert len(light) > 3
    code = (
        "import importlib, json, sys\n"
        "loaded = {}\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded[name] = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "print(json.dumps(loaded))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name: found for name, found in json.loads(done.stdout).items() if found} == {}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from qaz_llm.cli import main\n"
        "sys.argv = ['qaz', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"heavy = {(*HEAVY, 'qaz_llm.config')!r}\n"
        "assert not [m for m in heavy if m in sys.modules], [m for m in heavy if m in sys.modules]\n"
    )
    for arguments in (["--help"], ["train", "--help"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "qaz" in done.stdout


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports them by name alone, so of two in one process it would refuse the second."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
