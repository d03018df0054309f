import itertools

import pytest

from qaz_llm.language.mojibake import undo_mojibake
from qaz_llm.language.single_bytes import READ_AS, WRITTEN, undo_single_bytes

RUSSIAN = "Привет, как дела сегодня? Это обычный текст на русском языке, Ян и Роза."
KAZAKH = "Қазақстан – Орталық Азиядағы мемлекет. Ұлы Отан үшін әр адам өз үлесін қосты, жаңа ғасыр."
HARD = {
    ("cp1251", "mac_cyrillic"),
    ("ptcp154", "mac_cyrillic"),
    ("cp1251", "iso8859_5"),
    ("cp866", "iso8859_5"),
    ("mac_cyrillic", "iso8859_5"),
}
"""Only a letter or two, or no capital, differ from sound text: no line of these shows its encoding every time."""


@pytest.mark.parametrize(
    ("written", "read_as"),
    [pair for pair in itertools.product(WRITTEN, READ_AS) if pair[0] != pair[1] and pair not in HARD],
)
def test_one_encoding_read_as_another(written: str, read_as: str) -> None:
    text = KAZAKH if written in ("kz1048", "ptcp154") else RUSSIAN
    broken = text.encode(written).decode({"cp1252": "latin-1"}.get(read_as, read_as), "replace")
    if "\ufffd" in broken or (written in ("kz1048", "ptcp154") and read_as == "cp1251"):
        pytest.skip("characters are lost on this way, or it is that of old fonts")
    assert undo_mojibake(broken) == (text, 1)


def test_a_line_of_capitals_goes_with_the_others() -> None:
    lines = ["Привет, Мир! Как дела", "как дела сегодня у всех вас", "Good morning"]
    broken = [line.encode("cp1251").decode("koi8-r") for line in lines]
    assert broken[1].isupper()
    assert undo_single_bytes(broken, broken) == lines
    assert undo_single_bytes(broken[1:], broken[1:]) == broken[1:]


@pytest.mark.parametrize(
    "text",
    [
        "МемСауда ЖШС, ҚазМұнайГаз, КазНУ, кВт, мВ, гПа, дБ, кДж, рН",
        "20 С°, 25 °С–30 °С, С±3, п. 5§2, «Алаш»® ©",
        "├── src\n│   ├── main.rs\n└── Cargo.toml",
        "зат·тың қозғалыс бағыт·ы·ның де·п·ті",
        "ÄÖÜ äöü ßÄ",
        "ЙЮЙ ДЕКЮ",
    ],
)
def test_sound_text_stays(text: str) -> None:
    assert undo_mojibake(text) == (text, 0)
