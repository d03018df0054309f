"""The data build through its public function: what comes in is out or counted, the same bytes every time, and what each
kind of planted noise becomes."""

import hashlib
import json
import os
import random
import stat
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ftfy.bad_codecs
import pytest

from qaz_llm.config import config_from_values, load_config
from qaz_llm.data.build import BuildResult, build
from qaz_llm.data.config import DataConfig
from qaz_llm.data.show import show_documents
from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl, write_jsonl
from qaz_llm.language.segment import match_words
from qaz_llm.records import Conversation, Document

CONFIGS = Path(__file__).parents[2] / "configs" / "data"


def rows_of(folder: Path, prefix: str) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(f"{prefix}-*.jsonl.zst")) for row in read_jsonl(path)]


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def config_of(tmp_path: Path, sources: list[dict[str, Any]], **values: Any) -> DataConfig:
    return config_from_values(DataConfig, {"sources": sources, "out": str(tmp_path / "out"), **values}, where="test")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildResult]:
    out = tmp_path_factory.mktemp("embedded") / "out"
    return out, build(load_config(DataConfig, CONFIGS / "embedded.yaml", [f"out={out}"]))


@pytest.fixture(scope="module")
def plants() -> Mapping[str, dict[str, Any]]:
    return {f"noise/{row['id']}": row for row in read_jsonl(embedded_path("noise.jsonl"))}


# --------------------------------------------------------------------------------------------------- what is written


def test_counts_add_up_to_the_rows_on_disk(embedded: tuple[Path, BuildResult]) -> None:
    out, _ = embedded
    manifest = json.loads((out / "manifest.json").read_text())
    kept, dropped = rows_of(out, "documents"), rows_of(out, "dropped")
    read = sum(
        len(list(read_jsonl(embedded_path(f"{name}.jsonl"))))
        for name in ("documents_kk_a", "documents_kk_b", "documents_ru", "documents_en", "noise")
    )
    assert manifest["documents_in"] == read == len(kept) + len(dropped)
    assert manifest["documents_out"] == len(kept)
    assert manifest["dropped"] == Counter(row["reason"] for row in dropped)
    for name, source in manifest["sources"].items():
        assert source["in"] == source["out"] + sum(source["dropped"].values())
        assert source["out"] == sum(row["source"] == name for row in kept)
    placeholders = Counter(
        {kind: sum(row["text"].count(f"<{kind.upper()}>") for row in kept) for kind in manifest["pii"]}
    )
    assert manifest["pii"] == placeholders
    assert {c: v["documents"] for c, v in manifest["languages"].items()} == Counter(row["language"] for row in kept)
    assert manifest["bytes_out"] == sum(len(row["text"].encode()) for row in kept)


def test_rows_have_the_fields_others_read(embedded: tuple[Path, BuildResult]) -> None:
    out, _ = embedded
    documents = [Document.from_row(row) for row in rows_of(out, "documents")]
    assert len({document.id for document in documents}) == len(documents)
    assert {document.script for document in documents} == {"Cyrl", "Latn"}
    assert all({"id", "source", "reason"} <= set(row) for row in rows_of(out, "dropped"))
    conversations = [Conversation.from_row(row) for row in rows_of(out, "conversations")]
    assert len(conversations) == len(list(read_jsonl(embedded_path("dialogues.jsonl"))))
    assert {path.name.partition("-")[0] for path in out.iterdir()} == {
        "documents", "dropped", "conversations", "manifest.json", "licences.json", "report.html", "README.md",
    }  # fmt: skip
    assert "</html>" in (out / "report.html").read_text()
    assert (out / "README.md").read_text().startswith("---\n")


def test_the_originals_all_stay_or_a_near_copy_of_them_does(embedded: tuple[Path, BuildResult]) -> None:
    out, _ = embedded
    for row in rows_of(out, "dropped"):
        if row["source"] != "noise":
            assert row["reason"] == "near_duplicate"
            assert row["of"].startswith("noise/noise-near_duplicate")


# ---------------------------------------------------------------------------------------------------- planted noise


