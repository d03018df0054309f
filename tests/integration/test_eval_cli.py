"""`qaz eval run` as a person types it: what it writes, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from qaz_llm.config import load_config
from qaz_llm.evals.config import EvalConfig
from qaz_llm.io import embedded_path, read_jsonl

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "eval.sh"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model and its tokenizer."""
    from qaz_llm.model.architecture import make_model
    from qaz_llm.model.config import ArchitectureConfig
    from qaz_llm.model.export import write_model
    from qaz_llm.tokenizer.base import train_base_tokenizer

    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=600)
    shape = ArchitectureConfig(
        hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, intermediate_size=64, max_position_embeddings=256
    )
    folder = tmp_path_factory.mktemp("eval_cli") / "model"
    write_model(make_model(shape, tokenizer, seed=1, attn_implementation="sdpa"), tokenizer, folder, facts={})
    return folder


def qaz(*arguments: object, command: tuple[object, ...] = (sys.executable, "-m", "qaz_llm")) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; never a traceback."""
    done = subprocess.run(
        [*map(str, command), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_pinned_form(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, said = qaz("eval", "run", "--model", model, "--suite", "demo", "--out", out)
    assert code == 0, said
    assert str(out / "report.html") in printed
    rows = [json.loads(line) for line in (out / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    questions = sum(1 for _ in read_jsonl(embedded_path("mc_items.jsonl")))
    sentences = sum(1 for _ in read_jsonl(embedded_path("parallel_sentences.jsonl")))
    assert f"qaz_mc: {questions} items in kk, ru, en" in said
    assert Counter((row["task"], row["metric"]) for row in rows) == {
        ("qaz_mc", "acc"): questions,
        ("qaz_mc", "acc_per_token"): questions,
        ("qaz_mc", "acc_per_byte"): questions,
        ("qaz_mc", "acc_unconditional"): questions,
        ("qaz_mc", "letters_acc"): questions,
        ("qaz_bpb", "bits_per_byte"): 3 * sentences,
    }
    parity = json.loads((out / "parity.json").read_text(encoding="utf-8"))
    for task, n in (("qaz_mc", questions // 3), ("qaz_bpb", sentences)):
        for language in ("kk", "ru", "en"):
            assert {"n", "score", "ci_low", "ci_high"} <= set(parity["scores"][task][language])
            assert parity["scores"][task][language]["n"] == n
        for pair in ("kk-ru", "kk-en"):
            wanted = {"gap", "ci_low", "ci_high", "p", "p_holm", "minimum_detectable"}
            assert wanted <= set(parity["gaps"][task][pair])
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["language"] for row in samples} == {"kk", "ru", "en"}
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


def test_the_script_passes_all_on(tmp_path: Path) -> None:
    """The project's own `qaz` where `make setup` has made one, else that of PATH."""
    if not (ROOT / ".venv/bin/qaz").exists() and shutil.which("qaz") is None:
        pytest.skip("no qaz command here")
    code, _printed, said = qaz("m", "demo", tmp_path, "max_items=3", "tasks=[sib200]", command=(SCRIPT,))
    assert code == 2
    assert "suite demo has no task sib200" in said


@pytest.mark.parametrize("arguments", [(), ("model",), ("model", "demo")])
def test_the_script_says_how_to_use_it(arguments: tuple[str, ...]) -> None:
    code, _printed, said = qaz(*arguments, command=(SCRIPT,))
    assert code == 2
    assert said.startswith("usage: ") and "MODEL SUITE OUT" in said


def test_a_suite_that_is_none(model: Path, tmp_path: Path) -> None:
    code, _printed, said = qaz("eval", "run", "--model", model, "--suite", "dem", "--out", tmp_path / "out")
    assert code == 2
    assert "dem: no such suite" in said and "did you mean 'demo'?" in said


def test_a_task_that_is_not_in_the_suite(model: Path, tmp_path: Path) -> None:
    named = ("--model", model, "--suite", "demo", "--out", tmp_path / "out")
    code, _printed, said = qaz("eval", "run", *named, "tasks=[sib200]")
    assert code == 2
    assert "suite demo has no task sib200" in said and "qaz_bpb, qaz_mc" in said


def test_an_output_that_is_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    code, _printed, said = qaz("eval", "run", "--model", model, "--suite", "demo", "--out", tmp_path / "out")
    assert code == 2
    assert "a file is where a folder is to be" in said
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written(model: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    code, _printed, said = qaz("eval", "run", "--model", model, "--suite", "demo", "--out", tmp_path / "locked" / "out")
    assert code == 2
    assert "permission denied" in said and "locked/out" in said


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _printed, said = qaz(
        "eval", "run", "--model", tmp_path / "empty", "--suite", "demo", "--out", tmp_path / "out"
    )
    assert code == 2
    assert f"{tmp_path}/empty: no model, config.json is missing" in said and "→" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["demo", "real_small"])
def test_shipped_configs(name: str) -> None:
    config = load_config(EvalConfig, ROOT / "configs" / "eval" / f"{name}.yaml", ["model=m", "out=o"])
    assert (config.model, config.suite, config.out) == ("m", name, Path("o"))
