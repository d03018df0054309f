"""What a task file may say, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import qaz_llm.evals.task as module
from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, DataError, InputError
from qaz_llm.evals.config import EvalConfig, EvalSettings
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.prompts.examples import load_examples
from qaz_llm.evals.summary.summarise import Asked, summarise
from qaz_llm.evals.task import TASKS, TaskConfig, choose_tasks, load_suite, load_task
from qaz_llm.io import write_jsonl

SHIPPED = sorted(path.stem for path in TASKS.glob("*.yaml") if path.stem != "suites")
LICENCES = (
    "CC0-1.0",
    "LicenseRef-public-domain",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "Apache-2.0",
    "MIT",
    "unknown (",
)


def plain(name: str) -> Any:
    return YAML(typ="safe").load((TASKS / f"{name}.yaml").read_text(encoding="utf-8"))


def task(**changes: Any) -> TaskConfig:
    """The shipped qaz_mc with changes; None takes a key away, a dotted key goes into a section."""
    values = plain("qaz_mc")
    for key, value in changes.items():
        *above, last = key.split("__")
        section = values
        for part in above:
            section = section[part]
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return config_from_values(TaskConfig, values, where="test")


TWO_SENTENCES = {
    "kind": "similarity", "metric": "spearman", "scale": (0, 5), "fields__text": "t",
    "prompts": dict.fromkeys(("kk", "ru", "en"), "{text} {question}"),
}  # fmt: skip
WITHOUT_KAZAKH = ("gpqa_en", "global_mmlu", "hellaswag")
"""Sets that stand beside a Kazakh one, or that nobody has translated."""


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tasks_load(name: str) -> None:
    loaded, written = load_task(name), plain(name)
    assert loaded.name == name == written["name"]
    assert loaded.licence.startswith(LICENCES) and loaded.citation and loaded.description
    assert set(loaded.languages) <= {"kk", "ru", "en"}
    assert "kk" in loaded.languages or loaded.kind in ("translation", "number") or name in WITHOUT_KAZAKH
    for prompt in loaded.prompts.values():
        assert not prompt.endswith(" ")  # the space belongs to the answer


def test_suites_hold_shipped_tasks() -> None:
    suites = plain("suites")
    assert {"demo", "real_small", "all"} <= set(suites)
    for name, tasks in suites.items():
        assert [t.name for t in load_suite(name)] == tasks
    assert set().union(*suites.values()) == set(SHIPPED) and not set(suites["all"]) & set(suites["hub"])
    assert all((t.file or "").startswith("embedded:") for t in load_suite("demo"))


@pytest.mark.parametrize(
    ("load", "name", "hint"),
    [
        (load_suite, "dmeo", "did you mean 'demo'?"),
        (load_suite, "realsmall", "did you mean 'real_small'?"),
        (
            load_suite,
            "mmlu",
            "the suites are: all, demo, hub, kazakh, law, own, real_small, reasoning, safety, school, services, translation",
        ),
        (load_task, "sib_200", "did you mean 'sib200'?"),
        (load_task, "suites", "the tasks are: "),
        (load_task, "../tasks/sib200", "sib200"),
    ],
)
def test_unknown_names(load: Any, name: str, hint: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        load(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrik": "acc"}, "unknown key; did you mean 'metric'"),
        ({"fields__quesion": "question"}, "unknown key; did you mean 'question'"),
        ({"licence": None}, "licence: missing"),
        ({"version": 0}, "greater than or equal to 1"),
        ({"kind": "essay"}, "multiple_choice"),
        ({"metric": "f1"}, "scored by acc, acc_per_token, acc_per_byte, not by f1"),
        ({"prompts": {}}, "needs prompts"),
        ({"prompts": {"kz": "{question}"}}, "'kk'"),
        ({"prompts__kk": "Сұрақ: {qestion}"}, "the kk prompt has {qestion}"),
        ({"prompts__kk": "Сұрақ: {question"}, "expected '}'"),
        ({"file": None}, "either file or files"),
        ({"files": {"kk": "a.jsonl"}}, "either file or files"),
        ({"fields__language": None}, "fields.language"),
        ({"fields__answer": None}, "fields.answer"),
        ({"fields__choices": None}, "fields.choices or labels"),
        ({"kind": "qa", "metric": "f1"}, "fields.references"),
        ({"kind": "translation", "metric": "chrf"}, "fields.references"),
        (
            {"kind": "translation", "metric": "chrf", "fields__references": "en"},
            "one direction: it needs source_language",
        ),
        ({"kind": "minimal_pairs", "metric": "acc", "fields__choices": None}, "the good text, then the bad one"),
        ({"kind": "similarity", "metric": "spearman"}, "needs a scale"),
        ({"kind": "similarity", "metric": "spearman", "scale": (5, 0)}, "the least and the highest grade"),
        ({"kind": "similarity", "metric": "acc", "scale": (0, 5)}, "scored by spearman, pearson"),
        ({"kind": "similarity", "metric": "spearman", "scale": (0, 100)}, "of one digit each"),
        ({"kind": "similarity", "metric": "spearman", "scale": (0, 5)}, "shows one of the two sentences alone"),
        ({**TWO_SENTENCES, "fields__subject": "s"}, "has no subjects"),
        (TWO_SENTENCES, "needs fields.references"),
        ({"stop": [""]}, "at least 1 character"),
        ({"right_first": True}, "leave labels and fields.answer out"),
        ({"other_prompts": {"kk": "{qestion}"}}, "the kk prompt has {qestion}"),
        ({"labels": {"kk": {"a": "иә", "b": "жоқ"}, "ru": {"a": "да", "b": "нет"}}}, "labels are missing for en"),
        (
            {"labels": {"kk": {"a": "иә", "b": "жоқ"}, "ru": {"a": "да", "b": "нет"}, "en": {"a": "yes", "c": "no"}}},
            "other names",
        ),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    assert task().name == "qaz_mc"
    with pytest.raises(ConfigError, match=re.escape(message)):
        task(**changes)


def test_a_language_without_a_prompt() -> None:
    files = {"kk": "a.jsonl", "ru": "b.jsonl"}
    prompts = {"kk": "{question}"}
    with pytest.raises(ConfigError, match="prompts are missing for ru"):
        task(file=None, files=files, prompts=prompts)


def test_problems_name_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (TASKS / "qaz_bpb.yaml").read_text(encoding="utf-8").splitlines()
    (tmp_path / "mine.yaml").write_text("\n".join([*lines, "promts: {}"]), encoding="utf-8")
    monkeypatch.setattr(module, "TASKS", tmp_path)
    with pytest.raises(ConfigError, match=rf"mine\.yaml:{len(lines) + 1}: promts: unknown key; did you mean 'prompts'"):
        load_task("mine")


def test_a_task_file_of_ones_own(tmp_path: Path) -> None:
    """By file, by folder, and beside a shipped one."""
    own = {**plain("qaz_mc"), "name": "mine"}
    (tmp_path / "mine.yaml").write_text(json.dumps(own))
    chosen = choose_tasks(EvalSettings(suite="own", tasks=(str(tmp_path / "mine.yaml"), "qaz_bpb")))
    assert [task.name for task in chosen] == ["qaz_bpb", "mine"]
    assert [task.name for task in choose_tasks(EvalSettings(suite="own", tasks=(f"{tmp_path}/",)))] == ["mine"]
    (tmp_path / "again.yaml").write_text(json.dumps(own))
    with pytest.raises(InputError, match="two tasks are named mine"):
        choose_tasks(EvalSettings(suite="own", tasks=(f"{tmp_path}/",)))
    with pytest.raises(InputError, match="no task file there"):
        choose_tasks(EvalSettings(suite="own", tasks=(str(tmp_path / "none.yaml"),)))
    with pytest.raises(InputError, match="nothing to score"):
        choose_tasks(EvalSettings(suite="own"))


def test_examples_are_fixed_alike_and_never_items(tmp_path: Path) -> None:
    rows = [
        {"id": str(n), "q": f"{n}?", "c": ["а", "ә"], "a": "B", "s": "биология" if n % 2 else "тарих"} for n in range(8)
    ]
    write_jsonl(tmp_path / "test.jsonl", rows[:2])
    write_jsonl(tmp_path / "dev.jsonl", rows[2:])
    fields = {"id": "id", "question": "q", "choices": "c", "answer": "a", "subject": "s"}
    values = {**plain("nis_math"), "fields": fields, "files": {"kk": "test.jsonl"}, "dev_files": {"kk": "dev.jsonl"}}
    mine = config_from_values(TaskConfig, values, where="test")
    items = load_items(mine, root=tmp_path)
    examples = load_examples(mine, items, shots=2, root=tmp_path)
    assert [[e.item_id for e in examples.of(item)] for item in items] == [["2", "4"], ["3", "5"]]
    assert examples.borrowed(items) == {}
    many = load_examples(mine, items, shots=5, root=tmp_path)  # not enough of one subject
    assert many.borrowed(items) == {"kk": ["биология", "тарих"]}
    assert [e.item_id for e in many.of(items[0])] == ["2", "3", "4", "5", "6"]
    with pytest.raises(ConfigError, match="has 6 examples in kk, and shots is 7"):
        load_examples(mine, items, shots=7, root=tmp_path)
    write_jsonl(tmp_path / "dev.jsonl", rows[1:])
    with pytest.raises(DataError, match=r"the example 1 \(kk\) is also an item"):
        load_examples(mine, items, shots=2, root=tmp_path)
    other_order = {**rows[1], "id": "x", "q": " 1?", "c": ["Ә", "а"], "a": "A"}
    write_jsonl(tmp_path / "dev.jsonl", [*rows[2:], other_order])
    with pytest.raises(DataError, match=r"the example x \(kk\) is also an item"):
        load_examples(mine, items, shots=2, root=tmp_path)
    write_jsonl(tmp_path / "dev.jsonl", [rows[2], {**rows[2], "id": "again"}, rows[4], rows[3]])
    twice = load_examples(mine, items, shots=2, root=tmp_path)
    assert [e.item_id for e in twice.of(items[0])] == ["2", "4"] and twice.repeated == {"kk": 1}
    asked = Asked([mine], {mine.name: items}, {mine.name: twice}, {})
    parity = summarise(EvalConfig(model="m", suite="own", out="o"), asked, [], {}, has_template=False)
    assert f"{mine.name}, kk: examples that ask the same as an earlier one are left out: 1" in parity["warnings"]
    with pytest.raises(ConfigError, match="no examples to show"):
        load_examples(load_task("qaz_mc"), [], shots=2, root=tmp_path)
    assert load_examples(load_task("qaz_mc"), [], shots=0, root=tmp_path).of(items[0]) == []
