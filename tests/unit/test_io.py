"""Files: reading whatever compression, refusing what is damaged, and never leaving anything half-written."""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import lzma
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.errors import DataError, InputError, WriteError
from qaz_llm.io import (
    ShardWriter,
    atomic_dir,
    atomic_path,
    check_output_file,
    check_replaceable,
    check_writable,
    code_fingerprint,
    embedded_path,
    expand_paths,
    file_format,
    fingerprint_file,
    fingerprint_paths,
    fingerprint_value,
    fingerprints,
    make_dir,
    open_bytes,
    open_text,
    read_json,
    read_jsonl,
    read_rows,
    resolve_path,
    write_json,
    write_jsonl,
    write_text,
)

COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
json_rows = st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=4), max_size=8)


def names(folder: Path) -> list[str]:
    """All that lies in a folder, hidden files included."""
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert [p for p in tmp_path.rglob("*") if p.name.endswith(".tmp")] == []


# --------------------------------------------------------------------------------------------------------------- reading


@settings(max_examples=15, deadline=None)
@given(rows=json_rows)
@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_rows_come_back_from_every_compression(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"rows.jsonl{suffix}"
    data = "".join(json.dumps(row, ensure_ascii=bool(len(rows) % 2)) + "\n" for row in rows).encode()
    path.write_bytes(COMPRESS.get(suffix, bytes)(data))
    assert list(read_jsonl(path)) == rows
    with open_bytes(path) as stream:
        assert stream.read() == data


@settings(max_examples=20, deadline=None)
@given(rows=json_rows, compressed=st.booleans())
def test_rows_written_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], compressed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("written.jsonl.zst" if compressed else "written.jsonl")
    assert write_jsonl(path, rows) == len(rows)
    assert list(read_jsonl(path)) == rows
    raw = path.read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(raw) if compressed else raw
    assert [json.loads(line) for line in plain.decode().split("\n")[:-1]] == rows


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("ending", [".jsonl", ".txt"])
def test_a_file_cut_off_anywhere_is_damaged(tmp_path: Path, suffix: str, ending: str) -> None:
    """Also where the cut falls on the end of a line, which a reader that ends without a word would not notice."""
    rows = "".join(f'{{"i": {i}, "t": "қала {i * i}"}}\n' for i in range(3_000)).encode()
    whole = COMPRESS[suffix](rows)
    path = tmp_path / f"cut{ending}{suffix}"
    for length in (0, 1, 5, len(whole) // 3, len(whole) // 2, len(whole) - 5, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="cut"), open_text(path) as lines:
            for _line in lines:
                pass
    path.write_bytes(whole)
    with open_text(path) as lines:
        assert sum(1 for _line in lines) == 3_000


@pytest.mark.parametrize("suffix", COMPRESS)
def test_damaged_bytes_are_never_read_as_text(tmp_path: Path, suffix: str) -> None:
    rows = "".join(f'{{"i": {i}, "t": "{os.urandom(9).hex()}"}}\n' for i in range(2_000)).encode()
    whole = COMPRESS[suffix](rows)
    for place in range(40, len(whole), len(whole) // 15):
        path = tmp_path / f"flipped.jsonl{suffix}"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        with pytest.raises(DataError, match="flipped"):
            list(read_jsonl(path))
    (tmp_path / f"not.jsonl{suffix}").write_bytes(b"this is plain text")
    with pytest.raises(DataError, match=r"not\.jsonl"):
        list(read_jsonl(tmp_path / f"not.jsonl{suffix}"))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_several_compressed_parts_are_one_file(tmp_path: Path, suffix: str) -> None:
    compress = COMPRESS[suffix]
    path = tmp_path / f"parts.txt{suffix}"
    path.write_bytes(compress(b"one\ntw") + compress(b"") + compress(b"o\nthree\n"))
    with open_text(path) as lines:
        assert list(lines) == ["one\n", "two\n", "three\n"]


def test_a_very_compressible_zst_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "zeros.zst"
    path.write_bytes(COMPRESS[".zst"](b"0" * 30_000_000))
    with open_bytes(path) as stream:
        assert sum(len(chunk) for chunk in iter(lambda: stream.read(1 << 20), b"")) == 30_000_000


def test_text_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    lines = b'{"a": 1}\n' * 120_000  # more than one buffer
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines + "город".encode("cp1251") + b"\n"))
    with pytest.raises(DataError, match=r"a\.jsonl\.gz:120001: not UTF-8"):
        list(read_jsonl(path))


