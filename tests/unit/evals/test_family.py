"""Which tests were declared: roles by hand, Holm's steps by hand, names that mean nothing refused."""

import pytest

from qaz_llm.errors import InputError
from qaz_llm.evals.summary.family import Family

P = {("mc", "kk-ru"): 0.01, ("mc", "kk-en"): 0.03, ("bpb", "kk-ru"): 0.02, ("bpb", "kk-en"): 0.5}


def test_without_a_declaration_all_tests_are_the_family() -> None:
    adjusted = Family().adjusted(P)
    assert {Family().role(test) for test in P} == {"primary"}
    assert list(adjusted.values()) == [
        4 * 0.01,
        pytest.approx(3 * 0.02),
        3 * 0.02,
        0.5,
    ]  # 0.01·4, 0.02·3, 0.03·2 not below it, 0.5·1


def test_declared_tests_pay_for_themselves_alone_and_others_for_all() -> None:
    family = Family(("mc.kk-en", "bpb.kk-ru"))
    adjusted = family.adjusted(P)
    assert adjusted["mc", "kk-en"] == 0.04 and adjusted["bpb", "kk-ru"] == 0.04  # 0.02·2; 0.03·1, not below it
    assert adjusted["mc", "kk-ru"] == 4 * 0.01  # exploratory: among all four
    assert [family.role(test) for test in P] == ["exploratory", "primary", "primary", "exploratory"]


def test_a_task_stands_for_all_its_gaps_and_a_pair_for_its_languages() -> None:
    assert Family(("mc",)).role(("mc", "kk-en", "some model")) == "primary"
    pair = Family(("mc.kk-ru",))
    roles = {key: pair.role(("mc", key)) for key in ("kk", "ru", "en", "kk-en")}
    assert roles == {"kk": "primary", "ru": "primary", "en": "exploratory", "kk-en": "exploratory"}
    assert pair.role(("mc2", "kk-ru")) == "exploratory"


def test_names_that_no_test_answers_to_are_refused() -> None:
    Family(("mc", "bpb.kk-en")).check(list(P))
    with pytest.raises(InputError, match=r"family names mc.kk-de, xx, which no test") as error:
        Family(("mc.kk-de", "mc", "xx")).check(list(P))
    assert "mc.kk-ru" in str(error.value.hint)
