"""The reference of config keys: complete, true to the models, and in docs/reference/ as the models say it now."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from qaz_llm.cli.config import config_kinds
from qaz_llm.config import StrictModel
from qaz_llm.report.reference import pages, undescribed

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


class _Inner(StrictModel):
    """What is inside."""

    names: tuple[str, ...] = ("а", "ә")
    """Some names, with a | in the text."""


class _Outer(StrictModel):
    """What is outside."""

    size: int = Field(gt=0)
    """How big."""
    how: Literal["fast", "well"] | None = None
    """In which way."""
    inner: _Inner = _Inner()
    """The rest."""


def test_a_page_by_hand() -> None:
    page = pages({"outer": _Outer})["outer"]
    assert "| `size` | whole number, > 0 | needed | How big. |" in page
    assert "| `how` | `fast`, `well` or null | `null` | In which way. |" in page
    assert "| `inner` | [_Inner](#_inner) | its own defaults | The rest. |" in page
    assert '| `names` | list of text | `["а", "ә"]` | Some names, with a \\| in the text. |' in page
    assert "[_Inner](inner.md#_inner)" in pages({"outer": _Outer, "inner": _Inner})["outer"]


def test_a_key_without_a_description_is_an_error() -> None:
    class Silent(StrictModel):
        """Says nothing."""

        key: int = 0

    assert undescribed(Silent) == ["Silent.key"]
    with pytest.raises(ValueError, match="no description of key"):
        pages({"silent": Silent})


@pytest.mark.parametrize("kind", sorted(config_kinds()))
def test_every_key_of_every_kind_is_described(kind: str) -> None:
    assert undescribed(config_kinds()[kind]) == []


def test_the_pages_in_docs_are_those_of_the_models() -> None:
    made = pages(config_kinds())
    written = {path.stem: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md") if path.stem != "README"}
    assert written == made, "write them again: qaz config reference --out docs/reference"
