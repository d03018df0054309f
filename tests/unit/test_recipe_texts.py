"""The texts of the recipes: as many of each kind in each language, no length gives an answer away, nothing asked is trained on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import load_config
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.task import load_suite, load_task
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.records import LANGUAGES, Conversation

CONFIGS = Path(__file__).parents[2] / "configs" / "recipes"
KINDS = ("unknown", "office", "refuse", "answer")
TASKS = {"services_mc": ("kk", "ru", "en"), "law_mc": ("kk", "ru")}
WORD = re.compile(r"\w+")
NGRAM_WORDS = 6


def rows(name: str) -> list[dict[str, Any]]:
    return list(read_jsonl(embedded_path(name)))


def ngrams(text: str) -> set[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return {tuple(words[start : start + NGRAM_WORDS]) for start in range(len(words) - NGRAM_WORDS + 1)}


def test_dialogues_have_as_many_of_each_kind_in_each_language() -> None:
    dialogues = rows("service_dialogues.jsonl")
    assert Counter((row["language"], row["topic"]) for row in dialogues) == {
        (language, kind): 4 for language in LANGUAGES for kind in KINDS
    }
    for row in dialogues:
        roles = [message.role for message in Conversation.from_row(row).messages if message.role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2) and roles, row["id"]
        assert row["licence"] == "CC0-1.0"


@pytest.mark.parametrize("name", TASKS)
def test_questions_are_twins_with_one_right_answer(name: str) -> None:
    items = load_items(load_task(name))
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(item.group_id, []).append(item)
        assert len(set(item.choices)) == 4
    for twins in groups.values():
        assert [item.language for item in twins] == list(TASKS[name])
        assert len({(item.answer, item.subject) for item in twins}) == 1
    places = Counter(twins[0].answer for twins in groups.values())
    assert max(places.values()) == min(places.values()) == len(groups) / 4
    if name == "services_mc":
        assert Counter(item.subject for item in items) == dict.fromkeys(KINDS, 12)


@pytest.mark.parametrize("name", TASKS)
def test_always_taking_the_longest_or_the_shortest_is_no_better_than_guessing(name: str) -> None:
    for language in TASKS[name]:
        items = [item for item in load_items(load_task(name)) if item.language == language]
        for pick in (max, min):
            hits = 0.0
            for item in items:
                sizes = [len(choice.encode()) for choice in item.choices]
                hits += (sizes[item.answer or 0] == pick(sizes)) / sizes.count(pick(sizes))
            assert hits / len(items) < 0.3, (language, pick)


def test_each_legal_question_names_its_act_and_article() -> None:
    for row in rows("law_items.jsonl"):
        assert row["act"] in {"879", "62568", "95666"} and re.match(r"\d+(\(\d+\))?", row["article"]) and row["title"]


def test_nothing_that_is_asked_is_trained_on() -> None:
    trained: dict[tuple[str, ...], str] = {}
    for name in ("service_dialogues.jsonl", "dialogues.jsonl"):
        for row in rows(name):
            for message in row["messages"]:
                trained.update(dict.fromkeys(ngrams(message["content"]), row["id"]))
    asked = [text for item in load_items(load_task("services_mc")) for text in (item.question, *item.choices)]
    asked += [item.question for item in load_items(load_task("school_words"))]
    asked += [text for item in load_items(load_task("law_mc")) for text in (item.question, *item.choices)]
    assert not [(text, trained[gram]) for text in asked for gram in ngrams(text) if gram in trained]
    assert sum(len(ngrams(text)) for text in asked) > 300


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_valid_and_never_train_on_what_they_are_judged_by(path: Path) -> None:
    config = load_config(RunConfig, path)
    assert load_suite(config.eval.suite)
    trained = [source.path for source in (*config.data.sources, *config.data.conversations)]
    assert not [name for name in trained if "qorgau" in name or name.endswith("_items.jsonl")]
    measured = [str(task.file or next(iter(task.files.values()))) for task in load_suite(config.eval.suite)]
    real = [name for name in measured if not name.startswith("embedded:")]
    for name in real:
        assert any(
            Path(name).match(f"*{pattern}") or name.startswith(f"{pattern}/")
            for pattern in config.data.decontaminate.paths
        ), name


def test_the_small_form_of_a_recipe_is_the_same_but_for_its_size() -> None:
    for path in sorted(CONFIGS.glob("*_small.yaml")):
        small, whole = (
            load_config(RunConfig, path),
            load_config(RunConfig, path.with_stem(path.stem.removesuffix("_small"))),
        )
        assert small.data == whole.data and small.eval.suite == whole.eval.suite and small.title == whole.title
        assert small.cpt.mix == whole.cpt.mix and small.model.architecture is not None
