"""What goes wrong while `qaz fetch` works: a hub that is none, or lies; a stop half way; a folder that others use; secrets in addresses."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, Repo

from qaz_llm import cli
from qaz_llm.errors import InputError, WorkError
from qaz_llm.fetch.bring import bring, find
from qaz_llm.fetch.bundle import check_extras, tar_of
from qaz_llm.fetch.folder import read_manifest
from qaz_llm.fetch.needs import Need
from qaz_llm.fetch.verify import verify_folder
from qaz_llm.io import hub as hub_module
from qaz_llm.io import only_one

# Two files of the same bytes are one blob in the cache of the hub's libraries: which of both is sent would be chance.
MODEL = {"config.json": b"{}", "tokenizer.json": b"{ }", "model.safetensors": b"weights" * 99, "own.py": b"code"}
WHOLE = Need("org/model", "model", weights=True, code=True, why=("model.checkpoint",))
WORDS = Need("org/model", "model", why=("tokenizer.base",))
SET = {"kk/a.csv": "қар\n".encode(), "kk/b c.csv": b"2\n", "ru/a.csv": b"3\n", "README.md": b"# S"}
KK, RU = (Need("org/set", "dataset", patterns=(f"{code}/*.csv",), why=("sources.w",)) for code in ("kk", "ru"))

Qaz = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def qaz(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Qaz:
    """The command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["qaz", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "eval.yaml"
    path.write_text("model: org/model\nsuite: demo\nout: out\n")
    return path


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# -------------------------------------------------------------------------------------------------------------- secrets


def test_a_password_in_the_hubs_address_is_nowhere(
    hub: FakeHub, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qaz: Qaz
) -> None:
    """Of a hub that answers, one that lies, one that knows nothing, and one that is gone."""
    hub.repos["models", "org/model"] = Repo(MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("://", "://aidar:Qupia1@"))
    out = tmp_path / "f"
    said = [qaz("fetch", str(config), "--out", str(out)), qaz("fetch", str(config), "--out", str(out), "--json")]
    assert [code for code, _out, _err in said] == [0, 0]
    assert json.loads((out / "fetched.json").read_text())["endpoint"] == hub.url.replace("://", "://<secret>@")
    said.append(qaz("fetch", str(config), "model=no/such", "--out", str(out)))
    hub.corrupt = {"config.json"}
    said.append(qaz("fetch", str(config), "--out", str(tmp_path / "g")))
    hub_module._asked_once.cache_clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://aidar:Qupia1@127.0.0.1:9/?token=Qupia1")
    said.append(qaz("fetch", str(config), "--out", str(out)))
    monkeypatch.setenv("HF_ENDPOINT", "http://aidar:Qupia1@127.0.0.1:9")
    said.append(qaz("fetch", str(config), "--out", str(out)))
    assert [code for code, _out, _err in said[2:]] == [2, 1, 2, 2]
    assert "has a ? or a #" in said[-2][2] and "<secret>@127.0.0.1:9 cannot be reached" in said[-1][2]
    assert "Qupia1" not in "".join(text for _code, *texts in said for text in texts)
    assert not [path for path in out.rglob("*") if path.is_file() and b"Qupia1" in path.read_bytes()]


def test_a_library_that_logs_an_address_does_not_log_the_password(qaz: Qaz, caplog: pytest.LogCaptureFixture) -> None:
    qaz("--version")
    logging.getLogger("of_a_library").warning("asked %s", "https://aidar:Qupia1@hub.kz/api?token=Qupia1&page=2")
    assert caplog.messages == ["asked https://<secret>@hub.kz/api?token=<secret>&page=2"]
    assert "Qupia1" not in caplog.text


# ------------------------------------------------------------------------------------------------------- what is no hub


def test_a_page_for_people_is_no_hub(hub: FakeHub, config: Path, monkeypatch: pytest.MonkeyPatch, qaz: Qaz) -> None:
    hub.page = b"<html>Please sign in</html>"
    code, _out, err = qaz("fetch", str(config), "--out", "f")
    assert code == 2 and f"{hub.url} does not answer as a hub does" in err and "check HF_ENDPOINT" in err


def test_names_that_no_repository_can_have_are_named(hub: FakeHub, config: Path, tmp_path: Path, qaz: Qaz) -> None:
    for name in ("менің моделім", "a/..", "org/my model"):
        code, _out, err = qaz("fetch", str(config), f"model={json.dumps(name)}", "--out", str(tmp_path / "f"))
        assert code == 2 and f"{name} (model): no such folder here, and no name that a repository" in err


@pytest.mark.parametrize("path", ["../../x.json", "/x.json", "a/../../x.csv", "..\\x.json", f"{'x' * 300}.json"])
def test_a_hub_that_names_files_outside_is_not_obeyed(
    hub: FakeHub, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL | {path: b"{}"})
    mine = tmp_path / "x.json"
    mine.write_text("mine")
    with pytest.raises(WorkError, match="leads out of a repository; nothing was downloaded"):
        find([WHOLE], tmp_path / "a" / "b")
    assert mine.read_text() == "mine" and not (tmp_path / "a").exists()


def test_a_commit_that_is_none_is_not_made_a_path(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL, commit="../../../x")
    with pytest.raises(InputError, match="does not answer as a hub does"):
        find([WHOLE], tmp_path)


def test_a_repository_without_a_tokenizer_is_not_fetched_as_one(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo({"README.md": b"# soon"})
    with pytest.raises(InputError, match="neither a config nor a tokenizer"):
        find([WORDS], tmp_path)


# ---------------------------------------------------------------------------------------------------- again, and half way


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({name: MODEL[name] for name in ("tokenizer.json", "model.safetensors")}, "no config.json"),
        (
            {**MODEL, "model-00002-of-00003.safetensors": b"w", "model-00003-of-00003.safetensors": b"w"},
            "lacks model-00001-of-00003.safetensors",
        ),
    ],
)
def test_a_model_that_no_library_could_load_is_not_called_whole(
    hub: FakeHub, tmp_path: Path, files: dict[str, bytes], what: str
) -> None:
    hub.repos["models", "org/model"] = Repo(files)
    with pytest.raises(InputError, match=what):
        find([WHOLE], tmp_path)


