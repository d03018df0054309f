"""Files that are no held-out text are refused with what was found, and what was expected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qaz_llm.errors import InputError
from qaz_llm.pipeline import heldout
from qaz_llm.pipeline.heldout import MOST_TEXT_BYTES, read_heldout
from qaz_llm.pipeline.merge import MergeRequest, merge_models
from qaz_llm.pipeline.watch import watch_files

LINES = ["Қазақстан – Орталық Азиядағы мемлекет.", "Бұл екінші жол."]
TEXT = "\n".join(LINES) + "\n"


def read(path: Path) -> list[str]:
    return read_heldout(str(path), most=64, said_as="heldout.kk")


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.txt", bytes(range(256)) * 500, "rows are none; a.txt, row 1"),
        ("a.jsonl", bytes(range(128, 256)) + b"\n", "a.jsonl, row 1: bytes that are no UTF-8"),
        ("a.txt", b"", "holds no text"),
        ("a.txt", b"\n \n\n", "holds no text"),
        ("a.txt", b"\x7fELF\x01\x02\n" * 9, "control character U+007F"),
        ("a.txt", b"a" * (MOST_TEXT_BYTES + 1), "a text of 1,048,577 bytes, at most 1,048,576 were expected"),
        ("a.md", TEXT.encode(), "no JSON object, and only .txt and .text are read line by line"),
        ("a.jsonl", b'{"txt": "a"}\n', "no field 'text'; its fields are txt"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(tmp_path: Path, name: str, data: bytes, found: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert caught.value.exit_code == 2 and found in caught.value.message
    assert caught.value.message.startswith("heldout.kk: ") and str(tmp_path) in caught.value.message
    assert "a sentence or document on each line" in str(caught.value.hint)


def test_a_folder_without_text_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(InputError, match=r"heldout\.kk: .*(no readable file|no such file)"):
            read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "kz1048"])
def test_encodings_that_are_recognised_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes((TEXT * 20).encode(encoding))
    assert read(tmp_path / "a.txt") == LINES * 20


def test_a_few_rows_that_are_none_are_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(heldout._logger, "warning", lambda text, *values: said.append(text % values))
    rows = [json.dumps({"text": line}, ensure_ascii=False) for line in LINES]
    (tmp_path / "a.jsonl").write_text("\n".join([rows[0], '{"title": "x"}', rows[1]]), encoding="utf-8")
    assert read(tmp_path / "a.jsonl") == LINES
    assert len(said) == 1 and "1 rows of" in said[0] and "a.jsonl, row 2: no field 'text'" in said[0]


def test_a_merge_reads_its_text_before_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    request = MergeRequest("no/model", (("none/either", 1.0),), heldout=(("kk", str(tmp_path / "a.txt")),))
    with pytest.raises(InputError, match=r"^--heldout kk: .* holds no text"):
        merge_models(request, tmp_path / "out")


def test_a_fingerprint_is_of_what_is_scored(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "b.txt").write_text(TEXT.replace("екінші", "үшінші"), encoding="utf-8")
    one, same, other = (
        watch_files({"kk": str(tmp_path / name)}).fingerprints["kk"] for name in ("a.txt", "a.txt", "b.txt")
    )
    assert one == same != other
