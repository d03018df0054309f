"""What is checked before anything is cleaned, and what stops a build whose file was read in the wrong way."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.config import DataConfig, SourceConfig
from qaz_llm.data.first_rows import check_first_rows, described_files, encodings_of, note_files
from qaz_llm.data.notices import Notices
from qaz_llm.data.plan import make_build_plan
from qaz_llm.data.sources import PROBLEM, read_documents, read_task
from qaz_llm.data.tasks import tasks_of
from qaz_llm.errors import DamagedFileError, DataError, InputError


def config_of(*sources: dict[str, Any], **values: Any) -> DataConfig:
    named = [{"name": f"s{number}", **source} for number, source in enumerate(sources)]
    return config_from_values(DataConfig, {"sources": named, **values}, where="test")


def check(config: DataConfig) -> None:
    check_first_rows(config, make_build_plan(config).tasks)


def jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_wrong_field_in_the_last_source_is_said_before_the_first_is_read(tmp_path: Path) -> None:
    good = jsonl(tmp_path / "good.jsonl", [{"text": "бір"}] * 3)
    bad = jsonl(tmp_path / "bad.jsonl", [{"body": "екі"}] * 3)
    check(config_of({"path": good}))
    with pytest.raises(InputError, match="source s1, bad: no field 'text' in the first 3 rows, read as jsonl in utf-8"):
        check(config_of({"path": good}, {"path": bad}))
    check(config_of({"path": good}, {"path": bad, "text_field": "body"}))
    with pytest.raises(InputError, match="no field 'nr'"):
        check(config_of({"path": good, "id_field": "nr"}))


def test_every_file_of_a_folder_is_looked_at(tmp_path: Path) -> None:
    for number in range(5):
        jsonl(tmp_path / f"{number}.jsonl", [{"text" if number < 4 else "body": "бір"}])
    with pytest.raises(InputError, match=r"4\.jsonl: no field 'text'"):
        check(config_of({"path": str(tmp_path)}))


@pytest.mark.parametrize("below", ["", "2024"])
def test_where_files_of_a_folder_have_other_fields_the_way_out_that_is_named_works(tmp_path: Path, below: str) -> None:
    jsonl(tmp_path / "posts.jsonl", [{"text": "бір"}])
    (tmp_path / below).mkdir(exist_ok=True)
    (tmp_path / below / "table.csv").write_text("id;мәтін\n1;екі\n", encoding="utf-8")
    for field in ("text", "мәтін"):  # neither name does for both files
        with pytest.raises(InputError, match="no field") as caught:
            check(config_of({"path": str(tmp_path), "text_field": field}))
        named = re.search(r"a source of each kind \(path: (.*)\)", caught.value.hint or "")
        assert named is not None
        check(config_of({"path": named.group(1), "text_field": "мәтін" if field == "text" else "text"}))
    with pytest.raises(InputError) as caught:
        check(config_of({"path": str(tmp_path / below / "table.csv")}))
    assert "a source of each kind" not in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (["бір", "екі"], "lists of text"),
        ([{"role": "user"}], "lists of objects"),
        ({"kk": "бір"}, "objects"),
        (7, "numbers"),
        (True, "true and false"),
    ],
)
def test_a_field_that_holds_no_text_is_named_by_what_it_holds(tmp_path: Path, value: Any, named: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": None}, {"text": value}])
    with pytest.raises(InputError, match=f"the field 'text' holds {named}, and text was expected"):
        check(config_of({"path": path}))
    mixed = jsonl(tmp_path / "b.jsonl", [{"text": value}, {"text": "бір"}])
    check(config_of({"path": mixed}))


def test_most_rows_bad_stops_the_build_and_says_how_the_file_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id;text\n" + "".join(f"{n};иә {n}\n" for n in range(100)).encode("kz1048"))
    config = config_of({"path": str(path), "encoding": "utf-8"})
    with pytest.raises(
        InputError, match=r"100 of 100 rows cannot be used \(bad_encoding 100\), read as csv in utf-8, a semi"
    ) as caught:
        check(config)
    assert "id, text" in str(caught.value.hint)
    assert "encoding" in str(caught.value.hint)
    check(config_of({"path": str(path), "encoding": "utf-8", "max_bad_rows_frac": 1}))
    check(config_of({"path": str(path)}))


def test_the_share_is_taken_at_the_end_as_well(tmp_path: Path) -> None:
    rows = [{"text": "бір"}] * 100 + [{"text": ""}] * 150
    path = jsonl(tmp_path / "a.jsonl", rows)
    check(config_of({"path": path}))
    with pytest.raises(InputError, match=r"150 of 250 rows cannot be used \(missing_text 150\)"):
        list(read_documents(SourceConfig(name="s", path=path)))
    documents = list(read_documents(SourceConfig(name="s", path=path, max_bad_rows_frac=0.6)))
    assert sum(PROBLEM in document.meta for document in documents) == 150


def test_few_bad_rows_are_dropped_and_counted_as_before(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": ""}, {"text": ""}, {"text": "бір"}])
    check(config_of({"path": path}))
    assert [PROBLEM in d.meta for d in read_documents(SourceConfig(name="s", path=path))] == [True, True, False]
    only_bad = jsonl(tmp_path / "b.jsonl", [{"text": ""}])
    with pytest.raises(InputError, match="1 of 1 rows"):
        check(config_of({"path": only_bad}))
    check(config_of({"path": str(tmp_path)}))  # one of several files


def test_bad_rows_and_damage_obey_the_config(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "бір"}\n{oops\n')
    check(config_of({"path": str(path)}))
    with pytest.raises(DataError, match="row 2 cannot be read"):
        check(config_of({"path": str(path)}, on_bad_row="stop"))
    cut = tmp_path / "b.json"
    cut.write_text('[{"text": "бір"}, {"te')
    with pytest.raises(DamagedFileError):
        check(config_of({"path": str(cut)}))
    check(config_of({"path": str(cut), "on_damaged_file": "keep_read"}))


# ------------------------------------------------------------------------------------------------- what was recognised


def test_how_files_are_read_is_told_by_source(tmp_path: Path) -> None:
    text = "Түнде жауған қар ертеңінде еріп көше батпаққа айналды."
    (tmp_path / "a.csv").write_bytes(f"id;text\n1;{text}\n".encode("kz1048"))
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).write_bytes(f"id,text\n1,{text}\n".encode())
    config = config_of({"path": str(tmp_path)})
    plan = make_build_plan(config)
    assert described_files(plan.tasks) == {
        "s0": [
            ("b.csv, c.csv", "csv in utf-8, a comma between columns"),
            ("a.csv", "csv in kz1048 (recognised), a semicolon between columns"),
        ]
    }
    assert "  a.csv: csv in kz1048 (recognised), a semicolon between columns" in plan.lines()
    (only,) = make_build_plan(config_of({"path": str(tmp_path / "b.csv")})).lines()[:-1]
    assert only.endswith("MB of text: csv in utf-8, a comma between columns")
    notices = Notices()
    encodings = [encodings_of(task) for task in plan.tasks]
    for task in plan.tasks:
        assert [document.text for document in read_task(task, notices=notices)] == [text]
    assert encodings == [{"kz1048 (recognised)": 1}, {"utf-8": 1}, {"utf-8": 1}]
    assert [(n["kind"], n["where"]) for n in notices.to_list()] == [
        ("dialect_recognised", "s0: a.csv (a semicolon between columns)"),
        ("encoding_recognised", "s0: a.csv (kz1048)"),
    ]


def test_files_passed_over_and_files_taken_for_documents_are_noted(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.docx"):
        (tmp_path / name).write_text("бір\nекі\n")
    for rows, wanted in (
        ("auto", [("files_are_documents", 2), ("files_not_read", 1)]),
        ("file", [("files_not_read", 1)]),
    ):
        config = config_of({"path": str(tmp_path), "rows": rows})
        plan = make_build_plan(config)
        notices = Notices()
        note_files(config, plan.tasks, plan.not_read, notices)
        assert [(n["kind"], n["count"]) for n in notices.to_list()] == wanted
        assert plan.lines()[0].endswith("text in utf-8, a document per file")
        assert "s0: not read, of no known format: .docx 1" in plan.lines()


def test_what_is_declared_is_no_guess(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id;text\n1;Қыс түсті де, өзенге мұз қатты.\n".encode("kz1048"))
    notices = Notices()
    config = SourceConfig(name="s", path=str(tmp_path / "a.csv"), encoding="KZ-1048", delimiter=";")
    for task in tasks_of(config):
        assert len(list(read_task(task, notices=notices))) == 1
        assert encodings_of(task) == {"kz1048": 1}
    assert notices.to_list() == []


# ------------------------------------------------------------------------------------------------------------ Parquet

WORDS = ["қар", "еріп", None, "су", "қар"]
BYTES = [None if word is None else word.encode() for word in WORDS]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(BYTES, pa.binary()),
        pa.array(BYTES, pa.large_binary()),
        pa.array([None if b is None else b.ljust(16, b"\0") for b in BYTES], pa.binary(16)),
        pa.array(BYTES, pa.binary()).dictionary_encode(),
        pa.array(BYTES, pa.binary_view()),
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS, pa.string()).dictionary_encode(),
    ],
    ids=str,
)
def test_strings_of_every_arrow_type_are_text(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"text": column, "id": column}), tmp_path / "a.parquet")
    documents = list(read_documents(SourceConfig(name="s", path=str(tmp_path / "a.parquet"), id_field="id")))
    assert [document.text or None for document in documents] == WORDS
    assert [document.id for document in documents] == ["s/қар", "s/еріп", "s/a/00000002", "s/су", "s/қар"]


def test_bytes_of_another_encoding_are_bad_rows_or_declared(tmp_path: Path) -> None:
    texts = ["жел соқты", "жаңбыр жауды"]
    pq.write_table(
        pa.table({"text": pa.array([t.encode("kz1048") for t in texts], pa.binary())}), tmp_path / "a.parquet"
    )
    source = SourceConfig(name="s", path=str(tmp_path / "a.parquet"))
    assert [document.meta[PROBLEM] for document in read_documents(source)] == ["bad_encoding"] * 2
    declared = source.model_copy(update={"encoding": "kz1048"})
    assert [document.text for document in read_documents(declared)] == texts


def test_columns_of_lists_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [["a", "b"], ["c"]]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="holds lists of text"):
        check(config_of({"path": str(tmp_path / "a.parquet")}))
