"""Pages in several languages say the same: the numbers in them, and what they tell to type, but for comments and names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\([^)]*\)|<!--.*?-->", re.DOTALL)
PAGES = {
    "README": ("README.md", "README.kk.md", "README.ru.md"),
    "lesson": ("docs/lesson/lesson.md", "docs/lesson/lesson.kk.md", "docs/lesson/lesson.ru.md"),
    "start": ("docs/start.kk.md", "docs/start.ru.md"),
}


def numbers(text: str, *, is_english: bool) -> Counter[str]:
    """The numbers of a page outside its links: 1,378 and 0.755 of an English one are 1 378 and 0,755 of the others."""
    said = LINK.sub("]", text)
    if is_english:
        said = re.sub(r"(?<=\d),(?=\d{3}\b)", "", said)
    else:
        said = re.sub(r"(?<=\d)[ \u00a0](?=\d{3}\b)", "", said)
        said = re.sub(r"(?<=\d),(?=\d)", ".", said)
    return Counter(re.findall(r"\d+(?:\.\d+)*", said))


def typed(text: str) -> list[str]:
    """The blocks of a page without comments, blank lines, and what each language calls by a name of its own."""
    blocks = []
    for block in FENCE.findall(text):
        bare = re.sub(r"(?:^|\s+)#.*$|^title: .*$", "", block, flags=re.MULTILINE)
        bare = re.sub(r'(?<=--organisation )"[^"]*"|(?<=git clone )\w+', "NAME", bare)
        blocks.append("\n".join(line.rstrip() for line in bare.splitlines() if line.strip()))
    return blocks


@pytest.mark.parametrize("name", PAGES)
def test_pages_in_several_languages_have_the_same_numbers_and_commands(name: str) -> None:
    first, *others = PAGES[name]
    text = (ROOT / first).read_text()
    for other in others:
        translated = (ROOT / other).read_text()
        assert typed(translated) == typed(text), f"{first}, {other}"
        ours = numbers(text, is_english=first.endswith(("README.md", "lesson.md")))
        theirs = numbers(translated, is_english=False)
        assert (ours - theirs, theirs - ours) == (Counter(), Counter()), f"{first}, {other}"


def test_the_config_of_a_first_model_is_the_same_in_every_language() -> None:
    pages = ("docs/your-own-model.md", "docs/start.kk.md", "docs/start.ru.md")
    configs = [
        [block for block in typed((ROOT / page).read_text()) if block.startswith("run_dir: runs/mine\n")]
        for page in pages
    ]
    assert len(configs[0]) == 1
    assert configs[0] == configs[1] == configs[2]


def test_a_number_and_a_command_that_differ_are_seen() -> None:
    english, kazakh = "1,378 seconds, 0.755 and 3.00", "1 378 секунд, 0,755 және 3,00"
    assert numbers(english, is_english=True) == numbers(kazakh, is_english=False) == Counter(["1378", "0.755", "3.00"])
    assert numbers(english, is_english=True) != numbers("1 378 секунд, 0,756 және 3,00", is_english=False)
    assert typed("```\nqaz chat M   # talk\n```\n") == typed("```\nqaz chat M   # сөйлесу\n```\n")
    assert typed("```\nqaz chat M\n```\n") != typed("```\nqaz chat N\n```\n")
