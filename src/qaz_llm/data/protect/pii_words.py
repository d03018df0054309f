"""Words of context in Kazakh, Russian and English: what stands before personal data and tells it from other numbers.

Stems are matched at the beginning of a word in lower case, so that every case of a noun counts: телефоны, телефонына.
"""

from __future__ import annotations

import re

PHONE_WORDS = (
    r"тел(?:еф\w*)?(?!\w)", r"факс\w*", r"ұялы\w*", r"моб(?:ил\w*)?(?!\w)", r"сотов\w*", r"қоңырау\w*", r"хабарлас\w*",
    r"байланыс\w*", r"(?:по|пере)?звон\w*", r"контакт\w*", r"приемн\w*", r"приёмн\w*", r"диспетчер\w*", r"регистратур\w*",
    r"коммутатор\w*", r"whats\s?app\w*", r"(?:ватс|уатс|вотс)апп?\w*", r"вацап\w*", r"viber", r"вайбер\w*", r"tel(?:eph?\w*)?(?!\w)",
    r"(?:tele)?phones?(?!\w)", r"mob(?:ile\w*)?(?!\w)", r"call(?:s|ing)?(?!\w)", r"cell(?:phone)?(?!\w)", r"fax\w*",
)  # fmt: skip
"""Words before telephone numbers; of `тел` and `моб` not what else begins with them: теледидар, мобилизация is rare enough."""

PHONE_STEMS = (
    "тел", "факс", "ұялы", "моб", "сотов", "қоңырау", "хабарлас", "байланыс", "звон", "позвон", "перезвон", "контакт", "приемн",
    "приёмн", "диспетчер", "регистратур", "коммутатор", "whatsapp", "ватсап", "уатсап", "вотсап", "вацап", "viber", "вайбер", "tel",
    "phone", "mob", "call", "cell", "fax",
)  # fmt: skip
DOCUMENT_STEMS = (
    "куәлік", "куәліг", "төлқұжат", "құжат", "ықтиярхат", "паспорт", "загранпаспорт", "удостоверен", "жительств", "водительск",
    "passport", "identity", "licence", "license", "residence", "удост",
)  # fmt: skip
CONTEXT_STEMS = PHONE_STEMS + DOCUMENT_STEMS
"""Beginnings of words, of three letters or more, that the kernel of pii_windows looks for: with SHORT_WORDS, without one of
them no number of fewer than ten digits is personal data."""

SHORT_WORDS = "тф"
"""т. and ф., for a telephone and a fax, right before a number."""

_PHONE = "|".join(PHONE_WORDS)
PHONE_WORD = re.compile(rf"(?<!\w)(?:{_PHONE})")
PHONE_WORD_NEAR = re.compile(rf"(?<!\w)(?:{_PHONE})\W*(?:\w+\W+){{0,2}}$")
PHONE_WORD_BEFORE = re.compile(rf"(?<!\w)(?:{_PHONE}|(?:т\s?[./]\s?)?[{SHORT_WORDS}]\s?[.:]|т/ф)[\s.:№]{{0,4}}$")
PHONE_LABEL = re.compile(rf"(?<!\w)(?:{_PHONE}|[{SHORT_WORDS}])\s?[.:][\s.:№]{{0,4}}$")
LINK_BEFORE = re.compile(r"(?:wa\.me/\+?|t\.me/\+|phone=(?:\+|%2[Bb])?|(?:tel|whatsapp):\+?)$")
"""Links that open a telephone or a messenger with the number that follows."""

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
UNIT_AFTER = re.compile(
    r"[\s-]?(?:теңге|тг\b|млн|млрд|мың|адам|дана|рубл|долл?ар|челов|штук|тысяч|тонна|тонн|процент|абонент|%|км|кг|кв|га\b|тен|тыс|долл|бет|стр|жыл|год)"
)
