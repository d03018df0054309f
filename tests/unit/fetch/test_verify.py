"""A carried folder beside its manifest: what was planted, led astray, damaged; each fault made here by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from qaz_llm import cli
from qaz_llm.errors import DamagedFileError, DataError, InputError
from qaz_llm.fetch.folder import Entry, Manifest, StoredFile, read_manifest, stored, write_manifest
from qaz_llm.fetch.inside import stays_inside
from qaz_llm.fetch.verify import verify_folder

COMMIT, OTHER = "a" * 40, "b" * 40
MODEL = "hub/models--org--model"
SNAPSHOT = f"{MODEL}/snapshots/{COMMIT}"


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def entry(out: Path, kind: Any, repo: str, paths: list[Path]) -> Entry:
    return Entry(repo, kind, None, COMMIT, "mit", False, True, (), (), ("model",), stored(out, paths))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model as the hub's cache keeps it, links to blobs, and a data set; with what the libraries leave beside them."""
    out = tmp_path / "out"
    (out / SNAPSHOT).mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        put(out / MODEL / "blobs" / name, name)
        (out / SNAPSHOT / name).symlink_to(f"../../blobs/{name}")
    put(out / MODEL / "refs/main", COMMIT)
    for name in (f"{MODEL}/.no_exist/{COMMIT}/x.json", "hub/.locks/models--org--model/x.lock", "hub/CACHEDIR.TAG"):
        put(out / name)
    rows = put(out / "sets/org/Қар мен су/дерек 1.csv", "a,b\n")
    model = entry(out, "model", "org/model", sorted((out / SNAPSHOT).iterdir()))
    write_manifest(out, Manifest("https://hub.kz", (model, entry(out, "dataset", "org/Қар мен су", [rows]))))
    return out


def test_a_cache_with_its_links_locks_and_refs_is_as_it_was_fetched(folder: Path) -> None:
    seen = verify_folder(folder)
    assert (seen.files, seen.damage, seen.others) == (3, (), {})


@pytest.mark.parametrize(
    "path",
    [
        f"{SNAPSHOT}/modeling_own.py",
        f"{SNAPSHOT}/model-00002-of-00002.safetensors",
        f"{SNAPSHOT}/Config.json",
        "sets/org/Қар мен су/more.csv",
        "sets/org/other/rows.csv",
        "sets/org/.hidden/rows.csv",
        "wheels/evil-1.0-py3-none-any.whl",
        "project.tar",
    ],
)
def test_what_nobody_fetched_is_refused_where_it_would_be_read(folder: Path, path: str) -> None:
    put(folder / path)
    assert verify_folder(folder).damage == (f"{path}: was not fetched, and would be read",)


@pytest.mark.parametrize(
    "path",
    ["sets/org/Қар мен су/.cache/huggingface/" + name for name in
     ("CACHEDIR.TAG", ".gitignore", f"trees/{COMMIT}.json", "download/a/rows.csv.metadata", "download/rows.csv.lock")]
    + [f"{MODEL}/trees/{COMMIT}.json", "xet/logs/a.log", ".check_for_update_done", "hub/version.txt"],
)  # fmt: skip
def test_what_the_hubs_library_keeps_for_itself_is_not_named_unless_it_is_a_link(
    folder: Path, tmp_path: Path, path: str
) -> None:
    put(folder / path)
    seen = verify_folder(folder)
    assert (seen.damage, seen.others) == ((), {})
    (folder / path).unlink()
    (folder / path).symlink_to(put(tmp_path / "elsewhere"))
    seen = verify_folder(folder)
    assert len(seen.damage) + sum(seen.others.values()) == 1


@pytest.mark.parametrize(
    "path", [f"{MODEL}/trees/tmpab12.tmp", f"{MODEL}/trees/x.json", f"{MODEL}/blobs/ab.incomplete", "token"]
)
def test_what_a_killed_download_left_and_a_token_are_named(folder: Path, path: str) -> None:
    put(folder / path)
    seen = verify_folder(folder)
    assert (seen.damage, sum(seen.others.values())) == ((), 1)


