import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.protect.decontaminate import EvaluationItem, make_decontaminator, read_items
from qaz_llm.errors import InputError
from qaz_llm.io import read_jsonl, write_jsonl
from qaz_llm.language.buffer import scan_texts

CONFIG = DecontaminateConfig(shipped=False)
ITEM = "Абай Құнанбайұлы 1845 жылы Шыңғыс тауының бауырында дүниеге келген, оның әкесі Құнанбай аға сұлтан болған."


def items_of(*texts: str, file: str = "a.jsonl") -> list[EvaluationItem]:
    return [EvaluationItem(file, str(number), (text,)) for number, text in enumerate(texts, 1)]


def test_a_run_of_ten_words_is_a_hit_and_nine_are_not() -> None:
    index = make_decontaminator(items_of(ITEM), CONFIG)
    words = ITEM.split()
    assert index.hit("кіріспе " + " ".join(words[2:12]) + " жалғасы")
    assert not index.hit("кіріспе " + " ".join(words[2:11]) + " жалғасы")
    assert index.hit(ITEM.upper().replace(",", " –\n"))


@pytest.mark.parametrize(
    "text",
    [
        "В какую реку впадает Иртыш и где находится исток этой длинной реки?",
        "Which river does the Irtysh flow into, and where does it have its source?",
    ],
)
def test_russian_and_english_items(text: str) -> None:
    index = make_decontaminator(items_of(text), CONFIG)
    assert index.hits(scan_texts([f"Ответ. {text.upper()} Answer.", "Иртыш", ""])) == ["a.jsonl", None, None]


def test_short_items_have_to_be_there_whole() -> None:
    index = make_decontaminator(items_of("Ертіс өзені қай өзенге барып құяды?", "Астана қайда?"), CONFIG)
    assert (index.num_texts, index.num_texts_too_short) == (1, 1)
    assert index.hit("Сұрақ: ертіс өзені қай өзенге барып құяды")
    assert not index.hit("Ертіс өзені қай өзенге құяды")
    assert not index.hit("Астана қайда?")


WORDS = st.lists(st.sampled_from("абвг"), max_size=40)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6), st.integers(3, 6), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_against_a_search_of_strings(texts: list[list[str]], items: list[list[str]], n: int, least: int) -> None:
    """All items whose runs of words a text holds, found by comparing tuples of words."""

    def runs(words: list[str], length: int) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}

    expected = [
        tuple(
            number
            for number, item in enumerate(items)
            if len(item) >= least and runs(text, min(n, len(item))) & runs(item, min(n, len(item)))
        )
        for text in texts
    ]
    config = DecontaminateConfig(shipped=False, ngram_words=n, min_item_words=least)
    index = make_decontaminator(items_of(*map(" ".join, items)), config)
    assert index.hit_items(scan_texts(list(map(" ".join, texts)))) == expected


def test_the_first_file_by_name_is_named_and_the_report_counts_all() -> None:
    other = "Ертіс өзені Қытайда басталып, Қазақстан арқылы ағып, Ресейде Обь өзеніне құяды."
    items = [*items_of(other, ITEM, file="b.jsonl"), *items_of(ITEM, "бір екі", file="a.jsonl")]
    index = make_decontaminator(items, CONFIG)
    scanned = scan_texts([f"{other} {ITEM}", "таза мәтін", other])
    assert index.hits(scanned) == ["a.jsonl", None, "b.jsonl"]
    report = index.report(index.hit_items(scanned))
    assert report["files"] == {
        "a.jsonl": {"documents": 1, "items_hit": 1, "items": 2},
        "b.jsonl": {"documents": 2, "items_hit": 2, "items": 2},
    }
    assert report["top_items"][0] == {"file": "b.jsonl", "item": "1", "documents": 2}


