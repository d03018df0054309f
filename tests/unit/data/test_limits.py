"""No input is unbounded: what 47 MB of gzip unpack to is dropped or refused by name, in memory that is counted here."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.config import StrictModel, load_config
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.errors import ConfigError, DamagedFileError, QazError
from qaz_llm.io import MAX_LINE_BYTES, open_text, read_json, read_jsonl, read_line, read_lines, read_rows, skip_line
from qaz_llm.io.parquet import LongRows, open_parquet, parquet_batches
from qaz_llm.tokenizer.corpus import read_texts

BOMB_BYTES = 256 << 20


def bomb(path: Path, letter: bytes = b"\0", before: bytes = b"", num_bytes: int = BOMB_BYTES) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(before)
        for _ in range(num_bytes >> 20):
            stream.write(letter * (1 << 20))
    return path


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "rows of train, eval and mix": ("a.jsonl.gz", lambda path: list(read_rows(path))),
    "lines for a tokenizer": ("a.txt.gz", lambda path: list(read_texts(path))),
    "one value": ("a.json.gz", read_json),
    "shards": ("a.jsonl.gz", lambda path: list(read_lines(path))),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("letter", [b"\0", b"a"])
def test_a_quarter_of_a_gigabyte_without_a_line_end_is_refused_by_name(
    tmp_path: Path, name: str, letter: bytes
) -> None:
    file, read = READERS[name]
    path = bomb(tmp_path / file, letter)
    assert path.stat().st_size < 4 << 20
    tracemalloc.start()
    with pytest.raises(DamagedFileError, match=r"more than \d+ MiB") as caught:
        read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300 << 20
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_rows_before_are_given_first(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.jsonl.gz", before=b'{"n": 1}\n', num_bytes=160 << 20)
    rows = read_jsonl(path)
    assert next(rows) == {"n": 1}
    with pytest.raises(DamagedFileError, match=r"a\.jsonl\.gz:2: a line of more than 128 MiB"):
        next(rows)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_peak_memory_of_a_build_s_reader_over_a_gigabyte(tmp_path: Path) -> None:
    """Measured as the system sees it, in a process of its own: all of the file is read, and none of it is kept."""
    path = bomb(tmp_path / "a.jsonl.gz", b"\0", num_bytes=1 << 30)
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from qaz_llm.data.config import SourceConfig\n"
        "from qaz_llm.data.sources import read_documents\n"
        "found = [d.meta['problem'] for d in read_documents(SourceConfig(name='s', path=sys.argv[1]))]\n"
        "print(found, re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    found, peak_kib = done.stdout.rsplit(" ", 1)
    assert found == "['line_too_long']"
    assert int(peak_kib) < 600 << 10


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.json.gz", "a.txt.gz"])
def test_every_format_counts_it(tmp_path: Path, name: str) -> None:
    path = bomb(tmp_path / name, b"a", num_bytes=80 << 20)
    source = SourceConfig(name="s", path=str(path))
    assert [document.meta[PROBLEM] for document in read_documents(source)] == ["line_too_long"]
    whole = source.model_copy(update={"rows": "file", "format": "text"})
    assert [document.meta[PROBLEM] for document in read_documents(whole)] == ["file_too_long"]


def test_lines_are_read_up_to_the_limit_and_skipped_beyond_it() -> None:
    stream = io.BytesIO(b"abc\n" + b"x" * 50 + b"\nlast")
    assert read_line(stream, 10) == b"abc\n"
    begun = read_line(stream, 10)
    assert begun == b"x" * 11
    assert skip_line(stream, begun) == 51
    assert read_line(stream, 10) == b"last"
    assert read_line(stream, 10) == b""


def test_a_mark_at_the_beginning_is_no_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"n": 1}\n')
    assert list(read_jsonl(path)) == [{"n": 1}]
    with open_text(path) as lines:
        assert list(lines) == ['{"n": 1}\n']
    assert read_json(path) == {"n": 1}


def test_objects_that_unpack_to_more_than_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qaz_llm.io.reading.MAX_VALUES", 1000)
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": [' + "{}," * 2000 + "{}]}\n")
    with pytest.raises(DamagedFileError, match="1: an object of more than 1,000 values"):
        list(read_jsonl(path))
    with pytest.raises(DamagedFileError, match="values"):
        read_json(path)
    path.write_text("[" * 100_000)
    for read in (read_json, lambda path: list(read_jsonl(path))):
        with pytest.raises(DamagedFileError, match="not JSON"):
            read(path)


# ------------------------------------------------------------------------------------------------------------ Parquet


def test_a_giant_cell_is_dropped_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = ["before", "x" * (MAX_LINE_BYTES + 1), "after", "end"]
    pq.write_table(pa.table({"text": texts}), path, compression="zstd")
    assert path.stat().st_size < 1 << 20
    source = SourceConfig(name="s", path=str(path))
    found = [document.meta.get(PROBLEM, document.text) for document in read_documents(source)]
    assert found == ["before", "line_too_long", "after", "end"]


def test_a_group_of_giant_rows_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), compression="zstd") as writer:
        for texts in (["a", "b"], ["x" * 4000, "y" * 4000], ["c"]):
            writer.write_table(pa.table({"text": texts}))
    with open_parquet(path) as file:
        batches = list(parquet_batches(path, file, ["text"], max_bytes=1000))
    assert [b.num_rows for b in batches] == [2, 2, 1]
    assert batches[1] == LongRows(2)


def test_long_rows_are_read_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"{n}" * (4 << 20) for n in range(10, 22)]}), path, compression="zstd")
    with open_parquet(path) as file:
        batches = list(parquet_batches(path, file, max_bytes=MAX_LINE_BYTES))
    assert all(not isinstance(batch, LongRows) and batch.nbytes <= 64 << 20 for batch in batches)
    with pytest.raises(DamagedFileError, match="row 1 has more than"):
        pq.write_table(pa.table({"text": ["x" * (129 << 20)]}), path, compression="zstd")
        list(read_rows(path))


def _with_dictionary(path: Path, texts: list[str], rows: list[int]) -> Path:
    column = pa.DictionaryArray.from_arrays(pa.array(rows, pa.int32()), pa.array(texts))
    pq.write_table(pa.table({"text": column}), path, compression="zstd")
    return path


def test_a_long_text_that_many_rows_repeat_is_not_unpacked_for_all_at_once(tmp_path: Path) -> None:
    path = _with_dictionary(tmp_path / "a.parquet", ["x" * (20 << 20), "қар"], [0] * 40 + [1, 1])
    assert path.stat().st_size < 1 << 20
    with open_parquet(path) as file:
        batches = parquet_batches(path, file, max_bytes=MAX_LINE_BYTES)
        found = [(batch.num_rows, isinstance(batch, LongRows) or batch.nbytes <= 64 << 20) for batch in batches]
    assert sum(rows for rows, _ in found) == 42
    assert all(is_small for _, is_small in found)


def test_rows_beside_a_long_dictionary_are_all_read(tmp_path: Path) -> None:
    path = _with_dictionary(tmp_path / "a.parquet", [f"{n}" * (3 << 20) for n in range(3)], [2, 0, 1] * 4)
    assert [row["text"][0] for row in read_rows(path)] == list("201" * 4)


def test_usual_dictionaries_leave_batches_as_they_are(tmp_path: Path) -> None:
    path = _with_dictionary(tmp_path / "a.parquet", [f"сөз {n}" for n in range(500)], list(range(500)) * 2)
    with open_parquet(path) as file:
        assert [b.num_rows for b in parquet_batches(path, file, max_bytes=MAX_LINE_BYTES)] == [256, 256, 256, 232]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_first_row_of_a_million_columns_is_refused(tmp_path: Path, name: str) -> None:
    sign = "," if name == "a.csv" else "\t"
    path = tmp_path / name
    path.write_text("text" + f"{sign}a" * 1_000_000 + "\nқар" + sign + "1\n", encoding="utf-8")
    with pytest.raises(DamagedFileError, match="columns"):
        list(read_documents(SourceConfig(name="s", path=str(path))))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_row_of_millions_of_cells_is_one_bad_row(tmp_path: Path, name: str) -> None:
    sign = "," if name == "a.csv" else "\t"
    path = tmp_path / name
    path.write_text(f"text{sign}n\n" + sign * 5_000_000 + f"\nқар{sign}1\n", encoding="utf-8")
    found = [d.meta.get(PROBLEM, d.text) for d in read_documents(SourceConfig(name="s", path=str(path)))]
    assert found == ["too_many_values", "қар"]


# ------------------------------------------------------------------------------------------------------------- config


class Anything(StrictModel):
    a: object = None


def test_configs_that_unpack_to_billions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qaz_llm.config.MAX_CONFIG_VALUES", 2_000)
    path = tmp_path / "a.yaml"
    lines = ["a:", "  - &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"more than 2,000 values"):
        load_config(Anything, path)
    path.write_bytes(b"a: 1\n#" + b"x" * (5 << 20))
    with pytest.raises(QazError, match="bytes are no config"):
        load_config(Anything, path)


def test_configs_of_many_lists_in_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for depth in (100, 5_000):
        path.write_text("a: " + "[" * depth + "]" * depth + "\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="too deep"):
            load_config(Anything, path)
