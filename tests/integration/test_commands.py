"""The small commands through the real command line: config, tokenizer, plan, doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = {"models", "deepspeed", "tokenizer", "conversations", "decontaminate"}
"""Folders of files that a section of a config inherits from."""
STANDALONE = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name not in SECTIONS)


def qaz(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "qaz_llm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or ROOT, env=environment, timeout=300)


@pytest.mark.parametrize("path", STANDALONE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_config_is_valid_and_shows_what_it_was_read_from(path: Path, tmp_path: Path) -> None:
    checked = qaz("config", "check", str(path))
    assert checked.returncode == 0, checked.stderr
    shown = qaz("config", "show", str(path))
    again = tmp_path / "again.yaml"
    again.write_text(shown.stdout, encoding="utf-8")
    kind = checked.stdout.split("a valid ")[1].split()[0]
    assert qaz("config", "show", str(again), "--kind", kind).stdout == shown.stdout, "showing is a fixed point"


@pytest.mark.parametrize("kind", ["run", "data", "train", "eval"])
def test_schemas_name_every_key(kind: str) -> None:
    schema = json.loads(qaz("config", "schema", kind).stdout)
    assert schema["type"] == "object" and schema["additionalProperties"] is False and schema["properties"]


def test_an_unknown_kind_is_refused() -> None:
    result = qaz("config", "schema", "rum")
    assert result.returncode == 2 and "run" in result.stderr and "Traceback" not in result.stderr


def test_tokenizer_extend_takes_several_files_and_report_measures_them(tmp_path: Path) -> None:
    from qaz_llm.io import embedded_path, read_jsonl
    from qaz_llm.tokenizer.base import train_base_tokenizer

    english = [row["text"] for row in read_jsonl(embedded_path("documents_en.jsonl"))]
    train_base_tokenizer(english, vocab_size=600).save_pretrained(tmp_path / "base")
    kazakh = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    (tmp_path / "a.txt").write_text("\n".join(kazakh[:25]).replace("\n\n", "\n"), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps({"text": t}) for t in kazakh[25:]), encoding="utf-8")
    files = ("--corpus", "a.txt", "b.jsonl")
    made = qaz(
        "tokenizer",
        "extend",
        "--base",
        "base",
        *files,
        "--num-new-tokens",
        "200",
        "--out",
        "ext",
        "--json",
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert {key: facts[key] for key in ("tokenizer", "base_tokens", "new_tokens")} == {
        "tokenizer": "ext", "base_tokens": 600, "new_tokens": 200,
    }  # fmt: skip
    texts = ("--text", "kk=a.txt")
    report = qaz("tokenizer", "report", "--tokenizer", "base", "--tokenizer", "ext", *texts, "--json", cwd=tmp_path)
    measured = json.loads(report.stdout)
    words = (tmp_path / "a.txt").read_text(encoding="utf-8").split()
    assert measured["base"]["kk"]["words"] == measured["ext"]["kk"]["words"] == len(words)
    assert measured["ext"]["kk"]["tokens_per_word"] < measured["base"]["kk"]["tokens_per_word"]
    one_file = qaz(
        "tokenizer",
        "extend",
        "--base",
        "base",
        "--corpus",
        "a.txt",
        "--num-new-tokens",
        "200",
        "--out",
        "one",
        cwd=tmp_path,
    )
    assert one_file.returncode == 0
    assert (tmp_path / "one" / "tokenizer.json").read_text() != (tmp_path / "ext" / "tokenizer.json").read_text(), (
        "the second file counts too"
    )


@pytest.mark.parametrize(
    ("text", "hint"), [("kz=a.txt", "'kk'"), ("a.txt", "LANGUAGE=FILE"), ("kk=missing.txt", "missing.txt")]
)
def test_wrong_text_options_are_refused(text: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("сөз\n", encoding="utf-8")
    result = qaz("tokenizer", "report", "--tokenizer", str(tmp_path), "--text", text, cwd=tmp_path)
    assert result.returncode == 2 and hint in result.stderr and "Traceback" not in result.stderr


def test_plan_says_what_a_run_will_take() -> None:
    values = json.loads(qaz("plan", "configs/train/tiny.yaml", "max_steps=7", "--json").stdout)
    assert values["steps"] == 7 and values["tokens"] == 7 * 128 * 8 and values["fits"] is True


def test_doctor_names_the_packages() -> None:
    facts = json.loads(qaz("doctor", "--json").stdout)
    import torch

    assert facts["packages"]["torch"] == torch.__version__ and facts["environment"]["world_size"] == 1
