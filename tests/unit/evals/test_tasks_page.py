"""The worked examples of docs/tasks.md are what they say: the page's own rows and YAML are loaded and asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.prompts.render import render_context, render_requests
from qaz_llm.evals.task import Kind, load_suite, tasks_in

PAGE = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:yaml)?\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("name", "file"), [("my_school", "school.jsonl"), ("endings_kk", "endings.jsonl")])
def test_a_task_of_the_page(name: str, file: str, tmp_path: Path) -> None:
    (yaml,) = [block for block in BLOCKS if block.startswith(f"name: {name}\n")]
    rows = BLOCKS[BLOCKS.index(yaml) - 1]
    (tmp_path / file).write_text(rows, encoding="utf-8")
    (tmp_path / f"{name}.yaml").write_text(yaml, encoding="utf-8")
    (task,) = tasks_in(tmp_path / f"{name}.yaml")
    items = load_items(task, root=tmp_path)
    assert len(items) == len(rows.strip().splitlines()) and task.name == name
    if name == "endings_kk":
        assert items[1].choices[items[1].answer or 0] == "құрал алып, камераны жамады."
        first = render_requests(task, items[0])[0]
        assert f"`{first.context}` + `{first.continuation}`" in PAGE
        assert render_context(task, items[0], scoring="letters").endswith("D. көлігін жөндеуге берді.\nЖауабы:")
    else:
        assert render_context(task, items[0]).endswith("D. Талас\nДұрыс жауап:")


def test_every_kind_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert set(rows) == set(Kind.__args__)  # type: ignore[attr-defined]
    assert {task.kind for task in load_suite("all")} <= set(rows)
