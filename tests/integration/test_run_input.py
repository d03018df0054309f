"""Wrong input to `qaz run`: one readable message, exit code 2, before any work, and nothing left behind to be trusted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qaz_llm import cli

ROOT = Path(__file__).parents[2]
Call = Callable[..., tuple[int, str]]
SHORT = ("pretrain.max_steps=1", "cpt.max_steps=1", "sft.max_steps=1", "eval.max_items=2", "eval.samples=false")
"""A mistake that is found too late is to cost the test no minutes."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `qaz run configs/demo.yaml run_dir=TMP/run …`; returns the exit code and the lines of the message."""
    monkeypatch.delenv("QAZ_CORPUS_DIR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        command = ["qaz", "run", str(ROOT / "configs" / "demo.yaml"), f"run_dir={tmp_path / 'run'}", *SHORT, *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), capsys.readouterr().err

    return call


def check(result: tuple[int, str], *words: str) -> None:
    code, stderr = result
    assert code == 2, stderr
    assert stderr.count("error:") == 1 and "Traceback" not in stderr
    assert "fault of ours" not in stderr
    for word in words:
        assert word in stderr


def model_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("no model")
    return folder


BEFORE_ANY_WORK = {
    "missing data": (["data.sources.0.path=missing.jsonl"], ["missing.jsonl", "no such file"]),
    "missing conversations": (["data.conversations.0.path=missing.jsonl"], ["missing.jsonl", "no such file"]),
    "missing items to clean against": (["data.decontaminate.paths=[missing.jsonl]"], ["missing.jsonl"]),
    "no such embedded file": (["data.sources.0.path=embedded:none.jsonl"], ["no embedded file", "dialogues.jsonl"]),
    "missing pairs": (
        ["preference={seq_len: 256, pairs: [{name: a, path: missing.jsonl}]}"],
        ["missing.jsonl", "no such file"],
    ),
    "pairs that are none": (
        ["preference={seq_len: 256, pairs: [{name: a, path: 'embedded:dialogues.jsonl'}]}"],
        ["a chosen and a rejected answer", "dialogues.jsonl"],
    ),
    "a key mistyped": (["cpt.warmup_step=3"], ["cpt.warmup_step", "did you mean 'warmup_steps'?"]),
    "a section mistyped": (["pretain.lr=3"], ["did you mean 'pretrain'?"]),
    "two mistakes at once": (["cpt.lrr=3", "sft.epoch=1"], ["2 problems", "'lr'", "'epochs'"]),
    "the country for the language": (["data.sources.0.language=kz"], ["language code of Kazakh is 'kk'"]),
    "the country in a mix": (["cpt.mix={kz: 1.0}"], ["'kk' (ISO 639-1)"]),
    "a number as text": (['cpt.lr="fast"'], ["cpt.lr", "fast"]),
    "no such suite": (["eval.suite=everything"], ["everything", "demo"]),
    "no such task": (["eval.tasks=[chess]"], ["chess", "qaz_bpb, qaz_mc"]),
    "a suite whose data is not there": (["eval.suite=real_small"], ["flores", "QAZ_CORPUS_DIR"]),
    "tasks without bits per byte": (["eval.tasks=[qaz_mc]"], ["qaz_bpb"]),
    "no such checkpoint": (
        ["model.architecture=null", "pretrain=null", "tokenizer.train_base=null", "model.checkpoint=./none"],
        ["./none", "no such folder"],
    ),
    "no such DeepSpeed file": (["cpt.distributed.deepspeed=none.json"], ["none.json", "zero2.json"]),
    "rows longer than the model": (["pretrain.seq_len=4096"], ["seq_len 4096", "512"]),
    "a stage that is none": (["--until", "training"], ["training", "the stages are: corpus"]),
}


@pytest.mark.parametrize("name", BEFORE_ANY_WORK)
def test_found_before_any_work(name: str, run: Call, tmp_path: Path) -> None:
    arguments, words = BEFORE_ANY_WORK[name]
    check(run(*arguments), *words)
    assert not (tmp_path / "run" / "corpus").exists()
    assert not list((tmp_path / "run").glob("stages/*.json"))


def test_a_gpu_that_is_not_there_is_found_before_any_work(run: Call, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    check(run("device=cuda"), "sees no GPU", "device=auto")
    assert not (tmp_path / "run" / "corpus").exists()


def test_a_checkpoint_that_is_no_model(run: Call, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    options = ["model.architecture=null", "pretrain=null", "tokenizer.train_base=null", f"model.checkpoint={folder}"]
    check(run(*options), "config.json is missing", "notes.txt")
    assert not (tmp_path / "run").exists()


def test_a_run_dir_that_is_a_file(run: Call, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("keep me")
    check(run(), "a file is where a folder is to be")
    assert (tmp_path / "run").read_text() == "keep me"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_dir_that_cannot_be_written(run: Call, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o500)
    check(run(), str(tmp_path / "run"))


@pytest.mark.parametrize("folder", ["corpus", "tokenizer", "model", "report"])
def test_a_folder_with_files_of_another_kind_is_left_alone(run: Call, tmp_path: Path, folder: str) -> None:
    """run_dir=. in a folder of one's own must not cost what lies in it."""
    mine = tmp_path / "run" / folder / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    check(run("--until", "corpus"), folder)
    assert mine.read_text() == "years of work"


def test_another_run_in_the_same_folder(run: Call, tmp_path: Path) -> None:
    from qaz_llm.io import only_one

    with only_one(tmp_path / "run"):
        check(run(), "another process is working in this folder")


def source(tmp_path: Path, *rows: object) -> list[str]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = f"[{{name: a, path: {path}, language: kk, licence: CC0-1.0}}]"
    return [f"data.sources={values}", "data.conversations=[]", "sft=null", "--until", "corpus"]


@pytest.mark.parametrize(
    ("rows", "word"),
    [([], "empty_file 1"), ([{"id": "1", "txt": "Сәлем"}], "'text'")],
    ids=["empty file", "no text field"],
)
def test_a_source_that_holds_no_text(run: Call, tmp_path: Path, rows: list[object], word: str) -> None:
    check(run(*source(tmp_path, *rows)), word)
    assert not (tmp_path / "run" / "stages" / "corpus.json").exists()
    embedded = (ROOT / "src" / "qaz_llm" / "embedded" / "documents_kk_a.jsonl").read_text(encoding="utf-8")
    good = [json.loads(line) for line in embedded.splitlines()[:3]]
    code, stderr = run(*source(tmp_path, *good))
    assert code == 0, stderr
    made = json.loads((tmp_path / "run" / "corpus" / "manifest.json").read_text())
    assert made["documents_in"] == 3
