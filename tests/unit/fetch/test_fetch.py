"""`qaz fetch` against a hub on this machine: what is chosen, brought, compared, carried; by hashes made here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_hub import FakeHub, Repo

from qaz_llm import cli
from qaz_llm.errors import InputError, WorkError
from qaz_llm.fetch import bring as bringing
from qaz_llm.fetch.bring import bring, find
from qaz_llm.fetch.bundle import add_bundle, pack
from qaz_llm.fetch.folder import read_manifest
from qaz_llm.fetch.needs import Need
from qaz_llm.fetch.verify import verify_folder

MODEL = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model-00001-of-00002.safetensors": b"first" * 900,
    "model-00002-of-00002.safetensors": b"second" * 900,
    "model.safetensors.index.json": b'{"weight_map": {}}',
    "consolidated.safetensors": b"the same in another way",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.onnx": b"onnx",
    "original/params.json": b"{}",
    "modeling_own.py": b"print('code of its own')",
    "LICENSE": b"terms",
    "README.md": b"# A model",
}
WANTED = {name for name in MODEL if name.startswith(("config", "tok", "model-", "model.", "LIC", "README"))}
ANY = Need("org/model", "model", weights=True, why=("model.checkpoint",))


def folder_of(out: Path, repo: Repo) -> Path:
    return out / "hub" / "models--org--model" / "snapshots" / repo.commit


def downloads(hub: FakeHub) -> list[str]:
    return sorted(r.rpartition("/")[2] for r in hub.requests if r.startswith("GET") and "/resolve/" in r)


def test_of_a_model_what_is_read_is_brought_and_nothing_else(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = repo = Repo(MODEL)
    manifest = bring(find([ANY], tmp_path), tmp_path)
    folder = folder_of(tmp_path, repo)
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == WANTED
    assert (tmp_path / "hub" / "models--org--model" / "refs" / "main").read_text() == repo.commit
    (entry,) = manifest.entries
    assert (entry.commit, entry.licence, entry.gated) == (repo.commit, "apache-2.0", False)
    assert {Path(f.path).name: (f.size, f.sha256) for f in entry.files} == {
        name: (len(MODEL[name]), hashlib.sha256(MODEL[name]).hexdigest()) for name in WANTED
    }
    assert read_manifest(tmp_path) == manifest
    seen = verify_folder(tmp_path)  # whatever the library of this version writes beside a model
    assert (seen.files, seen.damage, seen.others) == (len(WANTED), (), {})
    assert downloads(hub) == sorted(WANTED)
    hub.requests.clear()
    assert bring(find([ANY], tmp_path), tmp_path) == manifest
    assert downloads(hub) == []


def test_a_tokenizer_needs_no_weights_and_code_comes_where_it_is_trusted(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    (found,) = find([Need("org/model", "model")], tmp_path)
    assert not [file.path for file in found.files if file.path.endswith((".safetensors", ".py"))]
    (found,) = find([Need("org/model", "model", code=True)], tmp_path)
    assert "modeling_own.py" in {file.path for file in found.files}


def test_a_model_of_pickles_alone_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo({"config.json": b"{}", "pytorch_model.bin": b"x"})
    with pytest.raises(InputError, match=r"no model\.safetensors; it holds pytorch_model\.bin"):
        find([ANY], tmp_path)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(hub: FakeHub, tmp_path: Path) -> None:
    """The library writes 10 MB at a time, so of 25 MB it has 10, then 20, where each connection ends after 12."""
    large = b"0123456789" * 2_500_000
    hub.repos["models", "org/model"] = repo = Repo({"config.json": b"{}", "model.safetensors": large})
    hub.cut_after["model.safetensors"] = 12_000_000
    bring(find([ANY], tmp_path), tmp_path)
    assert (folder_of(tmp_path, repo) / "model.safetensors").read_bytes() == large
    assert hub.ranges == [0, 10 << 20, 20 << 20]


def test_a_download_that_gets_nowhere_is_given_up(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _seconds: None)
    hub.repos["models", "org/model"] = Repo(MODEL)
    hub.cut_after["tokenizer.json"] = 1
    with pytest.raises(WorkError, match="the download broke off"):
        bring(find([ANY], tmp_path), tmp_path)


def test_other_bytes_than_the_hub_says_are_named_removed_and_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = repo = Repo(MODEL)
    hub.corrupt = {"model-00001-of-00002.safetensors", "tokenizer.json"}  # one known by SHA-256, one by git's SHA-1
    with pytest.raises(WorkError, match=r"not the bytes .*: model-00001-of-00002\.safetensors, tokenizer\.json"):
        bring(find([ANY], tmp_path), tmp_path)
    assert read_manifest(tmp_path) is None
    hub.corrupt.clear()
    hub.requests.clear()
    bring(find([ANY], tmp_path), tmp_path)
    assert downloads(hub) == ["model-00001-of-00002.safetensors", "tokenizer.json"]
    assert (folder_of(tmp_path, repo) / "tokenizer.json").read_bytes() == b"{}"


def test_what_has_no_room_is_refused_before_anything_is_downloaded(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    size = sum(len(MODEL[name]) for name in WANTED)
    free = bringing.SPARE_BYTES + size - 1
    monkeypatch.setattr(bringing.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    found = find([ANY], tmp_path)
    with pytest.raises(InputError, match="GB are free"):
        bring(found, tmp_path)
    assert downloads(hub) == [] and list(tmp_path.iterdir()) == []
    free += 1
    bring(found, tmp_path)


def test_all_that_is_gated_or_unknown_is_said_at_once(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    hub.repos["models", "meta/closed"] = Repo(MODEL, gated="manual", is_open=False)
    hub.repos["models", "meta/open"] = Repo(MODEL, gated="auto")
    closed, opened = Need("meta/closed", "model", weights=True), Need("meta/open", "model", weights=True)
    with pytest.raises(InputError, match="gated, and not open to you: meta/closed") as refused:
        find([closed, ANY], tmp_path)
    assert refused.value.hint is not None and f"{hub.url}/meta/closed" in refused.value.hint
    assert [one.is_gated for one in find([opened, ANY], tmp_path)] == [True, False]
    unknown = [Need("no/such", "model", why=("model.checkpoint",)), Need("no/set", "dataset", why=("eval: x",))]
    with pytest.raises(InputError, match=r"no/such \(model\.checkpoint\).*; no/set \(eval: x\)"):
        find([*unknown, ANY], tmp_path)
    with pytest.raises(InputError, match="no revision v9"):
        find([Need("org/model", "model", "v9")], tmp_path)


def test_files_of_a_set_by_pattern_and_by_revision(hub: FakeHub, tmp_path: Path) -> None:
    files = {"a/x in kaz)/test.csv": b"1", "a/y in rus)/test.csv": b"2", "a/b/c/test.csv": b"3", "README.md": b"# S"}
    hub.repos["datasets", "org/set"] = repo = Repo(files, licence=None)
    needs = [Need("org/set", "dataset", repo.commit, patterns=("*/*in kaz)/test.csv",))]
    manifest = bring(find(needs, tmp_path), tmp_path)
    folder = tmp_path / "sets" / "org" / f"set@{repo.commit}"
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {
        "a/x in kaz)/test.csv",
        "README.md",
    }
    assert manifest.entries[0].licence == "not stated"
    with pytest.raises(InputError, match=r"no file \*\.parquet"):
        find([Need("org/set", "dataset", patterns=("*.parquet",))], tmp_path)


def test_a_folder_that_was_carried_is_compared_byte_by_byte(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = repo = Repo(MODEL)
    out, carried = tmp_path / "out", tmp_path / "carried"
    bring(find([ANY], out), out)
    shutil.copytree(out, carried)  # as cp -rL: links become files
    seen = verify_folder(carried)
    assert (seen.files, seen.damage) == (len(WANTED), ())
    shards = [folder_of(carried, repo) / f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    shards[0].write_bytes(shards[0].read_bytes()[:-1] + b"!")
    shards[1].unlink()
    assert [line.rpartition("/")[2] for line in verify_folder(carried).damage] == [
        "model-00001-of-00002.safetensors: its bytes are not those that were fetched",
        "model-00002-of-00002.safetensors: is missing",
    ]
    with pytest.raises(InputError, match=r"holds no fetched\.json"):
        verify_folder(tmp_path)


def test_a_bundle_holds_all_of_it_with_the_wheels_and_the_project(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    out, project = tmp_path / "out", tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "tiny-project"\nversion = "1.0"\n[tool.setuptools]\npy-modules = []\n'
    )
    (project / "constraints.txt").write_text("")
    git = ["git", "-C", str(project), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    (out / "wheels").mkdir(parents=True)
    (out / "wheels" / "tiny_project-0.9-py3-none-any.whl").write_bytes(b"of an earlier bundle")
    (out / "project.tar").write_bytes(b"of an earlier bundle")
    manifest = add_bundle(out, bring(find([ANY], out), out), root=project)
    packed = pack(out, manifest)
    assert subprocess.run(["sha256sum", "--check", "--quiet", f"{packed}.sha256"], cwd=tmp_path).returncode == 0
    with tarfile.open(packed) as tar:
        assert tar.getnames()[0] == "out/fetched.json"
        assert not [member.name for member in tar if not member.isfile()]
        tar.extractall(tmp_path / "there", filter="data")
    there = tmp_path / "there" / "out"
    seen = verify_folder(there)
    assert (seen.files, seen.damage, seen.others) == (len(WANTED) + 2, (), {})
    assert [path.name for path in (there / "wheels").iterdir()] == ["tiny_project-1.0-py3-none-any.whl"]
    with tarfile.open(there / "project.tar") as tar:
        assert "qaz-llm/pyproject.toml" in tar.getnames()
    assert (there / "hub" / "models--org--model" / "refs" / "main").is_file()


# ------------------------------------------------------------------------------------------------- the command itself

CARD = """---
license: cc-by-4.0
configs:
- config_name: all
  data_files: [{split: train, path: "all/*.parquet"}]
