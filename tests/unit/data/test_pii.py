import os
import random
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.protect.identifiers import control_digit, is_bin, is_card, is_iban, is_iin, luhn
from qaz_llm.data.protect.pii import PLACEHOLDERS, Redacted, count_placeholders, redact, redact_texts, replace_spans
from qaz_llm.data.protect.pii_rules import KINDS, find_personal_data
from qaz_llm.io import embedded_path, read_jsonl

INVENTED: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "bench" / "invented.py"))
"""Numbers and sentences made without the code under test."""


def redact_whole(text: str) -> Redacted:
    """The oracle of the windows: every rule over the whole text."""
    return replace_spans(text, find_personal_data(text, KINDS))


# ------------------------------------------------------------------------------------------------------- arithmetic


def test_control_digits_agree_with_the_definition() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        eleven = f"{rng.randrange(10**11):011d}"
        assert control_digit(eleven) == INVENTED["control_digit"](eleven)


def test_every_made_number_is_found_and_one_wrong_digit_is_not() -> None:
    rng = random.Random(2)
    for _ in range(500):
        iin, bin_ = INVENTED["iin"](rng), INVENTED["bin_"](rng)
        assert is_iin(iin)
        assert is_bin(bin_)
        assert redact(f"нөмірі {iin}.").text == "нөмірі <IIN>."
        wrong = iin[:11] + str((int(iin[11]) + rng.randint(1, 9)) % 10)
        assert not is_iin(wrong)


def test_published_test_values() -> None:
    assert is_iban("KZ86125KZT5004100100")
    assert redact("шот KZ86 125K ZT50 0410 0100,").text == "шот <IBAN>,"
    assert redact("KZ87125KZT5004100100").text == "KZ87125KZT5004100100"
    assert luhn("4111111111111111")
    assert is_card("378282246310005")
    assert redact("карта 4111 1111 1111 1111").text == "карта <CARD>"
    assert redact("4111 1111 1111 1112").counts == {}


# ------------------------------------------------------------------------------------------------ found and left alone


def test_invented_numbers_in_sentences_are_all_found() -> None:
    examples = list(INVENTED["examples"](seed=3, count=120))
    found: Counter[str] = Counter()
    for example, redacted in zip(examples, redact_texts([example.text for example in examples]), strict=True):
        found[example.kind] += example.value not in redacted.text and example.kind in redacted.counts
    assert set(found) == set(KINDS)
    total = Counter(example.kind for example in examples)
    assert {kind: found[kind] / total[kind] >= 0.99 for kind in KINDS} == dict.fromkeys(KINDS, True)


