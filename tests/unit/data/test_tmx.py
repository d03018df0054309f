"""Translation memories: codes of programs, characters that no XML may have, units that are broken; later units survive."""

import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.data.readers.rows import Row
from qaz_llm.data.readers.tmx import read_tmx
from qaz_llm.data.readers.xml import MARK, well_formed
from qaz_llm.errors import DamagedFileError

HEAD = '<?xml version="1.0" encoding="{}"?><tmx version="1.4" xmlns:m="urn:m"><header srclang="kk"/><body>\n'
TAIL = "</body></tmx>\n"


def unit(kk: str, ru: str) -> str:
    return f'<tu m:id="1"><tuv xml:lang="kk-KZ"><seg>{kk}</seg></tuv><tuv xml:lang="RU"><seg>{ru}</seg></tuv></tu>\n'


def rows(path: Path, *units: str, encoding: str = "utf-8") -> list[Row]:
    path.write_bytes((HEAD.format(encoding) + "".join(units) + TAIL).encode(encoding))
    return list(read_tmx(path))


@pytest.mark.parametrize(
    ("segment", "text", "removed"),
    [
        (
            r'Құжатты <bpt i="1">{\b </bpt>міндетті<ept i="1">}</ept> сақтаңыз.',
            "Құжатты міндетті сақтаңыз.",
            {"tmx_code": 2},
        ),
        ('Нәтиже<ph x="1">&lt;fn id="12"/&gt;</ph> осы.', "Нәтиже осы.", {"tmx_code": 1}),
        ("Бірінші жол<ph>&lt;br/&gt;</ph>екінші жол.", "Бірінші жол екінші жол.", {"tmx_code": 1}),
        (r"Бір<it pos='begin'>\tab </it>екі.", "Бір екі.", {"tmx_code": 1}),
        ("Мынау <hi>маңызды <hi>сөз</hi></hi> еді.", "Мынау маңызды сөз еді.", None),
        ("Ескі <ut>{\\i}</ut>белгі.", "Ескі белгі.", {"tmx_code": 1}),
        (
            "Сілтеме<ph>&lt;fn&gt;<sub>Ескерту мәтіні.</sub>&lt;/fn&gt;</ph> бар.",
            "Сілтеме бар.",
            {"tmx_code": 1, "tmx_sub": 1},
        ),
        ("АТ&T мен R&D, 2 < 3.", "АТ&T мен R&D, 2 < 3.", None),
        ("Бір&nbsp;екі &laquo;үш&raquo; &amp; &lt;төрт&gt; &foo;", "Бір\xa0екі «үш» & <төрт> &foo;", None),
        ("Бір&#x1F;екі", "Бір екі", {"xml_character": 1}),
        ("Бір&#31; екі&#xD800;үш&#0;", "Бір екі үш ", {"xml_character": 3}),
        ("Бір\x0bекі", "Бір екі", {"xml_character": 1}),
        ("Күлкі &#xD83D;&#xDE00; &#55357;&#56832;.", "Күлкі \U0001f600 \U0001f600.", None),
        ("Жартысы &#xD83D; ғана", "Жартысы ғана", {"xml_character": 1}),
    ],
)
def test_segments(tmp_path: Path, segment: str, text: str, removed: dict[str, int] | None) -> None:
    found = rows(tmp_path / "a.tmx", unit(segment, "Раз."), unit("Соңғы.", "Последний."))
    assert [row.problem for row in found] == [None, None]
    assert found[0].fields["kk"] == text
    assert found[0].fields.get("removed") == removed
    assert found[1].fields == {"kk": "Соңғы.", "ru": "Последний."}


def test_a_broken_unit_costs_itself(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.tmx", unit("а", "б"), unit("<b>в", "г"), "<tu/>", unit("ғ", "д"))
    assert [(row.number, row.problem, row.fields.get("kk")) for row in found] == [
        (0, None, "а"),
        (1, "bad_xml", None),
        (2, None, None),
        (3, None, "ғ"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1251", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    found = rows(tmp_path / "a.tmx", unit("Қар" if encoding.startswith("utf") else "Кар", "Снег"), encoding=encoding)
    assert found[0].fields["ru"] == "Снег"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_bytes(
        (HEAD.format("utf-8") + unit("Қа@р", "Снег") + unit("Мұз", "Лёд") + TAIL).encode().replace(b"@", b"\xff")
    )
    assert [row.fields["kk"] for row in read_tmx(path)] == ["Қа\ufffdр", "Мұз"]


def test_a_file_that_is_cut_off_or_no_tmx(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx.gz"
    path.write_bytes(gzip.compress((HEAD.format("utf-8") + unit("а", "б") + "<tu><tuv").encode()))
    reader = read_tmx(path)
    assert next(reader).fields["kk"] == "а"
    with pytest.raises(DamagedFileError, match="cut off"):
        next(reader)
    (tmp_path / "b.tmx").write_text("<html><body>tu</body></html>")
    with pytest.raises(DamagedFileError, match="no TMX"):
        list(read_tmx(tmp_path / "b.tmx"))


def test_units_over_the_edges_of_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qaz_llm.data.readers.tmx._CHUNK_BYTES", 7)
    units = [unit(f"Сөйлем {number}.", f"Предложение {number}.") for number in range(40)]
    assert [row.fields["kk"] for row in rows(tmp_path / "a.tmx", *units)] == [
        f"Сөйлем {number}." for number in range(40)
    ]


@given(st.text(alphabet="аб&<>;#x1F\x00\x1f\ud800\ufffe nbspamp", max_size=40))
def test_any_text_becomes_one_that_a_parser_reads(text: str) -> None:
    escaped = text.replace("<", "&lt;").replace(">", "&gt;")
    markup, marks = well_formed(f"<a>{escaped}</a>")
    read = ElementTree.fromstring(markup).text or ""
    assert read.count(MARK) == marks


def test_elements_with_a_prefix(tmp_path: Path) -> None:
    text = (
        '<t:tmx xmlns:t="urn:t"><t:body><t:tu><t:tuv xml:lang="kk"><t:seg>Қар</t:seg></t:tuv></t:tu></t:body></t:tmx>'
    )
    (tmp_path / "a.tmx").write_text(text, encoding="utf-8")
    assert [row.fields for row in read_tmx(tmp_path / "a.tmx")] == [{"kk": "Қар"}]
