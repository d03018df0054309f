"""Numbers as people write them, made from published formats alone: what has to be found, and what has to stay.

Nothing here is taken from the code that looks for personal data: formats are patterns with # for a digit, control digits are
worked out by hand rules (the order of 2003 for IIN and BIN, Luhn by a table, IBAN by long division). Telephones have 555, cards
the ranges that issuers publish for tests, so none is anybody's.

    found(seed, 100)     Written("Хабарласыңыз: 8/701/555-12-34.", "phone", ("8/701/555-12-34",))
    harmless(seed, 100)  Written("ISBN 978-601-7568-12-3, 2015 ж.", "ISBN", ())
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

Rng = random.Random


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence or row, what kind of number is in it, and the numbers that must not be in it afterwards."""

    text: str
    kind: str
    values: tuple[str, ...]


def fill(rng: Rng, pattern: str) -> str:
    """The pattern with a digit for each #."""
    return "".join(str(rng.randrange(10)) if sign == "#" else sign for sign in pattern)


def spread(digits: str, pattern: str) -> str:
    """The digits in the places of #."""
    left = iter(digits)
    return "".join(next(left) if sign == "#" else sign for sign in pattern)


# ------------------------------------------------------------------------------------------------------------ telephones

MOBILE = (
    "+7 7CC 555 ## ##", "+77CC555####", "+7(7CC)555-##-##", "+7 (7CC) 555-##-##", "+7-7CC-555-##-##", "+7.7CC.555.##.##",
    "+7 7CC 555####", "+7 7CC 555-####", "87CC555####", "8 7CC 555 ## ##", "8 7CC 555-##-##", "8(7CC)555-##-##",
    "8 (7CC) 555 ## ##", "8-7CC-555-##-##", "8/7CC/555-##-##", "8.7CC.555.##.##", "8 7CC 555####", "87CC 555 ## ##",
    "8 7CC555####", "8-7CC-555####", "007 7CC 555 ## ##", "0077CC555####", "8-10-7-7CC-555-##-##", "77CC555####",
    "7CC-555-##-##".replace("7CC", "70C", 1), "+7 7CC 5 55 ## ##", "8 7CC 55 5# ###", "8 - 7CC - 555 - ## - ##", "+ 7 7CC 555 ## ##",
    "8 601 555 ## ##", "8 (602) 555-##-##", "8-602-555-##-##",
)  # fmt: skip
TOWN = (
    "8 (7172) 55-##-##", "8(7172)55####", "8 7172 55 ## ##", "8-7172-55-##-##", "87172 55-##-##", "+7 (7172) 55-##-##",
    "(7172) 55-##-##", "(7172) 55####", "8 (71534) 5-##-##", "8 (725 37) 5-##-##", "8 (727) 255-##-##", "8 727 255 ## ##",
    "(727) 255-##-##", "8/7172/55-##-##", "8 (7172) 55 ## ##", "8 71534 5 ## ##", "8 (7172) 55-##-##/##", "8 800 080 55 ##",
    "8-800-080-55##",
)  # fmt: skip
LOCAL = (
    "55-##-##",
    "255-##-##",
    "5-##-##",
    "55-##-##/##",
    "55-##-##, 55-##-##",
    "55-##-##; 55-##-##",
    "55-##-## және 55-##-##",
)
DASHES = ("-", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212")
FREE = (
    "Хабарласыңыз: {}.", "Сұрақтар болса, {} нөміріне қоңырау шалыңыз.", "Звоните: {}", "Обращаться: {}, спросить Асель.",
    "{}", "Асқар;{};Алматы", "Ол {} нөмірінен жазды.", "1. Ахметов А., {}", "Пәтер сатылады, {}, делдалдарсыз.", "({})",
    "Мекенжайы: Абай к-сі, 12, {}", "{} – Әсел", "WhatsApp {}",
)  # fmt: skip
SPOKEN = (
    "тел. {}", "тел: {}", "Тел.: {}", "т. {}", "т.: {}", "Т. {}", "телефон {}", "телефоны: {}", "факс: {}", "ф. {}", "т/ф {}",
    "тел./факс {}", "байланыс телефоны – {}", "ұялы: {}", "моб. {}", "қабылдау бөлмесі: {}", "приёмная: {}", "справки по тел. {}",
    "контактный телефон: {}", "call-орталық: {}", "{} телефоны бойынша", "({}) нөміріне хабарласыңыз",
)  # fmt: skip
LINKS = (
    "https://wa.me/77CC555####", "wa.me/+77CC555####", "https://t.me/+77CC555####", "tel:+77CC555####", "tel:87CC555####",
    "https://api.whatsapp.com/send?phone=77CC555####", "whatsapp://send?phone=%2B77CC555####",
)  # fmt: skip


def _phone(rng: Rng, patterns: Sequence[str]) -> str:
    pattern = rng.choice(patterns).replace("7CC", rng.choice(("700", "701", "705", "707", "747", "771", "775", "778")))
    return fill(rng, pattern.replace("C", rng.choice("01257")))


def _dressed(rng: Rng, value: str) -> str:
    """Another dash, or spaces that do not break."""
    value = value.replace("-", rng.choice(DASHES))
    return value.replace(" ", "\u00a0") if rng.random() < 0.3 else value


def _digits_of(value: str) -> tuple[str, ...]:
    """What must be gone: the runs of two digits and more."""
    runs = "".join(sign if sign.isdigit() else " " for sign in value).split()
    return tuple(run for run in runs if len(run) > 1)


def phones(rng: Rng) -> Iterator[Written]:
    for patterns, sentences in (
        (MOBILE, FREE),
        (TOWN, FREE),
        (LOCAL, SPOKEN),
        (LINKS, ("{}", "Сілтеме: {} .", "жазыңыз {}")),
    ):
        value = _phone(rng, patterns)
        value = value if patterns is LINKS else _dressed(rng, value)
        yield Written(
            rng.choice(sentences).replace("{}", value),
            "phone",
            (value.split("=")[-1].split("/")[-1],) if patterns is LINKS else (value,),
        )
    one, two = (_dressed(rng, _phone(rng, MOBILE[:12])) for _ in range(2))
    yield Written(f"{one}{rng.choice((', ', '; ', ' / ', ' немесе ', ' и '))}{two}", "phone", (one, two))


# --------------------------------------------------------------------------------------------------- numbers with proofs


def control(eleven: str) -> int | None:
    """The twelfth digit of IIN and BIN, as the order of 11 June 2003 sets it out; None where eleven digits have none."""
    for shift in (0, 2):
        rest = sum(int(digit) * ((place + shift) % 11 + 1) for place, digit in enumerate(eleven)) % 11
        if rest < 10:
            return rest
    return None


def _complete(make: Callable[[], str]) -> str:
    while True:
        eleven = make()
        last = control(eleven)
        if last is not None:
            return f"{eleven}{last}"


def iin(rng: Rng) -> str:
    def eleven() -> str:
        born = date(1940, 1, 1) + timedelta(days=rng.randrange(29_000))
        return born.strftime("%y%m%d") + rng.choice("34" if born.year < 2000 else "56") + fill(rng, "####")

    return _complete(eleven)


def bin_(rng: Rng) -> str:
    return _complete(
        lambda: (
            f"{rng.randrange(27):02d}{rng.randint(1, 12):02d}{rng.choice('456')}{rng.choice('0123')}"
            + fill(rng, "#####")
        )
    )


def card(rng: Rng) -> str:
    """In the ranges of the cards that issuers and gateways publish for tests."""
    body = fill(
        rng,
        rng.choice(
            (
                "411111#########",
                "424242#########",
                "555555#########",
                "510510#########",
                "222300#########",
                "220220#########",
                "37144963######",
                "601111#########",
            )
        ),
    )
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = sum(doubled[int(d)] if place % 2 == 0 else int(d) for place, d in enumerate(reversed(body)))
    return f"{body}{-total % 10}"


def iban(rng: Rng) -> str:
    account = fill(rng, "###") + "".join(rng.choice("0123456789ABCDEFGHKLMNPRSTUXYZ") for _ in range(13))
    rest = 0
    for sign in account + "KZ00":
        for digit in sign if sign.isdigit() else str(ord(sign) - 55):
            rest = (10 * rest + int(digit)) % 97
    return f"KZ{98 - rest:02d}{account}"


TWELVE = (
    "#" * 12,
    "###### ######",
    "######-######",
    "###### ### ###",
    "######-###-###",
    "#### #### ####",
    "####-####-####",
    "## ## ## ######",
)
BESIDE = (
    "{}",
    "{}.",
    "{}, 2024 жыл",
    "{} 2024 жылы",
    "{} 500 000 тг",
    "{} / 500 000 теңге",
    "2024 {}",
    "12 {}",
    "{};87015551234",
    "№{}",
    "({})",
    "{}-2024",
    "Ахметов А.,{},Алматы",
)
IIN_SAID = (
    "ЖСН {}",
    "ЖСН: {}",
    "ЖСН:{}",
    "ЖСН{}",
    "ИИН {}",
    "ИИН№{}",
    "ИИН – {}",
    "ИИН/ЖСН {}",
    "жеке сәйкестендіру нөмірі {}",
    "IIN {}",
    "(ИИН {})",
    "ЖСН-{}",
    "ИИН {} 2024 жылы берілген",
)
BIN_SAID = ("БСН {}", "БСН: {}", "БИН{}", "БИН {}", "бизнес-сәйкестендіру нөмірі {}", "ТОО «Жетісу», БИН {}")
CARDS = (
    "################",
    "#### #### #### ####",
    "####-####-####-####",
    "####.####.####.####",
    "#### - #### - #### - ####",
    "########  ########".replace("  ", " "),
)
AMEX = ("###############", "#### ###### #####", "####-######-#####")
CARD_SAID = ("картасы {}", "карта {}", "Kaspi {}", "төлем картасының нөмірі: {}", "карта{}", "на карту {} Сбербанк")


def proved(rng: Rng) -> Iterator[Written]:
    for kind, number, said in (("iin", iin(rng), IIN_SAID), ("bin", bin_(rng), BIN_SAID)):
        value = _dressed(rng, spread(number, rng.choice(TWELVE)))
        yield Written(rng.choice(said).replace("{}", value), kind, (value,))
        value = spread(number, rng.choice(TWELVE[:5]))
        yield Written(rng.choice(BESIDE).replace("{}", value), kind, (value,))
    number = card(rng)
    value = _dressed(rng, spread(number, rng.choice(CARDS if len(number) == 16 else AMEX)))
    yield Written(rng.choice(CARD_SAID).replace("{}", rng.choice(BESIDE).replace("{}", value)), "card", (value,))
    value = spread(iban(rng), rng.choice(("#" * 20, "#### #### #### #### ####")))
    yield Written(
        rng.choice(("ИИК {}", "IBAN: {}", "шоты {} 500 000 тг", "ЖСК{}", "{} БИК 2024")).replace("{}", value),
        "iban",
        (value,),
    )


def others(rng: Rng) -> Iterator[Written]:
    name = rng.choice(("aigul", "a.serik", "nurlan_85", "info+kz", "пошта")) + fill(rng, "##")
    mail = f"{name}@{rng.choice(('example.kz', 'mail.example.com', 'пример.рф'))}"
    yield Written(
        rng.choice(("Хат: {}", "e-mail:{}", "<{}>", "{}, тел.", "почта - {}.")).replace("{}", mail), "email", (mail,)
    )
    plate = fill(rng, "###") + "".join(rng.choice("ABCDEKMNOPRST") for _ in range(3)) + f"{rng.randint(1, 20):02d}"
    yield Written(rng.choice(("нөмірі {} автокөлік", "авто {}", "{} келді")).replace("{}", plate), "plate", (plate,))
    number = rng.choice(("N", "№ 0", "0")) + fill(rng, "########")
    yield Written(
        rng.choice(("жеке куәлік {}", "паспорт {}", "удостоверение {} МВД", "төлқұжаты {}")).replace("{}", number),
        "id_number",
        (number.removeprefix("№ "),),
    )
    address = ".".join(str(rng.randint(77, 95)) for _ in range(4))
    yield Written(rng.choice(("IP {}", "{} мекенжайынан", "http://{}/")).replace("{}", address), "ip", (address,))


def found(seed: int, count: int) -> Iterator[Written]:
    """So many rounds of numbers that have to be found, some fifteen a round."""
    rng = random.Random(seed)
    for _ in range(count):
        yield from phones(rng)
        yield from proved(rng)
        yield from others(rng)


# ------------------------------------------------------------------------------------------------------- what has to stay


def _sum(rng: Rng, digits: int | None = None) -> str:
    return f"{rng.randrange(10 ** (digits or rng.randint(4, 10))):,}".replace(",", " ")


def _isbn(rng: Rng) -> str:
    twelve = rng.choice(("978601", "978996", "978527", "979860")) + fill(rng, "######")
    last = -sum(int(d) * (1, 3)[place % 2] for place, d in enumerate(twelve)) % 10
    gap = rng.choice("-- ")
    if rng.random() < 0.5:
        return gap.join((twelve[:3], twelve[3:6], twelve[6:10], twelve[10:12], str(last)))
    nine = rng.choice(("9965", "5766", "8712")) + fill(rng, "#####")
    rest = -sum(int(d) * (10 - place) for place, d in enumerate(nine)) % 11
    return gap.join((nine[:4], nine[4:7], nine[7:9], "X" if rest == 10 else str(rest)))


def _guid(rng: Rng) -> str:
    return "-".join("".join(rng.choice("0123456789abcdef") for _ in range(n)) for n in (8, 4, 4, 4, 12))


def _range_of_sums(rng: Rng) -> str:
    one, step = rng.randrange(1_000, 9_000), rng.randrange(10, 900)
    return rng.choice(("{}-{}", "{} – {}", "{}—{}", "{} - {}", "{}/{}")).format(
        *(f"{n * 1000:,}".replace(",", " ") for n in (one, one + step))
    )


def _day(rng: Rng) -> str:
    return f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.{rng.randint(1990, 2026)}"


HARMLESS: dict[str, Callable[[Rng], str]] = {
    "ISBN": lambda rng: f"ISBN {_isbn(rng)}, {rng.randint(1990, 2025)} ж.",
    "ISSN": lambda rng: f"ISSN {fill(rng, '####-####')}, № {rng.randint(1, 12)} ({rng.randint(1, 200)})",
    "range of sums": lambda rng: f"бағасы {_range_of_sums(rng)} теңге",
    "range of sums, bare": lambda rng: f"цена {_range_of_sums(rng)}",
    "sum": lambda rng: f"{_sum(rng)} {rng.choice(('теңге', 'тг', 'тенге', 'адам', ''))} {rng.choice(('бөлінді', 'выделено'))}",
    "volume (year) pages": lambda rng: f"Вестник, {rng.randint(1, 99)} ({rng.randint(1920, 2025)}) {rng.randint(100, 400)}{rng.choice('-–')}{rng.randint(401, 999)} {rng.choice(('беттер', 'с.', ''))}",
    "(year) pages": lambda rng: f"Ахметов ({rng.randint(1920, 2025)}) {rng.randint(100, 400)}-{rng.randint(401, 999)}",
    "years": lambda rng: f"{rng.randint(1900, 1990)}{rng.choice('-–—')}{rng.randint(1991, 2025)} {rng.choice(('жылдары', 'гг.', 'жж.'))} {rng.randint(1900, 2025)}",
    "date and time": lambda rng: f"{rng.randint(1990, 2026)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}, {_day(rng)} {rng.randint(8, 20)}.{rng.randint(10, 59)}",
    "law": lambda rng: f"{rng.randint(1, 300)}-бап, {rng.randint(1, 30)}-тармақ, {rng.randint(1991, 2025)} жылғы № {rng.randint(1, 999)}-{rng.choice(('IV', 'VI', 'VII'))}",
    "order": lambda rng: f"бұйрық № {fill(rng, '##-#-#-#')}/{rng.randint(1, 999)}, {_day(rng)} № {rng.randint(1, 99999)}",
    "building code": lambda rng: f"{rng.choice(('СН РК', 'ҚР ҚН', 'СП РК', 'СНиП'))} {rng.randint(1, 8)}.{rng.randint(1, 9):02d}-{rng.randint(1, 60):02d}-{rng.randint(1985, 2025)}, ГОСТ {rng.randint(1, 9)}.{rng.randint(100, 999)}-{rng.randint(1960, 2022)}",
    "coordinates": lambda rng: f"{rng.uniform(40, 55):.{rng.randint(4, 12)}f}, {rng.uniform(46, 87):.{rng.randint(4, 12)}f}",
    "GUID": lambda rng: f"id {_guid(rng)}",
    "DOI": lambda rng: f"https://doi.org/10.{rng.randint(1000, 32999)}/{fill(rng, '####-####-####-##-#')}-{rng.randint(10, 999)}-{rng.randint(10, 999)}",
    "version": lambda rng: f"{rng.choice(('версия', 'нұсқасы', 'v'))} {rng.randint(0, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 30)}.{rng.randint(0, 9999)}",
    "cadastral number": lambda rng: f"кадастр нөмірі {rng.randint(1, 24):02d}{rng.choice('-:')}{fill(rng, '###')}{rng.choice('-:')}{fill(rng, '###')}{rng.choice('-:')}{fill(rng, rng.choice(('###', '####')))}",
    "scores": lambda rng: f"{rng.randint(0, 25)}-{rng.randint(0, 25)}, {rng.randint(0, 25)}:{rng.randint(0, 25)}, {rng.randint(0, 25)}-{rng.randint(0, 25)} ({rng.randint(0, 120)}-{rng.randint(0, 120)})",
    "statistics of telephones": lambda rng: f"телефон абоненттері {_sum(rng, 6)} адам, тел. байланысы {rng.randint(10, 99)} {rng.randint(100, 999)} {rng.choice(('дана', 'адам', 'мың теңге'))}",
    "UDC and BBK": lambda rng: f"УДК {fill(rng, '###.###.###')} ББК {fill(rng, '##.#(#')}Каз){rng.randint(1, 9)}",
    "barcode": lambda rng: f"штрихкод 487{fill(rng, '##########')}",
    "budget code": lambda rng: f"бюджет бағдарламасы {fill(rng, '### ### ###')}, код {fill(rng, '######')}",
    "64-bit id": lambda rng: f"id={rng.randrange(10**18, 9 * 10**18)}",
    "time stamp": lambda rng: f"{rng.randrange(1_000_000_000, 1_800_000_000)}",
    "table, thousands by spaces": lambda rng: " ".join(_sum(rng, rng.randint(1, 8)) for _ in range(7)),
    "table, tabs": lambda rng: "\t".join(str(rng.randrange(10 ** rng.randint(1, 8))) for _ in range(7)),
    "table of years": lambda rng: " ".join(str(rng.randint(1960, 2026)) for _ in range(6)),
    "arithmetic": lambda rng: f"{rng.randint(100, 999)}-{rng.randint(10, 150)}-{rng.randint(10, 99)}-{rng.randint(10, 99)}={rng.randint(10, 600)}, +{_sum(rng, 8)}",
}  # fmt: skip
"""By kind, a sentence that holds no personal data."""


def harmless(seed: int, count: int) -> Iterator[Written]:
    """So many sentences of each kind that has to stay as it is."""
    rng = random.Random(seed)
    for kind, make in HARMLESS.items():
        for _ in range(count):
            yield Written(make(rng), kind, ())
