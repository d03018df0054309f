"""What `qaz merge` refuses before it reads a weight: nothing it is given, and nothing that lies there, is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaz_llm.cli.merge import _check_heldout, _check_out, _weighted
from qaz_llm.errors import InputError
from qaz_llm.pipeline.merge import MergeRequest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "a=1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_model_is_never_replaced_by_what_is_made_of_it(model: Path, tmp_path: Path) -> None:
    for out in (model, model / "sub", model.parent, tmp_path, model / ".." / model.name):
        with pytest.raises(InputError, match="which goes into it"):
            _check_out(out, ["hub/id", str(model)])
    link = tmp_path / "link"
    link.symlink_to(model)
    with pytest.raises(InputError, match="which goes into it"):
        _check_out(link, [str(model)])


def test_nothing_that_lies_there_is_lost(model: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    _check_out(old, [str(model)])
    _check_out(tmp_path / "new", [str(model)])
    (old / "config.json").write_text("{}")
    for out in (old, old / "config.json"):
        with pytest.raises(InputError, match="would be lost"):
            _check_out(out, [str(model)])


def test_weights(model: Path) -> None:
    assert _weighted(str(model)) == (str(model), 1.0)
    assert _weighted(f"{model}=-0.5") == (str(model), -0.5)
    for number in ("nan", "inf", "half", ""):
        with pytest.raises(InputError, match="no number to weigh with"):
            _weighted(f"{model}={number}")


def test_held_out_texts_have_names_of_their_own_and_something_to_search() -> None:
    texts = (("kk", "a.txt"), ("en", "b.txt"))
    _check_heldout(MergeRequest("m", (("n", 1.0),), heldout=texts))
    with pytest.raises(InputError, match="two texts"):
        _check_heldout(MergeRequest("m", (("n", 1.0),), heldout=(*texts, ("kk", "c.txt"))))
    with pytest.raises(InputError, match="nothing is added"):
        _check_heldout(MergeRequest("m", revert=("mlp",), heldout=texts))
