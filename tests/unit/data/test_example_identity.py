"""What makes an example different is what is compared: differing signs, passages and questions stay, true copies go."""

import random
from collections.abc import Sequence

import pytest

from qaz_llm.data.chat.identity import Example, asked_form, differ_in_what_matters, signs_of
from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.dedup import near_duplicates_of_texts

LONG = " ".join(f"сөз{n}" for n in range(60))


def is_copy(one: Example, other: Example) -> bool:
    """As a build decides, near or exact."""
    if one.exact_key == other.exact_key:
        return True
    found = near_duplicates_of_texts([one.alike, other.alike], DedupConfig(), 0, keys=[one.near_key, other.near_key])
    return found[1] == 0 and not differ_in_what_matters(one.alike, other.alike)


def chat(asked: str, answered: str, system: str = "") -> Example:
    return Example("chat", ("system", system, "user", asked), (answered,))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5+3 қанша?", "5-3 қанша?"),
        ("5 - 3 қанша?", "5 + 3 қанша?"),
        ("5 − 3 қанша?", "5 3 қанша?"),
        ("a<b болса, рас па?", "a>b болса, рас па?"),
        ("a<=b рас па?", "a<b рас па?"),
        ("x == y рас па?", "x != y рас па?"),
        ("3,5 бүтін сан ба?", "35 бүтін сан ба?"),
        ("3.5 бүтін сан ба?", "3,5 бүтін сан ба?"),
        ("-5 оң сан ба?", "5 оң сан ба?"),
        ("2*(3+4)*5 қанша?", "2*3+(4*5) қанша?"),
        ("`!x` не береді?", "`x` не береді?"),
        ("`a.b` деген не?", "`a, b` деген не?"),
        ("print(x) не шығарады?", "Print(x) не шығарады?"),
        ("Сыйымдылығы 5 мB", "Сыйымдылығы 5 мb"),
        ("20 % дегені не?", "20 $ дегені не?"),
        ("x_1 деген не?", "x1 деген не?"),
        ("if x:\n    y()\nz()", "if x:\n    y()\n    z()"),
        ("1941 жылы не болды?", "1945 жылы не болды?"),
        ("Абай кім?", "Шоқан кім?"),
        ("Бұл дұрыс", "Бұл дұрыс емес"),
        (f"{LONG}\n\nАвторы кім?", f"{LONG}\n\nҚашан жазылды?"),
        (f"{LONG} Иә ме?", f"{LONG} Жоқ па?"),
        (LONG, LONG.replace("сөз30", "басқа")),
        ("C тілі деген не?", "C++ тілі деген не?"),
        ("C тілі деген не?", "C# тілі деген не?"),
        ("🙂 деген не?", "🙁 деген не?"),
    ],
)
def test_other_questions_with_the_same_answer_are_other_examples(one: str, other: str) -> None:
    for answer in ("Иә, дұрыс.", "5", LONG):
        assert not is_copy(chat(one, answer), chat(other, answer))
        assert is_copy(chat(one, answer), chat(one, answer))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Қар еріді ме?", "Қар еріді ме"),
        ("Қар еріді ме?", "қар еріді ме?"),
        ("«Абай жолы» туралы айт.", '"Абай жолы" туралы айт'),
        ("Абай – ақын. Иә ме?", "Абай - ақын. Иә ме?"),
        ("Қар  еріді ме?\n\n", "Қар еріді ме?"),
        ("2010–2015 жылдары", "2010-2015 жылдары"),
    ],
)
def test_punctuation_of_prose_tells_no_questions_apart(one: str, other: str) -> None:
    assert is_copy(chat(one, "Иә, солай."), chat(other, "Иә, солай."))


@pytest.mark.parametrize(
    ("one", "other", "copy"),
    [
        (LONG, LONG + " екен", True),
        (LONG, LONG.upper(), True),
        (LONG, f"«{LONG}»!", True),
        (LONG, LONG + " 5", False),
        (LONG, LONG.replace("сөз30 ", "сөз30 + "), False),
        (LONG, " ".join(f"басқа{n}" for n in range(60)), False),
        ("Иә", "Жоқ", False),
        ("8", "2", False),
        ("+", "-", False),
        ("<", ">", False),
        ("def f():\n    a\n    b", "def f():\n    a\nb", False),
        ("Астана", "Астана.", True),
        ("True", "False", False),
        (LONG + " емес", LONG, False),
        (LONG + " Абай", LONG + " Шоқан", False),
        (LONG + " iOS", LONG + " Android", False),
        (f"{LONG}. Бірақ", f"{LONG}. Алайда", True),
        (LONG + " екен", LONG + " деді", True),
    ],
)
def test_one_question_with_two_answers(one: str, other: str, copy: bool) -> None:
    assert is_copy(chat("Не?", one), chat("Не?", other)) is copy


