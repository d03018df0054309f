"""Words of context in Kazakh, Russian and English: what stands before personal data and tells it from other numbers.

Stems are matched at the beginning of a word in lower case, so that every case of a noun counts: телефоны, телефонына.
"""

from __future__ import annotations

import re

PHONE_STEMS = (
    "тел", "факс", "ұялы", "моб", "сотов", "whatsapp", "ватсап", "вацап", "viber", "tel", "phone", "call", "mobile", "fax",
    "қоңырау", "хабарлас", "байланыс", "звон", "позвон", "перезвон", "контакт", "cell",
)  # fmt: skip
DOCUMENT_STEMS = (
    "куәлік", "куәліг", "төлқұжат", "құжат", "ықтиярхат", "паспорт", "загранпаспорт", "удостоверен", "жительств", "водительск",
    "passport", "identity", "licence", "license", "residence", "удост",
)  # fmt: skip
CONTEXT_STEMS = PHONE_STEMS + DOCUMENT_STEMS
"""Beginnings of words, of three letters or more, without which no number of fewer than ten digits is personal data."""

PHONE_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(PHONE_STEMS)})")
PHONE_WORD_NEAR = re.compile(rf"(?<!\w)(?:{'|'.join(PHONE_STEMS)})\w*\W*(?:\w+\W+){{0,2}}$")
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
PLATE_WORD = re.compile(
    r"автокөлік|көлі[кг]|машина|автомобил|\bавто|нөмірлі|нөмірі|гос\.?\s?номер|номерн|г/н|\bplate|\bcar\b|vehicle"
)
IP_WORD = re.compile(r"\bip\b|\bайпи|\bdns\b|сервер|server|\bhost|\bхост|ping")
VERSION_WORD = re.compile(r"(?:верси\w*|нұсқа\w*|version|\bver\.?|\bv\.?|тармақ\w*|\bп\.|пункт\w*|section)\s*$")
UNIT_AFTER = re.compile(
    r"\s?(?:теңге|тг\b|млн|млрд|мың|адам|дана|рубл|долл?ар|челов|штук|тысяч|тонна|тонн|процент|абонент|%|км|кг|кв|га\b|тен)"
)
