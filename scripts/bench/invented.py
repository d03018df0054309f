"""Invented people's numbers in sentences, made without the code that looks for them: control digits by other formulas.

`examples(seed, count)` gives sentences in Kazakh, Russian and English, each with one number of a known type.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence, the value in it and the value's type."""

    text: str
    value: str
    kind: str


def control_digit(eleven: str) -> int | None:
    """By the definition, place by place; None where there is no such number."""
    first = sum(place * int(digit) for place, digit in enumerate(eleven, 1)) % 11
    second = sum(((place + 1) % 11 + 1) * int(digit) for place, digit in enumerate(eleven, 1)) % 11
    return first if first < 10 else second if second < 10 else None


def iin(rng: random.Random) -> str:
    while True:
        born = date(1930, 1, 1) + timedelta(days=rng.randrange(33_000))
        eleven = born.strftime("%y%m%d") + rng.choice("34" if born.year < 2000 else "56") + _digits(rng, 4)
        digit = control_digit(eleven)
        if digit is not None:
            return f"{eleven}{digit}"


def bin_(rng: random.Random) -> str:
    while True:
        year = rng.choice([*range(90, 100), *range(27)])
        eleven = f"{year:02d}{rng.randint(1, 12):02d}{rng.choice('456')}{rng.choice('0123')}" + _digits(rng, 5)
        digit = control_digit(eleven)
        if digit is not None:
            return f"{eleven}{digit}"


def iban(rng: random.Random) -> str:
    """Check digits by division letter by letter, the way it is done by hand."""
    account = _digits(rng, 3) + "".join(rng.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(13))
    remainder = 0
    for character in account + "KZ00":
        for digit in str(ord(character) - 55) if character.isalpha() else character:
            remainder = (remainder * 10 + int(digit)) % 97
    return f"KZ{98 - remainder:02d}{account}"


CARD_PREFIXES = {"4": 16, "51": 16, "55": 16, "2221": 16, "2720": 16, "34": 15, "37": 15, "62": 16, "2204": 16, "3530": 16,
                 "36": 14, "6011": 16, "6759": 16}  # fmt: skip


