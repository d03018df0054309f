"""Numbers as whole chains of digits: what is found, what stays, in the ways people write. Telephones have 555 or made-up
digits, cards are those that issuers publish for tests."""

import random
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.protect.pii import redact, redact_texts, replace_spans
from qaz_llm.data.protect.pii_chains import GAPS, Join, find_chains, join_of
from qaz_llm.data.protect.pii_context import words_before
from qaz_llm.data.protect.pii_rules import KINDS, find_personal_data

WRITTEN: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "bench" / "written_numbers.py"))
"""Numbers made from published formats, without the code under test."""

CARDS = [
    ("картасы 4111 1111 1111 1111 2024 жылы", "картасы <CARD> 2024 жылы"),
    ("4111-1111-1111-1111 / 500 000 тг", "<CARD> / 500 000 тг"),
    ("2024 4111 1111 1111 1111 500 000 теңге", "2024 <CARD> 500 000 теңге"),
    ("карта4111111111111111", "карта<CARD>"),
    ("4111—1111—1111—1111", "<CARD>"),
    ("4111.1111.1111.1111", "<CARD>"),
    ("карта: 4111 - 1111 - 1111 - 1111", "карта: <CARD>"),
    ("карта 4111 1111 1111 1111 12/26 123", "карта <CARD> 12/26 123"),
    ("3782 822463 10005, 500 тг", "<CARD>, 500 тг"),
    ("5555555555554444 850101300124", "<CARD> <IIN>"),
]
TWELVE = [
    ("ЖСН850101300124", "ЖСН<IIN>"),
    ("ЖСН850101300123", "ЖСН<IIN>"),
    ("ЖСН:850101300123", "ЖСН:<IIN>"),
    ("ЖСН: 850101 300 123", "ЖСН: <IIN>"),
    ("ИИН 8501 0130 0123", "ИИН <IIN>"),
    ("ИИН 850 101 300 123", "ИИН <IIN>"),
    ("ЖСН-850101-300-123", "ЖСН-<IIN>"),
    ("850101 300 124", "<IIN>"),
    ("8501 0130 0124", "<IIN>"),
    ("8501-0130-0124", "<IIN>"),
    ("850101–300124 2024 жылы", "<IIN> 2024 жылы"),
    ("12 850101300124 500 000 тг", "12 <IIN> 500 000 тг"),
    ("850101300124.0", "<IIN>.0"),
    ("АТ850101300124ж", "АТ<IIN>ж"),
    ("шоттыңKZ86125KZT5004100100 2024", "шоттың<IBAN> 2024"),
]
PHONES = [
    ("8 601 555 01 23", "<PHONE>"),
    ("8/701/555-01-23", "<PHONE>"),
    ("8—701—555—01—23, 8−701−555−01−23, 8‑701‑555‑01‑23", "<PHONE>, <PHONE>, <PHONE>"),
    ("8 – 701 – 555 – 01 – 23", "<PHONE>"),
    ("8.701.555.01.23", "<PHONE>"),
    ("8 (7172) 55-01-99", "<PHONE>"),
    ("8\u00a0(7172)\u00a055-01-99", "<PHONE>"),
    ("8 (725 37) 5-55-92", "<PHONE>"),
    ("(71832) 2-55-75 14.Тыртықов", "<PHONE> 14.Тыртықов"),
    ("8 7143 33 55 90 8 7143 33 55 85", "<PHONE> <PHONE>"),
    ("8-800-080-5577", "<PHONE>"),
    ("(8-701) 555-01-23", "<PHONE>"),
    ("007 701 555 01 23, 8-10-7-701-555-01-23", "<PHONE>, <PHONE>"),
    ("+77015550123, +7 701 555 01 23-ке", "<PHONE>, <PHONE>-ке"),
    ("https://wa.me/77015550123, t.me/+77015550123", "https://wa.me/<PHONE>, t.me/<PHONE>"),
    ("tel:+77015550123 phone=%2B77015550123", "tel:<PHONE> phone=%2B<PHONE>"),
    ("8 701 555 01 23 2024 жылы", "<PHONE> 2024 жылы"),
    ("87015550123/87025550124", "<PHONE>/<PHONE>"),
    ("+996 555 123 456 Бишкек, +998 90 555 45 67", "<PHONE> Бишкек, <PHONE>"),
    ("т. 70-65-90", "т. <PHONE>"),
    ("т.: 2-18-00, т/ф 70-65-90, ф. 70-65-91", "т.: <PHONE>, т/ф <PHONE>, ф. <PHONE>"),
    ("тел. 70-65-90, 70-65-91; 70-65-92", "тел. <PHONE>, <PHONE>; <PHONE>"),
    ("тел. 70-65-90/91", "тел. <PHONE>"),
    ("тел. 70-65-90 (қабылдау), 70-65-91 (факс)", "тел. <PHONE> (қабылдау), <PHONE> (факс)"),
    ("тел. 70-65-90 және 70-65-91", "тел. <PHONE> және <PHONE>"),
    ("тел: 70–65–90, 70—65—90, 70−65−90", "тел: <PHONE>, <PHONE>, <PHONE>"),
    ("тел.: 328442, 329841 344444", "тел.: <PHONE>, <PHONE> <PHONE>"),
    ("70-65-90 телефоны бойынша", "<PHONE> телефоны бойынша"),
    ("(70-65-90) нөміріне қоңырау шалыңыз", "(<PHONE>) нөміріне қоңырау шалыңыз"),
    ("Қоғамдық қабылдау орны 34-97-36", "Қоғамдық қабылдау орны <PHONE>"),
    ("call 1-800-555-0199", "call <PHONE>"),
]
STAYS = [
    "бағасы 7 710 000-7 720 000 теңге, 8 450 000 – 9 200 000 теңгеге",
    "8 700 000-8 750 000; 8 700 000 000 – 8 750 000 000",
    "Вестник 12 (2004) 123-128, Ахметов (1998) 234-241, 7 (2012) 345-678, 8 (2004) 123-128",
    "ISBN 978-601-7568-12-3, ISBN 978 601 7568 12 3 2015, ISBN 9965-430-12-3, ISSN 1563-0307",
    "110bcd25-a55d-453a-8046-1297901ea002, 550e8400-e29b-41d4-a716-850101300124, fcb7-7050711567a5",
    "2024-01-15 12:30, 2024-01-15 12 адам, 15.01.2024 12.30, 05/10/2001 01",
    "СН РК 3.02-01-2018, ҚР ҚН 8.02-07-2014, ГОСТ 8.417-2002",
    "doi 10.21046/2070-7401-2019-16-5-123-134, 10.5277/0697-9651-3067-78-5-514-192",
    "43.238949123456, 76.889709123456, 0.4111111111111111, 0,250750683890174",
    "20-315-020-123, 03-055-123-4567, 20:315:020:123, 10:360-078-9178",
    "1941-1945, 2010–2015, 2001 2002 2003 2004",
    "1905 1941 1945",  # passes for an IIN but for being years
    "телефон саны 12 500 – 15 000, байланыс 2 500 – 3 000 теңге, телефон 12-15 000 теңге",
    "телефон бойынша 123-128-беттер, осыған байланысты 12-05-15 шығарылған",
    "справка от 27-01-15, анықтама 12345 берілді, № 08-1-1-1/114 бұйрық",
    "850 101 300 124 теңге, 2 345 612 908 341",
    "телевидение 12-13-14, Т. Жанабек 1998-2010, т. 12, 2004, т. 123-128",
    "8 701 555 12 345 678, 8 701 555 12 34 567",
    "450-150-36-50=214, 8:1, 21-18, 15-21",
    "+10 250 000 000 теңге, +100 000 000, +7 710 000-7 720 000",
    "id=4134291264729855059, 1733400000",
    "тел. 102, 112, 1414, моб. з/н № 00054",
    "1-800-991-90190, 12345678901234567890",
    "12-87015550123, 43.87015550123, 5.8-701-555-01-23, 12-70-65-90 телефоны",
]


