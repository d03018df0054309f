"""What the pages tell a newcomer to type works: blocks marked for it are run, in the order of their page.

<!-- runnable -->         the next block is run by bash, in a folder of the page's own
<!-- runnable: slow -->   the same, after the demo, which lies in runs/demo
<!-- file: NAME -->       the next block is written to NAME first
<!-- shows -->            each line of the next block is printed by the run before it
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"<!-- (runnable: slow|runnable|file: [\w.-]+|shows) -->\n+```\w*\n(.*?)```", re.DOTALL)
MARK = re.compile(r"^<!-- (?:runnable|file|shows)\b", re.MULTILINE)
TEXTS = ROOT / "docs" / "your-own-files.md"
"""Its first block makes the folder of texts that other pages go on with."""


@dataclass(frozen=True)
class Block:
    """`mark` is what stands in the comment before it."""

    mark: str
    text: str

    @property
    def runs(self) -> bool:
        return self.mark.startswith("runnable")


def blocks_of(page: Path) -> list[Block]:
    return [Block(mark, text) for mark, text in BLOCK.findall(page.read_text())]


def pages_with(*, slow: bool) -> list[Path]:
    return [page for page in PAGES if any(b.runs and ("slow" in b.mark) == slow for b in blocks_of(page))]


def typed(block: str, folder: Path) -> str:
    """What a block prints, run as one would type it in the folder of the clone with its environment active.

    Raises:
        AssertionError: if any of its commands fails.
    """
    commands = folder / ".bin"
    if not commands.exists():
        commands.mkdir()
        for name, means in (("qaz", " -m qaz_llm"), ("python", "")):  # a link would not find its environment
            (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{means} "$@"\n')
            (commands / name).chmod(0o755)
        for name in ("configs", "docs", "scripts"):
            (folder / name).symlink_to(ROOT / name)
    environment = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder),
    }
    strictly = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(strictly, cwd=folder, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow(page: Path, folder: Path, *, slow: bool) -> None:
    """Do what the page says, from top to bottom; of its slow blocks only where `slow`."""
    blocks = blocks_of(page)
    if page != TEXTS:
        typed(next(block.text for block in blocks_of(TEXTS) if block.runs), folder)
    printed: list[str] | None = None
    for block in blocks:
        if block.mark.startswith("file: "):
            (folder / block.mark.removeprefix("file: ")).write_text(block.text)
        elif block.mark == "shows" and printed is not None:
            assert [line for line in block.text.splitlines() if line not in printed] == [], page
        elif block.runs:
            does_run = slow or block.mark == "runnable"
            printed = typed(block.text, folder).splitlines() if does_run else None


@pytest.mark.parametrize("page", pages_with(slow=False), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_works(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path, slow=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` leaves; where it was made in this checkout already, a copy, of which `qaz run` does again what is stale."""
    folder = tmp_path_factory.mktemp("demo")
    if (ROOT / "runs" / "demo").is_dir():
        shutil.copytree(ROOT / "runs" / "demo", folder / "runs" / "demo", symlinks=True)
    typed("qaz run configs/demo.yaml run_dir=runs/demo", folder)
    return folder / "runs" / "demo"


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with(slow=True), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_after_the_demo_works(page: Path, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(demo)
    follow(page, tmp_path, slow=True)


def test_no_mark_stands_before_nothing_and_the_first_pages_are_among_them() -> None:
    for page in PAGES:
        assert len(MARK.findall(page.read_text())) == len(blocks_of(page)), f"{page}: a mark without a block behind it"
    names = {str(page.relative_to(ROOT)) for page in pages_with(slow=False) + pages_with(slow=True)}
    assert {"docs/your-own-files.md", "docs/your-own-model.md", "docs/lesson/lesson.kk.md"} <= names
    assert {"README.md", "README.kk.md", "README.ru.md"} <= names


def test_a_failing_command_and_a_line_that_is_not_printed_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for says, wrong in (("echo one", "two"), ("false; echo one", "one"), ("false | echo one", "one")):
        page.write_text(f"<!-- runnable -->\n```bash\n{says}\n```\n\n<!-- shows -->\n```\n{wrong}\n```\n")
        shutil.rmtree(tmp_path / "folder", ignore_errors=True)
        (tmp_path / "folder").mkdir()
        with pytest.raises(AssertionError):
            follow(page, tmp_path / "folder", slow=False)


@pytest.mark.parametrize("name", ["tokens.py", "bits.py"])
def test_a_script_of_the_lesson_says_that_the_demo_comes_first(name: str, tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "docs" / "lesson" / name)]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (1, "")
    assert "make demo" in done.stderr and "Traceback" not in done.stderr


def test_the_pictures_are_those_of_their_script() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("stages_picture", ROOT / "scripts" / "stages_picture.py")
    assert spec is not None and spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    for language in ("en", "kk", "ru"):
        assert (ROOT / "docs" / "images" / f"stages.{language}.svg").read_text() == made.picture(language)
