import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.data.split import split_text
from qaz_llm.errors import DataError, InputError
from qaz_llm.language.segment import words
from qaz_llm.records import Document

TEXTS = ["Бірінші құжат.", "Екінші, «ұзақ» құжат\nекі жолы бар.", "Third one, with a\ttab"]


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def read(path: Path, **values: Any) -> list[Document]:
    return list(read_documents(source(path, **values)))


def jsonl(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def test_every_format(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet")
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["n", "text"])
    writer.writeheader()
    writer.writerows({"n": i, "text": text} for i, text in enumerate(TEXTS))
    (tmp_path / "a.csv").write_text(stream.getvalue(), encoding="utf-8-sig")
    for name in ("a.parquet", "a.csv"):
        assert [document.text for document in read(tmp_path / name)] == TEXTS
    (tmp_path / "a.tsv").write_text('id\ttext\n1\tБір "тырнақша\n2\tЕкі\n')
    assert [document.text for document in read(tmp_path / "a.tsv")] == ['Бір "тырнақша', "Екі"]
    (tmp_path / "a.txt").write_text("Бір\n\n  \nЕкі\n")
    assert [document.text for document in read(tmp_path / "a.txt")] == ["Бір", "Екі"]


def test_tmx_and_wikipedia(tmp_path: Path) -> None:
    (tmp_path / "a.tmx").write_text(
        '<?xml version="1.0"?><tmx version="1.4"><body>'
        '<tu><tuv xml:lang="kk-KZ"><seg>Есікті <bpt i="1"/>жап.</seg></tuv><tuv xml:lang="ru"><seg>Закрой дверь.</seg></tuv></tu>'
        '<tu><tuv xml:lang="kk"><seg>Қар ерідi.</seg></tuv></tu></body></tmx>'
    )
    assert [document.text for document in read(tmp_path / "a.tmx", text_field="kk")] == ["Есікті жап.", "Қар ерідi."]
    (tmp_path / "dump.xml").write_text(
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><page><title>Абай</title><ns>0</ns><id>7</id>'
        "<revision><id>1</id><text>'''Абай''' – [[ақын|қазақ ақыны]].{{Дереккөз}}&lt;ref&gt;кітап&lt;/ref&gt;\n"
        "{| class=w\n|кесте\n|}\n[[Сурет:a.jpg|thumb|сурет]]\n[[Санат:Ақындар]]</text></revision></page>"
        "<page><title>X</title><ns>0</ns><id>8</id><redirect title='Абай'/><revision><text>#REDIRECT</text></revision></page>"
        "<page><title>Talk:X</title><ns>1</ns><id>9</id><revision><text>talk</text></revision></page></mediawiki>"
    )
    documents = read(tmp_path / "dump.xml", format="wikipedia", id_field="id")
    assert [(document.id, document.text) for document in documents] == [("s/7", "Абай – қазақ ақыны.")]


def test_bad_rows_are_documents_with_a_problem_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = [
        b'{"text": "ok"}',
        b"{not json",
        b'{"text": null}',
        b'{"text": "  "}',
        b'["list"]',
        b'{"text": "\xff\xfe"}',
        b'{"text": 5}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(rows))
    documents = read(tmp_path / "a.jsonl")
    problems = [document.meta.get(PROBLEM) for document in documents]
    assert problems == [None, "bad_json", "missing_text", "missing_text", "bad_json", "bad_encoding", "missing_text"]
    assert len({document.id for document in documents}) == len(rows)
    with pytest.raises(DataError, match="row 2 cannot be read"):
        list(read_documents(source(tmp_path / "a.jsonl"), stop_on_bad_row=True))


def test_a_wrong_field_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x", "lang": "kk"}\n' * 3)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.jsonl")
    assert "'text'" in caught.value.message
    assert "body, lang" in str(caught.value.hint)
    with pytest.raises(InputError, match="no field 'nr'"):
        read(tmp_path / "a.jsonl", text_field="body", id_field="nr")


def test_missing_files_and_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"\.pdf is not known"):
        read(tmp_path / "a.pdf")


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_rows_per_document_loses_no_row(texts: list[str], rows: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(jsonl(texts))
        documents = read(path, rows_per_document=rows)
    assert len(documents) == -(-len(texts) // rows)
    if rows == 1:
        assert [document.text for document in documents] == texts
    else:
        assert "\n".join(document.text.strip() for document in documents) == "\n".join(text.strip() for text in texts)


def test_shards_part_the_files_among_them(tmp_path: Path) -> None:
    for name in ("a", "b", "sub/c", "sub/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jsonl").write_bytes(jsonl([f"{name} {i}" for i in range(3)]))
    whole = {document.id: document.text for document in read(tmp_path)}
    assert len(whole) == 12
    parts: dict[str, str] = {}
    for shard in range(3):
        for document in read_documents(source(tmp_path), shard=shard, num_shards=3):
            assert document.id not in parts
            parts[document.id] = document.text
    assert parts == whole


def test_limits(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl(["абв"] * 10))  # 6 bytes each
    assert len(read(tmp_path / "a.jsonl", max_documents=4)) == 4
    assert len(read(tmp_path / "a.jsonl", max_bytes=17)) == 2


@given(st.text(alphabet="абв .!\n", max_size=400), st.integers(20, 40))
@settings(max_examples=100, deadline=None)
def test_splitting_keeps_every_word_in_order_and_the_limit(text: str, max_words: int) -> None:
    pieces = split_text(text, max_words=max_words)
    assert [word for piece in pieces for word in words(piece)] == words(text)
    assert all(len(words(piece)) <= max_words for piece in pieces)
