"""Acts of Kazakhstan as they are in truth: cut files, text in fixed width, notes cut short, signatures of every kind, odd anchors.

The forms are those of acts read one by one (docs/kazakhstan-law.md); every text is invented.
"""

from pathlib import Path
from textwrap import dedent

import pytest
from acts_folder import meta

from qaz_llm.data.readers.acts.find import find_acts
from qaz_llm.data.readers.acts.markdown import ActText, Kind, parse_act
from qaz_llm.data.readers.acts.pairs import align
from qaz_llm.data.readers.acts.pieces import fixed_width
from qaz_llm.data.readers.acts.read import read_documents


def parsed(markdown: str) -> ActText:
    return parse_act(dedent(markdown).lstrip("\n"))


def texts(markdown: str) -> list[str]:
    return [block.text for block in parsed(markdown).blocks]


def pairs(kk: str, ru: str) -> list[tuple[str, str]]:
    return [(pair.one, pair.other) for pair in align(parsed(kk).blocks, parsed(ru).blocks).pairs]


# ------------------------------------------------------------------------------------------------------- cut files


def test_the_list_of_the_parts_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "1992" / "0630-kodeks-2001"
    (folder / "kaz").mkdir(parents=True)
    (folder / "meta.yaml").write_text(meta("2001", "2026-01-01", languages=("kaz",)))
    (folder / "kaz.md").write_text(
        '# Бақ кодексі\n\n<a id="st1"></a>\n\n## 1-бап\n\nБақ көрікті.\n\n\n## Части документа\n\n'
        "Документ разбит на части: он велик.\nКаждая часть — это отдельный файл.\n\n"
        "| Часть | Название |\n|---|---|\n| [`sec002`](kaz/sec002.md) | 2-бөлім |\n| [`an001`](kaz/an001.md) | Қосымша |\n"
    )
    (folder / "kaz" / "an001.md").write_text("---\npart_of: ../kaz.md\n---\n\n## Қосымша\n\nАғаштардың тізімі.\n")
    (folder / "kaz" / "sec002.md").write_text(
        '---\npart_of: ../kaz.md\n---\n\n## 2-бөлім\n\n<a id="st2"></a>\n\n### 2-бап\n\nГүл егіледі.\n'
    )
    (row,) = read_documents(find_acts(tmp_path))
    assert row.fields["text"] == (
        "Бақ кодексі\n1-бап\nБақ көрікті.\n\n2-бөлім\n2-бап\nГүл егіледі.\n\nҚосымша\nАғаштардың тізімі."
    )


def test_contents_are_left_out_and_a_short_list_of_articles_is_not() -> None:
    contents = "1-тарау. Бақ\n\n" + "".join(f"{number}-бап. Ағаш туралы\n\n" for number in range(1, 12))
    act = parse_act(f"{contents}7-1-бап. Алып тасталды - ҚР 2003.05.16 № 416 Заңымен.\n\n# Бақ кодексі\n\nМәтін бар.\n")
    assert [block.text for block in act.blocks] == ["Бақ кодексі", "Мәтін бар."]
    assert act.removed == {"act_contents": 13}
    assert len(texts("1-бап. Бақ\n\n2-бап. Ағаш\n\n3-бап. Гүл\n")) == 3


def test_few_contents_are_left_out_at_the_head_of_an_act() -> None:
    contents = "1-бап . Бақ\n\n2-бап . Ағаш\n\n3-бап . Гүл\n\n"
    assert texts(f"{contents}# Бақ туралы\n\nМәтін бар.\n") == ["Бақ туралы", "Мәтін бар."]
    assert len(texts(f"# Бақ туралы\n\n{contents}")) == 4


def test_a_long_list_that_names_no_articles_stays() -> None:
    assert len(texts("\n\n".join(f"Алма ағашы {number}" for number in range(30)))) == 30


# ---------------------------------------------------------------------------------------------------- broken lines


def test_text_in_fixed_width_is_text() -> None:
    act = parsed("""
        3. Бақ күтушісі ағаштың

        ```
        бұтақтарын көктемде кеседі және оларды күзге дейін сақтап қояды да
        қыста жағады.
        4. Су таңертең құйылады, ал кешке құйылған су ағаштың тамырына
        зиян келтіреді.
        <*>
        5-бап
        Гүл егіледі.
        Алма ______ келі
        Алма                         Алмұрт
        ```
        """)
    assert [block.text for block in act.blocks] == [
        "3. Бақ күтушісі ағаштың бұтақтарын көктемде кеседі және оларды күзге дейін сақтап қояды да қыста жағады.",
        "4. Су таңертең құйылады, ал кешке құйылған су ағаштың тамырына зиян келтіреді.",
        "5-бап",
        "Гүл егіледі.",
    ]
    assert act.removed == {"act_form": 1}