@pytest.mark.parametrize(("text", "redacted"), [*CARDS, *TWELVE, *PHONES])
def test_found_whatever_stands_beside_it(text: str, redacted: str) -> None:
    assert redact(text).text == redacted
    assert replace_spans(text, find_personal_data(text, KINDS)).text == redacted


@pytest.mark.parametrize("text", STAYS)
def test_what_is_no_number_of_a_person_stays(text: str) -> None:
    assert redact(text).text == text
    assert replace_spans(text, find_personal_data(text, KINDS)).text == text


@pytest.mark.parametrize("dash", "-‐‑‒–—―−")
def test_a_dash_of_any_kind_parts_groups(dash: str) -> None:
    assert redact(f"тел. 70{dash}65{dash}90, 8{dash}701{dash}555{dash}01{dash}23").counts == {"phone": 2}
    assert redact(f"карта 4111{dash}1111{dash}1111{dash}1111, 850101{dash}300124").counts == {"card": 1, "iin": 1}
    text = f"7 710 000{dash}7 720 000, 2010{dash}2015, 978{dash}601{dash}7568{dash}12{dash}3"
    assert redact(text).text == text


def test_one_digit_more_on_either_side_is_another_number() -> None:
    for number in ("87015550123", "850101300124", "4111111111111111"):
        assert redact(number).counts
        for digit in "123456":
            assert redact(f"{digit}{number}").text == f"{digit}{number}"
            assert redact(f"{number}{digit}").text == f"{number}{digit}"


def test_numbers_of_64_bits_are_cards_where_a_card_is_spoken_of() -> None:
    assert redact("4111111111111111113").counts == {}
    assert redact("карта 4111111111111111113").text in ("карта <CARD>", "карта 4111111111111111113")


# --------------------------------------------------------------------------------------------------- written by formats


