"""Personal data: found by structure, check digits and context, replaced by typed placeholders, counted, never logged.

    ЖСН 900515300127, тел. +7 701 123 45 67   →   ЖСН <IIN>, тел. <PHONE>

A number of twelve digits alone is not an IIN: the control digit fits one in ten. It counts as one when date and century
fit as well (one random number in a thousand does), or when a word such as ЖСН stands before it. Numbers of number plates'
and documents' shape need a word of context too, where prose has such shapes of its own.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

PLACEHOLDERS: Mapping[str, str] = {
    "iin": "<IIN>",
    "bin": "<BIN>",
    "iban": "<IBAN>",
    "card": "<CARD>",
    "phone": "<PHONE>",
    "email": "<EMAIL>",
    "ip": "<IP>",
    "plate": "<PLATE>",
    "id_number": "<ID_NUMBER>",
}

CONTEXT_CHARS = 48
"""How far before a number its word of context may stand."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text with placeholders for personal data, and how many of each type there are."""

    text: str
    counts: Mapping[str, int]


def redact(text: str, types: Sequence[str] = tuple(PLACEHOLDERS)) -> Redacted:
    """Replace personal data of the given types.

    >>> redact("Хат: aigul@example.kz, ЖСН 900515300127").text
    'Хат: <EMAIL>, ЖСН <IIN>'
    """
    if not _MAY_HOLD.search(text):
        return Redacted(text, {})
    counts: Counter[str] = Counter()
    for pattern, kind_of in _RULES:

        def replace(match: re.Match[str], kind_of: Callable[[re.Match[str]], str | None] = kind_of) -> str:
            kind = kind_of(match)
            if kind is None or kind not in types:
                return match.group()
            counts[kind] += 1
            return PLACEHOLDERS[kind]

        text = pattern.sub(replace, text)
    return Redacted(text, dict(sorted(counts.items())))


def count_placeholders(text: str) -> Mapping[str, int]:
    """How many placeholders of each type a text holds."""
    counts = {kind: text.count(placeholder) for kind, placeholder in PLACEHOLDERS.items()}
    return {kind: number for kind, number in sorted(counts.items()) if number}


_MAY_HOLD = re.compile(r"@|\d\D?\d\D?\d")


# ------------------------------------------------------------------------------------------------- control arithmetic


def control_digit(digits: str) -> int | None:
    """The twelfth digit that belongs to eleven of an IIN or BIN; None where no number begins with them.

    Weights 1…11, and where the remainder by 11 is 10, weights 3…11, 1, 2; 10 again means that there is no such number
    (order of the Government of Kazakhstan of 11 May 2003, No. 565).
    """
    values = [int(digit) for digit in digits[:11]]
    for weights in (range(1, 12), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)):
        remainder = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
        if remainder != 10:
            return remainder
    return None


