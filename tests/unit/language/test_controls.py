"""Characters that are not seen, by what they did."""

import re
from collections import Counter

import ftfy.fixes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.controls import mend_controls
from qaz_llm.language.repair import repair

WORDS = ["Алматы", "қаласында", "жаңа", "көпір", "салынды", "деп", "жазды"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Алматы\x96Астана бағыты", "Алматы–Астана бағыты"),
        ("Ол \x93Қазақ үні\x94 газетін", "Ол “Қазақ үні” газетін"),
        ("Ол \x91үні\x92, \x84сөз\x93 \x8bіш\x9b", "Ол ‘үні’, „сөз“ ‹іш›"),
        ("2010\x962015 жылдары", "2010–2015 жылдары"),
        ("бірінші\x97екінші", "бірінші—екінші"),
        ("100 \x80, 5\x89, Samsung\x99", "100 €, 5‰, Samsung™"),
        ("caf\xe9 \x9cuvre, \x8akoda, \x9eena", "café œuvre, Škoda, žena"),
        ("отыр еді\x85 Сосын ұйықтады", "отыр еді… Сосын ұйықтады"),
        ("отыр еді\x85, сосын", "отыр еді…, сосын"),
        ("ал сосын\x85", "ал сосын…"),
        ("бірінші жол.\x85Екінші жол.\x85Үшінші жол", "бірінші жол.\nЕкінші жол.\nҮшінші жол"),
        ("\x93Білмеймін\x85\x94 деді", "“Білмеймін…” деді"),
    ],
)
def test_controls_that_stand_for_signs(written: str, meant: str) -> None:
    assert repair(written).text == meant


@given(st.text(alphabet="абвABC ,." + "".join(chr(c) for c in range(0x80, 0xA0)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_signs_are_those_of_ftfy(text: str) -> None:
    """Oracle: ftfy reads each C1 control as cp1252. Left out are letters, € and accents, which depend on the neighbours,
    and U+0085, which may end a line."""
    text = re.sub("[\x80\x83\x85\x88\x8a\x8c\x8e\x98\x9a\x9c\x9e\x9f]", "\x96", text)
    theirs = re.sub("[\x80-\x9f]+", "", ftfy.fixes.fix_c1_controls(text))
    ours = mend_controls(text, Counter())
    assert ours.replace(" ", "") == theirs.replace(" ", "")


@pytest.mark.parametrize(
    "control", [*"\x0b\x0c\x1c\x1d\x1e\x1f\0\x01\x07\x10\x7f\x81\x90", "\u2028", "\u2029", "\ufffc"]
)
@pytest.mark.parametrize("before", ["мұғалім", "жерде."])
def test_controls_that_part_words_leave_a_space_or_a_line_break(control: str, before: str) -> None:
    assert re.fullmatch(f"{re.escape(before)}[ \n]Директор", repair(f"{before}{control}Директор").text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("мектебінде\x0bтарих", "мектебінде\nтарих"),
        ("беттің сөзі\x0cкелесі бетте", "беттің сөзі келесі бетте"),
        ("беттің соңы.\n\x0cКелесі бет", "беттің соңы.\nКелесі бет"),
        ("сөз, \x01сөз \x02", "сөз, сөз"),
        ("әңгіме,\x7f– деді", "әңгіме, – деді"),
        ("Қ\0а\0з\0а\0қ\0", "Қазақ"),
        (
            "A\0l\0m\0a\0t\0y\0 деген қала, сөз\0бар, одан кейін тағы көп сөз бар",
            "Almaty деген қала, сөз бар, одан кейін тағы көп сөз бар",
        ),
        ("\x1b[31mқызыл\x1b[0m сөз", "қызыл сөз"),
        ("N\x08NA\x08AM\x08M _\x08б_\x08і_\x08р", "NAM бір"),
        ("соц\x9aиум", "соц иум"),
    ],
)
def test_what_other_controls_did(written: str, meant: str) -> None:
    assert repair(written).text == meant


@pytest.mark.parametrize("text", ["Aлғашқы\x07екінші\x07үшінші\x07\x07Бір\x07екі\x07үш"])
def test_cells_of_word_are_parted_by_tabs(text: str) -> None:
    assert repair(text).text == "Алғашқы\tекінші\tүшінші\nБір\tекі\tүш"


@pytest.mark.parametrize("at_end", ["\u00ad\n", "\u00ad \n", "\u00ad\r\n", "\u00ad ", "\n\u00ad", "\n\u00ad\n", "¬\n", "¬\r\n", "¬ ", "\x02\n", "\ufffe\n"])  # fmt: skip
def test_hyphens_that_are_not_seen_join_words_over_a_line_end(at_end: str) -> None:
    repaired = repair(f"бұл мек{at_end}тептер еді")
    assert repaired.text == "бұл мектептер еді"
    assert repaired.counts["hyphenation"] == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("сөз\u00adдер, сөз¬дер, сөз\x02дер", "сөздер, сөздер, сөздер"),
        ("МЕМ¬\nЛЕКЕТ", "МЕМЛЕКЕТ"),
        ("Қазақстан\u00ad\nАбай туралы", "Қазақстан\nАбай туралы"),
        ("Қазақстан\n\u00ad\nАбай туралы", "Қазақстан\nАбай туралы"),
        ("non¬\ncommissioned", "noncommissioned"),
    ],
)
def test_soft_hyphens_and_old_ones(written: str, meant: str) -> None:
    assert repair(written).text == meant


