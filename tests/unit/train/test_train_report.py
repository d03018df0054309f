"""The page of a training, and the commands that show one: `qaz train report`, `qaz status`, what is refused before any work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qaz_llm.cli import app
from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.train.report import thinned, write_report
from qaz_llm.train.status import STATUS_FILE, reported_status

ROOT = Path(__file__).parents[3]
TINY = str(ROOT / "configs/train/tiny.yaml")


def made(run_dir: Path, steps: int = 6) -> Path:
    """The files of a run of so many steps that was preempted once, before it was done."""
    run_dir.mkdir(exist_ok=True)
    parts = {"kk": {"loss": 2.0, "learned_tokens": 30}, "ru": {"loss": 4.0, "learned_tokens": 10}}
    rows = [
        {"step": n, "loss": 3.0 - n / steps, "lr": 1e-3, "grad_norm": 0.5, "tokens": 100 * n, "tokens_per_s": 50.0 + n,
         "seconds": 10.0 * n, "saving_s": 1.0, "evaluation_s": 2.0, "sampling_s": 0.0, "languages": parts}
        for n in range(1, steps + 1)
    ]  # fmt: skip
    evals = [{"step": n, "kk": 2.0 - n / 10, "en": 1.0} for n in (3, 6)]
    samples = [{"step": n, "name": "kk", "prompt": "<s>Бір", "text": "екі</s>", "tokens": 2} for n in (2, 4, 6)]
    for name, lines in (("metrics", rows), ("evals", evals), ("samples", samples)):
        (run_dir / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run_dir / "config.yaml").write_text("lr: 0.001\n")
    (run_dir / "run.json").write_text(json.dumps({"packages": {"torch": "2.13"}, "git_commit": "abc123"}))
    (run_dir / "heldout.json").write_text(
        json.dumps({"searched": "all rows were looked at", "kk": {"texts": 4, "found": 1, "too_short": 0}})
    )
    with pytest.raises(PreemptedError), reported_status(run_dir / STATUS_FILE) as status:
        status.set(step=3)
        raise PreemptedError("told to stop (SIGTERM)")
    with reported_status(run_dir / STATUS_FILE) as status:
        status.set(step=steps, steps=steps, best={"by": "kk", "step": 6, "value": 1.4})
    return run_dir


def test_the_page_says_all_of_it(tmp_path: Path) -> None:
    page = write_report(made(tmp_path / "run"), tmp_path / "out.html").read_text(encoding="utf-8")
    titles = ["Loss", "Held-out text", "Steps", "Speed", "Samples", "Sittings", "Config and versions"]
    assert re.findall(r"<h2>(.*?)</h2>", page) == titles
    for words in (
        "6 of 6", "2.8333 → 2.0000", "Loss by language", "Best kk: 1.4000 at step 6", "restarted 1 time;",
        "told to stop (SIGTERM)", "&lt;s&gt;Бір ‖ екі&lt;/s&gt;", "lr: 0.001", "abc123", "42 s",  # 60 s less 18 s
        "held-out kk: 1 of 4 texts are also in the training data",
    ):  # fmt: skip
        assert words in page, words
    assert "<s>" not in page


def test_the_page_of_a_run_that_has_just_begun(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 3.0, "lr": 0.1, "grad_norm": 1.0, "tokens": 9, "tokens_per_s": 1.0, "seconds": 9.0}\n'
    )
    assert "Loss" in write_report(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"no rows in metrics\.jsonl"):
        write_report(tmp_path / "none", tmp_path / "report.html")


def test_long_curves_are_thinned_by_means() -> None:
    points = [(float(n), float(n % 2)) for n in range(1000)]
    few = thinned(points, most=100)
    assert len(few) == 100 and {y for _, y in few} == {0.5} and few[0][0] == 4.5
    assert thinned(points[:5]) == points[:5]


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_report_is_a_command_and_everything_else_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = made(tmp_path / "run")
    assert str(run_dir / "report.html") in call("train", "report", str(run_dir))
    assert "KEY=VALUE" in call("train", "--help") and "RUN_DIR" in call("train", "report", "--help")
    for arguments in (["absent.yaml"], ["--dry-run", "absent.yaml"]):
        with pytest.raises(ConfigError, match=r"absent\.yaml: no such config file"):
            call("train", *arguments)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report").write_text("methud: cpt\n")
    with pytest.raises(InputError, match="a file named report lies here"):
        call("train", "report", "max_steps=7")
    assert "report.html" in call("train", "report", str(run_dir))
    with pytest.raises(ConfigError, match="methud"):
        call("train", "./report")


def test_status_for_people_and_for_programs(tmp_path: Path) -> None:
    run_dir = made(tmp_path / "run")
    said = call("status", str(run_dir))
    assert said.startswith("done\n") and "step 6 of 6" in said and "preempted at step 3: told to stop" in said
    found = json.loads(call("status", str(run_dir), "--json"))
    assert (found["state"], found["step"], found["sittings"][0]["how"]) == ("done", 6, "preempted")


@pytest.mark.parametrize("command", [["plan"], ["train", "--dry-run"]])
@pytest.mark.parametrize(
    ("override", "words"),
    [
        (["eval_every_steps=5"], "nothing to evaluate on"), (["watch.samples_every_steps=5"], "nothing to continue"),
        (["heldout={kk: absent.txt}"], "absent.txt"),
        (["heldout={kk: embedded:documents_kk_b.jsonl}", "eval_every_steps=5", "watch.keep_best=ru"], "'ru' is no name"),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_refused_before_any_work(command: list[str], override: list[str], words: str) -> None:
    with pytest.raises((ConfigError, InputError), match=words):
        call(*command, TINY, *override)
