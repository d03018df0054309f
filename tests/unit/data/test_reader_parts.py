"""What a file gives does not depend on its format, its compression, or how it is cut into parts."""

import bz2
import csv
import gzip
import io
import itertools
import json
import lzma
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import cuts
from qaz_llm.data.sources import PROBLEM, read_documents, read_task
from qaz_llm.data.tasks import Task, tasks_of
from qaz_llm.records import Document

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)
ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=60).filter(
    str.strip
)
SAME_FOLDER = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def as_jsonl(texts: Sequence[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def as_csv(texts: Sequence[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([["n", "text"], *([str(n), text] for n, text in enumerate(texts))])
    return stream.getvalue().encode()


def as_parquet(texts: Sequence[str], rows_per_group: int = 3) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": list(texts)}), stream, row_group_size=rows_per_group)
    return stream.getvalue()


# a NUL or a lone carriage return has no place in CSV that all readers agree on
@given(st.lists(ANY_TEXT.filter(lambda text: not set("\0\r") & set(text)), min_size=1, max_size=12))
@example(["0", ",\\"])  # ends in what may be an escaped quote, and is not
@SAME_FOLDER
def test_rows_come_back_equal_from_quoted_formats(tmp_path: Path, texts: list[str]) -> None:
    for suffix, compress in COMPRESS.items():
        for name, content in (("a.jsonl", as_jsonl(texts)), ("a.csv", as_csv(texts))):
            path = tmp_path / f"{name}{suffix}"
            path.write_bytes(compress(content))
            assert [document.text for document in read_documents(source(path))] == texts, path.name
    (tmp_path / "a.parquet").write_bytes(as_parquet(texts))
    assert [document.text for document in read_documents(source(tmp_path / "a.parquet"))] == texts


@given(st.lists(ONE_LINE, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
@SAME_FOLDER
def test_rows_come_back_equal_from_line_formats(tmp_path: Path, texts: list[str], end: str) -> None:
    lines = end.join(texts) + end
    table = end.join(["n\ttext", *(f"{n}\t{text}" for n, text in enumerate(texts))])
    paragraphs = f"{end}{end}".join(f"{text}{end}екінші жол" for text in texts)
    for suffix, compress in COMPRESS.items():
        cases: list[tuple[str, str, dict[str, Any], list[str]]] = [
            ("a.txt", lines, {}, texts),
            ("a.tsv", table, {}, texts),
            ("p.txt", paragraphs, {"rows": "paragraphs"}, [f"{text}\nекінші жол" for text in texts]),
        ]
        for name, content, values, wanted in cases:
            path = tmp_path / f"{name}{suffix}"
            path.write_bytes(compress(content.encode()))
            assert [document.text for document in read_documents(source(path, **values))] == wanted, path.name


def by_parts(config: SourceConfig) -> tuple[list[Task], list[Document]]:
    tasks = tasks_of(config)
    return tasks, [document for task in tasks for document in read_task(task)]


@given(
    st.lists(st.one_of(ONE_LINE, st.just(""), st.just("  "), st.just("{")), min_size=1, max_size=30),
    st.integers(1, 90),
    st.booleans(),
)
@SAME_FOLDER
def test_the_parts_of_lines_are_the_file_for_any_cut(tmp_path: Path, lines: list[str], size: int, ends: bool) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    rows = "\n".join(line if line in ("", "  ", "{") else json.dumps({"text": line}) for line in lines)
    table = "\n".join(["text", *lines])
    for name, content, values in (
        ("a.txt", text, {}),
        ("p.txt", text, {"rows": "paragraphs"}),
        ("a.jsonl", '{"text": "x"}\n' + rows, {}),
        ("a.tsv", table, {}),
    ):
        path = tmp_path / name
        path.write_bytes(content.encode())
        whole = list(read_documents(source(path, **values)))  # type: ignore[arg-type]
        _, parts = by_parts(source(path, part_bytes=size, **values))  # type: ignore[arg-type]
        if whole[0].meta.get(PROBLEM) == "empty_file":
            whole = []
        assert [d for d in parts if d.meta.get(PROBLEM) != "empty_file"] == whole, name


def test_lines_are_cut_into_parts_of_about_the_size_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(as_jsonl([f"мәтін {n}" for n in range(1000)]))
    size = (tmp_path / "a.jsonl").stat().st_size
    tasks, documents = by_parts(source(tmp_path / "a.jsonl", part_bytes=1000))
    assert len(tasks) == -(-size // 1000)
    assert [document.id for document in documents] == [f"s/a/{n:08d}" for n in range(1000)]
    assert sum(task.text_bytes for task in tasks) == size
    keys = {json.dumps(task.key) for task in tasks}
    assert len(keys) == len(tasks)
    named = [name for task in tasks for name in task.fingerprints()]
    assert len(set(named)) == len(tasks)
    assert tasks_of(source(tmp_path / "a.jsonl", part_bytes=1000, max_documents=5))[0].part is None
    assert tasks_of(source(tmp_path / "a.jsonl", part_bytes=1000, rows_per_document=2))[0].part is None


@pytest.mark.parametrize("part_bytes", [1, 200, 1 << 20])
def test_the_parts_of_parquet_are_its_row_groups(tmp_path: Path, part_bytes: int) -> None:
    texts = [f"жол {n}" for n in range(20)]
    (tmp_path / "a.parquet").write_bytes(as_parquet(texts, rows_per_group=3))
    tasks, documents = by_parts(source(tmp_path / "a.parquet", part_bytes=part_bytes))
    assert len(tasks) == {1: 7, 1 << 20: 1}.get(part_bytes, len(tasks))
    assert [(document.id, document.text) for document in documents] == [
        (f"s/a/{n:08d}", text) for n, text in enumerate(texts)
    ]
    assert len({name for task in tasks for name in task.fingerprints()}) == 1


# -------------------------------------------------------------------------------------------------------- Wikipedia


def wiki_page(number: int) -> str:
    redirect = "<redirect title='X'/>" if number % 7 == 3 else ""
    namespace = 1 if number % 5 == 4 else 0
    body = f"'''Мақала {number}''' – [[қала|қаланың]] аты." * (number % 4 + 1)
    return (
        f"  <page>\n    <title>T{number}</title>\n    <ns>{namespace}</ns>\n    <id>{number + 100}</id>{redirect}\n"
        f"    <revision><id>9</id><text xml:space='preserve'>{body}</text></revision>\n  </page>\n"
    )


def wiki_dump(pages: int) -> str:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo><sitename>У</sitename></siteinfo>\n'
    return head + "".join(map(wiki_page, range(pages))) + "</mediawiki>\n"


def wanted_pages(pages: int) -> list[str]:
    return [f"s/{n + 100}" for n in range(pages) if n % 7 != 3 and n % 5 != 4]


@given(st.integers(0, 12), st.integers(1, 900), st.lists(st.integers(1, 400), max_size=12))
@SAME_FOLDER
def test_the_parts_of_a_dump_are_the_dump_wherever_its_streams_are_cut(
    tmp_path: Path, pages: int, part_bytes: int, stream_bytes: list[int]
) -> None:
    """bz2 streams need not begin with a page: what packs in parallel cuts anywhere."""
    dump = wiki_dump(pages).encode()
    cuts = [0]
    for size in stream_bytes:
        cuts.append(min(cuts[-1] + size, len(dump)))
    cuts.append(len(dump))
    streams = [bz2.compress(dump[a:b]) for a, b in itertools.pairwise(cuts)]
    (tmp_path / "d.xml.bz2").write_bytes(b"".join(streams))
    (tmp_path / "d.xml").write_bytes(dump)
    for name in ("d.xml", "d.xml.bz2"):
        _, documents = by_parts(source(tmp_path / name, part_bytes=part_bytes, id_field="id"))
        assert [d.id for d in documents if PROBLEM not in d.meta] == wanted_pages(pages), name


def test_a_multistream_dump_is_read_in_parts(tmp_path: Path) -> None:
    dump = wiki_dump(30).encode()
    streams = [bz2.compress(dump[at : at + 1500]) for at in range(0, len(dump), 1500)]
    (tmp_path / "d.xml.bz2").write_bytes(b"".join(streams))
    tasks, documents = by_parts(source(tmp_path / "d.xml.bz2", part_bytes=1, id_field="id"))
    assert len(tasks) == len(streams)
    assert [document.id for document in documents] == wanted_pages(30)
    assert documents[0].text == "Мақала 0 – қаланың аты."


# ---------------------------------------------------------------------------------------------- parallel, hub, fields


def test_parallel_rows_become_bilingual_documents(tmp_path: Path) -> None:
    pairs = [("Қар\nжауды.", "Выпал снег."), ("Күн шықты.", "Взошло солнце."), ("Жел тұрды.", None)]
    rows = [json.dumps({"kk": kk, "ru": ru}) for kk, ru in pairs]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    documents = list(read_documents(source(tmp_path / "a.jsonl", texts={"kk": "kk", "ru": "ru"}, rows_per_document=2)))
    assert [document.meta.get(PROBLEM) for document in documents] == [None, "missing_text"]
    assert documents[0].text == "Қар жауды.\nВыпал снег.\nКүн шықты.\nВзошло солнце."
    (tmp_path / "a.tsv").write_text("Қар.\tСнег.\t1\nКүн.\tСолнце.\t2\n")
    texts = {"ru": "right", "kk": "left"}
    documents = list(
        read_documents(source(tmp_path / "a.tsv", texts=texts, columns=("left", "right", "n"), id_field="n"))
    )
    assert [(document.id, document.text) for document in documents] == [
        ("s/1", "Снег.\nҚар."),
        ("s/2", "Солнце.\nКүн."),
    ]


def test_aligned_files(tmp_path: Path) -> None:
    (tmp_path / "Q.kk-ru.kk.gz").write_bytes(gzip.compress("Қар.\nКүн.\n".encode()))
    (tmp_path / "Q.kk-ru.ru.gz").write_bytes(gzip.compress("Снег.\nСолнце.\n".encode()))
    config = source(tmp_path / "Q.kk-ru.kk.gz", format="moses", texts={"kk": "kk", "ru": "ru"})
    assert [document.text for document in read_documents(config)] == ["Қар.\nСнег.", "Күн.\nСолнце."]
    assert len(tasks_of(config)[0].fingerprints()) == 2


def test_a_row_can_have_a_licence_of_its_own(tmp_path: Path) -> None:
    rows = [{"text": "а", "l": "CC-BY-4.0"}, {"text": "ә", "l": None}, {"text": "б", "l": "public domain"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = source(tmp_path / "a.jsonl", licence="MIT", licence_field="l")
    wanted = ["CC-BY-4.0", "MIT", "LicenseRef-public-domain"]
    assert [document.licence for document in read_documents(config)] == wanted
    joined = list(read_documents(config.model_copy(update={"rows_per_document": 2})))
    assert [document.licence for document in joined] == ["CC-BY-4.0 AND MIT", "LicenseRef-public-domain"]


def test_nested_fields(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"translation": {"kk": "Қар"}, "a.b": "u"}\n')
    (document,) = read_documents(source(tmp_path / "a.jsonl", text_field="translation.kk", url_field="a.b"))
    assert (document.text, document.url) == ("Қар", "u")


def test_a_saved_copy_is_read_in_parts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    texts = [f"жол {n}" for n in range(700)]
    made = datasets.Dataset.from_dict({"text": texts, "other": [1] * 700})
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made, "test": made.select(range(2))}).save_to_disk(str(tmp_path / "two"))
    for name in ("one", "two"):
        whole = list(read_documents(source(tmp_path / name, format="hub")))
        tasks, parts = by_parts(source(tmp_path / name, format="hub", part_bytes=3000))
        assert [document.text for document in whole] == texts
        assert parts == whole
        assert len(tasks) > 2


def test_files_of_a_copy_are_found_by_their_globs(tmp_path: Path) -> None:
    for name in ("data/kk/b.jsonl", "data/kk/a.jsonl", "data/ru/c.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(as_jsonl([name]))
    (tmp_path / "README.md").write_text("x")
    config = source(tmp_path, format="hub", hub_files=("data/kk/*.jsonl",))
    assert [document.text for document in read_documents(config)] == ["data/kk/a.jsonl", "data/kk/b.jsonl"]


def test_a_data_set_that_is_not_here_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[Any] = []

    def load(*args: Any, **values: Any) -> list[dict[str, Any]]:
        asked.append((args, values))
        return [{"text": "Қар"}, {"text": None}]

    monkeypatch.setattr(datasets, "load_dataset", load)
    config = SourceConfig(name="s", path="owner/name", format="hub", hub_subset="kk")
    assert [d.meta.get(PROBLEM) for d in read_documents(config)] == [None, "missing_text"]
    list(read_documents(config.model_copy(update={"hub_files": ("kk/*.jsonl.gz",)})))
    assert asked[0] == (("owner/name", "kk"), {"split": "train", "streaming": True})
    assert asked[1][0] == ("json",)
    assert asked[1][1]["data_files"] == ["hf://datasets/owner/name/kk/*.jsonl.gz"]


@given(lines=st.lists(st.integers(0, 40), max_size=30), part_bytes=st.integers(1, 60), window=st.integers(1, 50))
@SAME_FOLDER
def test_parts_start_where_they_would_if_the_file_were_searched_at_once(
    tmp_path: Path, lines: list[int], part_bytes: int, window: int
) -> None:
    content = b"".join(b"x" * length + b"\n" for length in lines) + b"x"
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    wanted = [0]
    for aim in range(part_bytes, len(content), part_bytes):
        start = content.find(b"\n", aim - 1) + 1
        if aim > wanted[-1] and start:
            wanted.append(start)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cuts, "_WINDOW_BYTES", window)
        found = [part.start for part in cuts.parts_of(path, source(path, part_bytes=part_bytes, rows="line"))]
    assert (found or [0]) == wanted


def test_names_in_capitals_are_of_the_same_format(tmp_path: Path) -> None:
    (tmp_path / "A.TXT").write_text("Қар ериді\n", encoding="utf-8")
    (tmp_path / "B.Csv").write_text("n,text\n1,Су ақты\n", encoding="utf-8")
    (tmp_path / "C.JSONL.GZ").write_bytes(gzip.compress('{"text": "Күн ашық"}\n'.encode()))
    assert [d.text for d in read_documents(source(tmp_path))] == ["Қар ериді", "Су ақты", "Күн ашық"]


def test_a_comma_after_the_object_of_a_line_is_none_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "бір,"},\n{"text": "екі"} , \r\n{"text": "үш"},,\n{"text": "төрт"}\n', encoding="utf-8")
    assert [d.meta.get(PROBLEM, d.text) for d in read_documents(source(path))] == ["бір,", "екі", "bad_json", "төрт"]
