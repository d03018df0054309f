"""A build in many parts: by byte ranges, by shares of a job array, with sources that come later, and when things fail midway.

The oracle is always the same build done in one go: every way of cutting the work up has to give its bytes."""

import errno
import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data import spool
from qaz_llm.data.build import build
from qaz_llm.data.config import DataConfig
from qaz_llm.data.share import Share
from qaz_llm.errors import InputError, WorkError, WriteError
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl
from qaz_llm.language.segment import match_words


def config_of(tmp_path: Path, sources: list[dict[str, Any]], **values: Any) -> DataConfig:
    values = {"out": str(tmp_path / "out"), "shard_bytes": 100_000, **values}
    return config_from_values(DataConfig, {"sources": sources, **values}, where="test")


def rows_of(folder: Path, prefix: str) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(f"{prefix}-*.jsonl.zst")) for row in read_jsonl(path)]


def shards_of(folder: Path) -> dict[str, str]:
    """The hash of every shard; manifests name paths and part sizes, which are what differs here."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.zst"))}


def counts_of(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = ("documents_in", "documents_out", "bytes_in", "bytes_out", "dropped", "pii", "repairs", "lengths_words")
    return {key: manifest[key] for key in (*kept, "duplicate_clusters", "languages", "scripts", "licences")}


def write_sources(folder: Path, names: str, *, rows: int = 60) -> list[dict[str, Any]]:
    """One plain file per letter; texts, copies and near copies are shared between them."""
    rng = random.Random(11)
    texts = [
        r["text"] for name in ("kk_a", "kk_b", "ru", "en") for r in read_jsonl(embedded_path(f"documents_{name}.jsonl"))
    ]
    folder.mkdir(exist_ok=True)
    sources = []
    for name in names:
        chosen = rng.sample(texts, rows)
        chosen[1] = chosen[0]
        chosen[2] = chosen[3].replace(" ", "  ", 5) + " Бұл жол кейін қосылды."
        write_jsonl(folder / f"{name}.jsonl", [{"text": text} for text in [*chosen, "", "12 34"]])
        sources.append({"name": name, "path": str(folder / f"{name}.jsonl"), "licence": "CC0-1.0"})
    return sources


def count_cleaned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources of the parts that are cleaned from now on."""
    cleaned: list[str] = []
    write = spool._write

    def counting(task: Any, folder: Path, cleaner: Any) -> None:
        cleaned.append(task.source.name)
        write(task, folder, cleaner)

    monkeypatch.setattr(spool, "_write", counting)
    return cleaned


# ----------------------------------------------------------------------------------------------------- cut and joined


def test_byte_ranges_give_the_bytes_of_whole_files(tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "in", "ab")
    build(config_of(tmp_path, sources, out=str(tmp_path / "whole")))
    cut = [{**source, "part_bytes": 20_000} for source in sources]
    config = config_of(tmp_path, cut, workers=2)
    plan = build(config, dry_run=True).plan
    assert len(plan.tasks) > 2 * len(sources)
    build(config)
    assert shards_of(config.out) == shards_of(tmp_path / "whole")
    assert counts_of(config.out) == counts_of(tmp_path / "whole")


def test_a_source_that_comes_later_joins_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = write_sources(tmp_path / "in", "abc")
    build(config_of(tmp_path, sources, out=str(tmp_path / "at_once")))
    work = str(tmp_path / "index")
    build(config_of(tmp_path, sources[:2], work=work, out=str(tmp_path / "first")))
    cleaned = count_cleaned(monkeypatch)
    build(config_of(tmp_path, sources, work=work))
    assert cleaned == ["c"]
    assert shards_of(tmp_path / "out") == shards_of(tmp_path / "at_once")
    assert counts_of(tmp_path / "out") == counts_of(tmp_path / "at_once")
    cleaned.clear()
    build(config_of(tmp_path, sources, work=work, filters={"kk": {"min_words": 60}}))
    assert cleaned == ["a", "b", "c"]  # other rules, other parts


def test_changed_evaluation_items_are_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = write_sources(tmp_path / "in", "a")
    items = tmp_path / "items.jsonl"
    write_jsonl(items, [{"question": "Бұл сұрақ ешбір мәтінде кездеспейтіні анық деп ойлаймыз."}])
    values = {"work": str(tmp_path / "index"), "decontaminate": {"paths": [str(items)]}}
    assert "contaminated" not in build(config_of(tmp_path, sources, **values)).summary()["dropped"]
    text = next(row["text"] for row in rows_of(tmp_path / "out", "documents") if len(match_words(row["text"])) > 40)
    write_jsonl(items, [{"question": " ".join(match_words(text)[10:25])}])
    cleaned = count_cleaned(monkeypatch)
    manifest = build(config_of(tmp_path, sources, **values)).to_dict()
    assert cleaned == ["a"]
    (name,) = (name for name in manifest["decontamination"]["files"] if name.endswith("/items.jsonl"))
    hits = manifest["decontamination"]["hits"]["files"][name]
    dropped = [row for row in rows_of(tmp_path / "out", "dropped") if row["reason"] == "contaminated"]
    assert hits["documents"] == len(dropped) == manifest["dropped"]["contaminated"] >= 1
    assert hits["items_hit"] == 1
    assert {row["file"] for row in dropped} == {name}


