"""From data files to items, counted and read by a second method."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.items.load import heldout_texts, load_items, task_fingerprints
from qaz_llm.evals.task import TaskConfig, load_suite, load_task
from qaz_llm.io import embedded_path, write_jsonl

REAL = os.environ.get("QAZ_CORPUS_DIR")

ROW = {"id": "a", "language": "kk", "text": " Мәтін. ", "question": "Кім? ", "choices": ["Ол", " Біз"], "answer": 1}


def task(**changes: Any) -> TaskConfig:
    values: dict[str, Any] = {
        "name": "mine",
        "version": 1,
        "kind": "multiple_choice",
        "description": "d",
        "licence": "CC0-1.0",
        "citation": "c",
        "file": "rows.jsonl",
        "fields": {
            "id": "id",
            "language": "language",
            "text": "text",
            "question": "question",
            "choices": "choices",
            "answer": "answer",
        },
        "prompts": {"kk": "{question}", "ru": "{question}"},
        "metric": "acc",
    }
    fields = values["fields"] | changes.pop("fields", {})
    return config_from_values(TaskConfig, values | changes | {"fields": fields}, where="test")


@pytest.mark.parametrize("change", [{"question": "\ud83d Кім?"}, {"choices": ["Ол", "\udc00"]}])
def test_half_a_surrogate_pair_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({**ROW, **change}))  # written as an escape, as JSON allows
    with pytest.raises(DataError, match=r"rows\.jsonl:1: half of a surrogate pair at character 1"):
        load_items(task(), root=tmp_path)


def write(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
    write_jsonl(folder / name, rows)
    return folder


def test_a_row_becomes_an_item(tmp_path: Path) -> None:
    [item] = load_items(task(), root=write(tmp_path, ROW))
    assert (item.item_id, item.group_id, item.cluster_id, item.language, item.task) == ("a", "a", "a", "kk", "mine")
    assert (item.text, item.question, item.choices, item.answer) == ("Мәтін.", "Кім?", ("Ол", "Біз"), 1)


def test_twins_are_tied_and_kept_whole() -> None:
    lines = embedded_path("mc_items.jsonl").read_text(encoding="utf-8").splitlines()
    items = load_items(load_task("qaz_mc"))
    assert len(items) == len(lines)
    groups = defaultdict(set)
    for item in items:
        groups[item.group_id].add(item.language)
    assert set(map(frozenset, groups.values())) == {frozenset({"kk", "ru", "en"})}
    few = load_items(load_task("qaz_mc"), max_items=5)
    assert len(few) == 15 and len({item.group_id for item in few}) == 5
    assert load_items(load_task("qaz_mc"), max_items=10_000) == items


def test_files_per_language_are_tied_by_id(tmp_path: Path) -> None:
    two = task(file=None, files={"kk": "kk.jsonl", "ru": "ru.jsonl"})
    for code, order in (("kk", "abc"), ("ru", "cab")):
        write(tmp_path, *({**ROW, "id": name} for name in order), name=f"{code}.jsonl")
    few = load_items(two, root=tmp_path, max_items=2)
    assert sorted((item.group_id, item.language) for item in few) == [
        ("a", "kk"),
        ("a", "ru"),
        ("b", "kk"),
        ("b", "ru"),
    ]


def test_columns_per_language(tmp_path: Path) -> None:
    write(tmp_path, {"id": 7, "kk": "бір", "ru": "один"})
    bits = {"kind": "bits_per_byte", "metric": "bits_per_byte", "prompts": {}}
    fields = {"text": {"kk": "kk", "ru": "ru"}, "language": None, "question": None, "choices": None, "answer": None}
    items = load_items(task(**bits, fields=fields), root=tmp_path)
    assert [(i.item_id, i.group_id, i.language, i.text) for i in items] == [
        ("7", "7", "kk", "бір"),
        ("7", "7", "ru", "один"),
    ]


def test_ids_and_choices_from_several_fields(tmp_path: Path) -> None:
    write(tmp_path, {**ROW, "part": 3, "one": "x", "two": "y", "answer": "2"})
    fields = {"id": ["id", "part"], "cluster": "id", "choices": ["one", "two"]}
    [item] = load_items(task(fields=fields, first_answer=1), root=tmp_path)
    assert (item.item_id, item.cluster_id, item.choices, item.answer) == ("a#3", "a", ("x", "y"), 1)


def test_labels(tmp_path: Path) -> None:
    labels = {"kk": {"s": "спорт", "t": "саяхат"}, "ru": {"t": "путешествия", "s": "спорт"}}
    write(tmp_path, {**ROW, "answer": "t"}, {**ROW, "answer": "t", "language": "ru"})
    items = load_items(task(labels=labels), root=tmp_path)
    assert [(i.choices, i.answer) for i in items] == [(("спорт", "саяхат"), 1), (("путешествия", "спорт"), 0)]
    write(tmp_path, ROW, {**ROW, "id": "b", "answer": "u"})
    write(tmp_path, {**ROW, "answer": "s"}, {**ROW, "id": "b", "answer": "u"})
    with pytest.raises(DataError, match=r"rows\.jsonl:2: the label 'u' is not one of s, t"):
        load_items(task(labels=labels), root=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": 2}, "answer 2 names none of the choices 0 to 1"),
        ({"answer": -1}, "answer -1 names none"),
        ({"answer": "C"}, "answer 'C' names none"),
        ({"answer": True}, "answer True names none"),
        ({"answer": None}, "answer None names none"),
        ({"choices": "Ол"}, "a list of choices, found str"),
        ({"choices": ["Ол"]}, "at least two choices"),
        ({"choices": ["Ол", " "]}, "none of them empty"),
        ({"choices": ["Ол", None]}, "every choice is to be text"),
        ({"id": None}, "id is to tell the item from others, found None"),
        ({"question": None}, "question is to be text, found None"),
        ({"text": ""}, "text is to be text, found ''"),
        ({"language": "kz"}, "'kz' is the country code"),
        ({"language": "en"}, "language en, the task has kk, ru"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, ROW, {**ROW, "id": "b", **change})
    with pytest.raises(DataError, match=r"rows\.jsonl:2: ") as caught:
        load_items(task(), root=tmp_path)
    assert message in caught.value.message


def test_missing_fields_and_double_items(tmp_path: Path) -> None:
    write(tmp_path, {key: value for key, value in ROW.items() if key != "question"})
    with pytest.raises(
        DataError, match=r"rows\.jsonl:1: no field 'question'; the row has: id, language, text, choices"
    ):
        load_items(task(), root=tmp_path)
    write(tmp_path, ROW, {**ROW, "id": "b"}, ROW)
    with pytest.raises(DataError, match="item a is there twice in kk"):
        load_items(task(), root=tmp_path)
    write(tmp_path)
    with pytest.raises(DataError, match="holds no items"):
        load_items(task(), root=tmp_path)


@pytest.mark.parametrize("accepted", [[], [""], ["иә", " "], ""])
def test_answers_that_none_could_give(tmp_path: Path, accepted: Any) -> None:
    qa = {"kind": "qa", "metric": "f1"}
    fields = {"references": "answers.text", "choices": None, "answer": None}
    write(tmp_path, {**ROW, "answers": {"text": ["иә", " жоқ "]}})
    assert load_items(task(**qa, fields=fields), root=tmp_path)[0].references == ("иә", "жоқ")
    write(tmp_path, {**ROW, "answers": {"text": accepted}})
    with pytest.raises(DataError, match=r"rows\.jsonl:1: answers\.text holds no accepted answer"):
        load_items(task(**qa, fields=fields), root=tmp_path)


def test_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QAZ_CORPUS_DIR", raising=False)
    for root in (tmp_path, None):
        with pytest.raises(InputError, match=r"sib200_kk_dev\.jsonl is not there") as caught:
            load_items(load_task("sib200"), root=root)
        assert "QAZ_CORPUS_DIR" in str(caught.value)


def test_fingerprints_follow_data_and_prompts(tmp_path: Path) -> None:
    first = task_fingerprints(task(), write(tmp_path, ROW))
    assert task_fingerprints(task(), write(tmp_path, ROW)) == first
    reworded = task_fingerprints(task(prompts={"kk": "{question}?", "ru": "{question}"}), tmp_path)
    assert reworded["data"] == first["data"] and reworded["task"] != first["task"]
    changed = task_fingerprints(task(), write(tmp_path, {**ROW, "answer": 0}))
    assert changed["data"] != first["data"] and changed["task"] == first["task"]


def test_heldout_texts() -> None:
    rows = [json.loads(line) for line in embedded_path("parallel_sentences.jsonl").read_text("utf-8").splitlines()]
    assert heldout_texts("demo") == {code: [row[code] for row in rows] for code in ("kk", "ru", "en")}


# ----------------------------------------------------------------------------------------------------------- real data

COUNTED = {  # files as they are published: the lines of each, times the languages in a line
    "flores_bpb": (("flores200/flores200_devtest_kk_ru_en.jsonl",), 3),
    "sib200": (tuple(f"sib200/sib200_{code}_dev.jsonl" for code in ("kk", "ru", "en")), 1),
    "belebele_kk": (("belebele_kk/belebele_kaz_Cyrl.jsonl.gz",), 1),
    "kazqad": (("kazqad/kazqad_rc_validation.jsonl.gz",), 1),
}


@pytest.mark.skipif(REAL is None, reason="needs QAZ_CORPUS_DIR")
@pytest.mark.parametrize("name", sorted(COUNTED))
def test_real_data_loads_whole(name: str) -> None:
    names, per_line = COUNTED[name]
    paths = [Path(str(REAL)) / file for file in names]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no {names[0]} here")
    lines = sum((gzip.open if path.suffix == ".gz" else open)(path, "rb").read().count(b"\n") for path in paths)
    items = load_items(load_task(name))
    assert len(items) == lines * per_line
    assert {item.language for item in items} == set(load_task(name).languages)
    assert all((item.choices and item.answer is not None) or item.references or item.text for item in items)


def test_every_real_task_is_counted() -> None:
    assert set(COUNTED) == {t.name for t in load_suite("real_small")}


def test_a_row_that_is_wrong_is_the_users_to_mend(tmp_path: Path) -> None:
    """Exit 2: the file was named by whoever evaluates."""
    write_jsonl(tmp_path / "rows.jsonl", [{name: value for name, value in ROW.items() if name != "question"}])
    with pytest.raises(DataError, match="question") as raised:
        load_items(task(), root=tmp_path)
    assert raised.value.exit_code == 2


def test_a_quick_look_sees_each_language(tmp_path: Path) -> None:
    """Where languages have questions of their own, the first so many groups are all of the first language."""
    rows = [{**ROW, "id": f"{code}{n}", "language": code} for code in ("kk", "ru") for n in range(4)]
    write(tmp_path, *rows)
    found = load_items(task(parallel=False), root=tmp_path, max_items=2)
    assert [item.item_id for item in found] == ["kk0", "kk1", "ru0", "ru1"]
    twins = [{**ROW, "id": str(n), "language": code} for code in ("kk", "ru") for n in range(4)]
    write(tmp_path, *twins)
    found = load_items(task(), root=tmp_path, max_items=2)
    assert [(item.language, item.item_id) for item in found] == [(c, n) for c in ("kk", "ru") for n in ("0", "1")]


@pytest.mark.parametrize("answer", ["жеті", "nan", True, {"a": 1}, "?"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, answer: Any) -> None:
    """No answer would ever equal it, and every right one would count as wrong."""
    fields = {"id": "id", "language": "language", "text": "text", "question": "question", "references": "n"}
    number = {"kind": "number", "metric": "exact_number", "fields": fields}
    write(tmp_path, {**ROW, "n": "7"}, {**ROW, "id": "2", "n": answer})
    with pytest.raises(DataError, match=r":2: "):
        load_items(task(**number), root=tmp_path)


@pytest.mark.parametrize("choices", [["а", "ә", "б"], ["а"]])
def test_a_pair_has_two_texts(tmp_path: Path, choices: list[str]) -> None:
    write(tmp_path, {**ROW, "choices": choices})
    with pytest.raises(DataError, match=r"choices are needed|a good text and a bad one"):
        load_items(task(kind="minimal_pairs", metric="acc"), root=tmp_path)
