"""The tasks of the hub on copies with a row or two, columns as the sets' readers elsewhere document them."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.errors import DataError
from qaz_llm.evals.answers.numbers import Number, read_number
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.prompts.examples import load_examples
from qaz_llm.evals.prompts.render import render_context, render_requests
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import chance_level, load_task
from qaz_llm.io import write_jsonl
from qaz_llm.records import EvalItem

LETTERS = "ABCDEFGH"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return tmp_path


def put(root: Path, name: str, subset: str, split: str, *rows: dict[str, Any]) -> None:
    """A split of a copy; its README lists all of them, as on the hub."""
    folder = root / "hub" / name
    write_jsonl(folder / subset / f"{split}.jsonl", rows)
    there = sorted(path.relative_to(folder) for path in folder.rglob("*.jsonl"))
    configs = [
        {"config_name": one, "data_files": [{"split": p.stem, "path": str(p)} for p in there if p.parts[0] == one]}
        for one in sorted({p.parts[0] for p in there})
    ]
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")


def right(item: EvalItem) -> str:
    assert item.answer is not None
    return item.choices[item.answer]


def test_belebele_beside_the_kazakh_file(hub: Path) -> None:
    row = {"link": "L", "question_number": 2, "flores_passage": "P", "question": "Q?", "correct_answer_num": "3"}
    row |= {f"mc_answer{n}": f"a{n}" for n in (1, 2, 3, 4)}
    (hub / "belebele_kk").mkdir()
    (hub / "belebele_kk" / "belebele_kaz_Cyrl.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    put(hub, "facebook/belebele", "rus_Cyrl", "test", row)
    put(hub, "facebook/belebele", "eng_Latn", "test", row)
    task = load_task("belebele")
    items = load_items(task, root=hub)
    assert [(i.language, i.group_id, i.cluster_id, right(i)) for i in items] == [
        (code, "L#2", "L", "a3") for code in ("kk", "ru", "en")
    ]
    assert doubts.of_items(task, items) == {}
    assert render_context(task, items[1]) == "Текст: P\nВопрос: Q?\nA. a1\nB. a2\nC. a3\nD. a4\nПравильный ответ:"


def test_kazmmlu_is_not_parallel_and_shows_examples_of_the_subject(hub: Path) -> None:
    folder = hub / "hub" / "MBZUAI" / "KazMMLU"
    header = "Question,Option A,Option B,Option C,Option D,Option E,Answer Key\n"
    for subject in ("Biology (High School in kaz)", "Law (High School in kaz)", "Biology (High School in rus)"):
        (folder / subject).mkdir(parents=True)
        (folder / subject / "test.csv").write_text(f'{header}{subject}?,"5,50",NA,в,г,,B\n{subject}!,а,б,в,г,д,E\n')
        (folder / subject / "dev.csv").write_text(f"{header}{subject} dev,а,б,в,г,,A\n")
    task = load_task("kazmmlu")
    items = load_items(task, root=hub)
    assert [(i.language, right(i), len(i.choices)) for i in items] == [
        ("kk", "NA", 4), ("kk", "д", 5), ("kk", "NA", 4), ("kk", "д", 5), ("ru", "NA", 4), ("ru", "д", 5)
    ]  # fmt: skip
    assert items[0].choices[0] == "5,50"
    assert len({item.group_id for item in items}) == 6  # no twins
    found = doubts.of_items(task, items)["kazmmlu"]
    assert {name for kinds in found.values() for name in kinds} == {"not_parallel"}  # said, and no twin is missed
    assert chance_level(task) is None and chance_level(task, items) == pytest.approx((0.25 + 0.2) / 2)
    examples = load_examples(task, items, shots=1, root=hub)
    assert [e.question for e in examples.of(items[2])] == ["Law (High School in kaz) dev"]


def test_mmlu_is_joined_by_place_in_the_subject(hub: Path) -> None:
    kk = [("a", "бір"), ("b", "екі"), ("a", "үш")]
    en = [("b", "two"), ("a", "one"), ("a", "three")]
    for name, subset, rows in (("issai/MMLU_Kazakh", "default", kk), ("cais/mmlu", "all", en)):
        made = [{"subject": s, "question": q, "choices": ["w", "x", "y", "z"], "answer": 2} for s, q in rows]
        put(hub, name, subset, "test", *made)
    task = load_task("mmlu")
    groups: dict[str, set[str]] = {}
    for item in load_items(task, root=hub):
        groups.setdefault(item.group_id, set()).add(item.question)
        assert right(item) == "y"
    assert groups == {"a#1": {"бір", "one"}, "b#1": {"екі", "two"}, "a#2": {"үш", "three"}}


def test_mmlu_pro_with_ten_choices_some_written_out(hub: Path) -> None:
    options = [f"o{n}" for n in range(10)]
    row = {"question_id": 70, "question": "?", "options": options, "answer_index": 9, "category": "law"}
    put(hub, "issai/MMLU-Pro_Kazakh_Russian", "kazakh", "test", row)
    put(hub, "issai/MMLU-Pro_Kazakh_Russian", "russian", "test", {**row, "options": str(options)})
    put(hub, "TIGER-Lab/MMLU-Pro", "default", "test", row)
    items = load_items(load_task("mmlu_pro"), root=hub)
    assert {(item.group_id, right(item), len(item.choices)) for item in items} == {("70", "o9", 10)}
    assert render_requests(load_task("mmlu_pro"), items[0])[9].continuation == " J"


def test_gsm8k_in_three_languages_by_place(hub: Path) -> None:
    put(
        hub,
        "issai/GSM8k_Kazakh_Russian",
        "kazakh",
        "test",
        {"question": "Неше алма?", "answer_text": "5 + 2 = 7\n#### 7"},
    )
    put(hub, "issai/GSM8k_Kazakh_Russian", "russian", "test", {"question": "Сколько яблок?", "answer_text": "#### 7"})
    put(hub, "openai/gsm8k", "main", "test", {"question": "How many apples?", "answer": "5 + 2 = 7\n#### 7"})
    task = load_task("gsm8k_issai")
    items = load_items(task, root=hub)
    assert [(i.language, i.group_id, read_number(i.references[0]).number) for i in items] == [
        (code, "1", Number("7", (Fraction(7),))) for code in ("kk", "ru", "en")
    ]  # fmt: skip
    assert doubts.of_items(task, items) == {}
    assert render_context(task, items[0]).startswith("Есеп: Неше алма?\nЕсепті қадамдап")


def test_kazculture(hub: Path) -> None:
    row = {
        "question": "Наурыз көженің неше дәмі бар?",
        "a": "бес",
        "b": "жеті",
        "c": "үш",
        "d": "он",
        "answer_label": "B",
    }
    put(hub, "issai/KazCulture", "default", "test", row)
    (item,) = load_items(load_task("kazculture"), root=hub)
    assert right(item) == "жеті" and chance_level(load_task("kazculture")) == 0.25


def test_arc_answers_by_letter_or_number(hub: Path) -> None:
    choices = {"text": ["a", "b", "c"], "label": ["A", "B", "C"]}
    numbered = {"id": "x", "question": "?", "choices": choices, "answerKey": 2, "source": "easy"}
    put(
        hub,
        "issai/ARC_Kazakh_Russian",
        "kazakh",
        "test",
        numbered,
        {**numbered, "id": "y", "question": "??", "source": "challenge"},
    )
    put(hub, "issai/ARC_Kazakh_Russian", "russian", "test", numbered, {**numbered, "id": "y", "question": "??"})
    english = {"id": "x", "question": "?", "choices": choices, "answerKey": "B"}
    put(hub, "allenai/ai2_arc", "ARC-Easy", "test", english)
    put(hub, "allenai/ai2_arc", "ARC-Challenge", "test", {**english, "id": "y", "question": "??", "answerKey": "2"})
    items = load_items(load_task("arc"), root=hub)
    assert {right(item) for item in items} == {"b"} and len(items) == 6
    assert doubts.of_items(load_task("arc"), items) == {}


def test_gpqa_counts_from_one(hub: Path) -> None:
    row = {"question": "?", "choices": ["a", "b", "c", "d"], "answer": 1, "subdomain": "Genetics"}
    put(hub, "issai/GPQA_Kazakh_Russian", "kazakh", "test", row)
    put(hub, "issai/GPQA_Kazakh_Russian", "russian", "test", row)
    assert [right(item) for item in load_items(load_task("gpqa"), root=hub)] == ["a", "a"]


def test_include_counts_from_zero(hub: Path) -> None:
    row = {"question": "?", "answer": 3, "subject": "History", **{f"option_{c}": c for c in "abcd"}}
    for subset in ("Kazakh", "Russian"):
        put(hub, "CohereLabs/include-base-44", subset, "test", row)
    items = load_items(load_task("include"), root=hub)
    assert [right(item) for item in items] == ["d", "d"] and items[0].group_id != items[1].group_id


def test_global_piqa_goes_on_from_the_situation(hub: Path) -> None:
    row = {"prompt": "Шай демдеу үшін", "solution0": "су қайнатады.", "solution1": "су қатырады.", "label": 0}
    put(hub, "mrlbenchmarks/global-piqa-nonparallel", "kaz_cyrl", "test", row)
    task = load_task("global_piqa_kk")
    (item,) = load_items(task, root=hub)
    first = render_requests(task, item)[0]
    assert first.context + first.continuation == "Шай демдеу үшін су қайнатады."
    letters = render_context(task, item, scoring="letters")
    assert letters == "Жағдай: Шай демдеу үшін\nҚайсысы дұрыс?\nA. су қайнатады.\nB. су қатырады.\nЖауабы:"


def test_questions_with_four_to_eight_choices(hub: Path) -> None:
    """Of empty choices none are left, and the letter names the column, whatever stands empty before it."""
    full = {"question": "?", "correct_answer": "H", **{letter: f"c{letter}" for letter in LETTERS}}
    five = {**full, "correct_answer": "E", "C": "", "F": None, "G": "", "H": " "}
    name = "kz-transformers/kazakh-unified-national-testing-mc"
    for subject in (
        "biology",
        "geography",
        "history_of_kazakhstan",
        "human_society_rights",
        "kazakh_and_literature",
        "world_history",
    ):
        put(hub, name, "default", subject, full, five)
    items = load_items(load_task("unt_kk"), root=hub)
    assert len(items) == 12 and items[0].subject == "biology"
    assert [(right(item), len(item.choices)) for item in items[:2]] == [("cH", 8), ("cE", 4)]
    put(hub, "kz-transformers/kazakh-dastur-mc", "default", "test", {**five, "correct_answer": "C"})
    with pytest.raises(DataError, match="the answer is choice 3, which is empty"):
        load_items(load_task("dastur_kk"), root=hub)
    put(
        hub, "kz-transformers/kk-socio-cultural-bench-mc", "default", "train", {**full, "answer": "B", "category": "ас"}
    )
    assert [right(item) for item in load_items(load_task("socio_cultural_kk"), root=hub)] == ["cB"]


def test_multiblimp_pairs(hub: Path) -> None:
    for code, words in (
        ("kaz", "Біз келдік.\tБіз келдім."),
        ("rus", "Мы пришли.\tМы пришёл."),
        ("eng", "We go.\tWe goes."),
    ):
        (hub / "hub" / "jumelet" / "multiblimp" / code).mkdir(parents=True)
        (hub / "hub" / "jumelet" / "multiblimp" / code / "data.tsv").write_text(f"sen\twrong_sen\n{words}\n")
    items = load_items(load_task("multiblimp"), root=hub)
    assert [item.choices[0] for item in items] == ["Біз келдік.", "Мы пришли.", "We go."]
    assert [r.continuation for r in render_requests(load_task("multiblimp"), items[0])] == [
        "Біз келдік.",
        "Біз келдім.",
    ]


def test_columns_that_are_others_are_named(hub: Path) -> None:
    put(hub, "CohereLabs/include-base-44", "Kazakh", "test", {"q": "?", "subject": "s"})
    put(hub, "CohereLabs/include-base-44", "Russian", "test", {"q": "?", "subject": "s"})
    with pytest.raises(DataError, match=r"Kazakh/test:1: no field 'option_a'; the row has: q, subject, row$"):
        load_items(load_task("include"), root=hub)


def test_global_mmlu_with_its_examples(hub: Path) -> None:
    row = {"sample_id": "anatomy/test/0", "subject": "anatomy", "question": "?", "answer": "C"}
    row |= {f"option_{letter}": f"o{letter}" for letter in "abcd"}
    for code in ("ru", "en"):
        put(hub, "CohereLabs/Global-MMLU", code, "test", row)
        put(hub, "CohereLabs/Global-MMLU", code, "dev", {**row, "sample_id": "anatomy/dev/0", "question": "!"})
    task = load_task("global_mmlu")
    items = load_items(task, root=hub)
    assert [(i.language, i.group_id, right(i)) for i in items] == [(c, "anatomy/test/0", "oc") for c in ("ru", "en")]
    assert doubts.of_items(task, items) == {}
    assert [e.question for e in load_examples(task, items, shots=1, root=hub).of(items[0])] == ["!"]


def test_hellaswag(hub: Path) -> None:
    row = {"ind": 24, "source_id": "activitynet~v_x", "label": "3", "endings": ["a", "b", "c", "d"]}
    put(hub, "alexandrainst/m_hellaswag", "ru", "val", {**row, "ctx": "Мужчина сидит на крыше. Он"})
    put(hub, "Rowan/hellaswag", "default", "validation", {**row, "ctx": "A man is sitting on a roof. he"})
    task = load_task("hellaswag")
    items = load_items(task, root=hub)
    assert [(i.language, i.group_id, right(i)) for i in items] == [(c, "activitynet~v_x#24", "d") for c in ("ru", "en")]
    first = render_requests(task, items[1])[0]
    assert (first.context, first.continuation) == ("A man is sitting on a roof. he", " a")


def test_gpqa_en_has_an_order_that_no_place_in_the_data_decides(hub: Path) -> None:
    rows = [
        {"Record ID": f"r{n}", "Question": f"{n}?", "Correct Answer": f"right {n}", "High-level domain": "Physics"}
        | {f"Incorrect Answer {k}": f"wrong {n} {k}" for k in (1, 2, 3)}
        for n in range(200)
    ]
    put(hub, "Idavidrein/gpqa", "gpqa_diamond", "train", *rows)
    items = load_items(load_task("gpqa_en"), root=hub)
    assert all(right(item) == f"right {n}" for n, item in enumerate(items))
    assert all(
        sorted(item.choices) == sorted([f"right {n}", *(f"wrong {n} {k}" for k in (1, 2, 3))])
        for n, item in enumerate(items)
    )
    places = [sum(item.answer == place for item in items) for place in range(4)]
    assert min(places) > 30  # 50 each, give or take six
    assert load_items(load_task("gpqa_en"), root=hub) == items
    assert chance_level(load_task("gpqa_en")) == 0.25
