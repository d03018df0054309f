import unicodedata

import pytest

from qaz_llm.language.presentation import base_letters
from qaz_llm.language.repair import repair
from qaz_llm.language.scripts import to_cyrillic

TEXT = "قازاقستان رەسپۋبليكاسى ورتالىق ازيادا ورنالاسقان مەملەكەت بولىپ تابىلادى جانە ونىڭ استاناسى استانا قالاسى. بۇل ەل تۋرالى كوپ ادام بىلەدى، سوندىقتان تۋريستەر كوپ كەلەدى."
FORMS = {
    (unicodedata.normalize("NFKC", chr(code)), unicodedata.decomposition(chr(code)).split()[0]): chr(code)
    for code in (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEF5))
    if unicodedata.decomposition(chr(code))
}


def shaped(text: str) -> str:
    """The shape of each letter by its neighbours, as a font draws it (Unicode, Arabic cursive joining)."""

    def joins(letter: str) -> bool:
        return (letter, "<initial>") in FORMS

    drawn = []
    for index, letter in enumerate(text):
        before, after = text[index - 1 : index] if index else "", text[index + 1 : index + 2]
        from_right = bool(before) and joins(before) and (letter, "<final>") in FORMS
        to_left = joins(letter) and (after, "<final>") in FORMS
        place = ("<isolated>", "<final>", "<initial>", "<medial>")[from_right + 2 * to_left]
        drawn.append(FORMS.get((letter, place), letter))
    return "".join(drawn)


def test_shapes_become_the_letters_they_were() -> None:
    drawn = shaped(TEXT)
    assert sum(a != b for a, b in zip(drawn, TEXT, strict=True)) > 100
    repaired = repair(drawn)
    assert repaired.text == TEXT
    assert repaired.counts["presentation"] == sum(a != b for a, b in zip(drawn, TEXT, strict=True))
    assert to_cyrillic(repaired.text) == to_cyrillic(TEXT)


def test_isolated_shapes_alone() -> None:
    drawn = "".join(FORMS.get((letter, "<isolated>"), letter) for letter in TEXT)
    assert repair(drawn).text == TEXT


def test_lines_in_the_order_of_the_page_are_turned_round() -> None:
    line = "قازاقستان رەسپۋبليكاسى (مەملەكەت) 2024 جىلى"
    on_page = shaped(line)[::-1].replace("4202", "2024").translate(str.maketrans("()", ")("))
    assert base_letters(on_page)[0] == line
    assert base_letters(f"{on_page}\n{shaped(line)}")[0] == f"{line}\n{line}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("قــازاق تـــىلى", "قازاق تىلى"),
        ("ﻻ ﻼ ﻷ", "لا لا لأ"),
        ("ﬁnance, oﬃce, ﬂow, ﬀ, ﬅ", "finance, office, flow, ff, st"),
    ],
)
def test_ligatures_and_letters_drawn_out(written: str, meant: str) -> None:
    assert repair(written).text == meant


@pytest.mark.parametrize("text", [TEXT, "Мұхаммед ﷺ пайғамбар", "ـدىڭ جالعاۋى", "½ x² № ™ １２ Ａ Ⅳ ㎡", "﴿قرآن﴾"])
def test_what_means_something_stays(text: str) -> None:
    assert base_letters(text) == (text, 0)
