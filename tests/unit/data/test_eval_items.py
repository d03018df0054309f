"""Evaluation items go through the door of documents: whatever file and letters they come in, they are found."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.clean import make_cleaner
from qaz_llm.data.config import DataConfig, DecontaminateConfig
from qaz_llm.data.notices import Notices
from qaz_llm.data.protect.decontaminate import EvaluationItem, make_decontaminator, read_items
from qaz_llm.data.protect.item_forms import compared_texts
from qaz_llm.data.protect.items import note_item_files
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.records import Document

QUESTIONS = (
    "Қазақ хандығының алғашқы ханы кім болды?",
    "Су неше градуста қайнай бастайды, айтыңызшы?",
)
CHOICES = ("Керей", "Жәнібек", "Қасым", "Хақназар")
HEADER = ("question", "A", "B", "C", "D", "answer")


def config_of(path: Path, **values: Any) -> DecontaminateConfig:
    return DecontaminateConfig(shipped=False, paths=(str(path),), **values)


def items_of(path: Path, **values: Any) -> list[EvaluationItem]:
    return list(read_items(config_of(path, **values)))


def rows() -> list[dict[str, str]]:
    return [dict(zip(HEADER, (question, *CHOICES, "A"), strict=True)) for question in QUESTIONS]


def table(delimiter: str, *, header: bool = True, quoted: bool = False) -> str:
    lines = [HEADER] * header + [(f'"{question}"' if quoted else question, *CHOICES, "A") for question in QUESTIONS]
    return "".join(delimiter.join(line) + "\n" for line in lines)


FILES: dict[str, bytes] = {
    "quoted.csv": table(",", quoted=True).encode(),
    "semicolon.csv": table(";").encode("utf-8-sig"),
    "bar.csv": table("|").encode("utf-16"),
    "old.csv": table(";").encode("kz1048"),
    "tabs.tsv": table("\t").encode(),
    "tabs.tsv.gz": gzip.compress(table("\t").encode()),
    "no_header.tsv": table("\t", header=False).encode(),
    "no_header.csv": table(",", header=False, quoted=True).encode("utf-16-le"),
    "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows()).encode(),
    "mark.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows()).encode("utf-8-sig"),
    "list.json": json.dumps(rows(), indent=1).encode(),
    "wrapped.json": json.dumps({"version": "1", "data": rows()}).encode(),
    "nested.jsonl": "".join(
        json.dumps({"doc": {"q": {"stem": q, "choices": [{"label": "A", "text": c} for c in CHOICES]}}}) + "\n"
        for q in QUESTIONS
    ).encode(),
    "lines.txt": "\n".join(QUESTIONS).encode("kz1048"),
}


def found_in(path: Path, text: str, **values: Any) -> bool:
    config = config_of(path, **values)
    return make_decontaminator(read_items(config), config).hit(text)


@pytest.mark.parametrize("name", FILES)
def test_items_are_found_whatever_file_they_come_in(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    assert len(items_of(path)) == 2
    for question in QUESTIONS:
        assert found_in(path, f"Сабақта сұрады: {question.lower()} Ешкім білмеді.")
    assert not found_in(path, "Қазақ хандығының алғашқы астанасы қай қала болды?")


def test_items_in_parquet_of_strings_bytes_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for column in (
        pa.array(QUESTIONS),
        pa.array([q.encode() for q in QUESTIONS], pa.binary()),
        pa.array([[q] for q in QUESTIONS]),
    ):
        pq.write_table(pa.table({"question": column, "choices": [list(CHOICES)] * 2}), path)
        assert found_in(path, QUESTIONS[1])


def test_a_first_line_is_a_header_only_where_that_is_plain(tmp_path: Path) -> None:
    for first, is_header in (
        ("question;answer", True),
        ("сұрақ;жауап", True),
        ("premise_kk;hypothesis_kk", True),
        ("Астана;Алматы", False),
        ("Қазақ хандығының алғашқы ханы кім болды?;Керей", False),
        ("q;q", False),
        ("1;2", False),
    ):
        path = tmp_path / "a.csv"
        path.write_text(f"{first}\nЕкінші жолдағы сұрақ қандай еді?;Жауап\n", encoding="utf-8")
        assert len(items_of(path)) == (1 if is_header else 2), first


def test_the_columns_that_the_config_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(FILES["semicolon.csv"])
    assert [item.texts for item in items_of(path, fields=("A", "C"))] == [("Керей", "Қасым")] * 2
    with pytest.raises(InputError, match="no row has a field 'frage'") as caught:
        items_of(path, fields=("frage",))
    assert "question, A, B" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"q": "x"}\n{oops\n', r"row 2 cannot be read \(bad_json\)"),
        ("a.jsonl", b"", "no row"),
        ("a.jsonl", b'{"n": 1}\n', "no text in its 1 rows"),
        ("a.csv", b"question,answer\n", "no row"),
        ("a.csv", "question,answer\nа,б,в\n".encode(), "wrong_columns"),
        ("a.txt", b"only \xff\xff bytes\n", "bad_encoding"),
        ("a.zip", b"PK\x03\x04", "archives"),
        ("a.md", b"# items\n", "format of .md is not known"),
    ],
)
def test_what_cannot_be_read_as_items_ends_the_build(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        items_of(tmp_path / name)


def test_a_cut_off_file_of_items_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"q": "бір"}, {"q"', encoding="utf-8")
    with pytest.raises(DamagedFileError):
        items_of(tmp_path / "a.json")


def test_a_folder_gives_its_items_and_says_what_it_did_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(FILES["rows.jsonl"])
    (tmp_path / "old.csv").write_bytes(FILES["old.csv"])
    (tmp_path / "README.md").write_text("# about")
    assert len(items_of(tmp_path)) == 4
    notices = Notices()
    note_item_files(config_of(tmp_path), notices)
    assert [(n["kind"], n["where"]) for n in notices.to_list()] == [
        ("encoding_recognised", f"evaluation items: {tmp_path.name}/old.csv (kz1048)"),
        ("files_not_read", "evaluation items: .md"),
    ]


# ------------------------------------------------------------------------------------------------------------ letters


def clean(items: list[EvaluationItem], text: str) -> str | None:
    """The reason for which a build drops a document of this text."""
    values = {"sources": [{"name": "s", "path": "x"}], "filters": {"preset": "none"}}
    config = config_from_values(DataConfig, values, where="test")
    cleaner = make_cleaner(config, make_decontaminator(items, DecontaminateConfig(shipped=False)))
    (cleaned,) = cleaner([Document("s/1", text, "s", "und", "Zyyy", "CC0-1.0")])
    return cleaned.reason


CYRILLIC = (
    "Қазақстанның астанасы қай қалада орналасқан және ол қашан көшірілді деген сұраққа жауап беріңіз. "
    "Бұл қала Есіл өзенінің жағасында тұр, оның халқы бір миллионнан асады."
)
LATIN = (
    "Qazaqstannyń astanasy qaı qalada ornalasqan jáne ol qashan kóshirildi degen suraqqa jaýap berińiz. "
    "Bul qala Esil ózeniniń jaǵasynda tur, onyń halqy bir mıllıonnan asady."
)


def item(*texts: str) -> list[EvaluationItem]:
    return [EvaluationItem("a.jsonl", "1", texts)]


def test_items_and_documents_of_different_scripts_meet() -> None:
    for own in (CYRILLIC, LATIN):
        for other in (CYRILLIC, LATIN):
            assert clean(item(own), f"{other}") == "contaminated", (own, other)


def test_short_texts_in_latin_letters_are_known_by_their_column() -> None:
    questions = (
        "Abaı Qunanbaıuly qaı jyly dúnıege kelgen?",
        "Syrdarıa ózeni qaı teńizge baryp quıady?",
        "Qazaqtyń ulttyq taǵamy qalaı atalady eken?",
        "Bul óleńdi kim jáne qashan jazǵan edi?",
    )
    items = [EvaluationItem("a.csv", str(n), (text, "A")) for n, text in enumerate(questions)]
    index = make_decontaminator(items, DecontaminateConfig(shipped=False))
    assert index.hit("Сырдария өзені қай теңізге барып құяды?")
    assert index.hit(f"Сұрақ: {questions[3]}")  # what was not converted is found as it was written


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.encode().decode("cp1251", "replace"),
        lambda text: text.encode().decode("latin-1"),
        lambda text: text.replace("і", "i").replace("а", "a").replace("о", "o"),
        lambda text: text.replace(" ", "\u00a0").replace("қ", "қ\u00ad"),
    ],
    ids=["utf-8 as cp1251", "utf-8 as latin-1", "look-alikes", "soft hyphens"],
)
def test_damaged_items_are_repaired_as_documents_are(damage: Any) -> None:
    damaged = damage(CYRILLIC)
    assert damaged != CYRILLIC
    if "\ufffd" in damaged:
        pytest.skip("the misreading lost letters")
    assert clean(item(damaged), CYRILLIC) == "contaminated"
    assert clean(item(CYRILLIC), damaged) == "contaminated"


def test_english_and_russian_items_have_one_form_each() -> None:
    texts = ("Which river does the Irtysh flow into, and where does it rise?", "В какую реку впадает Иртыш?")
    assert compared_texts(item(*texts)) == [[(texts[0],), (texts[1],)]]


# --------------------------------------------------------------------------------------------------------- too short


def test_items_too_short_are_matched_with_their_answer_or_counted() -> None:
    items = [
        EvaluationItem("a.csv", "1", ("Абай қай ауданда туған?", "Абай ауданында", "Семей")),
        EvaluationItem("a.csv", "2", ("Астана қайда?", "Есілде")),
        EvaluationItem("a.csv", "3", (CYRILLIC, "A")),
    ]
    index = make_decontaminator(items, DecontaminateConfig(shipped=False))
    assert index.hit("Сабақта: «Абай қай ауданда туған? – Абай ауданында».")
    assert not index.hit("Абай қай ауданда туған екен? Абай ауданында.")
    assert not index.hit("Астана қайда? Есілде")
    (file,) = index.files
    assert (file.items, file.items_too_short, file.texts, file.texts_too_short) == (3, 1, 1, 6)
    assert index.lines() == ["evaluation items of a.csv: 3, 1 of them too short to be looked for"]
    assert index.describe()["files"]["a.csv"]["items_too_short"] == 1


def test_a_long_list_of_words_is_no_question_with_answers() -> None:
    words = tuple(f"сөз{number}" for number in range(3000))
    index = make_decontaminator([EvaluationItem("a.json", "1", words)], DecontaminateConfig(shipped=False))
    assert index.files[0].items_too_short == 0
    assert len(index.index.starts_R) - 1 == 3000 - 9  # runs of ten words of all of them in their order
    assert not index.hit("сөз1 сөз2")