def test_a_second_fetch_of_less_keeps_what_was_fetched_before(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    bring(find([WHOLE], tmp_path), tmp_path)
    (entry,) = bring(find([WORDS], tmp_path), tmp_path).entries
    assert {Path(file.path).name for file in entry.files} == set(MODEL)
    assert entry.why == ("tokenizer.base", "model.checkpoint") and entry.weights and entry.code
    assert verify_folder(tmp_path).damage == ()


def test_a_name_stands_for_a_new_commit_only_when_all_of_it_is_there(
    hub: FakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("qaz"), "propagate", True)
    hub.repos["models", "org/model"] = old = Repo(MODEL)
    bring(find([WHOLE], tmp_path), tmp_path)
    ref = tmp_path / "hub/models--org--model/refs/main"
    hub.repos["models", "org/model"] = new = Repo(MODEL | {"model.safetensors": b"other weights"})
    hub.corrupt = {"model.safetensors"}
    with pytest.raises(WorkError, match=r"not the bytes .*: model\.safetensors"):
        bring(find([WHOLE], tmp_path), tmp_path)
    assert ref.read_text() == old.commit
    assert verify_folder(tmp_path).damage == ()
    hub.corrupt.clear()
    with caplog.at_level(logging.INFO):
        bring(find([WHOLE], tmp_path), tmp_path)
    assert ref.read_text() == new.commit
    assert f"org/model: was at {old.commit[:12]}, is at {new.commit[:12]} now" in caplog.text
    seen = verify_folder(tmp_path)
    assert seen.damage == () and set(seen.others) == {"hub/models--org--model"}


def test_a_set_has_its_name_only_when_all_of_it_is_there(hub: FakeHub, tmp_path: Path) -> None:
    """A part of a set under its name would be read as the whole."""
    hub.repos["datasets", "org/set"] = Repo(SET)
    hub.corrupt = {"kk/b c.csv"}
    with pytest.raises(WorkError, match=r"not the bytes .*: kk/b c\.csv"):
        bring(find([KK], tmp_path), tmp_path)
    folder = tmp_path / "sets/org/set"
    assert not folder.exists()
    hub.corrupt.clear()
    hub.requests.clear()
    bring(find([KK], tmp_path), tmp_path)
    assert names_below(folder) == {"kk/a.csv", "kk/b c.csv", "README.md"}
    assert len([r for r in hub.requests if r.startswith("GET") and "/resolve/" in r]) == 1  # the other two were there
    hub.corrupt = {"ru/a.csv"}
    with pytest.raises(WorkError):
        bring(find([RU], tmp_path), tmp_path)
    assert names_below(folder) == {"kk/a.csv", "kk/b c.csv", "README.md"}
    hub.corrupt.clear()
    bring(find([RU], tmp_path), tmp_path)
    assert {name: (folder / name).read_bytes() for name in names_below(folder)} == SET
    assert sorted(path.name for path in folder.parent.iterdir()) == ["set"]
    seen = verify_folder(tmp_path)
    assert (seen.files, seen.damage, seen.others) == (4, (), {})


def test_a_file_that_the_hub_took_back_goes_and_links_are_not_followed(hub: FakeHub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    (elsewhere / "diary.txt").write_text("mine")
    out = tmp_path / "out"
    (out / "sets/org").mkdir(parents=True)
    (out / "sets/org/set").symlink_to(elsewhere)
    hub.repos["datasets", "org/set"] = Repo(SET)
    bring(find([KK], out), out)
    assert names_below(elsewhere) == {"diary.txt"} and not (out / "sets/org/set").is_symlink()
    hub.repos["datasets", "org/set"] = Repo({name: data for name, data in SET.items() if name != "kk/b c.csv"})
    bring(find([KK], out), out)
    assert names_below(out / "sets/org/set") == {"kk/a.csv", "README.md"}


def test_a_model_that_lies_elsewhere_by_a_link_is_brought_into_the_folder(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = repo = Repo(MODEL)
    out, elsewhere = tmp_path / "out", tmp_path / "blob"
    elsewhere.write_bytes(MODEL["config.json"])
    file = out / "hub/models--org--model/snapshots" / repo.commit / "config.json"
    file.parent.mkdir(parents=True)
    file.symlink_to(elsewhere)
    bring(find([WHOLE], out), out)
    assert verify_folder(out).damage == () and elsewhere.read_bytes() == MODEL["config.json"]


def test_what_another_has_fetched_since_is_not_thrown_away(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["datasets", "org/set"] = Repo(SET)
    bring(find([KK], tmp_path), tmp_path)
    seen_before = find([KK], tmp_path)
    bring(find([RU], tmp_path), tmp_path)
    with pytest.raises(InputError, match="another `qaz fetch` has brought more of org/set meanwhile"):
        bring(seen_before, tmp_path)
    with only_one(tmp_path, name=".lock-fetch"), pytest.raises(InputError, match="another process is working"):
        bring(find([KK], tmp_path), tmp_path)


def test_a_disk_that_is_full_is_said_and_the_next_run_goes_on(
    hub: FakeHub, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qaz: Qaz
) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)

    def full(*_arguments: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("huggingface_hub.snapshot_download", full)
        code, _out, err = qaz("fetch", str(config), "--out", str(tmp_path / "f"))
    assert code == 1 and "org/model: OSError: [Errno 28] No space left" in err and "goes on where it stopped" in err
    assert read_manifest(tmp_path / "f") is None
    assert qaz("fetch", str(config), "--out", str(tmp_path / "f"))[0] == 0


# -------------------------------------------------------------------------------------------------------- nothing to do


def test_a_config_of_folders_alone_needs_nothing(config: Path, tmp_path: Path, qaz: Qaz, hub: FakeHub) -> None:
    (tmp_path / "model").mkdir()
    local = (str(config), f"model={tmp_path / 'model'}", "--out", str(tmp_path / "f"))
    code, out, _err = qaz("fetch", *local)
    assert code == 0 and "names nothing that lies on the hub: nothing to fetch" in out and "HF_HOME" not in out
    code, out, _err = qaz("fetch", *local, "--json")
    assert (code, json.loads(out)["repositories"]) == (0, [])
    assert not (tmp_path / "f").exists() and hub.requests == []
    code, _out, err = qaz("fetch", "--verify", str(tmp_path / "f"))
    assert code == 2 and "holds no fetched.json" in err


def test_extras_that_the_project_does_not_have_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n[project.optional-dependencies]\ngpu = []\n')
    check_extras(["gpu"], tmp_path)
    with pytest.raises(InputError, match="--extra gppu: the project has no such extra") as refused:
        check_extras(["gpu", "gppu"], tmp_path)
    assert refused.value.hint == "the extras are: gpu"


def test_where_a_bundle_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [tar_of(Path(name)) for name in (".", "v1.2", "a/..")] == [
        tmp_path.with_name(f"{tmp_path.name}.tar"), tmp_path / "v1.2.tar", tmp_path.with_name(f"{tmp_path.name}.tar"),
    ]  # fmt: skip
