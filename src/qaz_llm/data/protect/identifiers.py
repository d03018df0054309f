"""Control arithmetic of identifiers: IIN and BIN, IBAN, bank cards. Strings of ASCII digits in, truth out."""

from __future__ import annotations

import re
from datetime import date


def control_digit(digits: str) -> int | None:
    """The twelfth digit that belongs to eleven of an IIN or BIN; None where no number begins with them.

    Weights 1…11, and where the remainder by 11 is 10, weights 3…11, 1, 2; 10 again means that there is no such number
    (resolution of the Government of Kazakhstan No. 565 of 11 June 2003).
    """
    values = [int(digit) for digit in digits[:11]]
    for weights in (range(1, 12), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)):
        remainder = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
        if remainder != 10:
            return remainder
    return None


def is_iin(digits: str) -> bool:
    """Birth date from 1900 to 2049, century and sex (3–6), control digit. One random number in 930 passes.

    So numbers are formed by resolution No. 406 of 22 May 2007. Resolution No. 853 of 26 August 2013 untied the digits from
    birth date and sex: numbers formed that way have the control digit alone, and are False here.
    """
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


def is_iban(code: str) -> bool:
    """ISO 13616: country moved to the end, letters as numbers from 10, remainder 1 by 97."""
    moved = code[4:] + code[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


_ISSUERS = re.compile(
    r"4(?:\d{15}|\d{18})$"  # Visa; its 13 digits are out of use, and Kazakh barcodes begin with 487
    r"|5[1-5]\d{14}$|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}$"  # Mastercard
    r"|220[0-4]\d{12,15}$"  # Mir
    r"|3[47]\d{13}$"  # American Express
    r"|62\d{14,17}$"  # UnionPay
    r"|35(?:2[89]|[3-8]\d)\d{12}$"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11}$"  # Diners Club
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}$"  # Discover
    r"|(?:50(?:18|20|38)|5893|6304|6759|676[123])\d{8,15}$"  # Maestro
)
"""Leading digits and lengths by ISO/IEC 7812 issuer."""


def is_card(digits: str) -> bool:
    """A number that some issuer gives to bank cards, with its Luhn digit."""
    return _ISSUERS.match(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, digits summed, a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