def test_overlaps_between_files_are_described() -> None:
    passage = f"{ITEM} Ертіс өзені қай өзенге барып құяды? Тағы бір сөйлем осы жерде тұр."
    items = [
        *items_of(passage, file="belebele.jsonl"),
        *items_of(ITEM, "Ертіс өзені қай өзенге барып құяды?", "Мұнда мүлде басқа сөйлем жазылған.", file="flores.jsonl"),
        *items_of("Бұл файлда ортақ ештеңе жоқ, бәрі басқаша.", file="other.jsonl"),
    ]  # fmt: skip
    described = make_decontaminator(items, CONFIG).describe()
    assert described["overlaps"] == {"belebele.jsonl": {"flores.jsonl": 1}, "flores.jsonl": {"belebele.jsonl": 2}}
    assert described["files"]["flores.jsonl"] == {"items": 3, "items_too_short": 1, "texts": 2, "texts_too_short": 1}


# ------------------------------------------------------------------------------------------------------------ reading


def test_items_are_read_from_every_string_of_a_row(tmp_path: Path) -> None:
    rows = [{"id": "q7", "q": "сұрақ", "choices": ["бір", "екі"], "n": 3, "deep": {"answers": [{"text": "үш"}]}}]
    write_jsonl(tmp_path / "items.jsonl", rows)
    (tmp_path / "items.tsv").write_text("төрт\tбес\n", encoding="utf-8")
    paths = (str(tmp_path / "items.jsonl"), str(tmp_path / "items.tsv"))
    folder = tmp_path.name
    assert list(read_items(DecontaminateConfig(shipped=False, paths=paths))) == [
        EvaluationItem(f"{folder}/items.jsonl", "q7", ("q7", "сұрақ", "бір", "екі", "үш")),
        EvaluationItem(f"{folder}/items.tsv", "1", ("төрт", "бес")),
    ]
    only = DecontaminateConfig(shipped=False, paths=paths[:1], fields=("choices",))
    assert [item.texts for item in read_items(only)] == [("бір", "екі")]


def test_what_ships_is_looked_for_by_default_and_once() -> None:
    shipped = list(read_items(DecontaminateConfig()))
    names = ("mc_items", "parallel_sentences", "service_items", "law_items", "school_items")
    assert {item.file for item in shipped} == {f"embedded/{name}.jsonl" for name in names}
    again = DecontaminateConfig(paths=("embedded:mc_items.jsonl",))
    assert list(read_items(again)) == shipped
    index = make_decontaminator(shipped, again)
    longest = max((text for item in shipped for text in item.texts), key=len)
    assert index.hit(f"Мәтін ішінде: {longest} Соңы.")


def test_no_items_no_hits_and_missing_items_are_an_error(tmp_path: Path) -> None:
    empty = make_decontaminator([], CONFIG)
    assert not empty.hit(ITEM)
    assert empty.describe()["files"] == {}
    assert make_decontaminator(items_of("қысқа"), CONFIG).hits(scan_texts([ITEM])) == [None]
    with pytest.raises(InputError, match="no such file"):
        list(read_items(DecontaminateConfig(paths=(str(tmp_path / "none.jsonl"),))))


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_sib200_lies_in_flores_and_belebele() -> None:
    """SIB-200's sentences are FLORES's; those of the devtest part are found by comparing the strings themselves."""
    corpus = Path(os.environ["QAZ_CORPUS_DIR"])
    config = DecontaminateConfig(shipped=False, paths=("flores200", "sib200/sib200_kk_*.jsonl", "belebele_kk"))
    overlaps = make_decontaminator(read_items(config, root=corpus), config).describe()["overlaps"]
    flores = {row["kk"].strip() for row in read_jsonl(corpus / "flores200" / "flores200_devtest_kk_ru_en.jsonl")}
    sib = [row["text"].strip() for row in read_jsonl(corpus / "sib200" / "sib200_kk_train.jsonl")]
    equal = sum(text in flores for text in sib)
    found = overlaps["sib200/sib200_kk_train.jsonl"]["flores200/flores200_devtest_kk_ru_en.jsonl"]
    assert 0 <= found - equal < 0.05 * equal
    assert overlaps["belebele_kk/belebele_kaz_Cyrl.jsonl.gz"]["sib200/sib200_kk_train.jsonl"] > 500