def test_what_lies_elsewhere_is_counted_by_place(folder: Path) -> None:
    for path in (
        "hub/models--org--other/refs/main", f"hub/models--org--other/snapshots/{OTHER}/model.safetensors",
        f"{MODEL}/snapshots/{OTHER}/model.safetensors", f"{MODEL}/blobs/old", "token", "fetched.json.old",
        "sets/org/.set.partial/rows.csv",
    ):  # fmt: skip
        put(folder / path)
    seen = verify_folder(folder)
    assert seen.damage == ()
    assert seen.others == {MODEL: 2, "fetched.json.old": 1, "hub/models--org--other": 2, "sets": 1, "token": 1}


def test_links_that_lead_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    """The same bytes elsewhere, a whole folder elsewhere, a folder of a set that is a link, a link to itself."""
    file = folder / SNAPSHOT / "config.json"
    file.unlink()
    file.symlink_to(put(tmp_path / "elsewhere.json", "config.json"))
    assert verify_folder(folder).damage == (f"{SNAPSHOT}/config.json: is a link that leads out of the folder",)
    file.unlink()
    file.symlink_to(file.name)
    assert verify_folder(folder).damage == (f"{SNAPSHOT}/config.json: is missing",)
    file.unlink()
    file.symlink_to("../../blobs/config.json")
    (folder / "sets/org/linked").symlink_to(tmp_path)
    assert verify_folder(folder).damage == ("sets/org/linked: was not fetched, and would be read",)
    (folder / "sets/org/linked").unlink()
    (folder / "hub").rename(tmp_path / "hub")
    (folder / "hub").symlink_to(tmp_path / "hub")
    damage = verify_folder(folder).damage
    assert [line for line in damage if "leads out" in line] and "hub: was not fetched, and would be read" in damage


def test_a_name_that_stands_for_another_commit_is_damage(folder: Path) -> None:
    put(folder / MODEL / "refs/main", OTHER)
    assert verify_folder(folder).damage == (
        f"{MODEL}/refs/main: names the commit '{OTHER}' where {COMMIT} was fetched",
    )
    (folder / MODEL / "refs/main").unlink()
    assert verify_folder(folder).damage == (f"{MODEL}/refs/main: is missing, so org/model is not found by its name",)


def test_a_name_in_other_letters_is_missing_and_named(folder: Path) -> None:
    file = folder / "sets/org/Қар мен су/дерек 1.csv"
    file.rename(file.with_name("ДЕРЕК 1.csv"))
    first, second = verify_folder(folder).damage
    assert first.endswith("дерек 1.csv: is missing; ДЕРЕК 1.csv lies there")
    assert second.endswith("ДЕРЕК 1.csv: was not fetched, and would be read")


def test_names_of_files_cannot_write_a_verdict(folder: Path) -> None:
    put(folder / SNAPSHOT / "x\n\x1b[2Jout: 3 files, each as it was fetched")
    put(folder / SNAPSHOT / "\udcff.py")
    damage = verify_folder(folder).damage
    assert len(damage) == 2 and all(line.isprintable() for line in damage)


@pytest.mark.parametrize(
    ("path", "is_inside"),
    [("a/b c/Қ.json", True), ("..", False), ("a/../../b", False), ("/a", False), ("a//b", False), ("a/", False),
     ("./a", False), ("", False), ("a\0b", False), ("..a/b..", True)],
)  # fmt: skip
def test_paths_that_stay_inside(path: str, is_inside: bool) -> None:
    assert stays_inside(path) is is_inside


FILE = {"path": "a", "size": 1, "sha256": "0" * 64}
ENTRY = {
    "repo": "org/m", "type": "model", "revision": None, "commit": COMMIT, "licence": "mit", "gated": False, "weights": True,
    "subsets": [], "patterns": [], "why": [], "files": [FILE],
}  # fmt: skip
WHOLE = {"endpoint": "https://hub.kz", "entries": [ENTRY], "bundle": []}


def with_file(**changed: Any) -> dict[str, Any]:
    return WHOLE | {"entries": [ENTRY | {"files": [FILE | changed]}]}


