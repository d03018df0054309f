import random

import pytest

from qaz_llm.language.font_cipher import KAZAKH_LETTERS, solve
from qaz_llm.language.legacy_fonts import undo_old_kazakh
from qaz_llm.language.repair import repair

TEXT = (
    "Қазақ халқының тарихы өте бай және ол көптеген ғасырларға созылады. Бұл жерде әр адамның өз үйі, өз отбасы болған, "
    "сондықтан үлкендерді құрметтеу ең маңызды қасиет болып саналған.\n"
    "Ауылдағы мектепте жиырма бала оқиды және олардың бәрі қазақ тілін жақсы біледі. Мұғалімдер үшін ең маңызды нәрсе – "
    "балалардың білім алуға деген ынтасы, өйткені оқу арқылы адам өз өмірін жақсартады.\n"
    "Кеше ауданға жаңа кітапхана ашылды, онда он мыңнан астам кітап бар. Оқырмандар үйден де тапсырыс бере алады, сондай-ақ "
    "әрбір мектеп оқушысы тегін жазыла алады, бұрын бұл мүмкін емес еді."
)
UDHR = str.maketrans("ӘҒҚҢӨҰҮҺәғқңөұүһ", "ЅЃЌЊҐЂЏЋѕѓќњґђџћ")


@pytest.mark.parametrize("page", ["kz1048", "ptcp154"])
def test_code_pages_read_as_cp1251(page: str) -> None:
    assert undo_old_kazakh(TEXT.encode(page).decode("cp1251")) == (TEXT, 3)


def test_the_font_of_the_declaration() -> None:
    assert undo_old_kazakh(TEXT.translate(UDHR)) == (TEXT, 3)
    assert repair("Адам баласы џйелменініњ барлыќ мџшелеріне тѕн ќадір-ќасиетін тану жѕне ќђќыќ").text == (
        "Адам баласы үйелменінің барлық мүшелеріне тән қадір-қасиетін тану және құқық"
    )


def test_capitals() -> None:
    text = "ҚАЗАҚСТАН РЕСПУБЛИКАСЫНЫҢ ҒЫЛЫМ ЖӘНЕ ЖОҒАРЫ БІЛІМ МИНИСТРЛІГІ, ҮКІМЕТ, ҰЛТТЫҚ, ӨЗГЕРІС"
    for broken in (text.translate(UDHR), text.encode("kz1048").decode("cp1251")):
        assert undo_old_kazakh(broken) == (text, 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_font_nobody_knows(seed: int) -> None:
    """Oracle: the letters are put back with the inverse of the table that was drawn at random."""
    drawn = random.Random(seed).sample("ђѓєѕїјљњќўџґћ", len(KAZAKH_LETTERS))
    letters = KAZAKH_LETTERS + KAZAKH_LETTERS.upper()
    font = str.maketrans(letters, "".join(drawn) + "".join(drawn).upper())
    repaired, lines = undo_old_kazakh(TEXT.translate(font))
    assert lines == 3
    assert sum(a == b for a, b in zip(repaired.split(), TEXT.split(), strict=True)) >= 0.97 * len(TEXT.split())


def test_too_little_to_work_out_a_table() -> None:
    assert solve({"жўне": 1}, [{}]) is None
    assert undo_old_kazakh("ўт пен єзен")[1] == 0


def test_a_line_of_another_language_stays_in_a_broken_text() -> None:
    lines = [
        "Македонија е земја во која ќе одам ѕвезда",
        "Српски љубав, њива и ћирилица, ја сам",
        "Є, ї, ґ – українські літери",
    ]
    kazakh = TEXT.translate(UDHR).split("\n")
    repaired = undo_old_kazakh("\n".join([kazakh[0], lines[0], kazakh[1], *lines[1:]]))[0].split("\n")
    assert repaired == [TEXT.split("\n")[0], lines[0], TEXT.split("\n")[1], *lines[1:]]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("веб-сервер жјне PHP интерфейс аралық", "веб-сервер және PHP интерфейс аралық"),
        ("Ќазаќстан Республикасы", "Қазақстан Республикасы"),
        ("Ќазаќстан єдебиеті", "Қазақстан әдебиеті"),
    ],
)
def test_short_text(text: str, meant: str) -> None:
    assert undo_old_kazakh(text) == (meant, 1)


@pytest.mark.parametrize(
    "text",
    [
        "Ќе одам во Скопје со моите пријатели, а потоа ќе се вратам дома. Ноќта е тивка, ѕвездите светат. Куќата е голема и "
        "секој ден има луѓе, децата учат и играат во паркот. Ѓорѓи џвака, а Њујорк е далеку.",
        "Ја сам рекао да ћемо доћи сутра. Ђак и његов учитељ љубе књигу; џеп је празан. Није било никога, све је тихо.",
        "Її ґанок є новим, а їжак живе в лісі. Ґудзик, єдність, з'їзд, її мова є державною і її вивчають.",
        "Ўсе яны любяць сваю мову, і ў Мінску жыве шмат людзей. Ён быў у лесе, яна ўзяла кошык, воўк уцёк.",
        "Бўлади, кўра, ўзи, ўша, бўлса, тўрт, кўз, сўз, ўт, йўл билан борди. Омон бўл, дўстим!",
        "Ўзбекистон Республикаси қонуни ва ҳуқуқлари тўғрисида, бўлган, кўрсатма.",
        "Аўылда ўлкен мектеп бар, қала менен аўыл арасында ўақыт өтеди",
        "Забони тоҷикӣ ва ӯ дар кӯча, ғайр, қалам, ҳаво.",
        "Күөх халлаан, үөрэх, оҕо, ыҥыыр, һэргэй.",
        "Сербиядағы ћ әрпі мен ђ әрпі, македон тіліндегі ѕ және ќ",
    ],
)
def test_other_languages_stay(text: str) -> None:
    assert undo_old_kazakh(text) == (text, 0)
    assert repair(text).text == text