def test_short_lines_of_fixed_width_are_a_list() -> None:
    act = parsed("""
        Мына атақтар

        ```
        бақ күтушілері үшін осы заңмен белгіленсін және оларға куәлік берілсін:
        кіші атақтар
        ------------------------------
        үшінші дәрежелі бағбан
        екінші дәрежелі бағбан
        осы заңмен бекітілген ең жоғары дәрежелі құрметті бас бағбан
        Президент
        Қазақстан Республикасының
        ```
        """)
    assert [block.text for block in act.blocks] == [
        "Мына атақтар бақ күтушілері үшін осы заңмен белгіленсін және оларға куәлік берілсін:",
        "кіші атақтар",
        "үшінші дәрежелі бағбан",
        "екінші дәрежелі бағбан",
        "осы заңмен бекітілген ең жоғары дәрежелі құрметті бас бағбан",
        "Президент",
        "Қазақстан Республикасының",
    ]


def test_lines_in_columns_are_a_form() -> None:
    found = list(fixed_width(["  Сатушы үшін              Алушы үшін", "  ____________             ____________"]))
    assert [piece.kind for piece in found] == ["form"]


@pytest.mark.parametrize(
    ("first", "rest", "joined"),
    [
        ("- ағаштарды күтуге жәрдемдесудің", "мемлекеттік қоры - 70 процент;", None),
        ("- топырақ-", "су қоры 12;", "- топырақ-су қоры 12;"),
        ("ниже на расстоянии 5 мм", "от герба размещена надпись;", None),
        ("УЧЁТ САДОВ, НУЖДАЮЩИХСЯ", "В ПОЛИВЕ", None),
    ],
)
def test_a_paragraph_broken_at_the_end_of_a_line_is_one(first: str, rest: str, joined: str | None) -> None:
    assert texts(f"{first}\n\n{rest}\n") == [joined or f"{first} {rest}"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("бақтың тарихын сақтап,", "ағаштың амандығын тілеп,"),
        ("Мыналар:", "ағаштар;"),
        ("Бақ күтушісі мыналарды", "1) ағаштарды;"),
        ("Бақ күтушісі мыналарды", "а) ағаштарды;"),
        ("Бақ тәртібі", "Гүл тәртібі"),
    ],
)
def test_paragraphs_that_are_whole_stay_apart(first: str, second: str) -> None:
    assert texts(f"{first}\n\n{second}\n") == [first, second]


def test_a_title_broken_at_the_end_of_a_line_is_one() -> None:
    act = parsed("## Статья 19. Право садовника\n\nна воду и тень\n\n1. Садовник поливает.\n")
    assert [(block.kind, block.text) for block in act.blocks] == [
        (Kind.HEADING, "Статья 19. Право садовника на воду и тень"),
        (Kind.TEXT, "1. Садовник поливает."),
    ]


# ----------------------------------------------------------------------------------------------------------- notes


def test_notes_are_left_out_with_the_lines_that_end_them() -> None:
    act = parsed("""
        # Бақ туралы

        РҚАО ескертпесі.

        Мәтінде авторлық орфография және пунктуация сақталған.

        1. Ағаш егіледі. <*>

           > *ЕСКЕРТУ. 1-тармақ жаңа редакцияда - Қазақстан Республикасының*

        1997.07.02. N 144-I Заңымен. Z970144_

        > *ЕСКЕРТУ. 2-тармақ жаңа*

        редакцияда - Қазақстан Республикасының 1998.03.02.

        N 211-I Заңымен. Z980211_

        2. K010209_ белгіленген гүл егіледі.
        """)
    assert [block.text for block in act.blocks] == ["Бақ туралы", "1. Ағаш егіледі.", "2. белгіленген гүл егіледі."]
    assert act.removed == {"act_note": 7}


@pytest.mark.parametrize(
    "note",
    [
        "> Примечание РЦПИ:\n\n> В тексте сохранена авторская орфография и пунктуация.",
        "Примечание РЦПИ:\n\nВ тексте сохранена авторская орфография и пунктуация.",
        "```\nЕскерту. 2-бап өзгерді - Қазақстан Республикасының 2001.12.24. N 276\nЗаңымен.\n```",
    ],
)
def test_notes_that_are_not_quoted_or_quoted_in_two(note: str) -> None:
    assert texts(f"# О саде\n\n{note}\n\nСад растёт.\n") == ["О саде", "Сад растёт."]