@pytest.mark.parametrize(
    "word",
    ["ИИН", "ЖСН", "ЖСН:", "ИИН №", "жеке сәйкестендіру нөмірі –", "ЖСН-і", "ЖСНы", "ЖСН-ін", "жсн", "IIN=", "ИИН-ом"],
)
def test_a_word_of_context_is_enough(word: str) -> None:
    assert redact(f"{word} 123456789012").text == f"{word} <IIN>"
    assert redact(f"{word} 123456 789012, 222222222222").text == f"{word} <IIN>, <IIN>"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("тел. +7 701 555 01 23", "тел. <PHONE>"),
        ("8 (7172) 55-01-99 немесе 87075550144", "<PHONE> немесе <PHONE>"),
        ("+7(727)355-01-02", "<PHONE>"),
        ("телефон: 2-18-00", "телефон: <PHONE>"),
        ("тел.: 55-01-99, 55-02-00; 55-03-01", "тел.: <PHONE>, <PHONE>; <PHONE>"),
        ("+44 20 7946 0958", "<PHONE>"),
        ("a.b+c@mail.kz, пошта@пример.рф", "<EMAIL>, <EMAIL>"),
        ("95.56.234.17 мекенжайы", "<IP> мекенжайы"),
        ("IP 5.1.2.3, 2a02:6b8:0:1::feed:0ff", "IP <IP>, <IP>"),
        ("көлік нөмірі 456 KZA 02", "көлік нөмірі <PLATE>"),
        ("456KZA02 келді", "<PLATE> келді"),
        ("жеке куәлік № 045678912", "жеке куәлік № <ID_NUMBER>"),
        ("паспорт N08765432", "паспорт <ID_NUMBER>"),
        ("жүргізуші куәлігі AB 123456", "жүргізуші куәлігі <ID_NUMBER>"),
        ("ИИН/БИН 123456789012", "ИИН/БИН <BIN>"),
    ],
)
def test_found(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


@pytest.mark.parametrize("separator", [";", ",", "\t", " | "])
def test_rows_of_a_leaked_table(separator: str) -> None:
    rng = random.Random(4)
    rows = []
    for number in range(1, 60):
        phone = rng.choice(("8701", "7701", "+7701", "701")) + f"{rng.randrange(10**7):07d}"
        rows.append(separator.join((str(number), "Ахметов Асқар", INVENTED["iin"](rng), phone, "Алматы")))
    redacted = redact("\n".join(rows))
    assert redacted.counts == {"iin": 59, "phone": 59}
    assert not re.search(r"\d{3}", redacted.text)


@pytest.mark.parametrize(
    "text",
    [
        "1941–1945 жылдары, 2015 2016 2017",
        "бюджеттен 8 700 000 000 теңге бөлінді",
        "127.0.0.1 немесе 192.168.0.1, 1.2.3 нұсқасы, version 1.2.3.4",
        "Заңның 5.1.2.3 тармағы, 5.1.2.4 тармақшасы",
        "100 USD 15, 350 KZT 10",
        "ГОСТ 8.417-2002, ISBN 978-601-271-123-4, штрихкод 4870001112228",
        "3.141592653589793 саны",
        "12:30–14:00, 25.08.2015, 10:20:30:40",
        "@пайдаланушы жазды",
        "телефондар саны 125 000 болды, телефон байланысына 12 500 абонент қосылды",
        "сенім телефонына зорлық көрген 45000 әйел көмек сұрады",
        "43.238949, 76.889709 және N 43°14′20″",
        "2 345 612 908 341 теңге, 12 345 678 901 234",
        "std::cout << a::b; 00:11:22:33:44:55",
        "№ 565 қаулы, 2003 жылғы 11 мамырдағы № 1020-IV Заңы",
    ],
)
def test_left_alone(text: str) -> None:
    assert redact(text).text == text


def test_random_numbers_of_twelve_digits_are_mostly_left_alone() -> None:
    rng = random.Random(3)
    alarms = sum(bool(item.counts) for item in redact_texts([f"{rng.randrange(10**12):012d}" for _ in range(40_000)]))
    assert alarms / 40_000 < 0.003


def test_tables_of_statistics_are_mostly_left_alone() -> None:
    """Columns of counts, sums with parted thousands and shares: fewer than one alarm in 500 rows of seven numbers."""
    rng = random.Random(5)
    rows = []
    for _ in range(3000):
        cells = [f"{rng.randrange(10 ** rng.randint(1, 8)):,}".replace(",", " ") for _ in range(6)]
        rows.append(rng.choice((" ", "\t", "  ")).join((*cells, f"{rng.random() * 100:.1f}")))
    assert sum(redact("\n".join(rows)).counts.values()) <= 6


# ------------------------------------------------------------------------------------------------------------- windows

PIECES = st.one_of(
    st.sampled_from(
        ["ЖСН ", "БСН", "тел. ", "телефоны ", "паспорт ", "куәлік ", "ұялы", "көлік нөмірі ", "IP ", "KZ", "N", "№ ", "+", "+7", "(", ")"]
    ),
    st.sampled_from(["900515300127", "8 701 555 01 23", "55-01-99", "4111 1111 1111 1111", "456KZA02", "KZ86125KZT5004100100"]),
    st.sampled_from([" ", "-", ", ", ";", "\n", ".", "/", ":", "@", "::", "\u00a0", "–", "_", "\t"]),
    st.text("0123456789", min_size=1, max_size=14),
    st.sampled_from(["a@b.kz", "95.56.234.17", "2a02:6b8::1", "сөз ", "Алматы", "А", "KZA", "02", "теңге ", "x" * 70, "жылы " * 20]),
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=25).map("".join), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_windows_find_what_the_rules_find_in_the_whole_text(texts: list[str]) -> None:
    assert redact_texts(texts) == [redact_whole(text) for text in texts]


@pytest.mark.parametrize("gap", range(0, 70, 3))
@pytest.mark.parametrize(("word", "number"), [("паспорт", "N08765432"), ("ЖСН", "123456789012"), ("тел", "2-18-00")])
def test_windows_reach_as_far_back_as_the_rules(word: str, number: str, gap: int) -> None:
    text = f"{'сөз ' * 30}{word} {'…' * gap} {number} {'сөз ' * 30}"
    assert redact(text) == redact_whole(text)
    assert bool(redact(text).counts) == (len(word) + gap + 2 <= (32 if word == "тел" else 60))


def _with_numbers(texts: list[str]) -> list[str]:
    """The texts with an invented sentence at a random place in every paragraph."""
    rng = random.Random(6)
    examples = list(INVENTED["examples"](seed=7, count=20))
    changed = []
    for text in texts:
        lines = []
        for line in text.split("\n"):
            place = rng.randrange(len(line) + 1)
            lines.append(f"{line[:place]} {rng.choice(examples).text} {line[place:]}")
        changed.append("\n".join(lines))
    return changed


def test_windows_on_embedded_prose() -> None:
    texts = [row["text"] for name in ("kk_a", "ru") for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))]
    for batch in (texts, _with_numbers(texts)):
        assert redact_texts(batch) == [redact_whole(text) for text in batch]


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize("name", ["apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "ud_en_ewt/ud_en_ewt.jsonl.gz"])
def test_windows_on_real_text(name: str) -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / name
    lines = [row["text"] for row in read_jsonl(path)]
    texts = ["\n".join(lines[start : start + 8]) for start in range(0, len(lines), 8)]
    for batch in (texts, _with_numbers(texts[:300])):
        assert redact_texts(batch) == [redact_whole(text) for text in batch]


# -------------------------------------------------------------------------------------------------------- placeholders


def test_placeholders_are_stable_and_counted() -> None:
    text = "ЖСН 900515300127, тел. +7 701 555 01 23, aigul@example.kz"
    redacted = redact(text)
    assert redact(redacted.text).text == redacted.text
    assert count_placeholders(redacted.text) == redacted.counts == {"email": 1, "iin": 1, "phone": 1}
    assert not re.search(r"\d{4}", redacted.text)


def test_only_the_types_asked_for() -> None:
    assert redact("a@b.kz, +7 701 555 01 23", types=("email",)).text == "<EMAIL>, +7 701 555 01 23"
    assert set(PLACEHOLDERS) == {"iin", "bin", "iban", "card", "phone", "email", "ip", "plate", "id_number"}


def test_nothing_to_redact() -> None:
    assert redact_texts([]) == []
    assert redact_texts(["", "Қар ериді."]) == [Redacted("", {}), Redacted("Қар ериді.", {})]
