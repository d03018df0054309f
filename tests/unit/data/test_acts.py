"""Acts of Kazakhstan: what becomes text, what is left out and counted, which version is read, what is paired with what."""

from pathlib import Path

import pytest
from acts_folder import write_acts

from qaz_llm.data.readers.acts.find import find_acts
from qaz_llm.data.readers.acts.markdown import Kind, parse_act
from qaz_llm.data.readers.acts.pairs import align
from qaz_llm.data.readers.acts.pieces import table_rows
from qaz_llm.data.readers.acts.read import read_documents, read_pairs
from qaz_llm.data.readers.rows import Row
from qaz_llm.errors import InputError


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return list(read_documents(find_acts(write_acts(tmp_path_factory.mktemp("acts")))))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return list(read_pairs(find_acts(write_acts(tmp_path_factory.mktemp("acts")))))


def of(rows: list[Row], row_id: str) -> Row:
    return next(row for row in rows if row.fields.get("id") == row_id)


def test_one_row_per_act_and_language_and_the_newest_version_only(rows: list[Row]) -> None:
    ids = [row.fields["id"] for row in rows if row.problem is None]
    assert len(ids) == len(set(ids))
    assert sorted(ids) == sorted(
        [f"{code}-{language}-0" for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010) for language in ("kk", "ru")]
        + ["1004-kk-0", "1005-kk-0", "1006-ru-0", "1011-ru-0"]
    )
    assert of(rows, "1001-kk-0").fields["date"] == "2020-01-05"
    assert not any("Ескі мәтін" in row.fields.get("text", "") for row in rows)
    assert [row.number for row in rows] == list(range(len(rows)))


def test_the_text_is_that_of_the_act_and_the_rest_is_counted(rows: list[Row]) -> None:
    fields = of(rows, "1001-kk-0").fields
    assert fields["text"] == (
        "Кітапхана туралы\n1-тарау. Жалпы ережелер\n1-бап. Негізгі ұғымдар\n"
        "1. Осы бұйрықта мынадай ұғымдар пайдаланылады:\n"
        "1) кітапхана – кітаптар сақталатын және оқырманға берілетін орын;\n"
        "2) оқырман – кітапхананың қызметін пайдаланатын адам.\n"
        "3. Кітапхана күн сайын 9 сағат жұмыс істейді.\n\n"
        "2-бап. Кітап беру\nКітап оқырманға он күнге беріледі.\nМерзімі өткен кітап үшін айыппұл алынбайды.\n\n"
        "Кітап есебін жүргізу қағидалары\n1. Кітаптың есебі журналда жүргізіледі."
    )
    assert fields["removed"] == {"act_note": 2, "act_excluded": 1, "act_signature": 2, "act_approval": 1}
    assert (fields["url"], fields["title"], fields["repealed"]) == (
        "https://zan.example.kz/doc/1001/kaz",
        "Кітапхана туралы",
        False,
    )
    assert of(rows, "1001-ru-0").fields["removed"] == {"act_excluded": 1, "act_signature": 2, "act_approval": 1}


def test_names_below_an_act_are_no_text_and_bold_articles_are(rows: list[Row]) -> None:
    for language in ("kk", "ru"):
        assert "Жалғанов" not in of(rows, f"1002-{language}-0").fields["text"]
    assert of(rows, "1003-kk-0").fields["text"].startswith("Өзен туралы\n1-бап. Өзен – ортақ игілік\n\n2-бап\nӨзенді")
    assert "Төраға" not in of(rows, "1003-kk-0").fields["text"]


def test_parts_are_read_where_the_file_only_lists_them(rows: list[Row]) -> None:
    assert of(rows, "1004-kk-0").fields["text"] == (
        "Орман кодексі\nКіріспе.\n\n2-бөлім\n2-бап\nОтын заңмен дайындалады.\n\n1-бөлім\n1-бап\nОрман қорғалады."
    )
    assert of(rows, "1005-kk-0").fields["text"].count("Тау – табиғат ескерткіші.") == 1


def test_what_is_repealed_says_so(rows: list[Row]) -> None:
    repealed = {row.fields["act"] for row in rows if row.fields.get("repealed")}
    assert repealed == {"1007", "1010"}
    assert "КЕЛІСІЛДІ" not in of(rows, "1010-kk-0").fields["text"]
    assert of(rows, "1010-kk-0").fields["removed"] == {"act_approval": 3}


def test_tables_are_lines(rows: list[Row]) -> None:
    fields = of(rows, "1008-kk-0").fields
    assert fields["text"] == (
        "Журнал туралы\n1. Журналдың нысаны:\n№ | Кітаптың атауы | Саны\n1. | Көктем | 4\nБарлығы бірге | 4"
    )
    assert fields["removed"] == {"act_empty_row": 2, "act_form": 2}


def test_what_cannot_be_read_is_a_row_with_a_problem(rows: list[Row]) -> None:
    assert [row.problem for row in rows if row.problem is not None] == ["bad_encoding"]
    assert of(rows, "1011-ru-0").fields["date"] == ""


