import pytest

from qaz_llm.language.repair import repair
from qaz_llm.language.variants import kazakh_forms

PRE_1918 = (
    "Въ городѣ была каѳедральная церковь, и отецъ Ѳеодоръ служилъ въ ней обѣдню. Онъ читалъ о древнихъ миѳахъ и говорилъ "
    "съ народомъ, но его не понимали."
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ѳмір, жаӊа", "өмір, жаңа"),
        ("Ауыл жанында ѳзен ағады", "Ауыл жанында өзен ағады"),
        ("ӄазаӄ халӄыныӊ тілі", "қазақ халқының тілі"),
        ("Ҝазаҝ тілі жӛне ҝұҝыҝ үшін", "Қазақ тілі және құқық үшін"),
        ("СӨЗДІӉ МАҒЫНАСЫ, Ѳзгеріс", "СӨЗДІҢ МАҒЫНАСЫ, Өзгеріс"),
    ],
)
def test_kazakh_in_badly_made_letters(written: str, meant: str) -> None:
    assert kazakh_forms(written)[0] == meant


@pytest.mark.parametrize(
    "text",
    [
        PRE_1918,
        "каѳедральная",
        "Ѳеодоръ, миѳахъ, Аѳины, Маѳусаилъ",
        "Ѳома и Ѳёкла пели",
        "буква ѳ (фита) отменена в 1918 году",
        "Азәрбајҹан Республикасы, ҝөзәл Ҝәнҹә шәһәри ҝөрүнүр",
        "ҝөзәл",
        "Ӈамгъатӄэн, ӄлявыл, ӄораӈы, ытлыги",
        "ӊаӊа",
    ],
)
def test_letters_of_other_languages_stay(text: str) -> None:
    assert kazakh_forms(text) == (text, 0)
    assert repair(text).text == text


def test_each_line_speaks_for_itself() -> None:
    kazakh = "Қазақ жерінде ѳзен көп, бұл жаӊа емес"
    assert kazakh_forms(f"{PRE_1918}\n{kazakh}")[0] == f"{PRE_1918}\nҚазақ жерінде өзен көп, бұл жаңа емес"


def test_a_name_with_fita_in_a_kazakh_line() -> None:
    assert kazakh_forms("Қазақстандағы Ѳеодор шіркеуі, ѳзен")[0] == "Қазақстандағы Ѳеодор шіркеуі, өзен"
