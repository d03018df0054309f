"""What a user reads and which exit code a program gets when something is wrong; never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import qaz_llm.config
from qaz_llm import cli
from qaz_llm.cli import saying
from qaz_llm.errors import CheckpointError, DataError, InputError, QazError, WorkError, WriteError

CONFIGS = Path(__file__).parents[2] / "configs"
DEMO = str(CONFIGS / "demo.yaml")
TINY = str(CONFIGS / "train" / "tiny.yaml")


@dataclass(frozen=True)
class Ended:
    code: object
    out: str
    err: str


@pytest.fixture
def qaz(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line in this process: its exit code and what it printed."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["qaz", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return Ended(end.value.code or 0, captured.out, captured.err)

    return run


def check_refused(ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended
    assert "Traceback" not in ended.out + ended.err
    for word in words:
        assert word in ended.err, ended.err


@pytest.mark.parametrize(
    "command", [["run"], ["train"], ["plan"], ["data", "build"], ["config", "check"], ["config", "show"]]
)
def test_configs_that_cannot_be_read(qaz: Callable[..., Ended], tmp_path: Path, command: list[str]) -> None:
    check_refused(qaz(*command, str(tmp_path / "missing.yaml")), "error: ", "missing.yaml: no such config file", "→ ")
    (tmp_path / "bad.yaml").write_text("a: 1\na: 2\n")
    check_refused(qaz(*command, str(tmp_path / "bad.yaml")), "bad.yaml:2: duplicate key 'a'")
    (tmp_path / "empty.yaml").write_text("")
    check_refused(qaz(*command, str(tmp_path / "empty.yaml")), "found nothing")
    check_refused(qaz(*command), "Missing argument 'CONFIG'")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("run_dir", ["'run_dir' is no override", "section.key=value"]),
        ("modle.checkpoint=x", ["override 'modle.checkpoint=x'", "did you mean 'model'?"]),
        ("eval.suit=x", ["unknown key", "did you mean"]),
        ("tokenizer.language=kz", ["'kz' is the country code", "'kk'"]),
        ("cpt.lr=no", ["cpt.lr", "finite number above 0"]),
    ],
)
def test_overrides_that_do_not_fit(qaz: Callable[..., Ended], tmp_path: Path, override: str, words: list[str]) -> None:
    check_refused(qaz("run", DEMO, f"run_dir={tmp_path}/run", override), *words)
    assert not (tmp_path / "run").exists()


def test_unknown_stages(qaz: Callable[..., Ended], tmp_path: Path) -> None:
    for option in ("--from", "--until", "--force"):
        ended = qaz("run", DEMO, f"run_dir={tmp_path}/run", option, "tokenizr", "--dry-run")
        check_refused(ended, f"{option} tokenizr: no such stage", "the stages are: corpus, tokenizer")
    ended = qaz("run", DEMO, f"run_dir={tmp_path}/run", "--from", "eval", "--until", "tokenizer", "--dry-run")
    check_refused(ended, "comes after")
    check_refused(qaz("run", DEMO, f"run_dir={tmp_path}/run", "--from", "eval"), "which was not run in")


def test_unknown_commands_options_and_kinds(qaz: Callable[..., Ended]) -> None:
    check_refused(qaz("trian"), "No such command")
    check_refused(qaz("train", TINY, "--fast"), "No such option")
    check_refused(qaz("config", "schema", "model"), "no such kind of config", "run, data, train, eval")
    check_refused(qaz("config", "check", TINY, "--kind", "x"), "no such kind of config")
    check_refused(qaz("data", "show", "x", "--limit", "0"), "limit")


def test_options_that_say_nothing_together(qaz: Callable[..., Ended], tmp_path: Path) -> None:
    for option in (("--nodes", "2"), ("--site", "site.yaml")):
        ended = qaz("plan", TINY, "--scaling", *option)
        check_refused(ended, f"--scaling takes no {option[0]}", "--gpu NAME", "--gpus N")
    check_refused(qaz("plan", TINY, "--network", "infiniband"), "--network is for --scaling")
    check_refused(qaz("train", TINY, "--dry-run", "--find-lr"), "--dry-run trains nothing", "leave one of them out")


def test_a_plan_of_a_folder_that_is_no_model(qaz: Callable[..., Ended], tmp_path: Path) -> None:
    check_refused(qaz("plan", str(tmp_path)), "no model, config.json is missing")
    (tmp_path / "adapter_config.json").write_text("{}")
    check_refused(qaz("plan", str(tmp_path)), "an adapter, not a model", f"qaz export {tmp_path} OUT")


def test_a_dry_run_refuses_a_file_as_the_run_does(qaz: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "file/run", "link"):
        where = f"run_dir={tmp_path / name}"
        words = f"{tmp_path / name}: a file is where a folder is to be"
        for command in (("train", TINY), ("run", DEMO)):
            check_refused(qaz(*command, where, "--dry-run"), words)
            check_refused(qaz(*command, where), words)
        check_refused(qaz("plan", TINY, where), words)
    assert qaz("train", TINY, f"run_dir={tmp_path / 'new' / 'run'}", "--dry-run").code == 0
    assert not (tmp_path / "new").exists()


def test_tokenizer_input(qaz: Callable[..., Ended], tmp_path: Path) -> None:
    text = tmp_path / "kk.txt"
    text.write_text("қала\n", encoding="utf-8")
    common = ("--num-new-tokens", "5", "--out", str(tmp_path / "out"))
    extend = ("tokenizer", "extend", "--base", str(tmp_path / "none"))
    check_refused(qaz(*extend, "--corpus", str(tmp_path / "no.txt"), *common), "no.txt: no such file")
    check_refused(qaz(*extend, "--corpus", str(text), str(tmp_path / "no.txt"), *common), "no.txt: no such file")
    check_refused(qaz(*extend, "--corpus", str(text), *common), "none: no such folder")
    check_refused(qaz(*extend, "--corpus", str(text), "--num-new-tokens", "0", "--out", "x"), "num-new-tokens")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for out in (tmp_path / "mine", text):
        ended = qaz(*extend, "--corpus", str(text), "--num-new-tokens", "5", "--out", str(out))
        check_refused(ended, "holds other files" if out.is_dir() else "a file is where a folder is to be")
    assert (tmp_path / "mine" / "thesis.tex").exists()
    check_refused(qaz("tokenizer", "report", "--tokenizer", "x", "--text", f"kz={text}"), "'kz' is the country code")
    assert not (tmp_path / "out").exists()


def test_good_configs_are_checked_shown_and_described(qaz: Callable[..., Ended]) -> None:
    for kind, config in (("run", DEMO), ("train", TINY)):
        ended = qaz("config", "check", config)
        assert (ended.code, ended.err) == (0, "")
        assert f"a valid {kind} config" in ended.out
        assert qaz("config", "show", config).code == 0
        shown = qaz("config", "show", config, "--json")
        schema = qaz("config", "schema", kind)
        assert set(json.loads(shown.out)) == set(json.loads(schema.out)["properties"])


# ------------------------------------------------------------------------------------------------------ errors of the work


def _interrupted_in_a_kernel() -> SystemError:
    """What Python makes of Ctrl-C while numba's dispatcher runs."""
    error = SystemError("CPUDispatcher(…) returned a result with an exception set")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("x: no such folder", hint="make it"), 2, "error: x: no such folder\n  → make it"),
        (DataError("a.jsonl:3: not JSON"), 1, "error: a.jsonl:3: not JSON"),
        (WriteError("out: the disk is full", hint="free some"), 1, "error: out: the disk is full\n  → free some"),
        (WorkError("loss is not a number"), 1, "error: loss is not a number"),
        (CheckpointError("step-3 is incomplete"), 1, "error: step-3 is incomplete"),
        (QazError("other"), 1, "error: other"),
        (OSError(28, "No space left on device", "/x/y"), 1, "error: /x/y: No space left on device"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "error: /x/y: Permission denied"),
        (RuntimeError("surprise"), 1, "RuntimeError: surprise\n  → this is a fault of ours; run again with --debug"),
        (KeyboardInterrupt(), 1, "interrupted; run the same command again"),
        (_interrupted_in_a_kernel(), 1, "interrupted; run the same command again"),
    ],
)
def test_every_error_is_a_message_and_a_code(
    qaz: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    def fail(*_args: object) -> None:
        raise error

    monkeypatch.setattr(qaz_llm.config, "load_config", fail)
    ended = qaz("data", "build", "x.yaml")
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err + ended.out
    assert ended.out == ""


def test_debug_shows_the_traceback_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(qaz_llm.config, "load_config", fail)
    for arguments in (["--debug", "data", "build", "x.yaml"], ["data", "build", "x.yaml", "--debug"]):
        monkeypatch.setattr(sys, "argv", ["qaz", *arguments])
        with pytest.raises(RuntimeError, match="surprise"):
            cli.main()


def test_a_real_process_ends_with_2_and_one_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qaz_llm", "train", "missing.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: missing.yaml: no such config file\n  → ")
    assert done.stderr.count("\n") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("train", TINY, "--nonsense"), ("train",), ("train", TINY, "max_stepz=3")])
def test_what_the_first_of_several_says_the_others_do_not(
    qaz: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path))
    monkeypatch.setattr(saying, "WAIT_S", 0.2)
    monkeypatch.setenv("RANK", "1")
    alone = qaz(*arguments)
    assert alone.code == 2 and alone.err.startswith("error (rank 1 on ") and "Traceback" not in alone.err
    monkeypatch.setenv("RANK", "0")
    first = qaz(*arguments)
    assert first.code == 2 and first.err
    monkeypatch.setenv("RANK", "1")
    assert qaz(*arguments) == Ended(2, "", "")
