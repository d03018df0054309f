"""Tables of text in the forms in which programs write them. The oracle is Python's csv writer, or the rows written by hand."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.config import ConversationSourceConfig, SourceConfig
from qaz_llm.data.readers.dialects import Dialect, sniff_dialect
from qaz_llm.data.readers.tables import _named
from qaz_llm.data.sources import PROBLEM, read_documents, read_task
from qaz_llm.data.tasks import tasks_of
from qaz_llm.errors import DamagedFileError, InputError

TEXTS = [
    'Ол: "Иә, келемін; бірақ ертең|кешке", – деді.',
    "Екі жолы бар мәтін,\nекінші жолы осы.",
    "C:\\жаңа\\папка және \\frac{1}{2}",
    'Соңында "тырнақша"',
    "қарапайым сөйлем",
]


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def read(path: Path, **values: Any) -> list[str]:
    return [f"<{d.meta[PROBLEM]}>" if PROBLEM in d.meta else d.text for d in read_documents(source(path, **values))]


def written(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def as_csv(texts: list[str], **values: Any) -> str:
    stream = io.StringIO()
    csv.writer(stream, **values).writerows([["id", "text", "lang"], *([n, t, "kk"] for n, t in enumerate(texts))])
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "quotes",
    [{}, {"doublequote": False, "escapechar": "\\"}, {"quoting": csv.QUOTE_ALL}],
    ids=["doubled", "escaped", "all"],
)
def test_rows_of_every_delimiter_and_kind_of_quotes_come_back(
    tmp_path: Path, delimiter: str, quotes: dict[str, Any]
) -> None:
    texts = TEXTS * 3
    content = as_csv(texts, delimiter=delimiter, **quotes)
    assert read(written(tmp_path / "a.csv", content)) == texts
    assert read(written(tmp_path / "a.csv", content), delimiter=delimiter) == texts


CELLS = st.text(st.sampled_from('аәбқ "\\,;|\t\n.'), min_size=1, max_size=12).filter(
    lambda text: text.strip() and not text.startswith("\\")
)


@given(st.lists(CELLS, min_size=1, max_size=8), st.sampled_from([",", ";", "\t", "|"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_writer_writes_comes_back_with_the_delimiter_declared(
    tmp_path: Path, texts: list[str], delimiter: str
) -> None:
    path = written(tmp_path / "a.csv", as_csv(texts, delimiter=delimiter, quoting=csv.QUOTE_ALL))
    assert read(path, delimiter=delimiter) == texts


def test_quotes_that_are_text(tmp_path: Path) -> None:
    content = 'id;text\n1;"Абай жолы; роман\n2;"Қан мен тер" романы\n3;"Ұлпан\n'.replace("; роман", " романы")
    assert read(written(tmp_path / "a.csv", content)) == ['"Абай жолы романы', '"Қан мен тер" романы', '"Ұлпан']
    tsv = 'id\ttext\n1\t"Иә, – деді ол.\n2\t"Жоқ", – деді.\n'
    assert read(written(tmp_path / "a.tsv", tsv)) == ['"Иә, – деді ол.', '"Жоқ", – деді.']


def test_tabs_as_excel_writes_them_are_unquoted(tmp_path: Path) -> None:
    texts = ['Ол "иә" деді', "екі\nжол", "жай"]
    content = as_csv(texts, delimiter="\t")
    assert read(written(tmp_path / "a.tsv", content)) == texts
    content = as_csv([texts[0], texts[2]], delimiter="\t")
    assert read(written(tmp_path / "b.tsv", content)) == [texts[0], texts[2]]


def test_the_line_by_which_excel_is_told_the_delimiter(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.csv", "sep=;\r\nid;text\r\n1;бір, екі\r\n")) == ["бір, екі"]
    assert read(written(tmp_path / "a.tsv", "sep=|\nid|text\n1|бір, екі\n")) == ["бір, екі"]


def test_commas_in_text_do_not_part_columns_of_semicolons(tmp_path: Path) -> None:
    content = "id;text\n" + "".join(f"{n};Бір, екі, үш, {n}\n" for n in range(9))
    assert sniff_dialect(content, "csv").delimiter == ";"
    assert read(written(tmp_path / "a.csv", content))[3] == "Бір, екі, үш, 3"
    one_row = "id;text;note\n1;Алма, алмұрт, өрік;жоқ\n"
    assert read(written(tmp_path / "b.csv", one_row)) == ["Алма, алмұрт, өрік"]


def test_a_table_of_one_column(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.csv", 'text\nБір, екі\n"Үш, ""төрт"""\nбес\n')) == [
        "Бір, екі",
        'Үш, "төрт"',
        "бес",
    ]
    assert read(written(tmp_path / "a.tsv", "text\nБір, екі\n")) == ["Бір, екі"]