# --------------------------------------------------------------------------------------------------------- job arrays


def test_shares_and_a_merge_give_the_bytes_of_one_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = write_sources(tmp_path / "in", "abcde")
    build(config_of(tmp_path, sources, out=str(tmp_path / "at_once")))
    config = config_of(tmp_path, sources)
    result = build(config, share=Share(0, 2))
    assert result.manifest is None
    assert "share 0/2: 3 of 5 parts cleaned" in result.describe()
    assert not list(config.out.glob("documents-*"))
    with pytest.raises(WorkError, match="2 of 5 parts are not there: b: b, d: d"):
        build(config, merge_only=True)
    build(config, share=Share(1, 2))
    cleaned = count_cleaned(monkeypatch)
    build(config, merge_only=True)
    assert not cleaned
    assert shards_of(config.out) == shards_of(tmp_path / "at_once")
    assert counts_of(config.out) == counts_of(tmp_path / "at_once")


def test_more_shares_than_parts_is_no_mistake(tmp_path: Path) -> None:
    config = config_of(tmp_path, write_sources(tmp_path / "in", "a"))
    assert "0 of 1 parts cleaned" in build(config, share=Share(5, 8)).describe()


@pytest.mark.parametrize("text", ["3", "a/b", "2/2", "5/3", "-1/4", "1/"])
def test_a_share_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="--share"):
        Share.parse(text)


# ---------------------------------------------------------------------------------------------------------- failures


def test_a_disk_that_fills_up_midway_loses_nothing_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = write_sources(tmp_path / "in", "abc")
    build(config_of(tmp_path, sources, out=str(tmp_path / "at_once")))
    config = config_of(tmp_path, sources)
    write = spool._write

    def full_at_b(task: Any, folder: Path, cleaner: Any) -> None:
        write(task, folder, cleaner)
        if task.source.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool, "_write", full_at_b)
    with pytest.raises(WriteError, match="the disk is full"):
        build(config)
    assert not list(config.out.glob("*.zst"))
    monkeypatch.setattr(spool, "_write", write)
    cleaned = count_cleaned(monkeypatch)
    build(config)
    assert cleaned == ["b", "c"]
    assert shards_of(config.out) == shards_of(tmp_path / "at_once")


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_damaged_part_is_cleaned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    config = config_of(tmp_path, write_sources(tmp_path / "in", "ab"), work=str(tmp_path / "index"))
    build(config)
    before = shards_of(config.out)
    (part,) = (tmp_path / "index").glob("a-*")
    if damage == "gone":
        next((part / "features").iterdir()).unlink()
    else:
        (part / "kept.jsonl").write_bytes((part / "kept.jsonl").read_bytes()[:200])
    with pytest.raises(WorkError, match="1 of 2 parts are not there: a: a"):
        build(config, merge_only=True)
    cleaned = count_cleaned(monkeypatch)
    build(config)
    assert cleaned == ["a"]
    assert shards_of(config.out) == before


# ------------------------------------------------------------------------------------------------------ other policies


def test_mixed_documents_are_split_by_policy_and_the_counts_add_up(tmp_path: Path) -> None:
    kk = next(iter(read_jsonl(embedded_path("documents_kk_a.jsonl"))))["text"]
    ru = next(iter(read_jsonl(embedded_path("documents_ru.jsonl"))))["text"]
    write_jsonl(tmp_path / "m.jsonl", [{"text": f"{kk}\n\n{ru}"}, {"text": kk[: len(kk) // 2]}])
    sources = [{"name": "m", "path": str(tmp_path / "m.jsonl"), "licence": "CC0-1.0"}]
    values = {"dedup": {"near": False}}
    whole = build(config_of(tmp_path, sources, **values)).to_dict()
    assert (whole["documents_out"], whole["added_by_splitting"]) == (2, 0)
    made = build(config_of(tmp_path, sources, languages={"mixed": "split"}, **values)).to_dict()
    assert made["documents_in"] + made["added_by_splitting"] == made["documents_out"] + sum(made["dropped"].values())
    rows = rows_of(tmp_path / "out", "documents")
    languages = Counter(row["language"] for row in rows if row["id"].startswith("m/m/00000000#"))
    assert set(languages) == {"kk", "ru"}
    assert sorted(" ".join(row["text"] for row in rows if "#" in row["id"]).split()) == sorted(f"{kk}\n\n{ru}".split())


def test_every_kept_document_can_be_traced_to_its_text(tmp_path: Path) -> None:
    from qaz_llm.data.licence_ledger import content_hash

    config = config_of(tmp_path, write_sources(tmp_path / "in", "ab"))
    build(config)
    rows = rows_of(config.out, "documents")
    assert rows
    assert all(row["meta"]["hash"] == content_hash(row["text"]) for row in rows)