def is_iin(digits: str) -> bool:
    """Birth date from 1900 to 2049, century and sex (3–6), control digit. One random number in 930 passes."""
    century = {"3": 1900, "4": 1900, "5": 2000, "6": 2000}.get(digits[6])
    if century is None or control_digit(digits) != int(digits[11]):
        return False
    year = century + int(digits[:2])
    try:
        date(year, int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    return year < 2050


def is_bin(digits: str) -> bool:
    """Registered from 1990 to 2049, a month, kind of entity (4–6), its feature (0–3), control digit. One in 1,100."""
    return (
        not 50 <= int(digits[:2]) < 90
        and 1 <= int(digits[2:4]) <= 12
        and digits[4] in "456"
        and digits[5] in "0123"
        and control_digit(digits) == int(digits[11])
    )


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, digits summed, a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(code: str) -> bool:
    """ISO 13616: country moved to the end, letters as numbers from 10, remainder 1 by 97."""
    moved = code[4:] + code[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


# ------------------------------------------------------------------------------------------------------------ rules

_ID_CONTEXT = re.compile(
    r"(?i)\b(?:ИИН|ЖСН|IIN|жеке сәйкестендіру нөмір\w*|индивидуальн\w+ идентификационн\w+ номер\w*)\b"
)
_BIN_CONTEXT = re.compile(r"(?i)\b(?:БИН|БСН|BIN|бизнес.?сәйкестендіру нөмір\w*|бизнес.идентификационн\w+ номер\w*)\b")
_PHONE_CONTEXT = re.compile(
    r"(?i)(?:\bтел\b|телефон|факс|ұялы|моб\b|whatsapp|ватсап|\btel\b|phone|call|қоңырау|хабарлас|звон)"
)
_PLATE_CONTEXT = re.compile(
    r"(?i)(?:автокөлік|көлік|машина|автомобил|\bавто|нөмірлі|нөмірі|гос\.?\s?номер|госномер|номерн|г/н|\bplate|\bcar\b|vehicle)"
)
_DOCUMENT_CONTEXT = re.compile(r"(?i)(?:куәлі[кг]|төлқұжат|паспорт|удостоверени|passport|identity card|\bID card)")
_VERSION_CONTEXT = re.compile(r"(?i)(?:верси\w*|нұсқа\w*|version|\bver\.?|\bv\.?)\s*$")
_CURRENCIES = frozenset(
    ("USD", "EUR", "KZT", "RUB", "RUR", "GBP", "CNY", "JPY", "TRY", "UZS", "KGS", "AED", "CHF", "UAH", "BYN")
)


def _before(match: re.Match[str], length: int = CONTEXT_CHARS) -> str:
    return match.string[max(0, match.start() - length) : match.start()]


def _email(match: re.Match[str]) -> str | None:
    return "email"


def _iban(match: re.Match[str]) -> str | None:
    return "iban" if is_iban(re.sub(r"\s", "", match.group()).upper()) else None


def _twelve_digits(match: re.Match[str]) -> str | None:
    digits = re.sub(r"\D", "", match.group())
    before = _before(match)
    iin_said = list(_ID_CONTEXT.finditer(before))
    bin_said = list(_BIN_CONTEXT.finditer(before))
    if iin_said or bin_said:
        last_iin = iin_said[-1].end() if iin_said else -1
        last_bin = bin_said[-1].end() if bin_said else -1
        return "iin" if last_iin > last_bin else "bin"
    if match.group() != digits:
        return None
    return "iin" if is_iin(digits) else "bin" if is_bin(digits) else None


def _card(match: re.Match[str]) -> str | None:
    digits = re.sub(r"\D", "", match.group())
    issued = re.match(r"4(?:\d{12}|\d{15}|\d{18})$|5[1-5]\d{14}$|2[2-7]\d{14}$|3[47]\d{13}$|62\d{14,17}$", digits)
    return "card" if issued and luhn(digits) else None


def _phone(match: re.Match[str]) -> str | None:
    number = len(re.sub(r"\D", "", match.group()))
    return "phone" if 10 <= number <= 13 else None


def _short_phone(match: re.Match[str]) -> str | None:
    number = len(re.sub(r"\D", "", match.group()))
    return "phone" if 5 <= number <= 11 and _PHONE_CONTEXT.search(_before(match, 24)) else None


def _ip(match: re.Match[str]) -> str | None:
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return None
    if _VERSION_CONTEXT.search(_before(match, 16)):
        return None
    return "ip" if address.is_global else None  # 127.0.0.1 and 192.168.0.1 are nobody's


def _plate(match: re.Match[str]) -> str | None:
    letters = re.sub(r"[^A-ZА-Я]", "", match.group())
    if letters in _CURRENCIES:
        return None
    tight = len(letters) == 3 and " " not in match.group() and match.group()[0].isdigit()
    return "plate" if tight or _PLATE_CONTEXT.search(_before(match, 60)) else None


def _document(match: re.Match[str]) -> str | None:
    return "id_number" if _DOCUMENT_CONTEXT.search(_before(match, 60)) else None


_PLATE_LETTER = "[A-ZАВЕКМНОРСТУХ]"
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-zА-Яа-я]{2,24}\b"), _email),
    (re.compile(r"(?i)\bKZ\s?\d{2}\s?(?:[\dA-Z]\s?){15}[\dA-Z]\b"), _iban),
    (re.compile(r"(?<![\d.,])(?:\d{12}|\d{6}[ -]\d{6}|\d{4} \d{4} \d{4})(?![\d]|[.,]\d)"), _twelve_digits),
    (re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), _card),
    (re.compile(r"(?<![\w+])\+\d{1,3}(?:[\s().-]{0,3}\d){7,12}(?!\d)"), _phone),
    (re.compile(r"(?<![\d.,-])8[\s(-]{0,3}[3479]\d\d(?:[\s().-]{0,3}\d){7}(?![\d]|[.,]\d)"), _phone),
    (re.compile(r"(?<!\d)(?:8[\s-]?)?\(\s?\d{3,5}\s?\)(?:[\s.-]{0,2}\d){5,7}(?!\d)"), _short_phone),
    (re.compile(r"(?<![\d.,])\d(?:[\s-]?\d){4,9}(?!\d|[.,]\d)"), _short_phone),
    (re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d)"), _ip),
    (re.compile(rf"\b\d{{3}}\s?{_PLATE_LETTER}{{2,3}}\s?(?:0[1-9]|1\d|20)\b"), _plate),
    (re.compile(rf"\b{_PLATE_LETTER}\s?\d{{3}}\s?{_PLATE_LETTER}{{2,3}}\b"), _plate),
    (re.compile(r"(?<![\w])(?:[NН№]\s?)?\d{8,9}(?!\d)"), _document),
)
"""In this order: what a longer structure claims is not offered to a shorter one."""