def test_a_note_of_the_law_itself_stays() -> None:
    text = "Ескертпе:\n\n* - бір ағашқа бір айда 26 литр су.\n"
    assert texts(text) == ["Ескертпе:", "* - бір ағашқа бір айда 26 литр су."]
    assert texts("> *Ескерту. Өзгеріс енгізілді*\n\nБақ заңмен қорғалады.\n") == ["Бақ заңмен қорғалады."]


@pytest.mark.parametrize(
    "text",
    [
        "## 54-1-бап. Алып тасталды - ҚР 07.03.2014 № 177-V Заңымен.",
        "3. (3-тармақ алынып тасталды - 2001.12.24. N 276 Заңымен)",
        "### Статья 9. Исключена Законом РК от 07.03.2014 № 177-V.",
    ],
)
def test_articles_that_are_no_more(text: str) -> None:
    act = parse_act(f'<a id="st8"></a>\n\n{text}\n\nКелесі мәтін.\n')
    assert [(block.text, block.anchor) for block in act.blocks] == [("Келесі мәтін.", "")]
    assert act.removed == {"act_excluded": 1}


def test_points_on_being_left_out_stay() -> None:
    text = "1) исключён из списка по решению садового совета;\n\n2) исключён решением совета;\n\n3) алып тасталды деп есептелсін;\n\n4) исключён из реестра садов № 5.\n"
    assert len(texts(text)) == 4


# --------------------------------------------------------------------------------------- approvals and signatures


def test_what_is_quoted_and_no_approval_stays() -> None:
    act = parsed("""
        1. Ағаш егу.

        > *Тұрақты. Бақ басқармасы,*
        > *әкімнің аппараты*

        ### II. Гүл

        2. Гүл егу.

        > */мың түп/*

        > *Бақ кеңесінің*
        > *«6» желтоқсан 2005 жыл*
        > *№ 24-165*

        ## III. Су құю
        """)
    assert [block.text for block in act.blocks] == [
        "1. Ағаш егу.",
        "Тұрақты. Бақ басқармасы, әкімнің аппараты",
        "II. Гүл",
        "2. Гүл егу.",
        "/мың түп/",
        "III. Су құю",
    ]
    assert act.removed == {"act_approval": 1}


def test_an_approval_that_nobody_quoted() -> None:
    act = parsed("""
        1. Ставкалар бекітілсін.

        *Бақ кеңесі*

        *сессиясының төрағасы*

        Бақ кеңесінің

        "6" желтоқсан 2005 жылғы N 24-165

        шешіміне қосымша

        ## Ағаштың құны
        """)
    assert [block.text for block in act.blocks] == ["1. Ставкалар бекітілсін.", "Ағаштың құны"]
    assert act.removed == {"act_approval": 1, "act_signature": 2}


@pytest.mark.parametrize(
    "below",
    [
        "*Председатель сессии*\n\n*садового совета А. Вымышленный*",
        "Қазақстан Республикасының Президентi",
        "**_____________ Ә. Ойдантуған**\n\n**Хатшы**",
        "**Облыс әкімі**\n\n**Ә.Ойдантуған.**",
        "**Президент**\n\n**Ә. ОЙДАНТУҒАН**",
        "```\nПрезидент\nҚазақстан Республикасының\nОқығандар:\nОйдантуған Б.А.\n```",
        "<table>\n<tr><td>Қазақстан Республикасының</td><td></td></tr>\n<tr><td>Президенті</td><td></td></tr>\n</table>",
    ],
)
def test_signatures_of_every_kind_are_left_out(below: str) -> None:
    act = parse_act(f"1. Осы шешім күшіне енеді.\n\n{below}\n")
    assert [block.text for block in act.blocks] == ["1. Осы шешім күшіне енеді."]
    assert set(act.removed) == {"act_signature"}


@pytest.mark.parametrize(
    "text",
    [
        "Комиссияның құрамы:\n\nбақ әкімі\n",
        "**Гүлдердің түстері**\n\n## Қызыл гүл\n",
        "*(в тоннах)*\n\n## Яблоки\n",
        "<table><tr><td>Басшы</td><td>1</td></tr></table>\n",
        "## Құрамы\n\nБақ басшысы\n",
        "*2. Бақ басшысы*\n",
    ],
)
def test_what_only_looks_like_a_signature_stays(text: str) -> None:
    assert parse_act(text).removed == {}


# ----------------------------------------------------------------------------------------------------------- pairs


