"""Encodings: what the config says, what the file says of itself, what reads best. The oracle is the encoder."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.encodings import SAMPLE_BYTES, form_of, form_of_bytes
from qaz_llm.data.sources import PROBLEM, read_documents, read_task
from qaz_llm.data.tasks import tasks_of
from qaz_llm.errors import ConfigError, InputError

KAZAKH = (
    "Қазақстанның солтүстігіндегі өзен-көлдер көктемде тасып, маңайындағы егістікке су жайылды.",
    "Әжем ұршығын иіріп отырып, ертеде естіген әңгімесін асықпай бастады.",
    "Бұл мәселе бойынша үкімет отырысында шешім қабылданды, һәм ол жарияланды.",
)
RUSSIAN = (
    "Вечером они сидели у окна и молча смотрели, как зажигаются огни на другом берегу.",
    "Объявление о съезде появилось в газете ещё в прошлую пятницу.",
)
ENGLISH_QUOTED = ("The museum “opened” in 1912 – or so it’s said – and closed again…",)


def source(path: Path, **values: Any) -> SourceConfig:
    return SourceConfig(name="s", path=str(path), **values)


def texts(path: Path, **values: Any) -> list[str]:
    return [f"<{d.meta[PROBLEM]}>" if PROBLEM in d.meta else d.text for d in read_documents(source(path, **values))]


@pytest.mark.parametrize("encoding", ["kz1048", "ptcp154", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_kazakh_is_recognised_sentence_by_sentence_and_together(encoding: str) -> None:
    for text in (*KAZAKH, "\n".join(KAZAKH)):
        data = text.encode(encoding)
        assert data.decode(form_of_bytes(data).encoding).removeprefix("\ufeff") == text


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp866", "iso8859-5", "utf-16-le", "mac-cyrillic"])
def test_russian_is_recognised(encoding: str) -> None:
    data = "\r\n".join(RUSSIAN).encode(encoding)
    assert data.decode(form_of_bytes(data).encoding) == "\r\n".join(RUSSIAN)


def test_windows_1251_and_kz_1048_are_told_apart_by_kazakh_letters() -> None:
    for text in (
        "Україна має вихід до моря, її столиця — Київ, а є ще й інші міста.",  # ї and є lie where ү and ғ do
        "Беларусь мае шмат азёр, у ёй жыве дзевяць мільёнаў чалавек, і ўсе пішуць.",
        *RUSSIAN,
    ):
        assert form_of_bytes(text.encode("cp1251")).encoding == "cp1251"
    drawn_by_a_font = "ќазаќ халќыныњ тарихы ґте бай жєне ол кґптеген ѓасырларѓа созылады"
    assert form_of_bytes(drawn_by_a_font.encode("cp1251")).encoding == "cp1251"  # kz1048 would give half of it


def test_quotes_and_dashes_of_windows_are_no_damage() -> None:
    data = "\n".join(ENGLISH_QUOTED).encode("cp1252")
    assert data.decode(form_of_bytes(data).encoding) == "\n".join(ENGLISH_QUOTED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain ascii\n",
        "қазақша мәтін".encode(),
        "қазақша".encode() + b" \xff\xfe " + "мәтін және тағы сөз".encode(),  # damaged in one place
        b'{"text": "\x00\x00 bare"}\n' * 3,  # NULs, but no UTF-16
        b"\x00" * 4096,
        b"one \xff stray byte\n",
        "смотри".encode("cp1251"),  # six bytes tell nothing
    ],
)
def test_what_is_utf8_or_tells_nothing_stays_utf8(data: bytes) -> None:
    assert form_of_bytes(data).encoding == "utf-8"
    assert not form_of_bytes(data).is_guess


def test_a_sample_that_ends_inside_a_letter_is_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" + "ә".encode() * SAMPLE_BYTES)
    assert form_of(path).encoding == "utf-8"


def test_a_long_beginning_in_ascii_does_not_hide_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"only ascii here\n" * 20_000 + ("\n".join(KAZAKH) + "\n").encode("kz1048") * 5_000)
    assert form_of(path).encoding == "kz1048"
    assert texts(path)[-1] == KAZAKH[-1]


FORMATS = {
    "a.txt": "{0}\n{1}\n",
    "a.csv": 'id,text\n1,"{0}"\n2,"{1}"\n',
    "a.tsv": "id\ttext\n1\t{0}\n2\t{1}\n",
    "a.jsonl": '{{"text": "{0}"}}\n{{"text": "{1}"}}\n',
    "a.json": '[{{"text": "{0}"}},\n {{"text": "{1}"}}]',
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("encoding", ["kz1048", "utf-16", "utf-16-be", "utf-8-sig"])
def test_every_format_is_read_in_every_encoding_recognised_or_declared(
    tmp_path: Path, name: str, encoding: str
) -> None:
    data = FORMATS[name].format(*KAZAKH).encode(encoding)
    for path, content in ((tmp_path / name, data), (tmp_path / f"{name}.gz", gzip.compress(data))):
        path.write_bytes(content)
        assert texts(path) == list(KAZAKH[:2])
        assert texts(path, encoding=encoding) == list(KAZAKH[:2])


def test_a_letter_that_the_encoding_has_not_spoils_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("бірінші жол\n".encode("cp1251") + b"\x98 is none\n" + "үшінші\n".encode("kz1048"))
    assert texts(path, encoding="kz1048") == ["бірінші жол", "<bad_encoding>", "үшінші"]
    path.write_bytes("бір\nек".encode("utf-16-le") + b"\x00\xd8" + "і\nүш\n".encode("utf-16-le"))
    assert texts(path, encoding="utf-16-le") == ["бір", "<bad_encoding>", "үш"]


def test_files_of_another_encoding_are_read_whole_and_in_parts_alike(tmp_path: Path) -> None:
    rows = "".join(f'{{"text": "{n} {KAZAKH[n % 3]}"}}\n' for n in range(40))
    for encoding, is_cut in (("kz1048", True), ("utf-16", False)):
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes(rows.encode(encoding))
        config = source(path, part_bytes=500)
        tasks = tasks_of(config)
        assert (len(tasks) > 5) == is_cut
        in_parts = [document for task in tasks for document in read_task(task)]
        assert in_parts == list(read_documents(source(path)))
        assert len(in_parts) == 40


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_lines_of_old_macs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMATS[name].format(*KAZAKH).replace("\n", "\r").encode())
    assert texts(path) == list(KAZAKH[:2])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\x03\x04rest", "zip archive"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"x" * 257 + b"ustar\x0000", "tar archive"),
    ],
)
def test_files_of_other_programs_are_named(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=named) as caught:
        texts(path)
    assert caught.value.hint


def test_archives_are_refused_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="archives of several files") as caught:
        texts(tmp_path / "a.zip")
    assert "unzip a.zip" in str(caught.value.hint)


def test_an_encoding_that_is_none_is_a_mistake_of_the_config() -> None:
    for encoding in ("cp12511", "rot13", "hex"):
        with pytest.raises(ConfigError, match="no encoding of text"):
            config_from_values(SourceConfig, {"name": "s", "path": "x", "encoding": encoding}, where="test")
    config_from_values(SourceConfig, {"name": "s", "path": "x", "encoding": "KZ-1048"}, where="test")
