"""White space that is layout stays, the rest is evened out."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.repair import repair

LAYOUTS = {
    "nested list": "Жоспар:\n\n- Кіріспе\n  - Мақсаты\n  - Міндеттері\n    - Бірінші міндет\n- Негізгі бөлім",
    "loose nested list": "1. Бірінші\n\n   - ішкі\n\n   - тағы\n\n2. Екінші",
    "list with tabs": "* бір\n\t* екі\n* үш",
    "wrapped items": "- Бірінші тармақтың ұзын мәтіні\n  екінші жолға өтеді\n- Екінші тармақ\n  та солай",
    "verse": "Қараңғы түнде жел соғып,\n    Ұйқыда жатыр бар ауыл.\nАқырын ғана ай туып,\n    Жарығын төкті нұрлы ауыр.",
    "staircase": "Біз\n    бірге\n        жүреміз\n            алға.",
    "couplet": "Түн тынық,\n    Ай жарық.",
    "outline": "сайт:\n  аты: Сынақ\n  тізім:\n    - бір",
    "columns": "Қала          Халқы      Ауданы\nАлматы        2 000 000     682\nАстана        1 300 000     797",
    "two columns": "Алматы       1854\nШымкент      1821\nАстана       1830",
    "numbers": "Нан           120\nСүт         1 250\nАлма           80",
    "tabs": "Аты\tЖасы\tҚала\nАсқар\t25\tАлматы\nДана\t\tТараз",
    "two columns of tabs": "кітап\tкнига\nқалам\tручка",
    "bordered": "+--------+------+\n| Аты    | Жасы |\n+--------+------+\n| Айгүл  |   25 |\n+--------+------+",
    "box": "┌──────┬────┐\n│ Аты  │ Ж  │\n├──────┼────┤\n│ Ай   │ 2  │\n└──────┴────┘",
    "bars": "| Аты   | Жасы |\n|-------|------|\n| Асқар | 25   |",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("keep_layout", [False, True])
def test_layout_stays(text: str, keep_layout: bool) -> None:
    for whole in (text, f"Алдында тұрған сөйлем.\n\n{text}\n\nАртында тұрған сөйлем."):
        assert repair(whole, keep_layout=keep_layout).text == whole
        assert not repair(whole, keep_layout=keep_layout).counts


@pytest.mark.parametrize(
    ("written", "even"),
    [
        ("бір   екі \t үш", "бір екі үш"),
        ("  бір\n\n\n\nекі  ", "бір\n\nекі"),
        ("бір \n екі\r\nүш\rтөрт\u2028бес", "бір\nекі\nүш\nтөрт\nбес"),
        ("бір\u00a0екі\u2009үш\u3000төрт", "бір екі үш төрт"),
        ("    Бірінші абзац.\n    Екінші абзац.\n    Үшінші абзац.", "Бірінші абзац.\nЕкінші абзац.\nҮшінші абзац."),
        ("\tБірінші абзац.\n\tЕкінші абзац.", "Бірінші абзац.\nЕкінші абзац."),
        ("   Абзацтың бірінші жолы\nекінші жолы\nүшінші жолы.", "Абзацтың бірінші жолы\nекінші жолы\nүшінші жолы."),
        (
            "   Абзацтың басы мен\nсоңы осы.\n   Екінші абзац та\nосылай.",
            "Абзацтың басы мен\nсоңы осы.\nЕкінші абзац та\nосылай.",
        ),
        ("     – Сәлем!\n     – Сәлем!\nдеді ол.\n     – Қайда?", "– Сәлем!\n– Сәлем!\nдеді ол.\n– Қайда?"),
        (
            "Бұл  мәтін  екі жағынан тегістелген,\nсондықтан  сөздердің  арасы  кең\nболып кеткен,  бірақ кесте  емес.",
            "Бұл мәтін екі жағынан тегістелген,\nсондықтан сөздердің арасы кең\nболып кеткен, бірақ кесте емес.",
        ),
        (
            "Ол тойға  барды\nол бізге  айтты\nол сізге  жазды\nсен    келме",
            "Ол тойға барды\nол бізге айтты\nол сізге жазды\nсен келме",
        ),
        (
            "    - Кеше келдің бе?\n    - Жоқ.\n- деді ол.\n    - Неге?\nСосын кетті.",
            "- Кеше келдің бе?\n- Жоқ.\n- деді ол.\n- Неге?\nСосын кетті.",
        ),
        ("Бір сөйлем.  Екінші сөйлем.  Үшінші.", "Бір сөйлем. Екінші сөйлем. Үшінші."),
        ("1.\tБірінші\n2.\tЕкінші\n•\tҮшінші", "1. Бірінші\n2. Екінші\n• Үшінші"),
        ("•    Дәмді рецепт\n•    Тағы рецепт\n•    Үшінші", "• Дәмді рецепт\n• Тағы рецепт\n• Үшінші"),
        ("Сөз\tсөз мәтін ішінде", "Сөз сөз мәтін ішінде"),
        ("          ТАҚЫРЫП\nБұл – оның астындағы мәтін.", "ТАҚЫРЫП\nБұл – оның астындағы мәтін."),
    ],
)
def test_white_space_that_says_nothing_is_evened_out(written: str, even: str) -> None:
    assert repair(written).text == even
    assert repair(written).counts == {"whitespace": 1}


def test_cells_are_never_merged() -> None:
    table = "Аты\tЖасы\nАсқар\t25\nДана\t30"
    assert [line.split("\t") for line in repair(table).text.split("\n")] == [
        ["Аты", "Жасы"],
        ["Асқар", "25"],
        ["Дана", "30"],
    ]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\n\n  бір\n\n\n   екі\tүш   төрт\n\n", "  бір\n\n\n   екі\tүш   төрт"),
        ("бір  \nекі \nүш", "бір  \nекі\nүш"),
        ("бір\u00a0екі\u2009үш", "бір екі үш"),
        ("бір\r\n  екі", "бір\n  екі"),
        (" \n\t\n", ""),
    ],
)
def test_layout_of_dialogues_is_kept_whole(written: str, kept: str) -> None:
    assert repair(written, keep_layout=True).text == kept


@given(
    st.lists(
        st.sampled_from(["сөз", "Сөз.", " ", "  ", "    ", "\t", "\n", "\n\n\n", "- ", "1. ", "|", "бір,"]), max_size=20
    )
)
@settings(max_examples=400, deadline=None)
def test_only_white_space_changes_and_it_settles(pieces: list[str]) -> None:
    text = "".join(pieces)
    for keep_layout in (False, True):
        repaired = repair(text, keep_layout=keep_layout).text
        assert re.sub(r"\s", "", repaired) == re.sub(r"\s", "", text)
        assert repaired.split() == text.split()
        assert repair(repaired, keep_layout=keep_layout).text == repaired
