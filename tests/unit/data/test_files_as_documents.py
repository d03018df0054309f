"""What one row of plain text is: a line, a paragraph, or the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import lines, streams
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.data.tasks import files_not_read, tasks_of
from qaz_llm.errors import InputError


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def read(path: Path, **values: Any) -> dict[str, str]:
    return {d.id: d.meta.get(PROBLEM, d.text) for d in read_documents(source(path, **values))}


def folder_of(tmp_path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "in"


POEM = "Қансонарда бүркітші шығады аңға,\r\n    тастан түлкі табылар аңдығанға.\r\n\r\nЖақсы ат пен тату жолдас –\r\n"


def test_several_files_are_a_document_each_and_keep_their_lines(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": POEM, "ә/b.txt": b"\xef\xbb\xbf" + "бір\nекі\n".encode(), "c.txt.gz": ""})
    (folder / "c.txt.gz").unlink()
    assert read(folder) == {"s/a.txt": POEM.replace("\r\n", "\n"), "s/ә/b.txt": "бір\nекі\n"}
    assert read(folder / "**/*.txt") == read(folder)


def test_one_file_is_read_by_lines_and_the_config_has_the_last_word(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": "бір\nекі\n\nүш\n"})
    for path in (folder, folder / "a.txt", folder / "*.txt"):
        assert list(read(path).values()) == ["бір", "екі", "үш"]
        assert read(path, rows="file") == {"s/a": "бір\nекі\n\nүш\n"}
    folder_of(tmp_path, {"b.txt": "төрт\n"})
    for rows in ("line", "lines"):
        assert list(read(folder, rows=rows).values()) == ["бір", "екі", "үш", "төрт"]
    for rows in ("paragraph", "paragraphs"):
        assert list(read(folder, rows=rows).values()) == ["бір\nекі", "үш", "төрт"]


def test_rows_of_other_formats_beside_them_are_rows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": "бір\nекі", "b.jsonl": '{"text": "x"}\n{"text": "y"}\n', "c.txt": "үш"})
    assert read(folder) == {
        "s/a.txt": "бір\nекі", "s/b.jsonl/00000000": "x", "s/b.jsonl/00000001": "y", "s/c.txt": "үш",
    }  # fmt: skip
    assert read(folder_of(tmp_path / "2", {"news.txt": "бір\nекі", "news.jsonl": '{"text": "x"}\n'})) == {
        "s/news.jsonl/00000000": "x", "s/news.txt/00000000": "бір", "s/news.txt/00000001": "екі",
    }  # fmt: skip


def test_each_file_has_its_own_encoding_and_its_own_problem(tmp_path: Path) -> None:
    text = "Ауылдың сыртындағы көлде қаздар мен үйректер жүзіп жүр."
    folder = folder_of(
        tmp_path,
        {"a.txt": text.encode("kz1048"), "b.txt": text.encode("utf-16"), "c.txt": " \n", "d.txt": b"ok \xff"},
    )
    assert read(folder) == {
        "s/a.txt": text,
        "s/b.txt": text,
        "s/c.txt/empty_file": "empty_file",
        "s/d.txt": "bad_encoding",
    }


def test_files_are_cleaned_together_and_told_apart_in_the_key(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {f"{n:03d}.txt": f"мәтін {n} " * 20 for n in range(50)})
    tasks = tasks_of(source(folder))
    assert len(tasks) == 1
    assert len(tasks[0].fingerprints()) == 50
    in_parts = tasks_of(source(folder, part_bytes=2000))
    assert 5 < len(in_parts) < 50
    assert [name for task in in_parts for name in task.names] == list(tasks[0].names)
    assert read(folder, part_bytes=2000) == read(folder)


def test_a_file_too_long_for_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, {"a.txt": "бір\n" * 100, "b.txt": "екі"})
    for module in (lines, streams):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 50)
    assert read(folder, rows="file") == {"s/a.txt": "file_too_long", "s/b.txt": "екі"}
    monkeypatch.setattr("qaz_llm.data.tasks.MAX_LINE_BYTES", 50)
    with pytest.raises(InputError, match="no document is as long") as caught:
        read(folder)
    assert "rows: line" in str(caught.value.hint)


def test_files_of_no_known_format_are_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": "x", "b.docx": "x", "c.docx": "x", "LICENSE": "x", "d.zip": "x"})
    assert files_not_read(source(folder)) == {".docx": 2, ".zip": 1, "none": 1}
    assert files_not_read(source(folder / "*.docx")) == {}