def card(rng: random.Random, prefix: str) -> str:
    """The last digit by trying all ten against the table of doubled digits."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    body = prefix + _digits(rng, CARD_PREFIXES[prefix] - 1 - len(prefix))
    total = sum(doubled[int(d)] if place % 2 == 0 else int(d) for place, d in enumerate(body[::-1]))
    return body + next(str(d) for d in range(10) if (total + d) % 10 == 0)


def phone(rng: random.Random, way: int) -> str:
    """A number in one of fifteen ways of writing."""
    code = rng.choice(("700", "701", "702", "705", "707", "708", "747", "771", "775", "776", "777", "778"))
    a, b, c = _digits(rng, 3), _digits(rng, 2), _digits(rng, 2)
    town, e, f, g = rng.choice(("7172", "7212", "7252", "7122")), _digits(rng, 2), _digits(rng, 2), _digits(rng, 2)
    return (
        f"+7 {code} {a} {b} {c}",
        f"+7{code}{a}{b}{c}",
        f"+7({code}){a}-{b}-{c}",
        f"+7 ({code}) {a}-{b}-{c}",
        f"+7-{code}-{a}-{b}-{c}",
        f"8 {code} {a} {b} {c}",
        f"8{code}{a}{b}{c}",
        f"8({code}){a}{b}{c}",
        f"8-{code}-{a}-{b}-{c}",
        f"8 ({town}) {e}-{f}-{g}",
        f"+7 {town} {e} {f} {g}",
        f"({town}) {e}-{f}-{g}",
        f"8.{code}.{a}.{b}.{c}",
        f"8 {code} {a}{b}{c}",
        f"+7\u00a0{code}\u00a0{a}\u00a0{b}{c}",
    )[way]


PHONE_WAYS = 15
PLATE_LETTERS = "ABCDEFGHKLMNOPRSTUVXYZ"


def plate(rng: random.Random, way: int) -> str:
    """Of 2012 with and without spaces, of a firm, and of 1993."""
    letters = "".join(rng.choice(PLATE_LETTERS) for _ in range(3))
    number, region = _digits(rng, 3), f"{rng.randint(1, 20):02d}"
    return (
        f"{number}{letters}{region}",
        f"{number} {letters} {region}",
        f"{number} {letters[:2]} {region}",
        f"{letters[0]} {number} {letters[:2]}M",
        f"{letters[0]}{number}{letters[1]}MK",
    )[way]


SENTENCES = {
    "alone": ("{} деген жазу бар екен.", "В письме указано {} и подпись.", "The list says {} and nothing else.", "{}", "Асқар Ахметов;{};Алматы", "17,{},Иванов"),
    "iin": ("Өтініш берушінің ЖСН-і {} екен.", "ИИН: {}", "Гражданин (ИИН {}) обратился в суд.", "His IIN is {}.", "ЖСНы {}, мекенжайы – Алматы.", "жеке сәйкестендіру нөмірі – {}"),
    "bin": ("«Жетісу» ЖШС, БСН {}", "ТОО «Жетісу», БИН {}.", "the company (BIN {})", "БСН-ы: {}"),
    "phone": ("Байланыс үшін: {}.", "Звоните: {} до вечера", "Call {} after six.", "Хабарласыңыз {}", "Асқар;{};Алматы", "Ол {} нөмірінен жазды."),
    "plate": ("Көлік нөмірі {} болды.", "автомобиль с госномером {}", "a car with the plate {}", "мемлекеттік нөмірі {} автокөлік"),
    "id_number": ("жеке куәлігі № {} Алматыда берілген", "паспорт {} выдан МВД РК", "удостоверение личности {}", "passport No {}", "төлқұжатының нөмірі {}", "вид на жительство № {}"),
    "local": ("тел.: {}", "Телефон: {}, факс 22-11-33", "анықтама телефоны {}", "Конт. тел. {}", "phone {}"),
}  # fmt: skip


def examples(seed: int, count: int) -> Iterator[Example]:
    """So many sentences of each kind of number."""
    rng = random.Random(seed)
    for number in range(count):
        yield from (
            _said(rng, "alone", "iin", iin(rng)),
            _said(rng, "alone", "bin", bin_(rng)),
            _said(rng, "iin", "iin", _cut(iin(rng), rng.choice(((12,), (6, 6), (4, 4, 4), (3, 3, 3, 3), (6, 3, 3))), rng.choice(" -"))),
            _said(rng, "bin", "bin", _cut(bin_(rng), rng.choice(((12,), (6, 6), (4, 4, 4))), " ")),
            _said(rng, "alone", "iban", iban(rng)),
            _said(rng, "alone", "iban", _cut(iban(rng), (4, 4, 4, 4, 4), " ")),
            _said(rng, "alone", "card", card(rng, list(CARD_PREFIXES)[number % len(CARD_PREFIXES)])),
            _said(rng, "alone", "card", _cut(card(rng, rng.choice(("4", "51", "2221", "62"))), (4, 4, 4, 4), rng.choice(" -"))),
            _said(rng, "phone", "phone", phone(rng, number % PHONE_WAYS)),
            _said(rng, "local", "phone", rng.choice(("{}-{}-{}", "{} {} {}", "{}{}{}")).format(*(rng.randint(20, 99) for _ in range(3)))),
            _said(rng, "alone", "email", _email(rng)),
            _said(rng, "alone", "ip", ".".join(str(rng.randint(38, 95)) for _ in range(4))),
            _said(rng, "alone", "ip", "2a" + f"{rng.randrange(256):02x}:" + ":".join(f"{rng.randrange(1, 65536):x}" for _ in range(7))),
            _said(rng, "plate", "plate", plate(rng, number % 5)),
            _said(rng, "id_number", "id_number", rng.choice(("N" + _digits(rng, 8), "0" + _digits(rng, 8)))),
        )  # fmt: skip


def _said(rng: random.Random, sentences: str, kind: str, value: str) -> Example:
    return Example(rng.choice(SENTENCES[sentences]).replace("{}", value), value, kind)


def _cut(value: str, lengths: tuple[int, ...], separator: str) -> str:
    parts, start = [], 0
    for length in lengths:
        parts.append(value[start : start + length])
        start += length
    return separator.join(parts)


def _email(rng: random.Random) -> str:
    name = rng.choice(("aigul", "a.serik", "nurlan_85", "пошта", "info+kz", "d-asqar"))
    return f"{name}{rng.randrange(100)}@{rng.choice(('mail.kz', 'gmail.com', 'edu.gov.kz', 'пример.рф'))}"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))
