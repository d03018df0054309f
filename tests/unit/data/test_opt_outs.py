"""What holders of rights closed to training is left out of a build, counted, and written nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.build import build
from qaz_llm.data.config import DataConfig
from qaz_llm.data.opt_outs import OptOuts, read_opt_outs, says_no
from qaz_llm.errors import InputError
from qaz_llm.io import read_json, read_jsonl, write_jsonl

CLOSED = {"blog.kz": ("/",), "example.kz": ("/essays/",)}


@pytest.mark.parametrize(
    ("url", "is_closed"),
    [
        ("https://blog.kz", True),
        ("HTTP://Blog.KZ:8080/a?b#c", True),
        ("www.blog.kz/a", True),
        ("//old.blog.kz/", True),
        ("https://user@blog.kz./", True),
        ("https://notblog.kz/", False),
        ("https://blog.kz.example.org/", False),
        ("https://other.kz/?u=https://blog.kz/", False),
        ("https://example.kz/essays/1", True),
        ("https://www.example.kz/%65ssays/1", True),
        ("https://example.kz/essay", False),
        ("https://sub.example.kz/essays/1", False),
        ("https://қала.қаз/бет", False),
        ("https://[::1/", False),
        ("", False),
    ],
)
def test_addresses_by_hand(url: str, is_closed: bool) -> None:
    assert OptOuts(CLOSED).is_closed(url) is is_closed


def test_hosts_in_kazakh_letters(tmp_path: Path) -> None:
    (tmp_path / "l").write_text("https://Қала.қаз/  # IDNA\n", encoding="utf-8")
    closed = read_opt_outs([str(tmp_path / "l")])
    host = "қала.қаз".encode("idna").decode()
    assert closed.is_closed(f"http://{host}/a") and closed.is_closed("қала.қаз") and not closed.is_closed("қаз")


def test_words_of_a_row() -> None:
    assert all(map(says_no, (1, 1.0, True, "1", "noai", "yes", "иә", {"a": 1}, ["noai"])))
    assert not any(map(says_no, (None, 0, False, "", " ", "0", "No", "жоқ", "нет", float("nan"), [], {})))


def row(number: int, url: str | None, reserved: Any = 0) -> dict[str, Any]:
    words = ["бірінші", "екінші", "үшінші", "төртінші", "бесінші", "алтыншы"][number]
    text = f"Ауылда {words} мектеп салынып жатыр, ол келер жылы қыркүйекте ашылады деп күтілуде."
    return {"id": f"r{number}", "text": text, "url": url, "rights": {"tdm": reserved}}


def config_of(tmp_path: Path, **source: Any) -> dict[str, Any]:
    (tmp_path / "closed.txt").write_text(
        "# asked in May\n\nblog.kz # all of it\nexample.kz/essays/\n", encoding="utf-8"
    )
    rows = [
        row(0, "https://news.kz/1"), row(1, "https://blog.kz/1"), row(2, "https://example.kz/essays/2"),
        row(3, None), row(4, "https://news.kz/4", "1"), row(5, "https://news.kz/5"),
    ]  # fmt: skip
    write_jsonl(tmp_path / "d.jsonl", rows)
    return {
        "sources": [{"name": "s", "path": str(tmp_path / "d.jsonl"), "licence": "CC0-1.0", "id_field": "id"} | source],
        "opt_outs": {"lists": [str(tmp_path / "closed.txt")]},
        "filters": {"preset": "none"},
        "out": tmp_path / "out",
        "work": tmp_path / "work",
    }


def built(values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    build(DataConfig.model_validate(values))
    out = Path(values["out"])
    kept, dropped = (
        [one for path in sorted(out.glob(f"{name}-*")) for one in read_jsonl(path)] for name in ("documents", "dropped")
    )
    return read_json(out / "manifest.json"), kept, dropped


def test_lists_and_fields(tmp_path: Path) -> None:
    manifest, kept, dropped = built(config_of(tmp_path, url_field="url", opt_out_field="rights.tdm"))
    assert [one["id"] for one in kept] == ["s/r0", "s/r3", "s/r5"]
    assert [(one["id"], one["reason"], one["text"]) for one in dropped] == [
        (f"s/r{n}", "opted_out", "") for n in (1, 2, 4)
    ]
    account = manifest["opt_outs"]
    assert account["lists"][0]["file"] == "closed.txt" and account["fields"] == {"s": "rights.tdm"}
    assert [account[name] for name in ("entries", "rows_closed", "rows_without_address")] == [2, 3, 1]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "(2 hosts and addresses, field rights.tdm of s): 3 rows left out; 1 rows have no address" in card


def test_of_joined_rows_each_is_looked_at(tmp_path: Path) -> None:
    _, kept, _ = built(config_of(tmp_path, url_field="url", rows_per_document=6))
    (document,) = kept
    assert "бірінші" in document["text"] and "алтыншы" in document["text"]
    assert "екінші" not in document["text"] and "үшінші" not in document["text"]


def test_a_source_without_addresses_is_counted(tmp_path: Path) -> None:
    manifest, kept, _ = built(config_of(tmp_path))
    assert len(kept) == 6 and manifest["opt_outs"]["rows_without_address"] == 6


def test_a_changed_list_cleans_the_part_anew(tmp_path: Path) -> None:
    values = config_of(tmp_path, url_field="url")
    assert len(built(values)[1]) == 4
    (tmp_path / "closed.txt").write_text("blog.kz\n")
    assert len(built(values)[1]) == 5


def test_nothing_asked_for_is_said(tmp_path: Path) -> None:
    manifest, _, _ = built(config_of(tmp_path) | {"opt_outs": {}})
    assert manifest["opt_outs"] == {}
    assert "no list and no field of such rows was given" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"blog.kz\nnot a host\n", "line 2: 'not a host'"),
        (b"*.blog.kz\n", "line 1: '*.blog.kz'"),
        (b"someone@blog.kz\n", "line 1: 'someone@blog.kz'"),
        (b"https://someone@blog.kz/\n", "line 1"),
        (b"kz\n", "line 1: 'kz'"),
        (b"# nothing\n", "no entry in it"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_faults_of_a_list(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "l.txt").write_bytes(content)
    with pytest.raises(InputError, match=said.replace("*", r"\*")):
        read_opt_outs([str(tmp_path / "l.txt")])


def test_a_list_that_is_not_there_and_a_field_that_no_row_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        build(DataConfig.model_validate(config_of(tmp_path) | {"opt_outs": {"lists": ["nothing.txt"]}}))
    with pytest.raises(InputError, match="no field 'tdm'"):
        build(DataConfig.model_validate(config_of(tmp_path, opt_out_field="tdm")))
