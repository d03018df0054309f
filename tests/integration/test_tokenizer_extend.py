"""`qaz tokenizer extend` through the real command line: what it writes, says and refuses."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer


def texts(name: str) -> list[str]:
    return [row["text"] for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))]


def extend(folder: Path, *arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": hash_seed
    }  # fmt: skip
    command = [sys.executable, "-m", "qaz_llm", "tokenizer", "extend", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)


RUN_ALL = """
import contextlib, io, json, sys
from qaz_llm.cli import main

results = []
for arguments in json.load(sys.stdin):
    sys.argv = ["qaz", "tokenizer", "extend", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            results.append([end.code, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""
"""One process for all commands that are refused: most of the time of each would go into imports."""

KAZAKH = ("--base", "base", "--corpus", "kazakh.txt", "--out", "x")
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "slow": (("--base", "slow", "--corpus", "kazakh.txt", "--out", "x"), "slow"),
    "unigram": (("--base", "unigram", "--corpus", "kazakh.txt", "--out", "x"), "only BPE"),
    "characters": (("--base", "characters", "--corpus", "kazakh.txt", "--out", "x"), "neither works on bytes"),
    "no base": (("--base", "missing", "--corpus", "kazakh.txt", "--out", "x"), "no such folder"),
    "Russian": (("--base", "base", "--corpus", "russian.jsonl", "--out", "x"), "letter that Russian lacks"),
    "English": (
        ("--base", "base", "--corpus", "english.txt", "--num-new-tokens", "5", "--out", "x"),
        "no word with a non-Latin letter",
    ),
    "one text": (("--base", "base", "--corpus", "one.txt", "--out", "x"), "too few texts"),
    "no corpus": (("--base", "base", "--corpus", "missing.txt", "--out", "x"), "missing.txt"),
    "too many": ((*KAZAKH, "--num-new-tokens", "99999"), "ask for at most"),
    "too rare": ((*KAZAKH, "--num-new-tokens", "300", "--planned-tokens", "100"), "in 100 tokens of training"),
    "none to swap": ((*KAZAKH, "--num-new-tokens", "50", "--swap"), "to be swapped in"),
    "a word": ((*KAZAKH, "--num-new-tokens", "many"), "or auto"),
    "none": ((*KAZAKH, "--num-new-tokens", "0"), "from 1 on"),
    "kz": ((*KAZAKH, "--language", "kz"), "kk"),
    "other files": (
        ("--base", "base", "--corpus", "kazakh.txt", "--num-new-tokens", "5", "--out", "mine"),
        "would be lost",
    ),
}


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, a corpus in three languages and in several formats, and tokenizers that cannot be extended."""
    folder = tmp_path_factory.mktemp("extend")
    kazakh, russian, english = [*texts("kk_a"), *texts("kk_b")], texts("ru"), texts("en")
    train_base_tokenizer([*russian, *english], vocab_size=1200).save_pretrained(folder / "base")
    rows = [{"text": text, "language": "kk"} for text in kazakh]
    others = [{"text": text, "language": "ru"} for text in russian] + [{"text": t, "language": "en"} for t in english]
    write_rows(folder / "mixed.jsonl.gz", [*others, *rows])
    write_rows(folder / "russian.jsonl", [{"text": text} for text in russian])
    lines = [" ".join(text.split()) for text in kazakh]
    (folder / "kazakh.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "one.txt").write_text(" ".join(lines), encoding="utf-8")
    (folder / "english.txt").write_text("The cat sat on the mat.\n", encoding="utf-8")
    unigram = Tokenizer(models.Unigram())
    unigram.train_from_iterator(
        english,
        trainers.UnigramTrainer(vocab_size=200, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False),
    )
    PreTrainedTokenizerFast(tokenizer_object=unigram, unk_token="<unk>").save_pretrained(folder / "unigram")
    characters = Tokenizer(models.BPE(unk_token="<unk>"))
    characters.pre_tokenizer = pre_tokenizers.Whitespace()
    characters.train_from_iterator(
        english, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False)
    )
    PreTrainedTokenizerFast(tokenizer_object=characters, unk_token="<unk>").save_pretrained(folder / "characters")
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("years of work")
    (folder / "slow").mkdir()
    (folder / "slow" / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CanineTokenizer"}))
    return folder


def test_auto_on_a_corpus_in_three_languages(folder: Path) -> None:
    arguments = ("--base", "base", "--corpus", "mixed.jsonl.gz", "--max-new-tokens", "300", "--no-similar")
    made = extend(folder, *arguments, "--out", "auto", "--json", hash_seed="1")
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts["tokenizer"] == "auto" and facts["base_tokens"] == 1200
    assert facts["new_tokens"] == facts["curve"]["suggested"] > 0 and facts["swapped"] == 0
    sizes = [point["new_tokens"] for point in facts["curve"]["points"]]
    assert sizes[0] == 0 and sizes[-1] == 300 and facts["new_tokens"] in sizes
    extended, base = AutoTokenizer.from_pretrained(folder / "auto"), AutoTokenizer.from_pretrained(folder / "base")
    assert len(extended) == 1200 + facts["new_tokens"]
    assert ExtendedTokenizer.load(folder / "auto").size == len(extended)
    for text in texts("en"):
        assert extended(text)["input_ids"] == base(text)["input_ids"]
    again = extend(folder, *arguments, "--out", "again", hash_seed="2")
    assert f"again: 1,200 + {facts['new_tokens']:,} tokens" in again.stdout
    assert f"suggested: {facts['new_tokens']:,}" in again.stdout
    for name in ("tokenizer.json", "extension.json"):
        assert (folder / "again" / name).read_bytes() == (folder / "auto" / name).read_bytes(), name


def test_all_options_together_and_an_older_extension_is_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "extension.json").write_text("{}")
    made = extend(
        folder, "--base", "base", "--corpus", "kazakh.txt", "mixed.jsonl.gz", "--out", "out", "--num-new-tokens", "150",
        "--planned-tokens", "1000000", "--min-seen", "50", "--pad-to-multiple-of", "64", "--similar",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "each new token occurs at least" in made.stdout and "out: 1,200 + 150 tokens" in made.stdout
    extended = ExtendedTokenizer.load(folder / "out")
    assert len(extended.sub_tokens) == len(extended.similar) == 150
    assert extended.pad_to_multiple_of == 64


@pytest.fixture(scope="module")
def refusals(folder: Path) -> dict[str, tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", RUN_ALL]
    asked = json.dumps([arguments for arguments, _message in REFUSED.values()])
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=True
    )
    return dict(zip(REFUSED, map(tuple, json.loads(done.stdout)), strict=True))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    folder: Path, refusals: dict[str, tuple[int, str, str]], case: str
) -> None:
    code, out, err = refusals[case]
    assert code == 2, err
    assert out == ""
    assert err.count("error:") == 1 and REFUSED[case][1] in err
    assert "Traceback" not in err and "fault of ours" not in err
    assert not (folder / "x").exists()
    assert (folder / "mine" / "thesis.txt").read_text() == "years of work"
