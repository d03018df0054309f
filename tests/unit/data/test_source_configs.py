"""The ready source configs: they parse, and their fields are those that the data sets are documented to have."""

import csv
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.config import load_config
from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.config import ConversationSourceConfig, DataConfig, SourceConfig
from qaz_llm.data.licences import rank, spdx
from qaz_llm.data.plan import make_build_plan
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.io import file_format

CONFIGS = Path(__file__).parents[3] / "configs" / "data"
NAMES = sorted(path.stem for path in (CONFIGS / "sources").glob("*.yaml"))

_WIKIPEDIA = {"id": "7", "url": "https://kk.wikipedia.org/wiki/Абай", "title": "Абай", "text": "Абай – ақын."}
_FINEWEB2: Mapping[str, Any] = {
    "text": "Қар жауды.",
    "id": "<urn:uuid:1>",
    "dump": "CC-MAIN-2024-10",
    "url": "https://a.kz/1",
    "date": "2024-03-01T00:00:00Z",
    "file_path": "s3://…",
    "language": "kaz",
    "language_score": 0.99,
    "language_script": "Cyrl",
    "minhash_cluster_size": 1,
    "top_langs": "{}",
}
_KAZPARC = {"id": "1", "kk": "Қар.", "en": "Snow.", "ru": "Снег.", "tr": "Kar.", "domain": "general"}
# Rows as the data sets' cards document them: the columns, and one value each.
DOCUMENTED: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("wikipedia_kk", "wikipedia_ru", "wikipedia_en"), _WIKIPEDIA),
    **dict.fromkeys(("fineweb2_kk", "fineweb2_kk_removed", "fineweb2_ru"), _FINEWEB2),
    **dict.fromkeys(("kazparc_kk_ru", "kazparc_kk_en"), _KAZPARC),
    "culturax_kk": {"text": "Қар.", "timestamp": "2020/01/01", "url": "https://a.kz", "source": "mC4"},
    "hplt2_kk": {
        "f": "x",
        "o": 1,
        "s": 1,
        "rs": 1,
        "u": "https://a.kz",
        "c": "text/html",
        "ts": "2020",
        "collection": "wide16",
        "lang": ["kaz_Cyrl"],
        "prob": [1.0],
        "text": "Қар.",
        "seg_langs": ["kaz_Cyrl"],
        "robotstxt": "allowed",
        "id": "ab",
        "filter": "keep",
        "pii": [[0]],
        "doc_scores": [8.0],
    },
    "madlad400_kk": {"text": "Қар."},
    "mc4_kk": {"text": "Қар.", "timestamp": "2020-01-01T00:00:00Z", "url": "https://a.kz"},
    "mdbkd": {"text": "Қар.", "predicted_language": "kaz", "contains_kaz_symbols": 1, "id": "ff"},
    "kazsandra": {"custom_id": "r1", "text": "Тамаша!", "label": 5, "domain": "market"},
    "fineweb_edu_en": {
        "text": "Snow.",
        "id": "<urn:uuid:2>",
        "dump": "CC-MAIN-2024-10",
        "url": "https://a.com",
        "file_path": "s3://…",
        "language": "en",
        "language_score": 0.9,
        "token_count": 2,
        "score": 3.1,
        "int_score": 3,
    },
    "adiletcodex": {
        "doc_id": "K1400000226",
        "lang": "kaz",
        "article_no": "1",
        "article_title": "1-бап.",
        "article_text": "Заң.",
        "url": "https://adilet.zan.kz/kaz/docs/K1400000226",
        "paragraphs": [{"id": "z1", "text": "Заң."}],
    },
}
# Their cards can be seen by those alone who were given access; the one column is assumed.
ASSUMED: Mapping[str, Mapping[str, Any]] = {
    "kk_corpus_v1": {"text": "Қар."},
    "til_corpus_exp078": {"text": "Қар."},
}
FILES = {"wikipedia_kk_dump", "cc100_kk", "kazakhstan_law"}  # not of the hub; each has a test of its own
STREAMED = {"til_corpus_kk"}  # by the name of its subset; how its files are called is not known
REPEATS = {"kk_corpus_v1", "til_corpus_exp078", "til_corpus_kk"}  # put together from sources that are listed


def source_config(name: str) -> SourceConfig:
    return load_config(SourceConfig, CONFIGS / "sources" / f"{name}.yaml")


