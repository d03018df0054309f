"""What a reader makes of bad input: a row or a file is dropped under a name, or one clear message ends the build."""

import bz2
import gzip
import io
import json
import lzma
import random
import string
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from qaz_llm.config import config_from_values
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.rows import MAX_LINE_BYTES
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.data.tasks import tasks_of
from qaz_llm.errors import ConfigError, DamagedFileError, DataError, InputError
from qaz_llm.records import Document

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def read(path: Path, **values: Any) -> list[Document]:
    return list(read_documents(source(path, **values)))


def texts_and_problems(path: Path, **values: Any) -> list[str]:
    """Each document's text, or its problem in angle brackets."""
    return [f"<{d.meta[PROBLEM]}>" if PROBLEM in d.meta else d.text for d in read(path, **values)]


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def random_jsonl(rows: int) -> bytes:
    """Random letters do not compress away, so half of the bytes is far from the end."""
    letters = random.Random(0)
    texts = ("".join(letters.choices(string.ascii_letters, k=200)) for _ in range(rows))
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


# ------------------------------------------------------------------------------------------------------------- rows


def test_json_rows(tmp_path: Path) -> None:
    cases: list[tuple[bytes, str]] = [
        (b'\xef\xbb\xbf{"text": "with a BOM"}', "with a BOM"),
        (b'{"text": "CRLF"}\r', "CRLF"),
        (b'{"text": "NUL \\u0000 escaped"}', "NUL \x00 escaped"),
        (b'{"text": "NUL \x00 and tab \t bare"}', "NUL \x00 and tab \t bare"),
        (b'{"text": "a", "n": NaN, "i": 123456789012345678901234567890}', "a"),
        (b'{"text": "half \\ud83d pair"}', "half \ufffd pair"),
        (b'{"text": "whole \\ud83d\\ude00 pair"}', "whole \U0001f600 pair"),
        (b'{"text": "\xff\xfe"}', "<bad_encoding>"),
        (b'{"text": "\xd2"}', "<bad_encoding>"),
        (b"{not json", "<bad_json>"),
        (b"\x00\x00\x00\x00", "<bad_json>"),
        (b'["a", "list"]', "<bad_json>"),
        (b"[" * 100_000, "<bad_json>"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "<bad_json>"),
        (b'{"text": null}', "<missing_text>"),
        (b'{"other": "x"}', "<missing_text>"),
        (b'{"text": ["x"]}', "<missing_text>"),
        (b'{"text": " \\n "}', "<missing_text>"),
        (b'{"text": "cut off', "<bad_json>"),
    ]
    path = written(tmp_path / "a.jsonl", b"\n".join(row for row, _ in cases))
    assert texts_and_problems(path) == [wanted for _, wanted in cases]
    with pytest.raises(DataError, match=r"row 8 cannot be read \(bad_encoding\)"):
        list(read_documents(source(path), stop_on_bad_row=True))


def test_text_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"\xef\xbb\xbfa\r\n\r\n\xff\nb\x00c\nd")
    assert texts_and_problems(path) == ["a", "<bad_encoding>", "b\x00c", "d"]
    assert texts_and_problems(path, rows="paragraphs") == ["a", "<bad_encoding>"]


def test_table_rows(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv", b'\xef\xbb\xbfn,text\r\n1,a\r\n2\r\n3,b,c\r\n4,"d"e\r\n5,\xff\r\n\r\n6,"f\r\nf"\r\n'
    )
    wanted = ["a", "<missing_text>", "<wrong_columns>", "<bad_csv>", "<bad_encoding>", "f\r\nf"]
    assert texts_and_problems(path) == wanted
    path = written(tmp_path / "a.tsv", b"n\ttext\n1\ta\n2\n3\tb\tc\n4\t\xff\n")
    assert texts_and_problems(path) == ["a", "<missing_text>", "<wrong_columns>", "<bad_encoding>"]
    path = written(tmp_path / "open.csv", b'n,text\n1,a\n2,"never closed\n3,c\n')
    with pytest.raises(DamagedFileError, match="quote that is opened in row 2 is not closed"):
        read(path)
    assert texts_and_problems(path, on_damaged_file="keep_read") == ["a", "<damaged_file>"]


def test_parquet_strings_that_are_no_utf8(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 2, 3)))
    strings = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"a\xffb"))
    pq.write_table(pa.table({"text": strings}), tmp_path / "a.parquet")
    assert texts_and_problems(tmp_path / "a.parquet") == ["a", "<bad_encoding>", "b"]


