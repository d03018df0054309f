import random
import re
from datetime import date, timedelta

import pytest

from qaz_llm.data.pii import PLACEHOLDERS, control_digit, count_placeholders, is_bin, is_iban, is_iin, luhn, redact


def digit_by_the_book(eleven: str) -> int | None:
    """The control digit by its definition, place by place: an independent second way."""
    first = second = 0
    for place, digit in enumerate(eleven, 1):
        first += place * int(digit)
        second += ((place + 1) % 11 + 1) * int(digit)  # 3, 4, …, 11, 1, 2
    if first % 11 < 10:
        return first % 11
    return second % 11 if second % 11 < 10 else None


def make_iin(rng: random.Random) -> str:
    while True:
        born = date(1930, 1, 1) + timedelta(days=rng.randrange(33_000))
        century = rng.choice("34" if born.year < 2000 else "56")
        eleven = born.strftime("%y%m%d") + century + f"{rng.randrange(10_000):04d}"
        digit = digit_by_the_book(eleven)
        if digit is not None:
            return f"{eleven}{digit}"


def make_bin(rng: random.Random) -> str:
    while True:
        year = rng.choice([*range(90, 100), *range(27)])
        eleven = (
            f"{year:02d}{rng.randint(1, 12):02d}{rng.choice('456')}{rng.choice('0123')}{rng.randrange(100_000):05d}"
        )
        digit = digit_by_the_book(eleven)
        if digit is not None:
            return f"{eleven}{digit}"


def test_control_digits_agree_with_the_definition() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        eleven = f"{rng.randrange(10**11):011d}"
        assert control_digit(eleven) == digit_by_the_book(eleven)


def test_every_made_number_is_found_and_one_wrong_digit_is_not() -> None:
    rng = random.Random(2)
    for _ in range(500):
        iin, bin_ = make_iin(rng), make_bin(rng)
        assert is_iin(iin)
        assert is_bin(bin_)
        assert redact(f"нөмірі {iin}.").text == "нөмірі <IIN>."
        wrong = iin[:11] + str((int(iin[11]) + rng.randint(1, 9)) % 10)
        assert not is_iin(wrong)


def test_random_numbers_of_twelve_digits_are_mostly_left_alone() -> None:
    rng = random.Random(3)
    alarms = sum(bool(redact(f"{rng.randrange(10**12):012d}").counts) for _ in range(40_000))
    assert alarms / 40_000 < 0.003


@pytest.mark.parametrize("word", ["ИИН", "ЖСН", "ЖСН:", "ИИН №", "жеке сәйкестендіру нөмірі –"])
def test_a_word_of_context_is_enough(word: str) -> None:
    assert redact(f"{word} 123456789012").text == f"{word} <IIN>"


def test_iban_and_card_numbers() -> None:
    assert is_iban("KZ86125KZT5004100100")  # the published test value
    assert redact("шот KZ86 125K ZT50 0410 0100,").text == "шот <IBAN>,"
    assert redact("KZ87125KZT5004100100").text == "KZ87125KZT5004100100"
    assert luhn("4111111111111111")  # the card industry's test number
    assert redact("карта 4111 1111 1111 1111").text == "карта <CARD>"
    assert redact("4111 1111 1111 1112").counts == {}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("тел. +7 701 555 01 23", "тел. <PHONE>"),
        ("8 (7172) 55-01-99 немесе 87075550144", "<PHONE> немесе <PHONE>"),
        ("+7(727)355-01-02", "<PHONE>"),
        ("телефон: 2-18-00", "телефон: <PHONE>"),
        ("+44 20 7946 0958", "<PHONE>"),
        ("a.b+c@mail.kz, пошта@пример.рф", "<EMAIL>, <EMAIL>"),
        ("95.56.234.17 мекенжайы", "<IP> мекенжайы"),
        ("көлік нөмірі 456 KZA 02", "көлік нөмірі <PLATE>"),
        ("456KZA02 келді", "<PLATE> келді"),
        ("жеке куәлік № 045678912", "жеке куәлік <ID_NUMBER>"),
        ("паспорт N08765432", "паспорт <ID_NUMBER>"),
    ],
)
def test_found(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "1941–1945 жылдары, 2015 2016 2017",
        "бюджеттен 8 700 000 000 теңге бөлінді",
        "127.0.0.1 немесе 192.168.0.1, 1.2.3 нұсқасы, version 1.2.3.4",
        "100 USD 15, 350 KZT 10",
        "ГОСТ 8.417-2002, ISBN 978-601-271-123-4",
        "3,141592653589793 саны",
        "12:30–14:00, 25.08.2015",
        "@пайдаланушы жазды",
    ],
)
def test_left_alone(text: str) -> None:
    assert redact(text).text == text


def test_placeholders_are_stable_and_counted() -> None:
    text = "ЖСН 900515300127, тел. +7 701 555 01 23, aigul@example.kz"
    redacted = redact(text)
    assert redact(redacted.text).text == redacted.text
    assert count_placeholders(redacted.text) == redacted.counts == {"email": 1, "iin": 1, "phone": 1}
    assert not re.search(r"\d{4}", redacted.text)


def test_only_the_types_asked_for() -> None:
    assert redact("a@b.kz, +7 701 555 01 23", types=("email",)).text == "<EMAIL>, +7 701 555 01 23"
    assert set(PLACEHOLDERS) == {"iin", "bin", "iban", "card", "phone", "email", "ip", "plate", "id_number"}