@pytest.mark.parametrize(
    "text",
    [
        "Егер ¬A ∧ B болса, p → ¬q шығады",
        "¬(A ∨ B) ≡ ¬A ∧ ¬B",
        "A¬B",
        "p ¬q, x ¬ y",
        "xy¬zw ∨ ab",
        "сөз-\nдер",
        "Мәтін … 5 ‰ “сөз” – €",
        "👨\u200d👩\u200d👧 отбасы ❤️",
        "می\u200cخواهم",
    ],
)
def test_signs_that_are_meant_stay(text: str) -> None:
    assert repair(text).text == text
    assert not repair(text).counts


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("сөз\u200bдер Қазақ\u200bстан", "сөздер Қазақстан"),
        ("сөйлем.\u200bКелесі", "сөйлем. Келесі"),
        ("бірінші\u200bЕкінші", "бірінші Екінші"),
        ("соңы.\ufeffБасы", "соңы. Басы"),
        ("\ufeffБасы\u200e \u202aсөз\u202c\u2060\u061c", "Басы сөз"),
        ("3.\u200b14", "3.14"),
        ("сурет\ufffcмәтін", "сурет мәтін"),
        ("Қаз\u200cақ", "Қазақ"),
    ],
)
def test_characters_of_no_width(written: str, meant: str) -> None:
    assert repair(written).text == meant


@pytest.mark.parametrize(
    "text",
    [
        "бүгін|қалада|үлкен|мереке|болды",
        "үлкен|үй, алма|алмұрт",
        "сегодня|вечером|мы|пойдём|в|театр",
    ],
)
def test_marks_of_no_width_that_stand_for_spaces_become_them(text: str) -> None:
    assert repair(text.replace("|", "\u200b")).text == text.replace("|", " ")


@pytest.mark.parametrize(
    "text", ["Қазақ|стан мемле|кет|тік универ|ситеті", "қала|ларымыздағы|лардың", "дос|то|при|меча|тель|нос|ти"]
)
def test_marks_of_no_width_where_a_word_may_be_broken_go(text: str) -> None:
    assert repair(text.replace("|", "\u200b")).text == text.replace("|", "")


def test_halves_of_a_character_become_it() -> None:
    assert repair("Бас \ud83d\ude00 \ud83d соң").text == "Бас 😀 соң"
    assert repair("\ud83d\ude00\udc00").counts["surrogate"] == 2


def test_lost_characters_are_counted_and_stay() -> None:
    repaired = repair("Қаза\ufffd тілі\ufffd")
    assert repaired.text == "Қаза\ufffd тілі\ufffd"
    assert repaired.counts == {"replacement": 2}


def test_every_change_is_counted_by_name() -> None:
    assert repair("А\x96Б").counts == {"c1": 1}
    assert repair("аа\x0bбб").counts == {"control": 1}
    assert repair("аа\u00adбб").counts == {"invisible": 1}


@given(st.lists(st.sampled_from([*WORDS, *"\x0b\x0c\x1c\x1f\u2028\x7f\x01.,"]), max_size=12))
@settings(max_examples=200, deadline=None)
def test_words_are_those_between_the_controls(pieces: list[str]) -> None:
    """Oracle: a control splits the text, whatever it is replaced by."""
    text = "".join(pieces)
    apart = re.split("[^а-яёА-ЯәғқңөұүһіӘ]+", text)
    assert re.split("[^а-яёА-ЯәғқңөұүһіӘ]+", repair(f"а {text} я").text.removeprefix("а").removesuffix("я"))[1:-1] == [
        word for word in apart if word
    ]