def write_rows(path: Path, rows: list[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match file_format(path):
        case ".parquet":
            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        case ".csv":
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        case _:
            import gzip

            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_named_licensed_and_cited(name: str) -> None:
    source = source_config(name)
    assert source.name == name
    assert source.citation
    assert source.homepage
    assert source.homepage.startswith("https://")
    assert spdx(source.licence) == source.licence or source.licence == "unknown"


@pytest.mark.parametrize("name", sorted(set(NAMES) - FILES - STREAMED))
def test_a_local_copy_with_the_documented_columns_is_read(name: str, tmp_path: Path) -> None:
    source, row = source_config(name), {**DOCUMENTED, **ASSUMED}[name]
    for pattern in source.hub_files:
        write_rows(tmp_path / source.path / pattern.replace("*", "00000"), [row])
    documents = list(read_documents(source, root=tmp_path))
    assert len(documents) == len(source.hub_files)
    document = documents[0]
    assert PROBLEM not in document.meta
    texts = [row[field] for field in source.texts.values()] or [
        row["article_text" if name == "adiletcodex" else "text"]
    ]
    assert document.text == "\n".join(texts)
    assert document.url == (row.get("url") or row.get("u") if source.url_field else None)
    own_id = row.get("id") or row.get("custom_id")
    assert own_id is None or document.id == f"{name}/{own_id}"


@pytest.mark.parametrize("name", ["wikipedia_kk", "hplt2_kk", "til_corpus_kk"])
def test_a_saved_copy_with_the_documented_columns_is_read(name: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    source, row = source_config(name), DOCUMENTED.get(name, {"text": "Қар.", "url": None})
    datasets.Dataset.from_list([dict(row)]).save_to_disk(str(tmp_path / source.path))
    (document,) = read_documents(source, root=tmp_path)
    assert (document.text, document.url) == (row["text"], row.get("url") or row.get("u"))


def test_cc100_ends_a_document_at_a_blank_line(tmp_path: Path) -> None:
    (tmp_path / "cc100").mkdir()
    (tmp_path / "cc100/kk.txt.xz").write_bytes(lzma.compress("Бір.\nЕкі.\n\nҮш.\n\n".encode()))
    texts = [document.text for document in read_documents(source_config("cc100_kk"), root=tmp_path)]
    assert texts == ["Бір.\nЕкі.", "Үш."]


def test_every_source_of_the_builds_is_found_where_its_config_says(tmp_path: Path) -> None:
    build = load_config(DataConfig, CONFIGS / "kazakh_web.yaml", [f"root={tmp_path}"])
    replay = load_config(DataConfig, CONFIGS / "replay_ru_en.yaml")
    listed = [source.name for config in (build, replay) for source in config.sources]
    assert len(set(listed)) == len(listed)
    assert set(NAMES) - set(listed) == {"wikipedia_kk_dump", "kazparc_kk_en", "kazakhstan_law"} | REPEATS, (
        "each stands in for a source that is listed, repeats several, or is cloned first"
    )
    for source in build.sources:
        if source.name in DOCUMENTED:
            for pattern in source.hub_files:
                write_rows(tmp_path / source.path / pattern.replace("*", "00000"), [DOCUMENTED[source.name]])
    (tmp_path / "cc100").mkdir()
    (tmp_path / "cc100/kk.txt.xz").write_bytes(lzma.compress("Бір.\n".encode()))
    plan = make_build_plan(build)
    assert {task.source.name for task in plan.tasks} == {source.name for source in build.sources}
    assert all(task.paths for task in plan.tasks)


def test_of_two_copies_the_one_with_a_licence_for_its_text_is_preferred() -> None:
    """A collection's licence is not one of the pages in it."""
    web = ("fineweb2_kk", "hplt2_kk", "culturax_kk", "madlad400_kk", "mc4_kk", "mdbkd", "cc100_kk")
    ours = rank(spdx(source_config("wikipedia_kk").licence))
    assert all(rank(spdx(source_config(name).licence)) > ours for name in web)


def test_instruction_sources_parse_and_read_the_columns_they_name(tmp_path: Path) -> None:
    """Their columns are assumed; a wrong one stops a build in its first rows."""
    for path in sorted((CONFIGS / "conversations").glob("*.yaml")):
        source = load_config(ConversationSourceConfig, path)
        assert source.name == path.stem
        assert source.citation and source.homepage
        assert spdx(source.licence) == source.licence
        row = {"question": "Қар қашан жауады?", "answer": "Қыста.", "context": "Қар қыста жауады."}
        copy = tmp_path / f"{source.name}.jsonl"
        copy.write_text(json.dumps(row, ensure_ascii=False) + "\n")
        local = source.model_copy(update={"path": str(copy), "format": "jsonl"})
        (made,) = make_conversations(local, root=tmp_path, seed=1)
        assert made.conversation is not None
        said = [message.content for message in made.conversation.messages]
        assert row["context"] in said[0] and row["question"] in said[0] and said[1] == row["answer"]
