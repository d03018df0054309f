"""The legal slice is drawn from acts, the same each time; a law is split at its articles, and none is cut."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from qaz_llm.config import load_config
from qaz_llm.data.build import build
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.sources import read_documents
from qaz_llm.data.split import split_before
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.task import load_task
from qaz_llm.io import read_jsonl
from qaz_llm.language.segment import words
from qaz_llm.pipeline.config import RunConfig

RECIPE = Path(__file__).parents[2] / "configs" / "recipes" / "law.yaml"
PATH = Path(__file__).parents[2] / "scripts" / "law_slice.py"
ARTICLES = r"(Статья|Бап)\s*\d|\d+(-\d+)*-бап"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("law_slice", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sentence(act: int, article: int, point: int, language: str) -> str:
    if language == "kk":
        said = f"{act} актінің {article} бабындағы {point} тармақ өзен жағасын күтуге жауап беретін мекемені белгілейді"
    else:
        said = (
            f"пункт {point} статьи {article} акта {act} называет учреждение, которое отвечает за уход за берегом реки"
        )
    return f"{point}. {said}.\n"


def write_act(root: Path, act: int, *, articles: int, points: int, latin: bool = False) -> None:
    folder = root / "kazakhstan-law" / "codes" / f"0101-o-reke-{act}"
    folder.mkdir(parents=True)
    for language, name in (("kk", "kaz"), ("ru", "rus")):
        parts = [f"# {'Өзен туралы' if language == 'kk' else 'О реке'}\n"]
        for article in range(1, articles + 1):
            title = f"{article}-бап. Жағалау" if language == "kk" else f"Статья {article}. Берег"
            parts += [f'<a id="st{article}"></a>\n', f"### {title}\n"]
            parts += [sentence(act, article, point, language) for point in range(1, points + 1)]
        text = "\n".join(parts)
        (folder / f"{name}.md").write_text(text.replace("і", "i") if latin else text, encoding="utf-8")


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["law_slice.py", *arguments])
    script.main()


def test_articles_are_drawn_in_both_languages_and_the_same_each_time(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_act(tmp_path, 501, articles=6, points=5, latin=True)
    write_act(tmp_path, 502, articles=2, points=4)
    write_act(tmp_path, 503, articles=2, points=1)  # too short
    run(script, monkeypatch, str(tmp_path))
    first = (tmp_path / "law" / "articles.jsonl").read_bytes()
    run(script, monkeypatch, str(tmp_path))
    assert (tmp_path / "law" / "articles.jsonl").read_bytes() == first
    assert "5 of 8 articles, from 2 of 3 acts" in capsys.readouterr().out
    items = load_items(load_task("law_bpb"), root=tmp_path)
    assert Counter(item.cluster_id for item in items) == {"501": 2 * script.PER_ACT, "502": 4}
    for item in items:
        act, article = item.item_id.split("/")
        points = 5 if act == "501" else 4
        title = f"{article[2:]}-бап. Жағалау" if item.language == "kk" else f"Статья {article[2:]}. Берег"
        wanted = [sentence(int(act), int(article[2:]), point, item.language).strip() for point in range(1, points + 1)]
        assert item.text == "\n".join([title, *wanted]), "letters that look like і are і"


def test_a_clone_without_such_articles_is_said(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_act(tmp_path, 503, articles=2, points=1)
    with pytest.raises(SystemExit, match="none of 1 acts has an article"):
        run(script, monkeypatch, str(tmp_path))
    assert not (tmp_path / "law").exists()


def test_the_recipe_trains_on_no_point_of_a_drawn_article(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in documents, where whole articles stand, nor in pairs, each of which is one point."""
    for act in (501, 502, 503, 504):
        write_act(tmp_path, act, articles=5, points=5)
    run(script, monkeypatch, str(tmp_path), "2")
    config = load_config(RunConfig, RECIPE, [f"data.root={tmp_path}", f"data.out={tmp_path / 'out'}"])
    build(config.data)
    drawn = [item.text.split("\n")[1:] for item in load_items(load_task("law_bpb"), root=tmp_path)]
    held_out = {point for points in drawn for point in points}
    assert len(drawn) == 4 and len(held_out) == 20
    folder = tmp_path / "out"
    documents = [row["text"] for path in sorted(folder.glob("documents-*")) for row in read_jsonl(path)]
    turns = [
        message["content"]
        for path in sorted(folder.glob("conversations-*"))
        for row in read_jsonl(path)
        for message in row["messages"]
    ]
    for text in (*documents, *turns):
        assert not [point for point in held_out if point in text]
    others = {sentence(act, 5, 1, "kk").strip() for act in (501, 502, 503, 504)} - held_out
    assert others and all(any(point in text for text in turns) for point in others), "the others are trained on"


LAW = "ЗАҢ\n\n1-бап. Ұғымдар\n1. Өзен.\n2. Жаға.\nСтатья 2. Цель\nПервый абзац.\n  3-1-бап. Соңы\nБітті. 4-бапта айтылған.\n"


def test_a_law_is_split_at_its_articles_and_none_is_cut() -> None:
    pieces = split_before(LAW, ARTICLES)
    assert [piece.split("\n")[0] for piece in pieces] == ["ЗАҢ", "1-бап. Ұғымдар", "Статья 2. Цель", "3-1-бап. Соңы"]
    assert [word for piece in pieces for word in words(piece)] == words(LAW)
    assert [len(words(piece)) for piece in pieces] == [1, 6, 5, 5]
    joined = split_before(LAW, ARTICLES, max_words=10)
    assert [len(words(piece)) for piece in joined] == [7, 10] and words("\n".join(joined)) == words(LAW)
    assert split_before(LAW, ARTICLES, max_words=1) == pieces, "an article longer than the limit stays whole"
    assert split_before("\n \n", ARTICLES) == [] and split_before("Мәтін", ARTICLES) == ["Мәтін"]


def test_a_source_splits_at_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "law.txt").write_text(LAW, encoding="utf-8")
    source = SourceConfig(name="law", path=str(tmp_path / "law.txt"), rows="file", split_at=ARTICLES)
    documents = list(read_documents(source))
    assert [d.text for d in documents] == split_before(LAW, ARTICLES)
    assert len({d.id for d in documents}) == 4


@pytest.mark.parametrize(("pattern", "said"), [("(", "no regular expression"), ("x*", "every line")])
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SourceConfig(name="law", path="law.txt", split_at=pattern)