@pytest.mark.parametrize(
    ("line", "words"), [("{half", "not JSON"), ("[1]", "found list"), ("3", "found int"), ('"a"', "found str")]
)
def test_lines_that_are_no_objects_name_the_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"a": 1}}\r\n\n{line}\n')
    with pytest.raises(DataError, match=rf"a\.jsonl:3: .*{words}"):
        list(read_jsonl(path))


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    text = "a\u2028b\u0085c\x0bd\re"
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"t": text}, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
    assert list(read_jsonl(path)) == [{"t": text}]


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for reader in (read_jsonl, read_rows):
        with pytest.raises(InputError, match=r"missing\.jsonl: no such file"):
            list(reader(tmp_path / "missing.jsonl"))
        with pytest.raises(InputError, match="is a folder"):
            list(reader(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        list(read_rows(tmp_path / "missing.parquet"))
    with pytest.raises(InputError):
        read_json(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        read_json(tmp_path / "bad.json")


def test_parquet_rows_and_damage(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [{"text": f"қала {i} " * 20, "n": i} for i in range(2_000)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert list(read_rows(path)) == rows
    whole = path.read_bytes()
    for damaged in (b"", b"no parquet at all", whole[: len(whole) // 2], whole[:100] + b"\xff" * 200 + whole[300:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a readable Parquet"):
            list(read_rows(path))


# ------------------------------------------------------------------------------------------------------------ where from


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, corpus, root = (make_dir(tmp_path / name) for name in ("here", "corpus", "root"))
    monkeypatch.chdir(here)
    monkeypatch.delenv("QAZ_CORPUS_DIR", raising=False)
    assert resolve_path("a.txt") == Path("a.txt")
    monkeypatch.setenv("QAZ_CORPUS_DIR", str(corpus))
    assert resolve_path("a.txt") == corpus / "a.txt"
    assert resolve_path("*.txt") == corpus / "*.txt"
    (here / "a.txt").touch()
    assert resolve_path("a.txt").resolve() == here / "a.txt"  # the current folder goes first
    assert resolve_path("*.txt").resolve() == here / "*.txt"
    assert resolve_path("a.txt", root=root) == root / "a.txt"  # a root given is the only place
    assert resolve_path(str(tmp_path / "x"), root=root) == tmp_path / "x"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_path("~/a.txt", root=root) == tmp_path / "a.txt"


def test_embedded_files(tmp_path: Path) -> None:
    path = resolve_path("embedded:documents_ru.jsonl", root=tmp_path)
    assert path == embedded_path("documents_ru.jsonl")
    assert path.is_file()
    with pytest.raises(InputError, match="no embedded file 'documents_fr") as caught:
        resolve_path("embedded:documents_fr.jsonl")
    assert "documents_ru.jsonl" in str(caught.value.hint)


def test_paths_are_sorted_and_hidden_leftovers_are_passed_over(tmp_path: Path) -> None:
    for name in (
        "b.jsonl",
        "a.jsonl.zst",
        "c.txt",
        "sub/d.jsonl",
        ".e.jsonl",
        ".run.17.tmp/f.jsonl",
        "sub/.git/g.jsonl",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(p.relative_to(tmp_path)) for p in expand_paths(tmp_path)]
    assert found == ["a.jsonl.zst", "b.jsonl", "c.txt", "sub/d.jsonl"]
    assert [p.name for p in expand_paths(tmp_path, suffixes=(".jsonl",))] == ["a.jsonl.zst", "b.jsonl", "d.jsonl"]
    assert [p.name for p in expand_paths(tmp_path / "*.jsonl*")] == ["a.jsonl.zst", "b.jsonl"]
    assert [p.name for p in expand_paths(tmp_path / "**" / "*.jsonl")] == ["b.jsonl", "d.jsonl"]
    assert expand_paths(tmp_path / "c.txt", suffixes=(".jsonl",)) == [tmp_path / "c.txt"]
    for nothing in (tmp_path / "x", tmp_path / "*.csv", make_dir(tmp_path / "empty")):
        with pytest.raises(InputError):
            expand_paths(nothing)
    with pytest.raises(InputError):
        expand_paths(tmp_path, suffixes=(".parquet",))


def test_a_name_with_glob_characters_is_a_file_first(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").touch()
    assert expand_paths(tmp_path / "a[1].txt") == [tmp_path / "a[1].txt"]


def test_formats() -> None:
    assert [file_format(Path(n)) for n in ("a.jsonl", "a.jsonl.zst", "a.b.txt.gz", "a", "a.gz")] == [
        ".jsonl", ".jsonl", ".txt", "", "",
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.usefixtures("no_leftovers")
def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "a.txt"
    with atomic_path(target) as path:
        path.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    with pytest.raises(RuntimeError), atomic_path(target) as path:
        path.write_text("half of tw")
        raise RuntimeError
    assert target.read_text() == "one"
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert names(target.parent) == ["a.txt"]


@pytest.mark.usefixtures("no_leftovers")
def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for word in ("one", "two"):
        with atomic_dir(target) as path:
            (path / f"{word}.txt").write_text(word)
        assert names(target) == [f"{word}.txt"]
    for stop in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(stop), atomic_dir(target) as path:
            (path / "three.txt").write_text("half")
            raise stop
        assert names(target) == ["two.txt"]
        assert names(tmp_path) == ["model"]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(InputError, match="a file is where a folder"), atomic_dir(tmp_path / "precious"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"
    assert names(tmp_path) == ["precious"]
    for wrong in (tmp_path / "precious", tmp_path / "precious" / "sub"):
        with pytest.raises(InputError, match="a file is where a folder"):
            make_dir(wrong)
        with pytest.raises(InputError, match="a file is where a folder"):
            check_writable(wrong)


def test_only_a_folder_of_our_own_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_replaceable(tmp_path / "new", marker="m.json")
    check_replaceable(make_dir(tmp_path / "empty"), marker="m.json")
    (make_dir(tmp_path / "ours") / "m.json").touch()
    check_replaceable(tmp_path / "ours", marker="m.json")
    (make_dir(tmp_path / "theirs") / "thesis.tex").touch()
    monkeypatch.chdir(tmp_path)
    for wrong in (tmp_path / "theirs", Path("theirs"), Path(), tmp_path / "theirs" / "thesis.tex"):
        with pytest.raises(InputError):
            check_replaceable(wrong, marker="m.json")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for wrong in (tmp_path / "link", Path("/proc/new"), tmp_path / "theirs" / "thesis.tex" / "sub"):
        with pytest.raises(InputError):
            check_replaceable(wrong, marker="m.json")
    assert (tmp_path / "link").is_symlink()


def test_a_file_to_be_written_is_looked_at_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    check_output_file(tmp_path / "there")
    check_output_file(tmp_path / "new" / "file", replaces=False)
    for wrong, said in (
        (tmp_path, "a folder is where a file is to be"), (Path(), "a folder is where"), (tmp_path / "link", "a link to"),
        (tmp_path / "there" / "sub", "a file is where a folder"), (Path("/proc/x"), "cannot be written to"),
        (Path("/proc/x/y"), "cannot be written to"),
    ):  # fmt: skip
        for replaces in (True, False):
            with pytest.raises(InputError, match=said):
                check_output_file(wrong, replaces=replaces)
    with pytest.raises(InputError, match="is there already, and marks need it"):
        check_output_file(tmp_path / "there", replaces=False, why="marks need it")


def test_two_nodes_whose_processes_have_one_number_do_not_take_each_others_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one does all of its work while the first has its file open."""
    monkeypatch.setattr(os, "getpid", lambda: 17)
    write_bytes, others = Path.write_bytes, [1]

    def write(path: Path, data: bytes) -> int:
        done = write_bytes(path, data)
        if others.pop() if others else 0:
            check_writable(tmp_path)
        return done

    monkeypatch.setattr(Path, "write_bytes", write)
    check_writable(tmp_path)
    with atomic_path(tmp_path / "a.txt") as first:
        first.write_text("first")
        with atomic_path(tmp_path / "a.txt") as second:
            second.write_text("second")
        assert (tmp_path / "a.txt").read_text() == "second"
    with atomic_dir(tmp_path / "d") as one:
        (one / "first").touch()
        with atomic_dir(tmp_path / "d") as other:
            (other / "second").touch()
        assert names(tmp_path / "d") == ["second"]
    assert names(tmp_path / "d") == ["first"]
    assert names(tmp_path) == ["a.txt", "d"]


def test_the_current_folder_can_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_dir(tmp_path / "here"))
    with atomic_dir(Path()) as path:
        (path / "a").touch()
    assert names(tmp_path / "here") == ["a"]


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota"), (errno.EACCES, "permission")],
)
def test_errors_of_the_disk_are_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    write_json(tmp_path / "a.json", {"old": 1})

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match=rf"a\.json: .*{words}") as caught:
        write_json(tmp_path / "a.json", {"new": 2})
    assert caught.value.exit_code == 1
    assert caught.value.hint
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_a_row_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="broke"):
        write_jsonl(tmp_path / "a.jsonl.zst", rows())
    with pytest.raises(TypeError):
        write_jsonl(tmp_path / "a.jsonl", [{"a": 1}, {"a": object()}])
    assert names(tmp_path) == []


def test_json_keeps_letters_and_refuses_what_is_no_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"қала": [1, None]})
    assert "қала" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"қала": [1, None]}
    with pytest.raises(ValueError, match=r"JSON"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert read_json(tmp_path / "a.json") == {"қала": [1, None]}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB of its own; needs root."""
    folder = make_dir(tmp_path / "disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _noise(number: int) -> dict[str, Any]:
    return {"id": number, "text": os.urandom(20_000).hex()}


def test_a_disk_that_fills_up(tiny_disk: Path) -> None:
    write_json(tiny_disk / "old.json", {"kept": True})
    with pytest.raises(WriteError, match=r"rows\.jsonl\.zst: the disk is full"):
        write_jsonl(tiny_disk / "rows.jsonl.zst", (_noise(i) for i in range(100)))
    with pytest.raises(WriteError, match=r"big\.txt: the disk is full"):
        write_text(tiny_disk / "big.txt", "қ" * 1_000_000)
    with pytest.raises(WriteError, match="model: the disk is full"), atomic_dir(tiny_disk / "model") as folder:
        (folder / "weights").write_bytes(b"x" * 1_000_000)
    assert names(tiny_disk) == ["old.json"]
    with pytest.raises(WriteError, match="disk is full"), ShardWriter(tiny_disk, "s", shard_bytes=50_000) as shards:
        for number in range(100):
            shards.write(_noise(number))
    whole = expand_paths(tiny_disk / "s-*")
    assert names(tiny_disk) == ["old.json", *(p.name for p in whole)]
    assert [row["id"] for path in whole for row in read_jsonl(path)] == list(range(2 * len(whole)))
    assert read_json(tiny_disk / "old.json") == {"kept": True}


def test_a_read_only_disk_is_the_users_input(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    for folder in (tiny_disk, tiny_disk / "new"):
        with pytest.raises(InputError, match="read-only") as caught:
            check_writable(folder)
        assert caught.value.exit_code == 2
    with pytest.raises(WriteError, match="read-only"):
        write_json(tiny_disk / "a.json", {})


def test_check_writable_leaves_an_empty_folder(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []


# ---------------------------------------------------------------------------------------------------------------- shards


def test_shards_are_cut_by_bytes_of_text(tmp_path: Path) -> None:
    rows = [{"id": i, "text": "қ" * (i % 7)} for i in range(50)]
    sizes = [len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) + 1 for row in rows]
    expected: list[list[int]] = [[]]
    filled = 0
    for row, size in zip(rows, sizes, strict=True):
        if filled >= 200:
            expected.append([])
            filled = 0
        expected[-1].append(row["id"])
        filled += size
    for folder in ("one", "two"):
        with ShardWriter(tmp_path / folder, "documents", shard_bytes=200) as shards:
            for row in rows:
                shards.write(row)
        assert shards.rows == 50
        assert [p.name for p in shards.paths] == [f"documents-{n:05d}.jsonl.zst" for n in range(len(expected))]
        assert [[row["id"] for row in read_jsonl(path)] for path in shards.paths] == expected
    assert fingerprint_paths([tmp_path / "one"], relative_to=tmp_path / "one") == fingerprint_paths(
        [tmp_path / "two"], relative_to=tmp_path / "two"
    )


def test_no_rows_no_shard(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "documents") as shards:
        pass
    assert (shards.rows, shards.paths, names(tmp_path)) == (0, [], [])


def test_a_shard_that_is_just_full_is_closed_and_no_empty_one_follows(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "d", shard_bytes=len('{"a":1}\n')) as shards:
        shards.write({"a": 1})
        shards.write({"a": 2})
    assert names(tmp_path) == ["d-00000.jsonl.zst", "d-00001.jsonl.zst"]


def test_a_shard_whose_bytes_were_changed_is_not_read(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl.zst", ({"i": os.urandom(9).hex()} for _ in range(500)))
    whole = (tmp_path / "a.jsonl.zst").read_bytes()
    for place in range(30, len(whole), len(whole) // 20):
        (tmp_path / "a.jsonl.zst").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError):
            list(read_jsonl(tmp_path / "a.jsonl.zst"))


def test_a_shard_appears_when_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, "d", shard_bytes=20) as shards:
        shards.write({"text": "a" * 30})
        shards.write({"text": "b"})
        assert [p.name for p in tmp_path.glob("d-*")] == ["d-00000.jsonl.zst"]
        raise RuntimeError
    assert names(tmp_path) == ["d-00000.jsonl.zst"]


# ---------------------------------------------------------------------------------------------------------- fingerprints


def test_fingerprints_tell_names_and_bytes_apart(tmp_path: Path) -> None:
    folders = [make_dir(tmp_path / name / "data") for name in "abcd"]
    for folder, name, text in zip(folders, ("x", "x", "y", "x"), ("1", "1", "1", "2"), strict=True):
        (folder / name).write_text(text)
    one, same, other_name, other_text = (fingerprint_paths([folder]) for folder in folders)
    assert one == same
    assert len({one, other_name, other_text}) == 3
    files_of = [tmp_path / "a" / "data" / "x", tmp_path / "c" / "data" / "y"]
    assert fingerprint_paths(files_of) == fingerprint_paths(reversed(files_of))
    big = tmp_path / "big"
    big.write_bytes(b"a" * (9 << 20))
    before = fingerprint_file(big)
    big.write_bytes(b"a" * ((9 << 20) - 1) + b"b")
    assert fingerprint_file(big) != before


def test_fingerprints_of_values_do_not_depend_on_order() -> None:
    assert fingerprint_value({"a": 1, "b": [1, 2]}) == fingerprint_value({"b": [1, 2], "a": 1})
    different = [{"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": None}, {"a": [1]}, {"b": 1}, {}, [], "", None, True, 1]
    assert len({fingerprint_value(value) for value in different}) == len(different)


def test_the_code_fingerprint_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_dir(tmp_path / "qaz")
    for name in ("records.py", "io/fingerprints.py", "config.py", "room/a.py", "other/b.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("x = 1\n")
    monkeypatch.setattr(fingerprints, "__file__", str(package / "io" / "fingerprints.py"))
    before = code_fingerprint("room")
    (package / "other" / "b.py").write_text("x = 2\n")
    assert code_fingerprint("room") == before
    assert code_fingerprint("room", "other") != before
    (package / "room" / "a.py").write_text("x = 2\n")
    changed = code_fingerprint("room")
    assert changed != before
    (package / "records.py").write_text("x = 2\n")
    assert code_fingerprint("room") not in {before, changed}
