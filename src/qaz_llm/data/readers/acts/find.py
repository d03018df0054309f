"""Which folders hold acts, and which of several versions of one act is the newest.

    …/2015/1231-ob-utverzhdenii-pravil-98498/{kaz.md, rus.md, meta.yaml}     act 98498; large acts have parts in kaz/ and rus/, too

The number of an act ends the name of its folder; `meta.yaml`, or the head of a text itself, has its date and title.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError

LANGUAGES: Mapping[str, str] = {"kk": "kaz", "ru": "rus"}
"""Language to the name of its files."""

META = "meta.yaml"
MAX_META_BYTES = 1 << 20
_CODE = re.compile(r"(\d+)$")
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.S)


@dataclass(frozen=True)
class Act:
    """One folder of an act."""

    folder: Path
    code: str
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def version(self) -> str:
        """The date of its newest text, `2015-12-31`; empty where none is said."""
        dates = self.meta.get("version_date")
        values = dates.values() if isinstance(dates, Mapping) else [dates]
        return max((str(value) for value in values if value is not None), default="")

    def title(self, language: str) -> str:
        """The title in a language; empty where there is none."""
        return str(self._of_language("title", language) or "")

    def url(self, language: str) -> str | None:
        """Where the official text is."""
        value = self._of_language("source", language)
        return None if value is None else str(value)

    def _of_language(self, key: str, language: str) -> Any:
        value = self.meta.get(key)
        return value.get(LANGUAGES[language]) if isinstance(value, Mapping) else value


def find_acts(root: Path) -> list[Act]:
    """The acts below a folder, each in its newest version, sorted by path. Raises InputError where there are none."""
    return [open_act(folder) for folder in act_folders(root)]


def act_folders(root: Path) -> list[Path]:
    """The folders of the acts below a folder, of each act the newest version, sorted.

    Only where an act is there more than once their dates are read: there are hundreds of thousands.

    Raises InputError where there are none.
    """
    by_code: dict[str, list[Path]] = {}
    names = {f"{name}.md" for name in LANGUAGES.values()}
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if names & set(files):
            subfolders.clear()  # kaz/ and rus/ hold parts of this one
            path = Path(folder)
            by_code.setdefault(_code_of(path), []).append(path)
    if not by_code:
        raise InputError(
            f"{root}: no folder with a kaz.md or rus.md in it",
            hint="clone a repository of github.com/kazakhstan-law there, for instance kazakhstan-law/codes",
        )
    return sorted(_newest(folders, code) for code, folders in by_code.items())


def open_act(folder: Path) -> Act:
    """The act of a folder, with what its meta.yaml says."""
    return Act(folder, _code_of(folder), read_meta(folder))


def _code_of(folder: Path) -> str:
    """The number of an act: that which ends the name of its folder, else the one its meta.yaml or text names, else the path."""
    found = _CODE.search(folder.name)
    if found is not None and "-" in folder.name:
        return found[1]
    return str(read_meta(folder).get("act_code") or folder.name)


def _newest(folders: Sequence[Path], code: str) -> Path:
    if len(folders) == 1:
        return folders[0]
    acts = [Act(folder, code, read_meta(folder)) for folder in folders]
    return max(acts, key=lambda act: (act.version, (act.folder / META).exists(), act.folder)).folder


def read_meta(folder: Path) -> Mapping[str, Any]:
    """What meta.yaml says, or the head of a text where there is no such file; empty where neither is there or readable."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    source = _meta_source(folder)
    if source is None:
        return {}
    try:
        loaded = YAML(typ="safe", pure=True).load(source)
    except YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _meta_source(folder: Path) -> str | None:
    path = folder / META
    if path.is_file():
        return _head(path)
    for name in LANGUAGES.values():
        text = folder / f"{name}.md"
        if text.is_file() and (found := _FRONT_MATTER.match(_head(text))) is not None:
            return found[1]
    return None


def _head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(MAX_META_BYTES).decode("utf-8", "replace")


def files_of(folders: Iterable[Path]) -> list[Path]:
    """All files that are read for some acts."""
    found = []
    for folder in folders:
        found += [path for path in sorted(folder.rglob("*")) if path.suffix == ".md" or path.name == META]
    return found