def test_pages_that_are_no_xml(tmp_path: Path) -> None:
    good = "<page><title>T</title><ns>0</ns><id>{}</id><revision><text>{}</text></revision></page>"
    dump = f"<mediawiki>{good.format(1, 'a')}<page><title>&broken</page>{good.format(3, 'c')}</mediawiki>"
    path = written(tmp_path / "a.xml", dump.encode())
    assert texts_and_problems(path) == ["a", "<bad_xml>", "c"]
    cut = written(tmp_path / "cut.xml", dump.encode()[: dump.rindex("<text>")])
    with pytest.raises(DamagedFileError, match="cut off"):
        read(cut)
    assert texts_and_problems(cut, on_damaged_file="keep_read") == ["a", "<bad_xml>", "<damaged_file>"]
    other = written(tmp_path / "other.xml", b"<html><body>x</body></html>")
    with pytest.raises(DamagedFileError, match="no MediaWiki dump"):
        read(other)


def test_aligned_files_of_unequal_length(tmp_path: Path) -> None:
    written(tmp_path / "q.kk", "а\nә\n".encode())
    written(tmp_path / "q.ru", "б\nв\nг\n".encode())
    values: dict[str, Any] = {"format": "moses", "texts": {"kk": "kk", "ru": "ru"}}
    with pytest.raises(DamagedFileError, match=r"q\.kk ends after 2 lines"):
        read(tmp_path / "q.kk", **values)
    assert texts_and_problems(tmp_path / "q.kk", **values, on_damaged_file="keep_read") == [
        "а\nб",
        "ә\nв",
        "<damaged_file>",
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.jsonl.gz", "a.txt", "a.tsv", "a.csv"])
def test_a_line_of_200_mb_is_dropped_in_bounded_memory(tmp_path: Path, name: str) -> None:
    if "jsonl" in name:
        before, head, tail, after = b'{"text": "before"}\n', b'{"text": "', b'"}\n', b'{"text": "after"}\n'
    else:
        before, head, tail, after = b"text\n" * ("txt" not in name) + b"before\n", b"", b"\n", b"after\n"
    path, block = tmp_path / name, b"a" * (10 << 20)
    with path.open("wb") as raw:
        stream: Any = raw
        if name.endswith(".zst"):
            stream = zstandard.ZstdCompressor().stream_writer(raw, closefd=False)
        elif name.endswith(".gz"):
            stream = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1)
        stream.write(before + head)
        for _ in range(20):
            stream.write(block)
        stream.write(tail + after)
        if stream is not raw:
            stream.close()
    tracemalloc.start()
    found = texts_and_problems(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == ["before", "<line_too_long>", "after"]
    assert peak < 2.5 * MAX_LINE_BYTES


# ------------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_cut_off_archive(tmp_path: Path, suffix: str) -> None:
    content = random_jsonl(10_000)  # more than two blocks of bz2
    whole = COMPRESS[suffix](content)
    path = written(tmp_path / f"cut.jsonl{suffix}", whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.jsonl.*damaged or cut off"):
        read(path)
    *kept, last = read(path, on_damaged_file="keep_read")
    assert (last.id, last.meta[PROBLEM]) == ("s/cut/damaged_file", "damaged_file")
    complete = written(tmp_path / "whole.jsonl", content)
    readable = [document.text for document in kept if PROBLEM not in document.meta]
    assert readable == [document.text for document in read(complete)][: len(readable)]
    assert len(readable) > 2000
    joined = read(path, on_damaged_file="keep_read", rows_per_document=1000)
    assert "\n".join(d.text for d in joined if PROBLEM not in d.meta) == "\n".join(readable)


def test_a_damaged_archive_in_its_first_rows_keeps_those_before(tmp_path: Path) -> None:
    content = gzip.compress(random_jsonl(60))
    path = written(tmp_path / "a.jsonl.gz", content[:-200])
    found = texts_and_problems(path, on_damaged_file="keep_read")
    assert found[-1] == "<damaged_file>"
    assert len(found) > 30


@pytest.mark.parametrize("named", ["a.jsonl", *(f"a.jsonl{suffix}" for suffix in COMPRESS)])
def test_a_file_is_unpacked_by_what_it_is(tmp_path: Path, named: str) -> None:
    for suffix, compress in COMPRESS.items():
        path = written(tmp_path / suffix / named, compress(b'{"text": "a"}\n'))
        assert texts_and_problems(path) == ["a"]
        assert texts_and_problems(path, part_bytes=1) == ["a"]
    if named != "a.jsonl":
        plain = written(tmp_path / named, b'{"text": "a"}\n')
        with pytest.raises(DamagedFileError, match="not compressed"):
            read(plain)
        assert texts_and_problems(plain, on_damaged_file="keep_read", part_bytes=1) == ["<damaged_file>"]


def test_empty_files_are_counted(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.txt", "a.csv", "a.tsv"):
        assert texts_and_problems(written(tmp_path / name, b"")) == ["<empty_file>"]
    blank = written(tmp_path / "blank.jsonl", b"\n\n")
    assert texts_and_problems(blank) == ["<empty_file>"]
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert texts_and_problems(tmp_path / "a.parquet") == ["<empty_file>"]
    with pytest.raises(DataError, match="holds no row"):
        list(read_documents(source(blank), stop_on_bad_row=True))
    with pytest.raises(DamagedFileError, match="is empty, not even compressed nothing"):
        read(written(tmp_path / "a.jsonl.gz", b""))
    assert texts_and_problems(written(tmp_path / "b.jsonl.gz", gzip.compress(b""))) == ["<empty_file>"]


def test_damaged_parquet(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["a" * 50] * 1000}), stream)
    content = stream.getvalue()
    for name, broken in {
        "footer": content[:-20] + b"\0" * 20,
        "cut": content[: len(content) // 2],
        "page": content[:4] + b"\xff" * 40 + content[44:],
        "none": b"",
        "text": b"no parquet at all",
    }.items():
        path = written(tmp_path / f"{name}.parquet", broken)
        with pytest.raises(DamagedFileError, match="not a readable Parquet file"):
            read(path, part_bytes=1)
        assert texts_and_problems(path, on_damaged_file="keep_read", part_bytes=1)[-1] == "<damaged_file>"


def test_folders_where_files_were_meant(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(InputError, match="folder holds no readable file"):
        read(tmp_path / "a.jsonl")
    written(tmp_path / "a.jsonl" / "b.txt", b"x\n")
    assert texts_and_problems(tmp_path / "a.jsonl") == ["x"]
    with pytest.raises(InputError, match="is a folder, a file was expected"):
        list(read_documents(source(tmp_path / "d" / "q.kk", format="moses", texts={"kk": "kk", "ru": "ru"}))) if (
            (tmp_path / "d" / "q.ru").mkdir(parents=True) or written(tmp_path / "d" / "q.kk", b"a\n")
        ) else None


def test_wrong_columns_name_those_there_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["x"], "link": ["y"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no field 'text'") as caught:
        read(tmp_path / "a.parquet")
    assert "body, link" in str(caught.value.hint)
    for field in ("url_field", "licence_field", "id_field"):
        with pytest.raises(InputError, match="no field 'nr'"):
            read(tmp_path / "a.parquet", text_field="body", **{field: "nr"})
    with pytest.raises(InputError, match="no field 'ru'"):
        read(tmp_path / "a.parquet", texts={"kk": "body", "ru": "ru"})


def test_equal_ids_of_two_rows_are_left_to_the_build(tmp_path: Path) -> None:
    """The merge of a build gives the second another id, or drops it; a reader does not know the other files."""
    path = written(tmp_path / "a.jsonl", b'{"text": "a", "id": 1}\n{"text": "b", "id": 1}\n')
    assert [document.id for document in read(path, id_field="id")] == ["s/1", "s/1"]


def test_configs_that_cannot_be_meant() -> None:
    for values, message in (
        ({"texts": {"kk": "kk"}}, "two or more languages"),
        ({"format": "moses"}, "two or more languages"),
        ({"columns": ["a", "a"]}, "same name"),
        ({"on_damaged_file": "skip"}, "on_damaged_file"),
    ):
        with pytest.raises(ConfigError, match=message):
            config_from_values(SourceConfig, {"name": "s", "path": "x", **values}, where="test")


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = Path(str(tmp_path / "a") + "\udcff.jsonl")
    path.write_bytes(b'{"text": "a"}\n')
    (document,) = read(path)
    assert document.id.encode()
    assert json.dumps(tasks_of(source(path))[0].key)
