"""The unpacked model answers as the package does, and whatever is wrong with the copy, the package is asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import py3langid
import pytest

from qaz_llm.language import langid_model
from qaz_llm.language.langid_model import identifier

TEXTS = (
    "ауыл тұрғындары жаңа көпірдің ашылуына жиналды", "жители собрались на открытие моста", "the new bridge is open",
    "köprü açıldı", "", "1", "\x01", "日本語", "\ud800 а", "ҚАР ЕРІДІ",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    identifier.cache_clear()
    yield tmp_path / "qaz_llm" / "detectors"
    identifier.cache_clear()


def test_it_answers_as_the_package_does_when_unpacked_and_when_read_again(folder: Path) -> None:
    for _ in range(2):
        found = identifier()
        assert found is not py3langid
        assert [found.classify(text) for text in TEXTS] == [py3langid.classify(text) for text in TEXTS]
        identifier.cache_clear()
    assert [path.name for path in folder.iterdir()] == [f"py3langid-{langid_model.version('py3langid')}"]


def test_a_file_cut_off_is_not_trusted(folder: Path) -> None:
    identifier()
    path = next(folder.rglob("nb_ptc.npy"))
    path.write_bytes(path.read_bytes()[:1000])
    identifier.cache_clear()
    assert identifier() is py3langid
    shutil.rmtree(path.parent)
    path.parent.parent.rmdir()
    path.parent.parent.write_text("a file where the folder would be")
    identifier.cache_clear()
    assert identifier() is py3langid


def test_a_pickle_is_not_read(folder: Path) -> None:
    identifier()
    np.save(next(folder.rglob("nb_classes.npy")), np.array(["kk", None], dtype=object), allow_pickle=True)
    identifier.cache_clear()
    assert identifier() is py3langid


def test_another_release_is_asked_as_it_comes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langid_model, "version", lambda name: "0.5.0")
    assert identifier() is py3langid and not folder.exists()