def test_points_of_both_languages_side_by_side(pairs: list[Row]) -> None:
    first = [(row.fields["kk"], row.fields["ru"]) for row in pairs if row.fields.get("act") == "1001"]
    assert first == [
        ("Кітапхана туралы", "О библиотеке"),
        ("1-тарау. Жалпы ережелер", "Глава 1. Общие положения"),
        ("1-бап. Негізгі ұғымдар", "Статья 1. Основные понятия"),
        ("1. Осы бұйрықта мынадай ұғымдар пайдаланылады:", "1. В настоящем приказе используются следующие понятия:"),
        ("1) кітапхана – кітаптар сақталатын және оқырманға берілетін орын;", "1) библиотека – место, где хранятся и выдаются читателю книги;"),
        ("2) оқырман – кітапхананың қызметін пайдаланатын адам.", "2) читатель – человек, который пользуется услугами библиотеки."),
        ("3. Кітапхана күн сайын 9 сағат жұмыс істейді.", "3. Библиотека работает каждый день 9 часов."),
        ("2-бап. Кітап беру", "Статья 2. Выдача книг"),
        ("Кітап оқырманға он күнге беріледі.", "Книга выдаётся читателю на десять дней."),
        ("Мерзімі өткен кітап үшін айыппұл алынбайды.", "За книгу с истёкшим сроком штраф не взимается."),
        ("Кітап есебін жүргізу қағидалары", "Правила учёта книг"),
        ("1. Кітаптың есебі журналда жүргізіледі.", "1. Учёт книг ведётся в журнале."),
    ]  # fmt: skip


def test_only_what_has_the_same_number_is_paired(pairs: list[Row]) -> None:
    found = [(row.fields["kk"][:2], row.fields["ru"][:2]) for row in pairs if row.fields.get("act") == "1009"]
    assert found == [
        ("Әр", "О "),
        ("1.", "1."),
        ("4.", "4."),
    ]  # the second point has a paragraph more, the third no counterpart
    lone = [str(row.fields["id"]) for row in pairs if row.problem == "no_counterpart"]
    assert [id_ for id_ in lone if "/" not in id_] == ["1004", "1005", "1006"]
    # the second point, of one block and of two, and the third, which one language has
    assert sum(id_.startswith("1009/unpaired/") for id_ in lone) == len(lone) - 3 == 1 + 2 + 1


def test_a_place_that_comes_twice_is_not_paired() -> None:
    kk = parse_act("1. Бір.\n\n1. Тағы бір.\n\n2. Екі.\n").blocks
    ru = parse_act("1. Раз.\n\n1. Ещё раз.\n\n2. Два.\n").blocks
    assert [(pair.one, pair.other) for pair in align(kk, ru).pairs] == [("2. Екі.", "2. Два.")]
    assert align(kk, ru).unpaired == 4


def test_behind_a_number_given_twice_points_are_not_paired() -> None:
    kk = parse_act(
        "".join(f"{n}. {n}-тармақ.\n\n" for n in (1, 2, 3, 4, 5, 6)) + '<a id="st9"></a>\n\n### 9-бап\n\n1. Бап.\n'
    )
    ru = parse_act(
        "".join(f"{n}. Пункт {n}.\n\n" for n in (1, 2, 2, 3, 4, 5)) + '<a id="st9"></a>\n\n### Статья 9\n\n1. Статья.\n'
    )
    found = align(kk.blocks, ru.blocks)
    assert [(pair.one, pair.other) for pair in found.pairs if pair.one[0] in "123456"] == [
        ("1. 1-тармақ.", "1. Пункт 1."),
        ("1. Бап.", "1. Статья."),
    ]
    assert found.unpaired == 5 + 5


def test_articles_stay_whole_in_long_acts(tmp_path: Path) -> None:
    folder = tmp_path / "2020" / "0101-dlinnyi-77"
    folder.mkdir(parents=True)
    article = '<a id="st{0}"></a>\n\n### {0}-бап\n\n' + "Бұл баптың мәтіні. " * 150 + "\n"
    (folder / "kaz.md").write_text("# Ұзақ\n\n" + "\n".join(article.format(number) for number in range(1, 41)))
    texts = [row.fields["text"] for row in read_documents(find_acts(tmp_path))]
    assert len(texts) > 4
    assert max(map(len, texts)) <= 20_000
    assert all((text.startswith("Ұзақ") or text[0].isdecimal()) and text.endswith("мәтіні.") for text in texts)
    assert sum(text.count("-бап") for text in texts) == 40


def test_rows_of_tables_as_a_browser_reads_them() -> None:
    html = "<table><thead><tr><th>А</th><th>Ә | Б</th></tr></thead><tbody><tr><td>1<td>екі<tr><td>&lt;3<td></table>"
    assert table_rows(html) == ["А | Ә / Б", "1 | екі", "<3"]


def test_empty_cells_around_the_words_of_a_row_are_left_out() -> None:
    cells = "<td></td><td>2</td><td></td><td></td><td></td><td>Табыс</td><td></td><td>7</td><td></td><td></td>"
    assert table_rows(f"<table><tr>{cells}</tr></table>") == ["2 | | Табыс | | 7"]


def test_signatures_amid_text_stay() -> None:
    parsed = parse_act("**Маңызды**\n\n1. Мәтін.\n\n**Министр**\n")
    assert [block.text for block in parsed.blocks] == ["Маңызды", "1. Мәтін."]
    assert [block.kind for block in parsed.blocks] == [Kind.TEXT, Kind.TEXT]


def test_no_act_is_an_error_that_says_what_to_clone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder with a kaz\.md"):
        find_acts(tmp_path)