def test_system_passage_group_and_number_of_turns_count() -> None:
    assert not is_copy(chat("Не?", LONG, "Қысқа жауап бер."), chat("Не?", LONG, "Ұзақ жауап бер."))
    assert not is_copy(Example("qa", ("Не?", "бір мәтін"), ("Иә",)), Example("qa", ("Не?", "екі мәтін"), ("Иә",)))
    assert not is_copy(Example("parallel kk-ru", (), ("қар", "снег")), Example("parallel ru-kk", (), ("қар", "снег")))
    one = Example("chat", ("user", "Сәлем", "user", "Қалай?"), ("Сәлем", LONG))
    assert not is_copy(one, Example("chat", ("user", "Сәлем"), ("Сәлем", LONG)))
    assert not is_copy(one, Example("chat", ("user", "Сәлем", "user", "Қашан?"), ("Сәлем", LONG)))
    assert not is_copy(one, Example("chat", ("user", "Сәлем", "user", "Қалай?", "user", "Иә?"), ("Сәлем", LONG, "Иә")))
    assert not is_copy(Example("a", ("бір", ""), ("x",)), Example("a", ("", "бір"), ("x",))), "a text keeps its place"
    assert not is_copy(Example("a", ("бір",), ("x",)), Example("a", (), ("бір", "x")))


def test_keys_part_texts_as_separate_searches_would() -> None:
    """Oracle: the search run on the texts of each key alone."""
    generator = random.Random(0)
    base = [LONG.split()[n : n + 30] for n in range(0, 20, 5)]
    texts = [" ".join([*generator.choice(base), *(["қосымша"] * generator.randrange(3))]) for _ in range(120)]
    keys = [generator.choice((3, 7, 1 << 63, (1 << 64) - 1)) for _ in texts]
    found = near_duplicates_of_texts(texts, DedupConfig(), 0, keys=keys)
    expected: list[int | None] = [None] * len(texts)
    for key in set(keys):
        numbers = [n for n, own in enumerate(keys) if own == key]
        alone = near_duplicates_of_texts([texts[n] for n in numbers], DedupConfig(), 0)
        for n, kept in zip(numbers, alone, strict=True):
            expected[n] = None if kept is None else numbers[kept]
    assert found == expected
    assert any(kept is not None for kept in found)


@pytest.mark.parametrize(
    ("text", "form", "signs"),
    [
        ("Қар, су!", "қар су", []),
        ("a, b; c: d?", "a b c d", []),
        ("3,5 м", "3,5 м", ["3", ",", "5"]),
        ("https://a.kz/B", "https://a.kz/b | B", [":", "/", "/", ".", "/"]),
        ("  if x:\n\treturn 1", "if x\n\treturn 1", ["\n\t", "1"]),
        ("Қысқа — ұзақ", "қысқа ұзақ", []),
        ("7 — 2", "7 - 2", ["7", "-", "2"]),
        ("x - y", "x y", []),
        ("ақ-қара", "ақ-қара", ["-"]),
        ("Не?..\n\n", "не", []),
        ("«Бірі» (екі).", "бірі (екі)", ["(", ")"]),
        ("", "", []),
    ],
)
def test_forms(text: str, form: str, signs: Sequence[str]) -> None:
    assert asked_form(text) == form
    assert signs_of(text) == signs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("қақпағын ашыңыз", "қақпағын ашпаңыз"),
        ("осында тоқтауға болады", "осында тоқтауға болмайды"),
        ("ол кеше барған екен", "ол кеше бармаған екен"),
        ("олар мұнда келеді ғой", "олар мұнда келмейді ғой"),
        ("осыны жазба деді", "осыны жаз деді"),
        ("это безопасный способ", "это небезопасный способ"),
        ("так делать можно", "так делать нельзя"),
        ("you can open it", "you can't open it"),
    ],
)
def test_answers_that_deny_each_other_are_two(one: str, other: str) -> None:
    assert differ_in_what_matters(one, other)
    assert differ_in_what_matters(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ол қалаға барды", "ол қалада болды"),
        ("бұл алма ағашы", "бұл алмалар ағашы"),
        ("кітаптар сөреде", "кітапты сөреде"),
        ("он пришёл домой", "он пришёл к дому"),
    ],
)
def test_other_endings_deny_nothing(one: str, other: str) -> None:
    assert not differ_in_what_matters(one, other)


def test_quotation_marks_are_signs_in_code_and_none_in_prose() -> None:
    assert asked_form('print("x") не береді?') != asked_form("print(x) не береді?")
    assert signs_of("s = 'a'\nreturn s") != signs_of("s = a\nreturn s")
    assert asked_form("«Абай жолы» кімдікі?") == asked_form('"Абай жолы" кімдікі?') == asked_form("Абай жолы кімдікі?")
    assert asked_form('Ол "иә", деді.') == asked_form("Ол «иә», деді.")
