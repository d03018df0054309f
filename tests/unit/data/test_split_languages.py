import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.split_languages import split_by_language

KAZAKH = "Ауыл тұрғындары жаңа көпірдің ашылуына жиналды. Мұндай құрылыс бұрын болмаған."
RUSSIAN = "Жители села собрались на открытие нового моста. Такой стройки раньше не было."
ENGLISH = "The villagers gathered for the opening of the new bridge. There had been no such works before."
SHORT = ["Иә.", "12 345", "— …", "\n\n", "  ", "", "ООО", "***", "\x1c", "\u2028"]


def test_one_run_for_each_language_in_order() -> None:
    text = f"{KAZAKH}\n\n{RUSSIAN} {ENGLISH}\n{KAZAKH}"
    assert split_by_language(text) == [("kk", KAZAKH), ("ru", RUSSIAN), ("en", ENGLISH), ("kk", KAZAKH)]


def test_what_cannot_be_told_goes_with_its_neighbour() -> None:
    assert split_by_language(f"1. 2. 3.\n{KAZAKH}\n*** 15 ***") == [("kk", f"1. 2. 3.\n{KAZAKH}\n*** 15 ***")]
    assert split_by_language("12 345") == [("und", "12 345")]
    assert split_by_language(" \n ") == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([KAZAKH, RUSSIAN, ENGLISH, *SHORT]) | st.text(max_size=30), max_size=8),
    st.sampled_from(["\n", " ", ""]),
)
def test_nothing_is_lost_and_neighbouring_runs_differ(parts: list[str], glue: str) -> None:
    text = glue.join(parts)
    runs = split_by_language(text)
    assert "".join("".join(run for _, run in runs).split()) == "".join(text.split())
    assert all(first != second for (first, _), (second, _) in itertools.pairwise(runs))