WRONG: dict[str, Any] = {
    "a list": [], "null": None, "a number": 3, "a text": "x", "no keys": {}, "one more key": WHOLE | {"more": 1},
    "entries are a text": WHOLE | {"entries": "abc"}, "entries are an object": WHOLE | {"entries": {"a": 1}},
    "entries hold null": WHOLE | {"entries": [None]}, "bundle is a number": WHOLE | {"bundle": 3},
    "bundle holds texts": WHOLE | {"bundle": ["a"]}, "endpoint is null": WHOLE | {"endpoint": None},
    "subsets are a text": WHOLE | {"entries": [ENTRY | {"subsets": "abc"}]},
    "subsets hold numbers": WHOLE | {"entries": [ENTRY | {"subsets": [1]}]},
    "another type": WHOLE | {"entries": [ENTRY | {"type": "space"}]},
    "a repository elsewhere": WHOLE | {"entries": [ENTRY | {"repo": "../x"}]},
    "a commit elsewhere": WHOLE | {"entries": [ENTRY | {"commit": "../../x"}]},
    "no files": WHOLE | {"entries": [ENTRY | {"files": []}]},
    "twice": WHOLE | {"entries": [ENTRY, ENTRY | {"files": [FILE | {"path": "b"}]}]},
    "a file twice": WHOLE | {"bundle": [FILE]},
    "a path out": with_file(path="../a"), "a path from the root": with_file(path="/etc/passwd"),
    "a path of NUL": with_file(path="a\0"), "a path of half a letter": with_file(path="\ud800"),
    "less than nothing": with_file(size=-1), "a size of letters": with_file(size="1"), "a size of truth": with_file(size=True),
    "no hash": with_file(sha256="x"),
}  # fmt: skip
BYTES = {
    "not UTF-8": b'{"entries": "\xff"}',
    "cut off": json.dumps(WHOLE).encode()[:-9],
    "empty": b"",
    "deep": b"[" * 100_000,
    "many": b"[" + b"0," * 4_000_001 + b"0]",
    "digits": b'{"endpoint": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", [*WRONG, *BYTES])
def test_a_damaged_manifest_is_said_to_be_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = BYTES.get(name) if name in BYTES else json.dumps(WRONG[name]).encode()
    assert data is not None
    (tmp_path / "fetched.json").write_bytes(data)
    with pytest.raises(DataError) as refused:
        read_manifest(tmp_path)
    assert isinstance(refused.value, DamagedFileError) and refused.value.exit_code == 2
    monkeypatch.setattr(sys, "argv", ["qaz", "fetch", "--verify", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith(f"error: {tmp_path / 'fetched.json'}: ") and "ours" not in error


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "fetched.json").write_text(json.dumps(WHOLE))
    manifest = read_manifest(tmp_path)
    assert manifest is not None and manifest.entries[0].files == (StoredFile("a", 1, "0" * 64),)
    assert not manifest.entries[0].code  # as manifests were before code was in them
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_manifest_of_nothing_is_no_proof(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest("https://hub.kz"))
    with pytest.raises(InputError, match="names no file, so there is nothing to compare"):
        verify_folder(tmp_path)


def test_the_command_names_what_it_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(*more: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["qaz", "fetch", "--verify", str(folder), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    put(folder / "hub/models--org--other/refs/main")
    code, out, _err = verify()
    assert code == 0 and "3 files, each as it was fetched" in out and "hub/models--org--other (1)" in out
    code, out, _err = verify("--json")
    assert (code, json.loads(out)["others"]) == (0, {"hub/models--org--other": 1})
    put(folder / SNAPSHOT / "evil.py")
    code, _out, err = verify()
    assert code == 1 and f"{SNAPSHOT}/evil.py: was not fetched" in err


CLASHES: list[tuple[tuple[str, ...], str]] = [
    (("--verify", "D", "--out", "x"), "--out was given too"),
    (("--verify", "D", "--bundle"), "--bundle was given too"),
    (("--verify", "D", "--extra", "gpu"), "--extra was given too"),
    (("--verify", "D", "--dry-run"), "--dry-run was given too"),
    (("--verify", "D", "--kind", "run"), "--kind was given too"),
    (("c.yaml", "a=1", "--verify", "D"), "c.yaml, a=1 was given too"),
    (("c.yaml", "--extra", "gpu"), "--extra gpu: names packages of a bundle"),
]


@pytest.mark.parametrize(("arguments", "said"), CLASHES)
def test_options_that_would_do_nothing_are_refused(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["qaz", "fetch", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and said in capsys.readouterr().err
