"""A hub that is not there: asked for once, and never six times; what each command then says."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub

from qaz_llm import cli
from qaz_llm.io import hub as hub_module
from qaz_llm.io import hub_home, is_offline, reach_hub, set_copy
from qaz_llm.io.hub import ask_hub


class Refusing:
    """A server that takes connections, counts them, and closes each without a word: the libraries would try six times."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def refusing(online: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Refusing]:
    server = Refusing()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    yield server
    server.listener.close()


def test_an_answer_is_an_answer_whatever_it_says(hub: FakeHub) -> None:
    assert ask_hub(hub.url, 5.0) is None
    assert ask_hub(f"{hub.url}/no/such/page", 5.0) is None


def test_nobody_there_and_nobody_answering_are_told_apart(online: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    problem = ask_hub(closed, 5.0)
    assert problem is not None and problem.startswith(f"{closed} cannot be reached (")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait in its queue for ever
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        problem = ask_hub(url, 0.5)
        assert problem is not None and url in problem
        assert time.monotonic() - started < 30  # with no limit of its own it would never come back


def test_the_libraries_work_offline_from_then_on_and_the_hub_is_asked_once(refusing: Refusing) -> None:
    import datasets.config
    from huggingface_hub import is_offline_mode

    assert not is_offline()
    problem = reach_hub()
    assert problem is not None and refusing.url in problem
    assert is_offline() and is_offline_mode() and datasets.config.HF_HUB_OFFLINE
    assert reach_hub() == problem
    assert refusing.connections == 1


def test_who_was_told_to_work_offline_asks_nobody(refusing: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert reach_hub() == "HF_HUB_OFFLINE is set"
    assert refusing.connections == 0
    assert hub_module.hub_hint().startswith("HF_HUB_OFFLINE is set; bring it here with `qaz fetch CONFIG`")


def test_a_hub_that_answers_changes_nothing(hub: FakeHub) -> None:
    assert reach_hub() is None
    assert reach_hub() is None
    assert not is_offline()
    assert hub.requests.count("HEAD /") == 1
    assert hub_module.hub_hint() == "check the id, or name a folder"


def test_ones_own_copy_of_a_set_comes_before_a_fetched_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("QAZ_CORPUS_DIR", raising=False)
    assert hub_home() == tmp_path / "hf"
    root = tmp_path / "root"
    assert set_copy("org/set", root=root) is None
    fetched = tmp_path / "hf" / "sets" / "org" / "set"
    fetched.mkdir(parents=True)
    assert set_copy("org/set", root=root) == fetched
    assert set_copy("org/set", root=root, revision="v1") is None
    (root / "hub" / "org" / "set").mkdir(parents=True)
    assert set_copy("org/set", root=root, beside="hub/", revision="v1") == root / "hub" / "org" / "set"
    assert set_copy("org/set", root=root) == fetched


TRAIN = """
run_dir: {0}/run
method: cpt
model: {{checkpoint: no/such}}
data: {{mix: [{{name: kk, path: "embedded:documents_kk_a.jsonl"}}]}}
"""
DATA = """
out: {0}/out
sources: [{{name: w, path: no/such, format: hub, licence: CC0-1.0}}]
"""
TEXT = ["--text", "kk={0}/kk.txt"]
COMMANDS = {
    "eval": ["eval", "run", "--model", "no/such", "--suite", "demo", "--out", "{0}/out"],
    "eval data": ["eval", "run", "--model", "no/such", "--tasks", "kazmmlu", "--out", "{0}/out"],
    "train": ["train", "{0}/train.yaml"],
    "tokenize": ["data", "tokenize", "{0}/train.yaml"],
    "plan": ["plan", "{0}/train.yaml"],
    "build": ["data", "build", "{0}/data.yaml"],
    "report": ["tokenizer", "report", "--tokenizer", "no/such", *TEXT],
    "extend": ["tokenizer", "extend", "--base", "no/such", "--corpus", "{0}/kk.txt", "--num-new-tokens", "9", "--out", "{0}/t"],
    "chat": ["chat", "no/such"],
    "fetch": ["fetch", "{0}/train.yaml", "--out", "{0}/f"],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_so_after_one_question(
    name: str,
    refusing: Refusing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "train.yaml").write_text(TRAIN.format(tmp_path))
    (tmp_path / "data.yaml").write_text(DATA.format(tmp_path))
    (tmp_path / "kk.txt").write_text("Қар еріп, су ақты.\n" * 20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["qaz", *(word.format(tmp_path) for word in COMMANDS[name])])
    with pytest.raises(SystemExit) as end:
        cli.main()
    error = capsys.readouterr().err
    assert end.value.code == 2, error
    assert f"{refusing.url} cannot be reached" in error and "Retrying" not in error and "Traceback" not in error
    assert refusing.connections <= 1, error
