import pytest

from qaz_llm.language.letter_pairs import CLASSES, CODE, LETTERS, PAIR_BITS, SIGNS, STEP_BITS
from qaz_llm.language.likelihood import bits_of, class_of


def test_the_pairs_after_each_character_are_probabilities() -> None:
    """Arithmetic: with cells rounded to 0.3 bits, two to the minus bits of a row adds up to one within a few percent."""
    rows = PAIR_BITS.split()
    assert len(rows) == len(LETTERS) + len(SIGNS) + len(CLASSES)
    for row in rows:
        assert len(row) == len(rows)
        assert sum(2 ** -(CODE.index(code) * STEP_BITS) for code in row) == pytest.approx(1, abs=0.12)


def test_bits_add_up_along_a_text() -> None:
    text = "Қазақ тілі – 2024, «Алаш»"
    for cut in range(1, len(text)):
        whole = bits_of(text[:cut], "\n", "") + bits_of(text[cut:], text[cut - 1])
        assert whole == pytest.approx(bits_of(text))


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("Қазақ тілі", "Т›Р°Р·Р°Т› С‚С–Р»С–"),
        ("Привет", "оПХБЕР"),
        ("café", "cafÃ©"),
        ("және", "жјне"),
        ("20 °С", "20 °ѱ"),
    ],
)
def test_sound_text_is_more_probable(sound: str, broken: str) -> None:
    assert bits_of(sound) / len(sound) < bits_of(broken) / len(broken)


def test_classes() -> None:
    assert [class_of(c) for c in "Қ,7éћ¶\x9dж\u00a0ق"] == [
        *("қ", ",", "digit", "latin", "cyrillic", "sign", "control", "ж", "space", "letter"),
    ]
