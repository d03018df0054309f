"""What a push shows, refuses, and brings to a hub; a server on loopback stands for the hub."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import TOKEN, Hub, hub_on_loopback
from safetensors.torch import save_file

from qaz_llm.errors import InputError
from qaz_llm.model.hub import plan_push


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 8}))
    (made / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Қазақша модель\n")
    (made / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"/usr/lib/x": 1}}}))
    save_file({"weight": torch.arange(8.0)}, made / "model.safetensors")
    return made


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_on_loopback() as server:
        yield server


def export(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-m", "qaz_llm", "export", *arguments, "--to", "hub"],
        capture_output=True, text=True, check=False, env=own | {"HF_HUB_DISABLE_XET": "1"} | variables,
    )  # fmt: skip


def test_a_dry_run_names_every_file_with_its_hash_and_asks_nobody(folder: Path) -> None:
    done = export(str(folder), "org/kk-model", "--dry-run", "--json", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["private"], told["licence"]) == (True, "Apache-2.0")
    assert {one["name"]: (one["bytes"], one["sha256"]) for one in told["files"]} == {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in folder.iterdir()
    }
    assert "# Қазақша модель" in told["card"]


def test_a_push_brings_every_byte_in_one_commit_and_never_tells_the_token(folder: Path, hub: Hub) -> None:
    done = export(str(folder), "org/kk-model", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert hub.private == {"org/kk-model": True}
    assert hub.files["org/kk-model"] == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sum("/commit/" in line for line in hub.asked) == 1
    assert TOKEN not in done.stdout + done.stderr and "org/kk-model/commit/" in done.stdout


def test_a_public_repository_is_not_pushed_to_unasked(folder: Path, hub: Hub) -> None:
    hub.private["org/kk-model"] = False
    done = export(str(folder), "org/kk-model", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert done.returncode == 2 and "public" in done.stderr and not hub.files
    done = export(str(folder), "org/kk-model", "--public", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert done.returncode == 0 and hub.files, done.stderr


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"HF_TOKEN": "hf_wrong"}, 2, "answered 401"),
        ({}, 2, "HF_TOKEN is not set"),
        ({"HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}, 2, "HF_HUB_OFFLINE is set"),
        ({"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"}, 1, "cannot be reached"),
    ],
)
def test_without_token_or_network_there_is_one_answer(
    folder: Path, hub: Hub, variables: dict[str, str], code: int, said: str
) -> None:
    done = export(str(folder), "org/kk-model", **({"HF_ENDPOINT": hub.address} | variables))
    assert done.returncode == code and said in done.stderr, done.stderr
    assert done.stderr.count("error:") == 1 and "Traceback" not in done.stderr and not hub.files
    assert all(value not in done.stderr for name, value in variables.items() if name == "HF_TOKEN")


def test_a_hub_that_breaks_leaves_no_commit(folder: Path, hub: Hub) -> None:
    hub.fail_commit = True
    done = export(str(folder), "org/kk-model", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert done.returncode == 1 and "answered 500" in done.stderr and not hub.files, done.stderr


def test_what_may_not_be_pushed_is_refused(folder: Path) -> None:
    assert plan_push(folder, "org/name").bytes == sum(path.stat().st_size for path in folder.iterdir())
    with pytest.raises(InputError, match="OWNER/NAME"):
        plan_push(folder, "only-a-name")

    def refused(name: str, content: bytes, said: str) -> None:
        before = (folder / name).read_bytes() if (folder / name).is_file() else None
        (folder / name).write_bytes(content)
        with pytest.raises(InputError, match=said):
            plan_push(folder, "org/name")
        (folder / name).unlink() if before is None else (folder / name).write_bytes(before)

    refused("training_args.bin", b"x", "training_args.bin, which can run code")
    refused("state.dat", pickle.dumps({}), "state.dat, which can run code")
    refused("generation_config.json", b'{"a": ["/home/aigul/run/model"]}', "path of a machine, /home/aigul/run/model")
    refused("README.md", b"---\nlicense: mit\n---\nfrom /data/kk/corpus\n", "path of a machine")
    refused("README.md", b"# no front matter\n", "no known licence")
    refused("README.md", b"---\nlicense: unknown\n---\n", "no known licence")
    plan_push(folder, "org/name")


def test_a_run_that_is_not_finished_is_refused(folder: Path) -> None:
    status = {"state": "preempted", "phase": "training", "started": "2026-01-01T00:00:00+00:00", "updated": "2026-01-01T00:00:00+00:00", "pid": 1, "host": "n", "sittings": []}  # fmt: skip
    (folder.parent / "status.json").write_text(json.dumps(status))
    done = export(str(folder.parent), "org/name", "--dry-run")
    assert done.returncode == 2 and "not finished (preempted)" in done.stderr, done.stderr