def fates(out: Path, plants: Mapping[str, dict[str, Any]]) -> Mapping[str, Counter[str]]:
    """Per kind of plant: how many rows were kept in which language, or dropped for which reason."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows_of(out, "documents"):
        if row["id"] in plants:
            found[plants[row["id"]]["plant"]][row["language"]] += 1
    for row in rows_of(out, "dropped"):
        if row["id"] in plants:
            found[plants[row["id"]]["plant"]][row["reason"]] += 1
    return found


def kept_texts(out: Path, plants: Mapping[str, dict[str, Any]], plant: str) -> dict[str, str]:
    return {
        row["id"]: row["text"] for row in rows_of(out, "documents") if plants.get(row["id"], {}).get("plant") == plant
    }


def test_every_plant_has_its_fate(embedded: tuple[Path, BuildResult], plants: Mapping[str, dict[str, Any]]) -> None:
    planted = Counter(row["plant"] for row in plants.values())
    assert sum(planted.values()) >= 60
    found = fates(embedded[0], plants)
    assert found["exact_duplicate"] == {"exact_duplicate": planted["exact_duplicate"]}
    assert found["boilerplate"] == {"boilerplate": planted["boilerplate"]}
    assert found["neighbour"] == {"other_language": planted["neighbour"]}
    for plant in ("mojibake", "lookalike", "mixed", "latin_script", "arabic_script"):
        assert found[plant] == {"kk": planted[plant]}, plant
    assert sum(found["personal_data"][language] for language in ("kk", "ru")) == planted["personal_data"]


def test_near_duplicates_leave_one_of_two(
    embedded: tuple[Path, BuildResult], plants: Mapping[str, dict[str, Any]]
) -> None:
    kept = {row["id"] for row in rows_of(embedded[0], "documents")}
    for plant_id, row in plants.items():
        if row["plant"] == "near_duplicate":
            originals = [f"{source}/{row['of']}" for source in ("documents_kk_a", "documents_kk_b")]
            assert (plant_id in kept) + sum(original in kept for original in originals) == 1, plant_id


def test_exact_duplicates_are_of_what_they_say(plants: Mapping[str, dict[str, Any]]) -> None:
    names = ("documents_kk_a", "documents_kk_b", "documents_ru", "documents_en")
    texts = {row["id"]: row["text"] for name in names for row in read_jsonl(embedded_path(f"{name}.jsonl"))}
    for row in plants.values():
        if row["plant"] == "exact_duplicate":
            assert texts[row["of"]] == row["text"]
        if row["plant"] == "near_duplicate":
            assert texts[row["of"]] != row["text"]


def test_mojibake_and_lookalikes_are_readable_again(
    embedded: tuple[Path, BuildResult], plants: Mapping[str, dict[str, Any]]
) -> None:
    ftfy.bad_codecs.ok()  # registers the sloppy encodings
    out, _ = embedded
    for plant_id, text in kept_texts(out, plants, "mojibake").items():
        broken = plants[plant_id]["text"]
        candidates = []
        for encoding in ("latin-1", "sloppy-windows-1251", "sloppy-windows-1252"):
            try:
                candidates.append(broken.encode(encoding).decode("utf-8"))
            except UnicodeError:
                continue
        assert text in candidates
    for plant_id, text in kept_texts(out, plants, "lookalike").items():
        assert any(c.isascii() and c.isalpha() for c in plants[plant_id]["text"])
        assert not any(c.isascii() and c.isalpha() for c in text)


def test_other_scripts_come_out_as_cyrillic(
    embedded: tuple[Path, BuildResult], plants: Mapping[str, dict[str, Any]]
) -> None:
    out, _ = embedded
    for row in rows_of(out, "documents"):
        plant = plants.get(row["id"], {}).get("plant")
        if plant in {"latin_script", "arabic_script"}:
            assert row["script"] == "Cyrl"
            assert row["meta"]["original_script"] == {"latin_script": "Latn", "arabic_script": "Arab"}[plant]
            assert all("Ѐ" <= c <= "ӿ" or not c.isalpha() for c in row["text"])


def test_no_personal_data_is_in_any_file(
    embedded: tuple[Path, BuildResult], plants: Mapping[str, dict[str, Any]]
) -> None:
    """Every long number and address of the planted rows, searched for in all that was written."""
    out, _ = embedded
    written = "\n".join(
        json.dumps(row, ensure_ascii=False) for p in ("documents", "dropped") for row in rows_of(out, p)
    )
    written += (out / "report.html").read_text() + (out / "README.md").read_text() + (out / "manifest.json").read_text()
    planted = [
        word.strip(".,;()")
        for row in plants.values()
        if row["plant"] == "personal_data"
        for word in row["text"].split()
    ]
    secrets = [word for word in planted if sum(c.isdigit() for c in word) >= 8 or "@" in word]
    assert len(secrets) >= 10
    assert not [word for word in secrets if word in written]


# ------------------------------------------------------------------------------------------------------ same bytes


def make_sources(folder: Path) -> list[dict[str, Any]]:
    """Five files with duplicates within and across them, personal data, and rows that are no rows."""
    rng = random.Random(7)
    documents = [
        row["text"] for name in ("kk_a", "ru", "en") for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))
    ]
    folder.mkdir()
    for number in range(5):
        rows: list[dict[str, Any]] = [{"text": text} for text in rng.sample(documents, 40)]
        rows.append({"text": rows[0]["text"] + f" Тел. +7 701 555 01 {number:02d}"})
        rows.append({"text": None})
        write_jsonl(folder / f"part-{number}.jsonl.zst", rows)
    return [{"name": "many", "path": str(folder), "licence": "CC0-1.0"}]


def test_one_and_three_processes_write_the_same_bytes(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "in")
    written = []
    for workers in (1, 3):
        config = config_of(tmp_path, sources, workers=workers, shard_bytes=50_000)
        build(config.model_copy(update={"out": tmp_path / str(workers)}))
        written.append(bytes_of(tmp_path / str(workers)))
    assert written[0] == written[1]
    assert sum(name.startswith("documents-") for name in written[0]) > 1


def test_a_second_build_replaces_the_first_and_leaves_other_files(tmp_path: Path) -> None:
    config = config_of(tmp_path, make_sources(tmp_path / "in"), shard_bytes=50_000)
    build(config)
    before = bytes_of(config.out)
    (config.out / "notes.txt").write_text("mine")
    build(config.model_copy(update={"shard_bytes": 1 << 20}))
    assert len(list(config.out.glob("documents-*"))) == 1
    assert (config.out / "notes.txt").read_text() == "mine"
    (config.out / "notes.txt").unlink()
    build(config)
    assert bytes_of(config.out) == before


def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qaz_llm.data import spool

    config = config_of(tmp_path, make_sources(tmp_path / "in"))
    build(config.model_copy(update={"out": tmp_path / "whole"}))
    done: list[Path] = []
    write = spool._write

    def stop_at_third(task: Any, folder: Path, cleaner: Any) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(folder)
        write(task, folder, cleaner)

    monkeypatch.setattr(spool, "_write", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        build(config)
    assert not (config.out / "manifest.json").exists()
    done.clear()
    monkeypatch.setattr(spool, "_write", lambda *args: (done.append(args[1]), write(*args)))
    build(config)
    assert len(done) == 2
    assert bytes_of(config.out) == bytes_of(tmp_path / "whole")


# ---------------------------------------------------------------------------------------------------------- cleaning


def test_evaluation_items_are_kept_out(tmp_path: Path) -> None:
    rows = [{"text": row["text"]} for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))][:10]
    item = next(
        row["kk"] for row in read_jsonl(embedded_path("parallel_sentences.jsonl")) if len(match_words(row["kk"])) >= 10
    )
    rows[3]["text"] += f"\n{item}"
    write_jsonl(tmp_path / "a.jsonl", rows)
    config = config_of(
        tmp_path,
        [{"name": "a", "path": str(tmp_path / "a.jsonl"), "language": "kk"}],
        decontaminate={"paths": ["embedded:parallel_sentences.jsonl"]},
    )
    assert build(config).summary()["dropped"] == {"contaminated": 1}
    (row,) = rows_of(config.out, "dropped")
    assert row["id"] == "a/a/00000003"


def test_a_refused_licence_is_not_read(tmp_path: Path) -> None:
    sources = [
        {"name": "free", "path": "embedded:documents_kk_a.jsonl", "licence": "CC0-1.0"},
        {"name": "closed", "path": "embedded:documents_kk_b.jsonl", "licence": "CC-BY-NC-4.0"},
    ]
    config = config_of(tmp_path, sources, licences={"non_commercial": "refuse"})
    manifest = build(config).to_dict()
    assert manifest["refused_sources"] == {"closed": "non_commercial"}
    assert {row["source"] for row in rows_of(config.out, "documents")} == {"free"}
    with pytest.raises(InputError, match="refuses every source"):
        build(config_of(tmp_path, sources[1:], licences={"non_commercial": "refuse"}))


def test_what_is_shown_of_a_dropped_document_has_no_personal_data(tmp_path: Path) -> None:
    rows = [{"text": "Хат: aigul@example.kz, +7 701 555 01 23"}, *read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    write_jsonl(tmp_path / "a.jsonl", rows)
    config = config_of(
        tmp_path, [{"name": "a", "path": str(tmp_path / "a.jsonl"), "language": "kk"}], pii={"enabled": False}
    )
    build(config)
    (dropped,) = rows_of(config.out, "dropped")
    assert dropped["text"] == "Хат: <EMAIL>, <PHONE>"
    assert dropped["text"] in (config.out / "report.html").read_text().replace("&lt;", "<").replace("&gt;", ">")


def test_a_row_given_twice_is_dropped_for_its_id(tmp_path: Path) -> None:
    row = next(iter(read_jsonl(embedded_path("documents_kk_a.jsonl"))))
    write_jsonl(tmp_path / "a.jsonl", [{"id": "same", "text": row["text"]}] * 3)
    config = config_of(tmp_path, [{"name": "a", "path": str(tmp_path / "a.jsonl"), "id_field": "id"}])
    result = build(config)
    assert result.summary()["dropped"] == {"duplicate_id": 2}
    assert {row["of"] for row in rows_of(config.out, "dropped")} == {"a/same"}
    assert "kept under a new id" not in result.describe()


@pytest.mark.parametrize("values", [{}, {"part_bytes": 2000}, {"max_documents": 100}])
def test_ids_that_begin_anew_in_each_file_drop_nothing(tmp_path: Path, values: Mapping[str, Any]) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))][:9]
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": i, "text": text} for i, text in enumerate(texts[:5])])
    again = [*({"id": i, "text": text} for i, text in enumerate(texts[5:])), {"id": 4, "text": texts[4]}]
    write_jsonl(tmp_path / "in" / "b.jsonl", [*again, {"id": 9, "text": texts[7]}])
    source = {"name": "s", "path": str(tmp_path / "in"), "id_field": "id", **values}
    config = config_of(tmp_path, [source], dedup={"near": False, "lines": False}, filters={"preset": "none"})
    result = build(config)
    kept = {row["id"]: row for row in rows_of(config.out, "documents")}
    assert list(kept)[:5] == [f"s/{i}" for i in range(5)]
    assert [one.partition("#")[0] for one in list(kept)[5:]] == [f"s/{i}" for i in range(4)]
    assert all(one.partition("#")[2].startswith("b.jsonl/") for one in list(kept)[5:])
    assert {tuple(row["meta"]) for row in kept.values()} == {("quality", "hash")}
    dropped = {row["id"]: (row["reason"], row["of"]) for row in rows_of(config.out, "dropped")}
    assert [found for one, found in dropped.items() if one != "s/9"] == [("duplicate_id", "s/4")]
    assert dropped["s/9"] == ("exact_duplicate", list(kept)[7])
    assert "documents whose id another one with other text has too, kept under a new id: 4 (s)" in result.describe()


# --------------------------------------------------------------------------------------------------------- bad input


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path, [{"name": "a", "path": "embedded:documents_kk_a.jsonl"}])
    result = build(config, dry_run=True)
    assert "about" in result.describe()
    assert result.to_dict()["tasks"][0]["source"] == "a"
    assert not config.out.exists()


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "аз"}, {"text": None}])
    config = config_of(tmp_path, [{"name": "a", "path": str(tmp_path / "a.jsonl"), "language": "kk"}])
    with pytest.raises(InputError, match="no document is left of 2") as caught:
        build(config)
    assert "too_few_words 1" in caught.value.message
    assert not (config.out / "manifest.json").exists()
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no document is left of 1 \(empty_file 1\)"):
        build(config)


def test_files_that_no_build_wrote_are_not_touched(tmp_path: Path) -> None:
    config = config_of(tmp_path, [{"name": "a", "path": "embedded:documents_kk_a.jsonl"}])
    config.out.mkdir()
    (config.out / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"README\.md, which no data build wrote"):
        build(config)
    assert (config.out / "README.md").read_text() == "mine"


def test_a_missing_source_or_item_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        build(config_of(tmp_path, [{"name": "a", "path": str(tmp_path / "none.jsonl")}]))
    paths = {"paths": [str(tmp_path / "none.jsonl")]}
    with pytest.raises(InputError, match="no such file"):
        build(config_of(tmp_path, [{"name": "a", "path": "embedded:documents_kk_a.jsonl"}], decontaminate=paths))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError, match="permission denied"):
        build(config_of(tmp_path, [{"name": "a", "path": "embedded:documents_kk_a.jsonl"}]))


def test_a_file_where_the_folder_is_to_be(tmp_path: Path) -> None:
    config = config_of(tmp_path, [{"name": "a", "path": "embedded:documents_kk_a.jsonl"}])
    config.out.write_text("")
    with pytest.raises(InputError, match="a file is where a folder is to be"):
        build(config)


# -------------------------------------------------------------------------------------------------------------- show


def test_show_pages_through_what_was_kept_and_dropped(embedded: tuple[Path, BuildResult], tmp_path: Path) -> None:
    out, _ = embedded
    boilerplate = list(show_documents(out, dropped=True, reason="boilerplate", limit=3, offset=1))
    assert [row["reason"] for row in boilerplate] == ["boilerplate"] * 3
    assert [row["id"] for row in boilerplate] == [
        row["id"] for row in rows_of(out, "dropped") if row["reason"] == "boilerplate"
    ][1:4]
    assert {row["language"] for row in show_documents(out, language="ru", limit=5)} == {"ru"}
    with pytest.raises(InputError, match="no document was dropped for 'bolierplate'"):
        list(show_documents(out, dropped=True, reason="bolierplate"))
    with pytest.raises(InputError, match="not the folder of a finished data build"):
        list(show_documents(tmp_path))
