"""`qaz data show`: the whole way of one document or conversation, and of many by a piece of text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qaz_llm import cli
from qaz_llm.config import config_from_values
from qaz_llm.data.build import BuildResult, build
from qaz_llm.data.config import DataConfig
from qaz_llm.data.plan import BuildPlan
from qaz_llm.data.show import show_documents, show_found
from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl

TEXTS = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
RUSSIAN = next(row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl")))
KYRGYZ = (
    "Кыргыз Республикасынын мектептеринде жаңы окуу жылы башталды. Балдар гүлдөрүн көтөрүп, мугалимдерин куттукташты. "
    "Быйыл биринчи класска көп бала келди, ошондуктан кошумча класстар ачылды."
)
ITEM = "Қорықтағы ең үлкен көлдің тереңдігі қанша метр екенін ғалымдар былтыр күзде анықтады"


def rows() -> list[dict[str, Any]]:
    """A row for each step that a document can end at, or that changes it."""
    broken = TEXTS[4].encode().decode("latin-1")
    texts = {
        "base": TEXTS[0],
        "near": " ".join([*TEXTS[0].split()[:5], *TEXTS[0].split()[6:]]),
        "exact": TEXTS[0],
        "digits": "Кесте: 2015 2016 2017 2018 2019 2020 2021 мың теңге құны 123 456 789",
        "kyrgyz": KYRGYZ,
        "mixed": f"{TEXTS[1]}\n{RUSSIAN}",
        "item": f"{TEXTS[2]}\n{ITEM}.",
        "closed": TEXTS[3],
        "mojibake": f"{broken}\n{TEXTS[5]} Тел. +7 701 555 01 23",
        "odd": TEXTS[6],
        "menu": "Басты бет | Жаңалықтар | Саясат | Қоғам | Спорт | Мәдениет | Байланыс\nКіру | Тіркелу\nІздеу",
    }
    # of copies the freer one stays
    licences: dict[str, Any] = {"closed": "CC-BY-NC-4.0", "base": "CC0-1.0", "exact": "CC0-1.0", "odd": ["біздікі"]}
    return [
        {"key": key, "text": text, "page": f"https://www.news.kz/{key}/", "terms": licences.get(key, "CC-BY-4.0")}
        for key, text in texts.items()
    ]


def chats() -> list[dict[str, Any]]:
    asked = ["Абай қай жылы туған?", "Абай қай жылы туған?", "Наурыз қашан тойланады?"]
    answers = ["Абай Құнанбайұлы 1845 жылы туған.", "Абай Құнанбайұлы 1845 жылы туған.", ""]
    return [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in zip(asked, answers, strict=True)
    ]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("show")
    write_jsonl(folder / "a.jsonl", rows())
    write_jsonl(folder / "items.jsonl", [{"id": "q7", "question": ITEM}])
    write_jsonl(folder / "chat.jsonl", chats())
    source = {
        "name": "a",
        "path": str(folder / "a.jsonl"),
        "id_field": "key",
        "url_field": "page",
        "licence_field": "terms",
    }
    values = {
        "sources": [source],
        "conversations": [{"name": "talk", "path": str(folder / "chat.jsonl"), "kind": "chat"}],
        "decontaminate": {"paths": [str(folder / "items.jsonl")], "shipped": False},
        "licences": {"non_commercial": "refuse"},
        "dedup": {"min_jaccard": 0.7},
        "out": str(folder / "out"),
    }
    build(config_from_values(DataConfig, values, where="test"))
    return folder / "out"


def way(out: Path, id_: str) -> dict[str, Any]:
    (made,) = show_found(out, id_=id_).traces
    return made


def test_each_reason_with_value_and_limit(out: Path) -> None:
    dropped = {row["id"]: row for path in out.glob("dropped-*") for row in read_jsonl(path)}
    assert {id_: row["reason"] for id_, row in dropped.items()} == {
        "a/near": "near_duplicate",
        "a/exact": "exact_duplicate",
        "a/digits": "too_many_digits",
        "a/kyrgyz": "other_language",
        "a/item": "contaminated",
        "a/closed": "licence",
        "a/menu": "boilerplate",
    }
    assert all(row["url"] == f"https://www.news.kz/{id_.partition('/')[2]}/" for id_, row in dropped.items())
    digits = dropped["a/digits"]
    text = next(row["text"] for row in rows() if row["key"] == "digits")
    assert digits["value"] == pytest.approx(sum(c.isdigit() for c in text) / len(text), abs=1e-6)
    assert digits["limit"] == 0.25
    assert (dropped["a/kyrgyz"]["value"], dropped["a/kyrgyz"]["languages"]) == (0.0, {"ky": 1.0})
    assert (dropped["a/closed"]["value"], dropped["a/closed"]["limit"]) == ("CC-BY-NC-4.0", "non_commercial")
    assert (dropped["a/item"]["file"].endswith("items.jsonl"), dropped["a/item"]["item"]) == (True, "q7")
    assert (dropped["a/menu"]["value"], dropped["a/menu"]["limit"]) == (1.0, 0.5)
    assert "value" not in dropped["a/exact"]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_a_near_copy_names_the_copy_that_stays_and_how_alike_they_are(out: Path) -> None:
    made = way(out, "a/near")
    assert made["fate"]["of"] == "a/base" == made["fate"]["copy"]["id"]
    assert made["fate"]["copy"]["kept"]
    base, near = (shingles(row["text"]) for row in rows()[:2])
    assert made["fate"]["value"] == pytest.approx(len(base & near) / len(base | near), abs=0.02)  # hyphens join words
    kept = way(out, "base")
    assert {(copy["id"], copy["reason"]) for copy in kept["copies"]} == {
        ("a/near", "near_duplicate"),
        ("a/exact", "exact_duplicate"),
    }


def test_what_was_done_to_a_kept_document(out: Path) -> None:
    made = way(out, "a/mojibake")
    assert made["fate"]["kept"]
    assert made["steps"]["repair"]["mojibake"] >= 1
    assert made["steps"]["personal data"] == {"phone": 1}
    rules = {(rule["rule"], rule["is_least"]): rule for rule in made["steps"]["quality"]["rules"]}
    assert all(rule["keep"] for rule in rules.values())
    words = rules["too_few_words", True]
    assert words["limit"] == 5
    assert words["value"] >= len(TEXTS[4].split())
    assert rules["too_many_digits", False]["limit"] == 0.25
    assert set(way(out, "a/mixed")["steps"]["language"]["shares"]) == {"kk", "ru"}


def test_of_a_dropped_document_whose_row_holds_it_whole_every_rule_is_told(out: Path) -> None:
    made = way(out, "a/digits")
    text = next(row["text"] for row in rows() if row["key"] == "digits")
    assert made["text"] == text
    rules = {rule["rule"]: rule for rule in made["steps"]["quality"]["rules"]}
    assert not rules["too_many_digits"]["keep"]
    assert rules["too_many_digits"]["value"] == made["fate"]["value"]
    assert rules["too_few_words"]["keep"] and rules["too_few_words"]["limit"] == 5
    assert set(made["steps"]["language"]["shares"]) == {"kk"}


def test_steps_end_where_the_document_did(out: Path) -> None:
    assert list(way(out, "a/kyrgyz")["steps"]) == ["repair", "language"]
    assert list(way(out, "a/closed")["steps"]) == []
    assert list(way(out, "a/item")["steps"])[-1] == "evaluation items"
    assert list(way(out, "a/near")["steps"])[-1] == "duplicates"


def test_what_was_not_understood_is_in_manifest_report_and_card(out: Path) -> None:
    made = json.loads((out / "manifest.json").read_text())
    assert made["notices"] == [{"kind": "licence_not_understood", "where": "a: terms", "count": 1}]
    assert made["licences"]["LicenseRef-unknown"] == 1
    said = "rows whose licence is not understood and counts as unknown"
    assert f"note: {said}: 1 (a: terms)" in BuildResult(out, BuildPlan((), {}, 1), made).describe().splitlines()
    assert said in (out / "report.html").read_text()
    assert f"- {said}: 1 (a: terms)" in (out / "README.md").read_text()


def test_an_address_in_any_of_its_forms(out: Path) -> None:
    for url in ("https://www.news.kz/menu/", "http://news.kz/menu", "news.kz/menu"):
        assert [made["id"] for made in show_found(out, url=url).traces] == ["a/menu"]
    with pytest.raises(InputError, match="nothing came from") as caught:
        show_found(out, url="https://news.kz/men")
    assert "https://www.news.kz/menu/" in str(caught.value)


def test_a_piece_of_text_in_what_is_kept_dropped_and_said(out: Path) -> None:
    assert [made["id"] for made in show_found(out, find="балдар   ГҮЛДӨРҮН\nкөтөрүп").traces] == ["a/kyrgyz"]
    found = show_found(out, find="1845 жылы туған")
    assert [made["kind"] for made in found.traces] == ["conversation", "conversation"]
    assert found.is_list
    assert "… " not in found.lines()[1]
    assert "first 500 characters" in found.lines()[-1]
    (first, second) = found.traces
    assert (first["fate"]["kept"], second["fate"]["kept"]) == (True, False)
    assert [copy["id"] for copy in first["copies"]] in ([], [second["id"]])
    with pytest.raises(InputError, match="nothing holds 'жоқ мұндай сөз'"):
        show_found(out, find="жоқ мұндай сөз")
    assert show_found(out, find="Кіру", dropped=True).traces[0]["id"] == "a/menu"


def test_ids_that_are_nearly_right(out: Path) -> None:
    with pytest.raises(InputError, match="nothing has the id 'a/kyrgys'") as caught:
        show_found(out, id_="a/kyrgys")
    assert "did you mean a/kyrgyz" in str(caught.value)
    with pytest.raises(InputError, match=r"\d+ ids have 'a/' in them"):
        show_found(out, id_="a/")
    with pytest.raises(InputError, match="--id and --url"):
        show_found(out, id_="a", url="b")


def test_a_conversation_kept_and_dropped(out: Path) -> None:
    (kept,) = out.glob("conversations-*")
    (first,) = read_jsonl(kept)
    made = way(out, first["id"])
    assert (made["kind"], made["fate"]["kept"]) == ("conversation", True)
    reasons = json.loads((out / "manifest.json").read_text())["conversations"]["dropped"]
    for reason in reasons:
        (row,) = show_documents(out, reason=reason, limit=1)
        assert way(out, row["id"])["fate"]["reason"] == reason


@pytest.fixture
def qaz(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["qaz", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


def test_the_command_for_people_and_for_programs(out: Path, qaz: Callable[..., tuple[int, str, str]]) -> None:
    code, said, _ = qaz("data", "show", str(out), "--id", "near")
    assert code == 0
    assert "dropped at       duplicates: near_duplicate, measured 0." in said
    assert "limit 0.7" in said
    assert "a copy of        a/base, kept in documents-00000.jsonl.zst, row 1" in said
    code, said, _ = qaz("data", "show", str(out), "--id", "base", "--json")
    assert json.loads(said)[0]["id"] == "a/base"
    code, said, error = qaz("data", "show", str(out), "--language", "kz")
    assert (code, said) == (2, "")
    assert "'kz' is the country code of Kazakhstan; the language code of Kazakh is 'kk'" in error
    assert "Traceback" not in error
    code, said, _ = qaz("data", "show", str(out), "--dropped", "--language", "ky")
    assert code == 0
    assert "a/kyrgyz" in said
    code, said, _ = qaz("data", "show", str(out), "--source", "talk")
    assert code == 0
    assert "assistant: Абай Құнанбайұлы" in said
    code, _, error = qaz("data", "show", str(out), "--id", "a/none")
    assert code == 2
