"""Text for tokenizers: lines, rows and shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.io import ShardWriter, write_jsonl
from qaz_llm.tokenizer.corpus import corpus_texts, first_text, read_texts


def test_lines_of_text_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("бір\n\n  \nекі үш\r\nсоңғы".encode())
    assert list(read_texts(tmp_path / "a.txt")) == ["бір", "екі үш", "соңғы"]


def test_rows_and_their_language(tmp_path: Path) -> None:
    rows = [{"text": "қала", "language": "kk"}, {"text": "город", "language": "ru"}, {"text": "town"}]
    write_jsonl(tmp_path / "a.jsonl.zst", rows)
    assert list(read_texts(tmp_path / "a.jsonl.zst")) == ["қала", "город", "town"]
    assert list(read_texts(tmp_path / "a.jsonl.zst", language="ru")) == ["город", "town"]


def test_a_build_gives_its_documents_only(tmp_path: Path) -> None:
    for prefix in ("documents", "dropped"):
        with ShardWriter(tmp_path, prefix, shard_bytes=40) as shards:
            for number in range(4):
                shards.write({"id": str(number), "text": f"{prefix} {number}"})
    (tmp_path / "manifest.json").write_text("{}")
    assert list(read_texts(tmp_path)) == [f"documents {number}" for number in range(4)]
    assert list(corpus_texts([tmp_path, tmp_path])) == [f"documents {number}" for number in range(4)] * 2


def test_a_folder_of_plain_files_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("екі\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "бір"}) + "\n")
    (tmp_path / "notes.md").write_text("no\n")
    assert list(read_texts(tmp_path)) == ["бір", "екі"]


def test_parquet_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["бір", "екі"]}), tmp_path / "a.parquet")
    assert list(read_texts(tmp_path / "a.parquet")) == ["бір", "екі"]


def test_bad_corpora_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        first_text(tmp_path / "missing.txt")
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(InputError, match="holds no text"):
        first_text(tmp_path / "empty.txt")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"body": "b", "id": 1}\n')
    with pytest.raises(InputError, match=r"row 2 has no field 'text'; it has: body, id"):
        list(read_texts(tmp_path / "rows.jsonl"))
    (tmp_path / "null.jsonl").write_text('{"text": null}\n')
    with pytest.raises(InputError, match="row 1"):
        list(read_texts(tmp_path / "null.jsonl"))
    (tmp_path / "number.jsonl").write_text('{"text": 5}\n')
    with pytest.raises(InputError, match="row 1"):
        list(read_texts(tmp_path / "number.jsonl"))
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"te\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:2"):
        list(read_texts(tmp_path / "bad.jsonl"))
