"""How the jobs of a chain stand, and what `qaz status` makes of files that are damaged or speak to the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qaz_llm.cli import app
from qaz_llm.errors import ConfigError, DamagedFileError, InputError
from qaz_llm.pipeline.chain import state as module
from qaz_llm.pipeline.chain.links import Job, Link, Step
from qaz_llm.pipeline.chain.log import Endings, noted_in_chain, read_endings
from qaz_llm.pipeline.chain.slurm import sbatch_command
from qaz_llm.pipeline.chain.state import describe_chain, judged
from qaz_llm.pipeline.chain.submit import JOBS_FILE, read_jobs, write_jobs
from qaz_llm.pipeline.status import describe, look_at
from qaz_llm.train.status import STATUS_FILE, StatusFile


def job(link: str, job_id: str, shares: int = 0) -> Job:
    log = f"jobs/{link}-{job_id}.out"
    return Job(link, job_id, "2026-01-31T10:00:00+00:00", "slurm/pipeline.sh", log, (), tuple(range(shares)))


def states(jobs: list[Job], alive: Mapping[str, str] | None, ended: dict[str, dict[str, str]]) -> list[str]:
    return [row["state"] for row in judged(jobs, alive, Endings(ended))]


def test_the_first_link_that_failed_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    monkeypatch.setenv("QAZ_LINK", "corpus-parts")
    monkeypatch.setenv("QAZ_CHAIN_DIR", str(tmp_path))
    monkeypatch.delenv("RANK", raising=False)
    for task in ("0", "1"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        with noted_in_chain():
            pass
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "2")
    monkeypatch.setenv("QAZ_LINK", "corpus")
    with pytest.raises(InputError), noted_in_chain():
        raise InputError("a.jsonl: no such file", hint="check the path")
    ended = {"1": {"0": "done", "1": "done"}, "2": {"": "failed: a.jsonl: no such file"}}
    assert read_endings(tmp_path) == Endings(ended)
    jobs = [job("corpus-parts", "1", 2), job("corpus", "2"), job("cpt", "3")]
    rows = list(judged(jobs, {}, read_endings(tmp_path)))
    assert [row["state"] for row in rows] == ["done", "failed", "cancelled"]
    assert rows[1]["why"] == "a.jsonl: no such file" and rows[2]["why"] == "corpus (job 2) failed before it"
    text = "\n".join(describe_chain(rows))
    assert (
        "none behind corpus begins before it is done; its log: jobs/corpus-2.out" in text and "slurm/chain.sh" in text
    )


def test_jobs_in_the_queue_killed_jobs_and_a_machine_without_slurm() -> None:
    jobs = [job("corpus", "1"), job("cpt", "2"), job("eval", "3")]
    done = {"1": {"": "done"}}
    assert states(jobs, {"2": "RUNNING", "3": "PENDING"}, done) == ["done", "running", "waiting"]
    assert states(jobs, {}, done) == ["done", "gone", "cancelled"]
    assert states(jobs, None, done) == ["done", "unknown", "unknown"]
    assert states(jobs, {"1": "PENDING"}, {"1": {"": "stopped"}})[0] == "waiting"


@pytest.mark.parametrize(
    ("alive", "ended", "state", "why"),
    [
        ({}, {"0": "done", "2": "done", "3": "done"}, "gone", "task 1 of 4 ended without a word"),
        ({}, {"3": "done"}, "gone", "task 0-2 of 4"),
        ({}, {}, "gone", "task 0-3 of 4"),
        (None, {"0": "done", "2": "done"}, "unknown", "nothing was heard of task 1,3 of 4"),
        ({}, dict.fromkeys("0123", "done"), "done", ""),
        (None, dict.fromkeys("0123", "done"), "done", ""),
        ({}, {"0": "done", "1": "failed: full"}, "failed", "task 1: full"),
        ({"1": "RUNNING"}, {"0": "done"}, "running", ""),
        ({}, dict.fromkeys("012", "done") | {"3": "stopped"}, "stopped", "task 3 of 4 was told to, and is not in the queue"),
        (None, dict.fromkeys("012", "done") | {"3": "stopped"}, "stopped", "cannot be asked here"),
    ],
)  # fmt: skip
def test_an_array_is_done_when_all_its_shares_have_said_so(
    alive: dict[str, str] | None, ended: dict[str, str], state: str, why: str
) -> None:
    (row,) = judged([job("cpt-rows", "1", 4)], alive, Endings({"1": ended}))
    assert (row["state"], row["why"] is None) == (state, not why) and why in str(row["why"])


def test_a_job_behind_which_others_were_done_holds_up_none() -> None:
    """Slurm begins a job when those before it ended well, so a word that was lost costs a row its state and no more."""
    jobs = [job("corpus-parts", "1", 2), job("corpus", "2"), job("cpt", "3"), job("eval", "4")]
    rows = list(judged(jobs, {}, Endings({"1": {"0": "done"}, "2": {"": "done"}, "3": {"": "failed: full"}})))
    assert [row["state"] for row in rows] == ["gone", "done", "failed", "cancelled"]
    assert (
        rows[3]["why"] == "cpt (job 3) failed before it" and "none behind cpt begins" in list(describe_chain(rows))[-2]
    )
    assert len(list(describe_chain(rows[:2]))) == 2


def test_a_job_that_was_cancelled_was_stopped_and_those_behind_it_are_out() -> None:
    jobs, ended = [job("cpt", "1"), job("eval", "2")], {"1": {"": "stopped"}}
    rows = list(judged(jobs, {}, Endings(ended)))
    assert [row["state"] for row in rows] == ["stopped", "cancelled"] and rows[1][
        "why"
    ] == "cpt (job 1) was stopped before it"
    assert "slurm/chain.sh" in list(describe_chain(rows))[-1]
    assert states(jobs, None, ended) == ["stopped", "unknown"]


def test_lines_that_are_no_whole_ones_are_counted_and_not_believed(tmp_path: Path) -> None:
    (tmp_path / "chain.log").write_bytes(
        b"t cpt job 1: done\nt cpt job 1: its log: jobs/x.out\n\xff\xfe\n\nt cpt job 2: fai\nt cpt job 3: failed: \xff\rx\n"
        b"t eval job 4: done\x85t eval job 5: done\nt eval job 6: done"  # cut off: the line may have been longer
    )
    assert read_endings(tmp_path) == Endings({"1": {"": "done"}, "3": {"": "failed: \ufffd\rx"}}, unread=5)


@pytest.mark.parametrize("share", [(), ("--only", "corpus", "--share", "array/2")])
def test_a_config_that_cannot_be_read_is_the_job_s_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: tuple[str, ...]
) -> None:
    """The variables are those of the line that sbatch was given, split at commas as sbatch does."""
    run_dir = tmp_path / "runs, new" / "50%"
    step = Step(Link("corpus", "corpus", "data"), "submit")
    (exported,) = (
        word.removeprefix("--export=ALL,")
        for word in sbatch_command(
            step, config=Path("c.yaml"), overrides=[], jobs_folder=run_dir / "jobs", options={}, after=None
        )
        if word.startswith("--export=")
    )
    for name, _, value in (part.partition("=") for part in exported.split(",")):
        monkeypatch.setenv(name, value)
    for name in ("RANK", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "c.yaml").write_text("run_dir: elsewhere\nmodle: {checkpoint: m}\n")
    for number, name in (("7", "c.yaml"), ("8", "none.yaml")):
        monkeypatch.setenv("SLURM_JOB_ID", number)
        assert isinstance(CliRunner().invoke(app, ["run", str(tmp_path / name), *share]).exception, ConfigError)
    rows = list(judged([job("corpus", "7"), job("cpt", "8")], {}, read_endings(run_dir)))
    assert [row["state"] for row in rows] == ["failed", "failed"]
    assert "problems in the configuration; " in rows[0]["why"] and "modle" in rows[0]["why"]
    assert "none.yaml" in rows[1]["why"] and not (tmp_path / "elsewhere").exists()


def test_outside_a_chain_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")] + ["QAZ_LINK"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QAZ_CHAIN_DIR", str(tmp_path))
    with noted_in_chain():
        pass
    assert list(tmp_path.iterdir()) == []
    assert read_jobs(tmp_path) == {}


# ------------------------------------------------------------------------------------------------------- qaz status


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run at its training, with a chain of two jobs; Slurm has none of them."""
    monkeypatch.setattr(module, "jobs_alive", dict)
    StatusFile(tmp_path / STATUS_FILE).set(at_once=True, phase="cpt", stage=3, stages=6)
    (tmp_path / "cpt").mkdir()
    StatusFile(tmp_path / "cpt" / STATUS_FILE).set(at_once=True, phase="training", step=5, steps=10)
    jobs = {"cpt": job("cpt", "1"), "eval": job("eval", "2")}
    links = [type("Link", (), {"name": name}) for name in jobs]
    write_jobs(tmp_path, jobs, links)
    (tmp_path / "chain.log").write_text("t cpt job 1: done\n")
    return tmp_path