def test_columns_without_a_header(tmp_path: Path) -> None:
    content = "1;бір, екі\n2;үш\n"
    assert read(written(tmp_path / "a.csv", content), columns=("id", "text")) == ["бір, екі", "үш"]


def test_names_of_columns_are_tidied_and_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id, text ,text\n1,бір,екі\n")
    assert read(path) == ["бір"]
    assert read(path, text_field="text_2") == ["екі"]


def test_a_sign_too_many_at_the_end_of_a_line_is_no_value(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.csv", "id,text\n1,бір,\n2,екі,,\n3,үш\n4,төрт,бес\n5,алты\n")) == [
        "бір", "екі", "үш", "<wrong_columns>", "алты",
    ]  # fmt: skip


def test_the_pieces_of_a_broken_row_are_no_rows_and_give_no_ids(tmp_path: Path) -> None:
    """A quote in the wrong place, and a line break after it: the rest of the row is not a row of its own."""
    content = (
        'id,text,lang\n1,бірінші мәтін,kk\n2,"Ол "жақсы" деп\nайтты, 8 701 123 45 67",kk\nқалғаны\n3,үшінші мәтін,kk\n'
    )
    path = written(tmp_path / "a.csv", content + "".join(f"{n},мәтін,kk\n" for n in range(4, 60)))
    documents = list(read_documents(source(path, id_field="id")))
    assert [d.id for d in documents if PROBLEM not in d.meta] == ["s/1", "s/3", *(f"s/{n}" for n in range(4, 60))]
    dropped = [d for d in documents if PROBLEM in d.meta]
    assert {d.meta[PROBLEM] for d in dropped} == {"bad_csv"}
    assert all(d.id.removeprefix("s/a/").isdecimal() for d in dropped)


def test_a_row_of_a_table_without_text_is_known_by_its_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,text\n1,бір\nжол үзіндісі\n3,үш\n")
    assert [d.id for d in read_documents(source(path, id_field="id"))] == ["s/1", "s/a/00000001", "s/3"]


def test_backslashes_that_escape_nothing_stay(tmp_path: Path) -> None:
    content = 'id,text\n1,"Ол \\"иә\\" деді"\n2,"\\frac{1}{2} және C:\\new"\n3,"соңы \\\\"\n4,"екі\nжол"\n'
    assert sniff_dialect(content, "csv") == Dialect(",", "backslash")
    assert read(written(tmp_path / "a.csv", content)) == [
        'Ол "иә" деді', "\\frac{1}{2} және C:\\new", "соңы \\", "екі\nжол",
    ]  # fmt: skip


def test_a_quote_that_is_never_closed_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'n,text\n1,a\n2,"never closed\n3,c\n')
    with pytest.raises(DamagedFileError, match="row 2 is not closed"):
        read(path)


def test_tables_by_lines_are_cut_and_quoted_ones_are_not(tmp_path: Path) -> None:
    plain = "id\ttext\n" + "".join(f"{n}\tмәтін {n}\n" for n in range(200))
    for name, content, is_cut in (
        ("a.tsv", plain, True),
        ("a.csv", as_csv([f"мәтін\n{n}" for n in range(200)]), False),
    ):
        path = written(tmp_path / name, content)
        tasks = tasks_of(source(path, part_bytes=400))
        assert (len(tasks) > 3) == is_cut
        assert [d for task in tasks for d in read_task(task)] == list(read_documents(source(path)))


def test_a_header_whose_rows_have_no_such_sign_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id;text\n1,Біз ауылға бардық та, сол жерде қалдық.\n".encode("kz1048"))
    with pytest.raises(
        InputError, match=r"no field 'text'.*csv in kz1048 \(recognised\), a semicolon between"
    ) as caught:
        read(path)
    assert "id, text" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_before_a_quoted_name_does_not_hide_its_quotes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('"text, қысқаша","id"\r\n"бір, екі","1"\r\n"үш\nтөрт","2"\r\n'.encode(encoding))
    assert read(path, text_field="text, қысқаша", id_field="id") == ["бір, екі", "үш\nтөрт"]


def test_dialogues_are_read_in_the_same_ways(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"Қай ай ең суық, {n}?;Қаңтар айы, әдетте {n}\n" for n in range(3))
    path.write_bytes(f"question;answer\n{rows}".encode("kz1048"))
    for values in ({}, {"encoding": "kz1048", "delimiter": ";"}):
        source = ConversationSourceConfig(name="c", path=str(path), kind="qa", **values)
        made = list(make_conversations(source, root=None, seed=0))
        assert [item.conversation.messages[-1].content for item in made] == [
            f"Қаңтар айы, әдетте {n}" for n in range(3)
        ]


def test_many_columns_of_one_name_are_numbered_at_once() -> None:
    names = _named(["a", "a_2", *["a"] * 16_000])
    assert len(set(names)) == 16_002
    assert names[:5] == ["a", "a_2", "a_3", "a_4", "a_5"]
