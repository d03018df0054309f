"""Numbers as people and models write them, against their values by hand; and against the choices that real answers name."""

from __future__ import annotations

import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from qaz_llm.evals.answers.extract import extract_choice
from qaz_llm.evals.answers.numbers import canonical, numbers_in, read_number
from qaz_llm.io import read_rows


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3000", ["3000"]),
        ("3 000", ["3000"]),
        ("3\u00a0000", ["3000"]),  # no-break
        ("12\u202f345\u202f678", ["12345678"]),  # thin
        ("12'000", ["12000"]),
        ("1,234,567.89", ["1234567.89"]),
        ("1.234.567,89", ["1234567.89"]),
        ("3,5", ["3.5"]),
        ("3.14.", ["3.14"]),
        ("0,125", ["0.125"]),
        ("2,125", ["2125", "2.125"]),  # either
        ("\u22125", ["-5"]),
        ("\u20135 °C", ["-5"]),
        ("x = - 5", ["-5"]),
        ("C) -37", ["-37"]),
        ("(-3,5)", ["-3.5"]),
        ("3/4", ["3/4"]),
        ("1 1/2", ["3/2"]),
        (r"\frac{3}{4}", ["3/4"]),
        (r"12\,000", ["12000"]),
        ("$70,000", ["70000", "70"]),
        ("25 %", ["25", "1/4"]),
        ("70 тысяч долларов", ["70", "70000"]),
        ("2,5 млн", ["2.5", "2500000"]),
        ("15 мың теңге", ["15", "15000"]),
    ],
)
def test_one_number(text: str, values: list[str]) -> None:
    [found] = numbers_in(text)
    assert list(found.values) == [Fraction(value) for value in values]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2014-2017", [2014, 2017]),
        ("2014 – 2017 жылдары", [2014, 2017]),
        ("5-2=3", [5, 2, 3]),
        ("1, 2, 3", [1, 2, 3]),
        ("5 сыныпта 25 бала", [5, 25]),
        ("1991 жылы 16 желтоқсан", [1991, 16]),
        ("8/0", []),
        ("сан жоқ", []),
        ("9" * 41, []),
    ],
)
def test_several_or_none(text: str, values: list[int]) -> None:
    assert [number.values[0] for number in numbers_in(text)] == values


@pytest.mark.parametrize(
    ("answer", "value", "rule"),
    [
        ("Жауап: 42", "42", "said"),
        ("**Жауабы:** 18 доллар", "18", "said"),
        ("Ответ: 70,000 долларов.", "70000", "said"),
        ("The answer is 42.", "42", "said"),
        ("She has 3 + 4 = 7.\n#### 7", "7", "said"),
        ("Жауап: 5 + 2 = 7 алма, 3 емес", "7", "said"),
        ("Жауап: 5. Жоқ, қате. Жауап: 6.", "6", "said"),
        (r"Сонда \[\boxed{12\,000}\] болады, 3 емес.", "12000", "boxed"),
        ("4 қорап бар.\nБарлығы 40 + 2 = 42.", "42", "equals"),
        ("Сонымен, 2 ағаштан 42 алма жиналды.", "42", "last"),
        ("", None, ""),
        ("Мен білмеймін.", None, ""),
    ],
)
def test_which_number_is_meant(answer: str, value: str | None, rule: str) -> None:
    found = read_number(answer)
    assert found.rule == rule
    assert (found.number.values[0] if found.number else None) == (Fraction(value) if value else None)


def test_numbers_in_one_notation_for_words() -> None:
    written = canonical("3 000 теңге, −5 °C, 3,14, 2014 – 2017, A-4")
    assert written == "3000 теңге, -5 °C, 3.14, 2014 – 2017, A-4"


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs real outputs in QAZ_CORPUS_DIR")
def test_real_answers_give_the_number_of_the_choice_they_name() -> None:
    """Two readings of one answer: by its letter, and by its number. They differ where a model calculates one and names another."""
    found = Counter(
        read_number(row["output"]).number is not None
        and read_number(row["output"]).number.equals(numbers_in(row["choices"][choice])[0])  # type: ignore[union-attr]
        for row in read_rows(Path(os.environ["QAZ_CORPUS_DIR"]) / "tumlu" / "outputs_kk_cot_instruct.jsonl.gz")
        if all(len(numbers_in(text)) == 1 and len(text) < 12 for text in row["choices"])
        and (choice := extract_choice(row["output"], row["choices"]).choice) is not None
    )
    assert found.total() > 900
    assert found[True] / found.total() > 0.93