- config_name: kaz_Cyrl
  data_files: [{split: test, path: "kk/test-*.parquet"}, {split: train, path: "kk/train-*.parquet"}]
- config_name: rus_Cyrl
  data_files: [{split: test, path: "ru/*.parquet"}]
---
# A set
"""


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def qaz(hub: FakeHub, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", **variables}
    return subprocess.run(
        [sys.executable, "-m", "qaz_llm", *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_configs_work_unchanged_offline_where_hf_home_is_the_folder(hub: FakeHub, tmp_path: Path) -> None:
    """A subset of a set whose first subset is not fetched, and then a second one; rows as they were put in."""
    texts = {code: [f"{word} {n}" for n in range(5)] for code, word in (("kk", "Қар еріді"), ("ru", "Снег растаял"))}
    files = {"README.md": CARD.encode(), "all/a.parquet": parquet([{"text": "all"}])}
    files |= {f"kk/{split}-0.parquet": parquet([{"text": t} for t in texts["kk"]]) for split in ("test", "train")}
    files["ru/0.parquet"] = parquet([{"text": t} for t in texts["ru"]])
    hub.repos["datasets", "org/set"] = Repo(files, licence="cc-by-4.0")
    out = tmp_path / "out"
    names = {"kk": "kaz_Cyrl", "ru": "rus_Cyrl"}
    for code in ("kk", "ru"):
        source = {"name": code, "path": "org/set", "format": "hub", "hub_subset": names[code], "hub_split": "test"}
        config = tmp_path / f"{code}.yaml"
        config.write_text(json.dumps({"sources": [{**source, "licence": "CC-BY-4.0"}], "out": str(tmp_path / code)}))
        looked = qaz(hub, "fetch", str(config), "--out", str(out), "--dry-run", "--json")
        assert looked.returncode == 0, looked.stderr
        assert not (out / "sets" / "org" / "set" / code).exists()
        done = qaz(hub, "fetch", str(config), "--out", str(out))
        assert done.returncode == 0, done.stderr
    folder = out / "sets" / "org" / "set"
    assert sorted(p.name for p in folder.iterdir()) == ["README.hub.md", "README.md", "kk", "ru"]
    hub.requests.clear()
    for code in ("kk", "ru"):
        read = (
            "import json, sys\nfrom pathlib import Path\nfrom qaz_llm.config import load_config\n"
            "from qaz_llm.data.config import DataConfig\nfrom qaz_llm.data.sources import read_documents\n"
            "config = load_config(DataConfig, Path(sys.argv[1]))\n"
            "print(json.dumps([document.text for document in read_documents(config.sources[0])]))\n"
        )
        environment = {**os.environ, "HF_HOME": str(out), "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": hub.url}
        command = [sys.executable, "-c", read, str(tmp_path / f"{code}.yaml")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == texts[code]
    assert hub.requests == []
    verified = qaz(hub, "fetch", "--verify", str(out), "--json")
    assert (verified.returncode, json.loads(verified.stdout)["damage"]) == (0, [])


@pytest.mark.slow
def test_a_model_loads_by_its_name_offline(hub: FakeHub, tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = tmp_path / "made"
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=32, **sizes)).save_pretrained(made)
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"а": 0, "б": 1}, unk_token="а"))).save_pretrained(
        made
    )
    hub.repos["models", "org/tiny"] = Repo({p.name: p.read_bytes() for p in made.iterdir()})
    config = tmp_path / "train.yaml"
    mix = [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]
    config.write_text(
        json.dumps(
            {
                "run_dir": str(tmp_path / "run"),
                "method": "cpt",
                "model": {"checkpoint": "org/tiny"},
                "data": {"mix": mix},
            }
        )
    )
    done = qaz(hub, "fetch", str(config), "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["repositories"]
    assert (found["repo"], found["why"]) == ("org/tiny", ["model.checkpoint"])
    hub.requests.clear()
    load = (
        "from qaz_llm.model.load import load_model, load_tokenizer\n"
        "print(len(load_tokenizer('org/tiny')), load_model('org/tiny').num_parameters())\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "out"), "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": hub.url}
    done = subprocess.run([sys.executable, "-c", load], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["2", str(LlamaForCausalLM.from_pretrained(made).num_parameters())]
    assert hub.requests == []


@pytest.fixture
def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """The command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["qaz", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


def test_the_command_says_what_it_would_do_and_what_is_wrong(
    hub: FakeHub, tmp_path: Path, in_process: Callable[..., tuple[object, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["models", "org/model"] = Repo(MODEL)
    config = tmp_path / "eval.yaml"
    config.write_text("model: org/model\nsuite: demo\nout: out\n")
    code, out, _err = in_process("fetch", str(config), "--out", str(tmp_path / "f"), "--dry-run")
    assert code == 0 and "org/model" in out and "apache-2.0" in out and not (tmp_path / "f").exists()
    code, out, err = in_process("fetch", str(config), "model=no/such", "--out", str(tmp_path / "f"))
    assert code == 2 and "no/such (model): no such model, or a private one" in err
    code, out, err = in_process("fetch")
    assert code == 2 and "nothing to fetch" in err
    code, out, err = in_process("fetch", "--verify", str(tmp_path))
    assert code == 2 and "holds no fetched.json" in err
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = in_process("fetch", str(config), "--out", str(tmp_path / "f"))
    assert code == 2 and "HF_HUB_OFFLINE=0 qaz fetch" in err
