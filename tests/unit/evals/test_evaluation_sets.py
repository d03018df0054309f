"""The public evaluation sets: laid out by scripts/evaluation_sets.py so that the tasks find them, kept out of training text."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import load_config
from qaz_llm.data.config import DataConfig
from qaz_llm.data.protect.items import SHIPPED
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.task import load_task

ROOT = Path(__file__).parents[3]
SCRIPT: Mapping[str, Any] = runpy.run_path(str(ROOT / "scripts" / "evaluation_sets.py"))
# A row of each set as its card documents it.
_FLORES = {"id": 3, "iso_639_3": "kaz", "text": "Қар жауды.", "domain": "wikinews"}
_SIB = {"index_id": "548", "category": "sports", "text": "Доп қақпаға кірді."}
_BELEBELE = {
    "link": "https://en.wikibooks.org/wiki/A", "question_number": 1, "flores_passage": "Ауа суық.", "question": "Ауа қандай?",
    "mc_answer1": "Суық", "mc_answer2": "Жылы", "mc_answer3": "Ыстық", "mc_answer4": "Құрғақ", "correct_answer_num": "1",
}  # fmt: skip
_KAZQAD = {
    "id": "bio1", "title": "Жүрек", "context": "Жүрек қан айдайды.", "question": "Жүрек не айдайды?",
    "answers": {"text": ["қан"], "answer_start": [6]},
}  # fmt: skip
HUB = {
    ("openlanguagedata/flores_plus", "devtest"): _FLORES,
    ("Davlan/sib200", "validation"): _SIB,
    ("facebook/belebele", "test"): _BELEBELE,
    ("issai/kazqad", "validation"): _KAZQAD,
}


def load(name: str, subset: str, split: str) -> list[dict[str, Any]]:
    row = dict(HUB[name, split])
    if name == "openlanguagedata/flores_plus" and subset == "rus_Cyrl":
        return [row | {"text": "Выпал снег."}, row | {"id": 4, "text": "Нет пары."}]
    return [row]


def test_every_task_finds_what_the_script_writes(tmp_path: Path) -> None:
    written = SCRIPT["fetch"](tmp_path, SCRIPT["SETS"], load)
    assert len(written) == 6
    (sentence,) = [item for item in load_items(load_task("flores_bpb"), root=tmp_path) if item.language == "ru"]
    assert sentence.text == "Выпал снег."  # and the sentence without twins is not there
    assert {item.language for item in load_items(load_task("sib200"), root=tmp_path)} == {"kk", "ru", "en"}
    (question,) = load_items(load_task("belebele_kk"), root=tmp_path)
    assert (question.choices[question.answer or 0], question.text) == ("Суық", "Ауа суық.")
    (asked,) = load_items(load_task("kazqad"), root=tmp_path)
    assert asked.references == ("қан",)


def test_sets_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sib200").mkdir()
    written = SCRIPT["fetch"](tmp_path, ["sib200", "kazqad"], load)
    assert [path.parent.name for path in written] == ["kazqad"]
    assert not list((tmp_path / "sib200").iterdir())


def test_question_sets_are_looked_for_in_training_text_and_are_no_sources(tmp_path: Path) -> None:
    configs = ROOT / "configs" / "data"
    build = tmp_path / "build.yaml"
    build.write_text(
        f"out: {tmp_path}/out\nsources: [{{name: a, path: a.jsonl}}]\n"
        f"decontaminate: {{base: {configs}/decontaminate/question_sets_kk.yaml}}\n"
    )
    config = load_config(DataConfig, build)
    assert config.decontaminate is not None
    assert len(config.decontaminate.paths) == 4 and config.decontaminate.shipped
    assert SHIPPED
    sets = {"/".join(path.split("/")[:2]) for path in config.decontaminate.paths}
    sources = "".join(path.read_text(encoding="utf-8") for path in (configs / "sources").glob("*.yaml"))
    builds = "".join(path.read_text(encoding="utf-8") for path in configs.glob("*.yaml"))
    for name in sets:
        assert name not in sources and name not in builds, name


@pytest.mark.parametrize("name", ["flores200", "sib200", "belebele_kk", "kazqad"])
def test_the_page_says_where_each_set_is_had(name: str) -> None:
    page = (ROOT / "docs" / "data-sources.md").read_text(encoding="utf-8")
    hub = {"flores200": "openlanguagedata/flores_plus", "sib200": "Davlan/sib200", "belebele_kk": "facebook/belebele"}
    assert f"`{hub.get(name, 'issai/kazqad')}`" in page
    assert f"{name}/" in page
