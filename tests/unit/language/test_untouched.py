import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language import untouched
from qaz_llm.language.untouched import find_english, find_untouched


def found(text: str) -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.kind) for span in find_untouched(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("saity https://egov.kz/cms/kk, ğoi", [("https://egov.kz/cms/kk", "address")]),
        ("www.inform.kz saity", [("www.inform.kz", "address")]),
        ("egov.kz. Kelesı", [("egov.kz", "address")]),
        ("kk.wikipedia.org/wiki/Qazaq betı", [("kk.wikipedia.org/wiki/Qazaq", "address")]),
        ("poşta: aidar.b@mail.kz", [("aidar.b@mail.kz", "address")]),
        ("#QazaqTili @adam_aty jazdy", [("#QazaqTili", "tag"), ("@adam_aty", "tag")]),
        ("esep.docx jäne src/main.py faily", [("esep.docx", "address"), ("src/main.py", "address")]),
        ("H2O, COVID19, v1.2, A4", [("H2O", "code"), ("COVID19", "code"), ("v1", "code"), ("A4", "code")]),
        ("max_len ainymalysy", [("max_len", "code")]),
        ("`print(x)` jazyñyz", [("`print(x)`", "code")]),
        ("```\nsalem = 1\n```\nsalem", [("```\nsalem = 1\n```", "code")]),
        ("<b>qalyñ</b> &nbsp;", [("<b>", "code"), ("</b>", "code"), ("&nbsp;", "code")]),
        (r"\frac{\text{kg}}{m}", [(r"\frac", "code"), (r"\text", "code"), ("m", "symbol")]),
        ("x sany, I Petr, V ğasyr", [("x", "symbol"), ("I", "numeral"), ("V", "numeral")]),
        ("I. Kırıspe\nII. Bölım", [("I", "numeral")]),
        ("3D, 5G", [("3D", "code"), ("5G", "code")]),
        ("t.me/qazaq arnasy", [("t.me/qazaq", "address")]),
        ("Qasqyr (lat. Canis lupus) – añ", [("Canis lupus", "name")]),
        ("Generator (lat. genero – ūrpaq beremın)", [("genero", "name")]),
        ("BŪŪ (ağylş. United Nations, qysqaşa UN)", [("United Nations", "name")]),
    ],
)
def test_what_is_no_word_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Büğın aua raiy jaqsy. Keşe de jaqsy boldy.",
        "A. Baitūrsynūly, N.İ. Vavilov, t.b. jäne ğ.k.",
        "a) bırınşı b) ekınşı",
        "2021 jyly 5 kün, 12 adam",
        "bardy.Keldı, köp.Endı",
        "jyly4, kezınde1773",
        "5 < 7, al 7 > 5",
        "Qasqyr (tağy da böltırık)",
        "bardy.kel/ketu",
    ],
)
def test_prose_has_nothing_that_stays(text: str) -> None:
    assert found(text) == []


def test_english_sentences_and_quotations_are_found() -> None:
    text = (
        "Ol “To be, or not to be, that is the question” dep bastady. The end of the story was read by all.\nKün jyly."
    )
    assert [text[span.start : span.end].strip() for span in find_english(text)] == [
        "To be, or not to be, that is the question",
        "The end of the story was read by all",
    ]


@pytest.mark.parametrize(
    "text", ["«The Beatles» toby men «Queen of» jaily", "Bul – the saity, onda köp maqala bar", "Men kitap oqydym"]
)
def test_kazakh_with_a_word_of_english_is_not_english(text: str) -> None:
    assert find_english(text) == []


@given(st.text(alphabet="aIx1. @#/_`<>&;kz\n-Ğ", max_size=40))
@settings(max_examples=300, deadline=None)
def test_spans_are_in_order_apart_and_inside_the_text(text: str) -> None:
    end = 0
    for span in find_untouched(text):
        assert end <= span.start < span.end <= len(text)
        end = span.end


@given(st.text(alphabet="aBж1٣5_.Z² é'", max_size=14))
@settings(max_examples=300, deadline=None)
def test_codes_and_single_letters_are_what_plain_expressions_find(text: str) -> None:
    codes = re.finditer(r"(?<![^\W_])(?:[^\W\d_]{1,3}|[A-Z]+)\d\w*|\d+(?:[A-Z]+\d\w*|[A-Z](?![^\W_]))", text)
    assert [(span.start, span.end) for span in untouched._codes(text)] == [match.span() for match in codes]
    singles = re.finditer(r"(?<![\w'’ʼ.])[A-Za-z](?![\w'’ʼ.])", text)
    assert [(span.start, span.end) for span in untouched._letters(text)] == [match.span() for match in singles]
