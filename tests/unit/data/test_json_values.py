"""JSON that is a list, is wrapped, or goes over several lines. The oracle is json.loads of the whole file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import json_values, read_rows_of
from qaz_llm.data.readers.encodings import TextForm
from qaz_llm.data.readers.json_values import read_json_values
from qaz_llm.data.sources import PROBLEM, read_documents
from qaz_llm.errors import DamagedFileError

ROWS: list[dict[str, Any]] = [{"text": "Қар ериді"}, {"text": 'екі "жол"\nбар', "meta": {"a": [1, 2]}}, {"text": "үш"}]


def read(path: Path, **values: Any) -> list[str]:
    config = SourceConfig(name="s", path=str(path), **values)
    return [f"<{d.meta[PROBLEM]}>" if PROBLEM in d.meta else d.text for d in read_documents(config)]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SHAPES = {
    "list": lambda rows: json.dumps(rows, ensure_ascii=False),
    "list over lines": lambda rows: json.dumps(rows, indent=1),
    "wrapped": lambda rows: json.dumps({"version": "1.1", "data": rows}),
    "wrapped over lines": lambda rows: json.dumps({"license": {"id": 1}, "rows": rows, "count": 3}, indent=2),
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows),
    "a list per line": lambda rows: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_come_back_from_every_shape(tmp_path: Path, shape: str) -> None:
    path = written(tmp_path / "a.json", SHAPES[shape](ROWS))
    assert read(path) == [row["text"] for row in ROWS]


def test_one_object_that_wraps_nothing_is_one_row(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.json", '{"text": "бір", "data": [1, 2]}')) == ["бір"]
    assert read(written(tmp_path / "b.json", '{\n "text": "бір",\n "items": []\n}')) == ["бір"]
    assert read(written(tmp_path / "c.json", '{"text": "бір"}\n{"text": "екі"}\n')) == ["бір", "екі"]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=12,
)


OBJECTS = st.dictionaries(st.sampled_from("абв{}[],:"), JSON, max_size=3)


@given(st.lists(st.one_of(OBJECTS, st.integers()), max_size=8), st.integers(1, 40))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_list_read_in_any_portions(tmp_path: Path, rows: list[Any], portion: int) -> None:
    path = written(tmp_path / "a.json", json.dumps(rows, ensure_ascii=False, indent=portion % 3))
    wanted = [row if isinstance(row, dict) else {} for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_MIN_READ", portion)
        assert [row.fields for row in read_json_values(path, TextForm())] == wanted


def test_values_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", '[{"text": "a"}, 7, "b", [1], null, {"text": "c"}, 12345]')
    assert read(path) == ["a", *["<bad_json>"] * 4, "c", "<bad_json>"]


def test_bytes_that_are_no_utf8_spoil_their_object_alone(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.json", b'[{"text": "a"}, {"text": "\xff\xfe"}, {"text": "half \\ud83d"}, {"n": NaN, "text": "d"}]'
    )
    assert read(path) == ["a", "<bad_encoding>", "half \ufffd", "d"]


@pytest.mark.parametrize(
    "content", ['[{"text": "a"}, {"text": "b"', '[{"text": "a"}, {"text": oops}]', '[{"text": "a"}; {"text": "b"}]']
)
def test_what_breaks_off_is_damaged_and_what_came_before_is_kept(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "a.json", content)
    with pytest.raises(DamagedFileError, match="not JSON"):
        read(path)
    assert read(path, on_damaged_file="keep_read") == ["a", "<damaged_file>"]


def test_values_too_deep_or_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = written(tmp_path / "deep.json", '[{"text": ' + "[" * 200_000)
    with pytest.raises(DamagedFileError, match="too deep"):
        read(deep)
    monkeypatch.setattr("qaz_llm.io.reading.MAX_VALUES", 1000)
    many = written(tmp_path / "many.json", '[{"text": "a"},\n{"x": [' + "{}," * 100_000 + "{}]}]")
    with pytest.raises(DamagedFileError, match="parts"):
        read(many)
    line = written(tmp_path / "many.jsonl", '{"text": "a"}\n{"x": [' + "{}," * 2000 + "{}]}\n")
    assert read(line) == ["a", "<too_many_values>"]


def test_a_list_is_never_held_whole(tmp_path: Path) -> None:
    """The first row of a list is there before the rest of it is read."""
    path = written(tmp_path / "a.json", "[" + ",\n".join('{"text": "мәтін"}' for _ in range(50_000)))  # not closed
    rows = read_rows_of(path, SourceConfig(name="s", path=str(path)))
    assert [next(rows).fields["text"] for _ in range(10)] == ["мәтін"] * 10