def test_anchors_of_points_in_one_language_alone() -> None:
    kk = '# Бақ\n\n1. Ағаш.\n\n   - алма;\n\n2. Гүл.\n\n<a id="p5"></a>\n\n5. Су.\n'
    ru = '# Сад\n\n<a id="p1"></a>\n\n1. Дерево.\n\n   -яблоня;\n\n<a id="p2"></a>\n\n2. Цветок.\n\n5. Вода.\n'
    assert pairs(kk, ru) == [
        ("Бақ", "Сад"),
        ("1. Ағаш.", "1. Дерево."),
        ("- алма;", "-яблоня;"),
        ("2. Гүл.", "2. Цветок."),
        ("5. Су.", "5. Вода."),
    ]


def test_anchors_of_points_of_an_annex(tmp_path: Path) -> None:
    kk = "# Бақ\n\n1. Ағаш.\n\n## Ереже\n\n1. Алма.\n\n2. Алмұрт.\n"
    ru = '# Сад\n\n1. Дерево.\n\n## Правила\n\n<a id="an0_p1"></a>\n\n1. Яблоня.\n\n<a id="an0_p2"></a>\n\n2. Груша.\n'
    assert [one for one, _ in pairs(kk, ru)] == ["Бақ", "1. Ағаш.", "Ереже", "1. Алма.", "2. Алмұрт."]
    folder = tmp_path / "2017" / "0515-pravila-2002"
    folder.mkdir(parents=True)
    (folder / "rus.md").write_text(ru)
    (row,) = read_documents(find_acts(tmp_path))
    assert row.fields["text"] == "Сад\n1. Дерево.\n\nПравила\n1. Яблоня.\n2. Груша."


def test_articles_without_an_anchor_are_known_by_their_number() -> None:
    kk = '<a id="st1"></a>\n\n**1-бап. Бақ бар.**\n\n**2-бап. Былай болсын:**\n\n- гүл;\n\n```\n3-бап\nСу ағады.\n```\n'
    ru = '<a id="st1"></a>\n\n**Статья 1. Сад есть.**\n\n<a id="st2"></a>\n\n**Статья 2. Установить:**\n\n- цветок;\n\n<a id="st3"></a>\n\n## Статья 3.\n\nВода течёт.\n'
    assert pairs(kk, ru) == [
        ("1-бап. Бақ бар.", "Статья 1. Сад есть."),
        ("2-бап. Былай болсын:", "Статья 2. Установить:"),
        ("- гүл;", "- цветок;"),
        ("3-бап", "Статья 3."),
        ("Су ағады.", "Вода течёт."),
    ]


def test_headings_in_a_row_are_one_and_lines_of_dashes_are_none() -> None:
    kk = "# Бақ\n\nМәтін.\n\n## Келісім\n\nБірінші.\n\n    ––––––––\n\n## Екінші әдістеме\n\n1. Екінші.\n"
    ru = "# Сад\n\nТекст.\n\n## Совет\n\n## Соглашение\n\nПервое.\n\n    #### ––––––––\n\n## Вторая методика\n\n1. Второе.\n"
    assert pairs(kk, ru) == [
        ("Бақ", "Сад"),
        ("Мәтін.", "Текст."),
        ("Бірінші.", "Первое."),
        ("Екінші әдістеме", "Вторая методика"),
        ("1. Екінші.", "1. Второе."),
    ]


def test_a_title_on_two_lines_is_one_whatever_the_order_of_its_words() -> None:
    kk = "# Бақ\n\nМәтін.\n\n## Бағбандар лауазымдарының\n\n## ТІЗІЛІМІ\n\n### 1-тарау. Ағаш\n\nАлма.\n"
    ru = "# Сад\n\nТекст.\n\n## РЕЕСТР\n\n## должностей садовников\n\n### Глава 1. Дерево\n\nЯблоня.\n"
    assert pairs(kk, ru)[2:] == [
        ("Бағбандар лауазымдарының ТІЗІЛІМІ", "РЕЕСТР должностей садовников"),
        ("1-тарау. Ағаш", "Глава 1. Дерево"),
        ("Алма.", "Яблоня."),
    ]
    assert align(parsed(kk).blocks, parsed(ru).blocks).unpaired == 0


def test_where_the_headings_are_not_as_many_nothing_below_them_is_paired() -> None:
    kk = "# Бақ\n\n1. Бір.\n\n## Ағаш\n\n1. Алма.\n"
    ru = "# Сад\n\n1. Раз.\n\n## Предисловие\n\n1. Вступление.\n\n## Дерево\n\n1. Яблоня.\n"
    assert pairs(kk, ru) == [("Бақ", "Сад"), ("1. Бір.", "1. Раз.")]