DAMAGED = (b"", b"[]", b"{}", b"null", b"7", b'"x"', b'{"state": "run', b"\xff\xfe\x00", b"[" * 100_000)


@pytest.mark.parametrize("content", DAMAGED)
def test_the_rest_is_shown_where_a_file_is_damaged(run_dir: Path, content: bytes) -> None:
    whole = look_at(run_dir)
    assert set(whole) >= {"state", "training", "chain"} and "unread" not in whole
    for name, lost in ((STATUS_FILE, "state"), (f"cpt/{STATUS_FILE}", "training"), (JOBS_FILE, "chain")):
        if name == JOBS_FILE and content == b"[]":
            continue  # a chain without a job
        kept = (run_dir / name).read_bytes()
        (run_dir / name).write_bytes(content)
        found = look_at(run_dir)
        assert lost not in found and len(found["unread"]) == 1 and str(run_dir / name) in found["unread"][0]
        assert f"not read: {run_dir / name}" in "\n".join(describe(found))
        (run_dir / name).write_bytes(kept)
    (run_dir / "chain.log").write_bytes(content + b"\n")
    assert "chain.log: 1 of its lines" in look_at(run_dir)["unread"][0]


def test_with_nothing_to_show_the_reason_ends_it(run_dir: Path) -> None:
    (run_dir / STATUS_FILE).write_text("[]")
    (run_dir / JOBS_FILE).write_text("{}")
    with pytest.raises(DamagedFileError, match=r"jobs\.json: not the list"):
        look_at(run_dir)
    (run_dir / JOBS_FILE).unlink()
    with pytest.raises(InputError, match=r"status\.json: damaged"):
        look_at(run_dir)
    done = CliRunner().invoke(app, ["status", str(run_dir)])
    assert isinstance(done.exception, InputError)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pid", 0), ("pid", 1 << 80), ("pid", True), ("pid_start", "x"), ("updated", "yesterday"), ("updated", "2026-01-31T10:00:00"),
        ("sittings", None), ("sittings", {}), ("sittings", [7]), ("sittings", [{"how": "killed"}]), ("step", "5"), ("step", 1.5),
        ("loss", "low"), ("left_s", float("inf")), ("mfu_frac", []), ("held_out", {"kk": 1.0}), ("held_out", {"step": 1, "kk": "x"}),
        ("best", {"by": "kk"}), ("ranks", {"forward_s": {}}), ("ranks", [1]), ("stragglers", [1]), ("restarts", [{"time": "t"}]),
        ("restarts", {"time": "t"}), ("message", {"a": 1}), ("job_id", 7), ("steps", [9]),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_makes_a_status_a_damaged_one(run_dir: Path, key: str, value: Any) -> None:
    path = run_dir / "cpt" / STATUS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    found = look_at(run_dir)
    assert "training" not in found and "damaged" in found["unread"][0]


def test_what_files_say_is_shown_and_not_obeyed(run_dir: Path) -> None:
    evil = "\x1b[2Jdone\r\x9b1m\u202e"
    (run_dir / "chain.log").write_text(f"t cpt job 1: failed: {evil}\n", encoding="utf-8")
    path = run_dir / STATUS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "failed", "message": evil, "host": evil}))
    text = "\n".join(describe(look_at(run_dir)))
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    assert text.count("\\x1b[2Jdone") == 3 and text.count("\\r\\x9b1m\\u202e") == 2  # of a message the first line
