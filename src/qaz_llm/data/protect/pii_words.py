"""Words of context in Kazakh, Russian and English: what stands before personal data and tells it from other numbers.

Stems are matched at the beginning of a word in lower case, so that every case of a noun counts: телефоны, телефонына.
"""

from __future__ import annotations

import re

PHONE_WORDS = frozenset({"тел", "моб", "tel", "mob", "call", "calls", "calling", "cell", "phone", "phones"})
PHONE_STEMS = (
    "телеф", "факс", "ұялы", "мобил", "сотов", "қоңырау", "хабарлас", "байланыс", "звон", "позвон", "перезвон", "контакт", "whats",
    "ватсап", "уатсап", "вотсап", "вацап", "viber", "вайбер", "telep", "telef", "mobil", "cellphone", "telephone", "fax",
)  # fmt: skip
NO_PHONE_STEMS = ("байланысты", "мобилиз")
"""Words of telephones, whole and by their beginnings; not теледидар, nor байланысты, which means `because of`."""

COUNTING_STEMS = (
    "саны",
    "бағас",
    "құны",
    "ақыс",
    "тариф",
    "количеств",
    "числ",
    "цена",
    "цены",
    "стоимост",
    "price",
    "cost",
)
"""Beside a word of telephones they say what the number counts: телефон саны 12 345."""

ANSWERING_STEMS = (
    "қабылдау", "кезекші", "анықтама", "приемн", "приёмн", "дежурн", "справк", "справочн", "канцеляр", "регистратур", "диспетчер",
    "коммутатор",
)  # fmt: skip
"""Those who answer telephones; enough before 70-65-90, not before 706590."""

SHORT_WORDS = frozenset("тф")
"""т. and ф., for a telephone and a fax, right before a number."""

STEMS_AFTER = ("тел.", "телефон", "факс", "нөміріне", "нөмірімен", "нөмірінен", "қоңырау", "хабарлас")
PHONE_WORD_AFTER = re.compile(rf"[\s)»\"(]{{0,3}}(?:{'|'.join(map(re.escape, STEMS_AFTER))})")
"""In Kazakh the word often stands behind: 70-65-90 телефоны, 70-65-90 нөміріне."""

LINK_BEFORE = re.compile(r"(?:wa\.me/\+?|t\.me/\+|phone=(?:\+|%2[Bb])?|(?:tel|whatsapp):\+?)$")
"""Links that open a telephone or a messenger with the number that follows."""

DOCUMENT_STEMS = (
    "куәлік", "куәліг", "төлқұжат", "құжат", "ықтиярхат", "паспорт", "загранпаспорт", "удостоверен", "жительств", "водительск",
    "passport", "identity", "licence", "license", "residence", "удост",
)  # fmt: skip
CONTEXT_STEMS = (*PHONE_WORDS, *PHONE_STEMS, *ANSWERING_STEMS, *DOCUMENT_STEMS)
"""Beginnings of words, of three letters or more. The kernel of pii_windows looks for them, and for SHORT_WORDS and
STEMS_AFTER: without one of all these no number of fewer than ten digits is personal data."""

DOCUMENT_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(DOCUMENT_STEMS)})")
_ENDING = "[а-яәғқңөұүһі]{0,6}"
IIN_WORD = re.compile(
    rf"(?<![^\W_])(?:(?:ИИН|ЖСН|IIN)(?:[-–’]?{_ENDING})|(?i:иин|жсн|iin)"
    r"|(?i:жеке сәйкестендіру нөмір\w*|индивидуальн\w+ идентификационн\w+ номер\w*|individual identification number))(?![^\W_])"
)
BIN_WORD = re.compile(
    rf"(?<![^\W_])(?:(?:БИН|БСН|BIN)(?:[-–’]?{_ENDING})|(?i:бин|бсн|bin)"
    r"|(?i:бизнес.?сәйкестендіру нөмір\w*|бизнес.идентификационн\w+ номер\w*|business identification number))(?![^\W_])"
)
CARD_WORD = re.compile(r"(?i:карт|card|visa|виза|union\s?pay|maestro)")
PLATE_WORD = re.compile(
    r"автокөлік|көлі[кг]|машина|автомобил|\bавто|нөмірлі|нөмірі|гос\.?\s?номер|номерн|г/н|\bplate|\bcar\b|vehicle"
)
IP_WORD = re.compile(r"\bip\b|\bайпи|\bdns\b|сервер|server|\bhost|\bхост|ping")
VERSION_WORD = re.compile(r"(?:верси\w*|нұсқа\w*|version|\bver\.?|\bv\.?|тармақ\w*|\bп\.|пункт\w*|section)\s*$")
VERSION_WORD_AFTER = re.compile(r"[\s-]?(?:нұсқа|тармақ|тармағ|версия|релиз)")
"""In Kazakh the word stands behind: 12.34.56.78 тармақшалары."""
UNIT_AFTER = re.compile(
    r"[\s-]?(?:теңге|тг\b|млн|млрд|мың|адам|дана|рубл|долл?ар|челов|штук|тысяч|тонна|тонн|процент|абонент|%|км|кг|кв|га\b|тен|тыс|долл|бет|стр|жыл|год)"
)
