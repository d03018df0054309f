from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.decontaminate import make_decontaminator, read_items
from qaz_llm.errors import InputError
from qaz_llm.io import write_jsonl

CONFIG = DecontaminateConfig()
ITEM = "Абай Құнанбайұлы 1845 жылы Шыңғыс тауының бауырында дүниеге келген, оның әкесі Құнанбай аға сұлтан болған."


def test_a_run_of_ten_words_is_a_hit_and_nine_are_not() -> None:
    index = make_decontaminator([ITEM], CONFIG)
    words = ITEM.split()
    assert index.hit("кіріспе " + " ".join(words[2:12]) + " жалғасы")
    assert not index.hit("кіріспе " + " ".join(words[2:11]) + " жалғасы")
    assert index.hit(ITEM.upper().replace(",", " –\n"))


def test_short_items_have_to_be_there_whole() -> None:
    index = make_decontaminator(["Ертіс өзені қай өзенге барып құяды?", "Астана қайда?"], CONFIG)
    assert index.num_texts == 1
    assert index.num_texts_too_short == 1
    assert index.hit("Сұрақ: ертіс өзені қай өзенге барып құяды")
    assert not index.hit("Ертіс өзені қай өзенге құяды")
    assert not index.hit("Астана қайда?")


@given(
    st.lists(st.sampled_from("абвг"), max_size=40),
    st.lists(st.sampled_from("абвг"), min_size=3, max_size=12),
    st.integers(3, 6),
)
@settings(max_examples=200, deadline=None)
def test_against_a_search_of_strings(text: list[str], item: list[str], n: int) -> None:
    config = DecontaminateConfig(ngram_words=n, min_item_words=3)
    length = min(n, len(item))
    grams = {tuple(item[i : i + length]) for i in range(len(item) - length + 1)}
    expected = any(tuple(text[i : i + length]) in grams for i in range(len(text) - length + 1))
    assert make_decontaminator([" ".join(item)], config).hit(" ".join(text)) is expected


def test_items_are_read_from_every_string_of_a_row(tmp_path: Path) -> None:
    rows = [{"q": "сұрақ", "choices": ["бір", "екі"], "n": 3, "deep": {"answers": [{"text": "үш"}]}}]
    write_jsonl(tmp_path / "items.jsonl", rows)
    (tmp_path / "items.tsv").write_text("id1\tтөрт\n")
    config = DecontaminateConfig(paths=(str(tmp_path / "items.jsonl"), str(tmp_path / "items.tsv")))
    assert list(read_items(config)) == ["сұрақ", "бір", "екі", "үш", "id1", "төрт"]
    only = DecontaminateConfig(paths=(str(tmp_path / "items.jsonl"),), fields=("choices",))
    assert list(read_items(only)) == ["бір", "екі"]


def test_no_items_no_hits_and_missing_items_are_an_error(tmp_path: Path) -> None:
    assert not make_decontaminator([], CONFIG).hit(ITEM)
    with pytest.raises(InputError, match="no such file"):
        list(read_items(DecontaminateConfig(paths=(str(tmp_path / "none.jsonl"),))))
