import pytest

from qaz_llm.language.loans import LOANS
from qaz_llm.language.stems import find_stem, spellings, stem_table


@pytest.mark.parametrize(
    ("stem", "written"),
    [
        ("цирк", {"с*рк", "тс*рк"}),
        ("отряд", {"отрәд", "отр*ад"}),
        ("металл", {"металл", "метал$"}),
        ("фильм", {"ф*лм"}),
        ("роль", {"рол", "рөл"}),
        ("турист", {"тур*ст", "тур*с$"}),
    ],
)
def test_how_a_stem_may_be_written(stem: str, written: set[str]) -> None:
    assert set(spellings(stem, merged=True)) == written


def test_where_и_and_й_have_letters_of_their_own() -> None:
    assert set(spellings("кальций", merged=False)) == {
        "кальций",
        "калций",
        "кальсий",
        "калсий",
        "кальци",
        "калци",
        "кальси",
        "калси",
    }


def test_the_longest_stem_wins_and_suffixes_may_follow() -> None:
    table = stem_table(
        (form, stem)
        for stem in ("центр", "централ", "кремль", "металл", "цех")
        for form in spellings(stem, merged=True)
    )
    assert find_stem("сентрал*зм", table) == ("сентрал", "централ")
    assert find_stem("кремлінің", table) == ("кремл", "крем" + "л")
    assert find_stem("метал", table) == ("метал", "металл")
    assert find_stem("металдар", table) == ("метал", "метал")
    assert find_stem("сехтар", table) == ("сех", "цех")
    assert find_stem("сехана", table) is None  # no suffixes follow the short stem
    assert find_stem("кітап", table) is None


def test_stems_are_in_small_letters_of_kazakh_cyrillic_and_listed_as_words() -> None:
    for stem in LOANS:
        assert stem == stem.lower()
        assert set(stem) <= set("абвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюяә-"), stem
