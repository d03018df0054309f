"""Rows of tables and of copies of sets of the hub, against the standard library's own readers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.items.sources import find_source, parse_address
from qaz_llm.io import write_jsonl


def rows(written: str, root: Path, **values: object) -> list[dict[str, object]]:
    return [dict(row) for _where, row in find_source(written, task="t", root=root, **values).rows()]  # type: ignore[arg-type]


def copy_of(root: Path, name: str) -> Path:
    folder = root / "hub" / name
    folder.mkdir(parents=True)
    return folder


def test_a_table_is_read_as_text(tmp_path: Path) -> None:
    """What pandas would make 5.5 and nan of stays 5.50 and NA; a cell may hold a comma, a quote and a line end."""
    cells = [["q", "a"], ["5.50", "NA"], ['Ол: "иә", деді', "екі\nжол"], ["007", "1e3"]]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(cells)
    found = rows("t.csv", tmp_path)
    assert [[row["q"], row["a"]] for row in found] == cells[1:]
    assert [(row["row"], row["@file"], row["@folder"]) for row in found] == [(n, "t", tmp_path.name) for n in (1, 2, 3)]


def test_a_table_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("2 + 2?\t4\n", encoding="utf-8")
    (row,) = rows("t.tsv", tmp_path, columns=("question", "answer"))
    assert (row["question"], row["answer"]) == ("2 + 2?", "4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1\n", ":2: 1 fields, expected 2"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', ":3: .*unexpected end of data"),
        ('a,b\n"1" 2,3\n', ":2: .*expected after"),
        ("a,b,a\n1,2,3\n", ": two columns are called 'a'"),
    ],
)
def test_a_broken_table_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=rf"t\.csv{message}"):
        rows("t.csv", tmp_path)
    (tmp_path / "long.csv").write_text("a,b\n1," + "x" * 200_000 + "\n")
    assert [len(str(row["b"])) for row in rows("long.csv", tmp_path)] == [200_000]
    (tmp_path / "t.tsv").write_text('a\tb\n1\t"2\n')  # in a TSV a quote is a letter
    assert [row["b"] for row in rows("t.tsv", tmp_path)] == ['"2']


def test_files_of_a_set_by_pattern(tmp_path: Path) -> None:
    folder = copy_of(tmp_path, "MBZUAI/KazMMLU")
    for name in ("Biology (High School in kaz)", "Biology (High School in rus)", "Law (High School in kaz)"):
        (folder / name).mkdir()
        (folder / name / "test.csv").write_text(f"Question\n{name}?\n")
    found = rows("hub:MBZUAI/KazMMLU/*in kaz)/test.csv", tmp_path)
    assert [(row["Question"], row["@folder"], row["row"]) for row in found] == [
        (f"{name}?", name, 1) for name in ("Biology (High School in kaz)", "Law (High School in kaz)")
    ]
    with pytest.raises(InputError, match=r"no file \*in kaz\)/dev\.csv") as caught:
        rows("hub:MBZUAI/KazMMLU/*in kaz)/dev.csv", tmp_path)
    assert "Biology (High School in kaz)/test.csv" in str(caught.value)


def test_subset_and_split_of_a_set_as_its_page_names_them(tmp_path: Path) -> None:
    folder = copy_of(tmp_path, "someone/school")
    write_jsonl(folder / "kk" / "test.jsonl", [{"q": "Бір?", "c": ["а", "ә"]}, {"q": "Екі?", "c": ["б", "в"]}])
    write_jsonl(folder / "ru" / "test.jsonl", [{"q": "Один?", "c": ["а", "б"]}])
    configs = [
        {"config_name": code, "data_files": [{"split": "test", "path": f"{code}/test.jsonl"}]} for code in ("kk", "ru")
    ]
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    source = find_source("hub:someone/school/kk/test", task="t", root=tmp_path)
    found = list(source.rows())
    assert [where for where, _row in found] == ["hub:someone/school/kk/test:1", "hub:someone/school/kk/test:2"]
    assert [(row["q"], row["c"], row["@subset"], row["@split"]) for _where, row in found] == [
        ("Бір?", ["а", "ә"], "kk", "test"),
        ("Екі?", ["б", "в"], "kk", "test"),
    ]
    assert source.fingerprint() != find_source("hub:someone/school/ru/test", task="t", root=tmp_path).fingerprint()
    write_jsonl(folder / "kk" / "test.jsonl", [{"q": "Үш?", "c": []}])  # and nothing is remembered of what it was
    assert [row["q"] for row in rows("hub:someone/school/kk/test", tmp_path)] == ["Үш?"]
    with pytest.raises(InputError, match="subset kk, split dev cannot be read"):
        rows("hub:someone/school/kk/dev", tmp_path)


def test_files_fetched_before_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the layout of the hub's own cache: a revision, and a snapshot of it."""
    cache = tmp_path / "cache" / "datasets--jumelet--multiblimp"
    snapshot = cache / "snapshots" / "abc123" / "kaz"
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc123")
    (snapshot / "data.tsv").write_text("sen\twrong_sen\nБіз келдік.\tБіз келдім.\n", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = find_source("hub:jumelet/multiblimp/kaz/data.tsv", task="t", root=tmp_path / "none", fetch=False)
    assert [row["wrong_sen"] for _where, row in source.rows()] == ["Біз келдім."]
    with pytest.raises(InputError, match=r"task t: jumelet/none cannot be read \(LocalEntryNotFoundError"):
        find_source("hub:jumelet/none/kaz/data.tsv", task="t", root=tmp_path, fetch=False)
    with pytest.raises(InputError, match="was not fetched yet"):
        find_source("hub:jumelet/none/kaz/test", task="t", root=tmp_path, fetch=False)


def test_addresses() -> None:
    pinned = parse_address("hub:a/b@refs/pr/1/c d/x.parquet")
    assert (pinned.name, pinned.revision, pinned.pattern) == ("a/b", "refs", "pr/1/c d/x.parquet")
    split = parse_address("hub:a/b@1f0e/default/test")
    assert (split.revision, split.subset, split.split) == ("1f0e", "default", "test")
    for wrong in ("hub:belebele/test", "hub:a/b/c", "hub:a/b/c/d/e", "hub:a/b//test"):
        with pytest.raises(InputError, match="names no data set of the hub"):
            parse_address(wrong)