def test_numbers_written_by_published_formats_are_found() -> None:
    written = list(WRITTEN["found"](seed=11, count=60))
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for item, redacted in zip(written, redact_texts([item.text for item in written]), strict=True):
        total[item.kind] += 1
        found[item.kind] += item.kind in redacted.counts and not any(value in redacted.text for value in item.values)
    assert set(total) == set(KINDS)
    assert {kind: found[kind] / total[kind] for kind in total} == pytest.approx(dict.fromkeys(total, 1.0), abs=0.01)


def test_what_is_written_like_numbers_stays() -> None:
    written = list(WRITTEN["harmless"](seed=12, count=60))
    alarms = [
        item.text for item, done in zip(written, redact_texts([w.text for w in written]), strict=True) if done.counts
    ]
    assert len(alarms) <= len(written) / 400, alarms


def test_windows_find_what_the_rules_find_in_what_is_written() -> None:
    rng = random.Random(13)
    pieces = [item.text for name in ("found", "harmless") for item in WRITTEN[name](seed=14, count=25)]
    rng.shuffle(pieces)
    gaps = (" ", "\n", ", ", " – ", "; ", " сөз " * 12, " тел. ", "/")
    texts = ["".join(piece + rng.choice(gaps) for piece in pieces[at : at + 9]) for at in range(0, len(pieces), 9)]
    for text, redacted in zip(texts, redact_texts(texts), strict=True):
        assert redacted == replace_spans(text, find_personal_data(text, KINDS))


# -------------------------------------------------------------------------------------------------------------- chains


def test_chains_are_maximal() -> None:
    """Against a plain scan: characters of numbers, and gaps of at most three between them."""
    rng = random.Random(15)
    for _ in range(400):
        text = "".join(rng.choice("0123456789 -.()/–x,\n") for _ in range(rng.randint(1, 40)))
        gap = f"[{re.escape(GAPS)}]"
        spans, end = [], 0
        while (match := re.compile(rf"\d+(?:{gap}{{1,3}}\d+)*").search(text, end)) is not None:
            spans.append(match.span())
            end = match.end()
        found = [(chain.starts[0], chain.ends[-1]) for chain in find_chains(text, min_digits=1)]
        assert found == spans


def test_a_chain_knows_where_so_many_digits_end() -> None:
    (chain,) = find_chains("8 (7172) 55-01-99")
    assert chain.lengths == (1, 4, 2, 2, 2)
    assert chain.reach(0, 11) == 5
    assert chain.reach(0, 6) == 0
    assert chain.reach(2, 6) == 5
    assert chain.gaps(1, 5) == [") ", "-", "-"]
    assert chain.part(2, 5).digits(0, 3) == "550199"


@pytest.mark.parametrize(
    ("gap", "join"),
    [("-", Join.TIGHT), (".", Join.TIGHT), (" ", Join.SPACE), ("\u00a0", Join.SPACE), (" – ", Join.LOOSE), (". ", Join.LOOSE), ("/", Join.SLASH), (") ", Join.LOOSE), ("", Join.NONE)],
)  # fmt: skip
def test_joins(gap: str, join: Join) -> None:
    assert join_of(gap) is join


@pytest.mark.parametrize(
    ("before", "between"),
    [("тел. ", 0), ("телефонға 24 сағат: ", 2), ("теледидар ", None), ("байланысты ", None), ("байланыс ", 0), ("Call me ", 1), ("мобилизация ", None)],
)  # fmt: skip
def test_words_of_telephones(before: str, between: int | None) -> None:
    assert words_before(before + "55-01-99", len(before)).between == between


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Хабарласу үшін +7 701 000 00 00 нөміріне", "Хабарласу үшін <PHONE> нөміріне"),
        ("+7 (701) 000-00-00", "<PHONE>"),
        ("8 701 000 00 00", "<PHONE>"),
        ("+10 250 000 000 теңге", "+10 250 000 000 теңге"),
        ("8 000 000 000 теңге", "8 000 000 000 теңге"),
    ],
)
def test_zeros_at_the_end_are_a_sum_unless_grouped_like_a_telephone(text: str, expected: str) -> None:
    assert redact_texts([text])[0].text == expected


@pytest.mark.parametrize(
    "text",
    [
        "Телефон саны 12 345, интернет 67 890",
        "Байланыс бағасы 12-34-56",
        "Число телефонов – 12 345",
        "Телефон құны: 55-00-99",
    ],
)
def test_what_telephones_are_counted_by_stays(text: str) -> None:
    assert redact(text).text == text


def test_a_number_of_a_telephone_beside_a_count_goes() -> None:
    assert redact("3 телефон бар, саны аз; телефоны 55-01-99").text == "3 телефон бар, саны аз; телефоны <PHONE>"


@pytest.mark.parametrize("text", ["8.20.33.41-нұсқасы шықты", "12.34.56.78 тармақшалары", "1.40.2.7 версиясы"])
def test_versions_and_points_whose_word_stands_behind_stay(text: str) -> None:
    assert redact(text).text == text


def test_an_address_before_another_word_goes() -> None:
    assert redact("12.34.56.78 мекенжайы, нұсқасы жаңа").text == "<IP> мекенжайы, нұсқасы жаңа"
