"""A chain submitted to a Slurm that is played here: which jobs, after which, what is written, what happens again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from qaz_llm.config import load_config
from qaz_llm.errors import InputError, WorkError
from qaz_llm.pipeline.chain.links import Job
from qaz_llm.pipeline.chain.log import noted_in_chain, read_endings
from qaz_llm.pipeline.chain.slurm import size_options
from qaz_llm.pipeline.chain.state import describe_chain, judged
from qaz_llm.pipeline.chain.submit import Asked, Slurm, read_jobs, submit_chain
from qaz_llm.pipeline.config import RunConfig

DEMO = Path(__file__).parents[3] / "configs" / "demo.yaml"
LINKS = ["corpus-parts", "corpus", "tokenizer", "pretrain-rows", "pretrain", "cpt-rows", "cpt", "sft", "eval-tasks", "eval", "report"]  # fmt: skip


class Played:
    """A Slurm whose jobs do nothing; `refuses` is the name of a job that it does not take."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.lines: list[Sequence[str]] = []
        self.cancelled: list[str] = []
        self.refuses = ""

    def submit(self, command: Sequence[str]) -> str:
        if f"--job-name=qaz-{self.refuses}" in command:
            raise WorkError("sbatch: error: invalid partition")
        self.lines.append(command)
        job_id = str(100 + len(self.lines))
        self.states[job_id] = "PENDING"
        return job_id

    def alive(self) -> Mapping[str, str]:
        return dict(self.states)

    def cancel(self, job_ids: Sequence[str]) -> None:
        self.cancelled += job_ids
        for job_id in job_ids:
            self.states.pop(job_id, None)

    def as_slurm(self) -> Slurm:
        return Slurm(self.submit, self.alive, self.cancel)


class Chain:
    def __init__(self, run_dir: Path) -> None:
        self.run_dir, self.slurm = run_dir, Played()

    def submit(self, *overrides: str, dry_run: bool = False) -> list[str]:
        given = (f"run_dir={self.run_dir}", *overrides)
        asked = Asked(DEMO, given, 4, size_options((), {}))
        config = load_config(RunConfig, DEMO, given)
        return list(submit_chain(config, asked, dry_run=dry_run, slurm_=self.slurm.as_slurm()))

    def jobs(self) -> dict[str, str]:
        return {job["link"]: job["job_id"] for job in json.loads((self.run_dir / "jobs.json").read_text())}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "run")


def test_each_job_waits_for_the_one_before_and_stands_in_the_list(chain: Chain) -> None:
    lines = chain.submit()
    assert chain.jobs() == {link: str(101 + n) for n, link in enumerate(LINKS)}
    assert lines[:2] == ["corpus-parts   job 101", "corpus         job 102, after 101"]
    waited = [next((w for w in line if w.startswith("--dependency")), None) for line in chain.slurm.lines]
    assert waited == [None, *(f"--dependency=afterok:{101 + n}" for n in range(len(LINKS) - 1))]
    assert all("--kill-on-invalid-dep=yes" in line for line in chain.slurm.lines)
    listed = json.loads((chain.run_dir / "jobs.json").read_text())
    assert set(listed[0]) == {"link", "job_id", "submitted", "script", "log", "arguments"}
    assert listed[0]["log"] == str(chain.run_dir / "jobs" / "corpus-parts-101_*.out")
    assert listed[1]["log"] == str(chain.run_dir / "jobs" / "corpus-102.out")


def test_a_dry_run_prints_the_lines_and_does_nothing(chain: Chain) -> None:
    lines = chain.submit(dry_run=True)
    assert len(lines) == len(LINKS) and all(line.startswith("sbatch --parsable ") for line in lines)
    assert "'--dependency=afterok:<corpus-parts>'" in lines[1]
    assert chain.slurm.lines == [] and not chain.run_dir.exists()


def test_a_second_time_nothing_is_submitted_twice(chain: Chain) -> None:
    chain.submit()
    assert chain.submit()[0] == "corpus-parts   job 101, pending"
    assert len(chain.slurm.lines) == len(LINKS)
    for gone in ("107", "108", "109", "110", "111"):  # cpt failed, Slurm took those behind it out of its queue
        del chain.slurm.states[gone]
    lines = chain.submit()
    assert lines[5:8] == ["cpt-rows       job 106, pending", "cpt            job 112, after 106", "sft            job 113, after 112"]  # fmt: skip
    assert chain.jobs()["cpt"] == "112" and chain.jobs()["corpus"] == "102"


def test_jobs_behind_one_that_is_submitted_anew_wait_for_the_new_one(chain: Chain) -> None:
    chain.submit()
    del chain.slurm.states["107"]  # cpt has failed, and Slurm has not looked at those behind it yet
    chain.submit()
    assert chain.slurm.cancelled == ["108", "109", "110", "111"]
    assert [chain.jobs()[link] for link in LINKS[6:]] == ["112", "113", "114", "115", "116"]


def test_other_arguments_while_jobs_are_at_work_are_refused(chain: Chain) -> None:
    chain.submit()
    with pytest.raises(InputError, match="jobs of this run with other arguments") as refused:
        chain.submit("cpt.lr=1e-3")
    assert refused.value.hint is not None and "scancel 101 102" in refused.value.hint
    chain.slurm.states.clear()
    chain.submit("cpt.lr=1e-3")


def test_where_slurm_refuses_a_job_those_before_it_are_cancelled(chain: Chain) -> None:
    chain.slurm.refuses = "cpt"
    with pytest.raises(WorkError, match="invalid partition"):
        chain.submit()
    assert chain.slurm.states == {} and chain.slurm.cancelled == ["101", "102", "103", "104", "105", "106"]
    chain.slurm.refuses = ""
    assert chain.submit()[0] == "corpus-parts   job 107"


def test_the_folder_of_something_else_is_refused_before_anything_is_submitted(chain: Chain) -> None:
    (chain.run_dir / "corpus").mkdir(parents=True)
    (chain.run_dir / "corpus" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds files that no run made"):
        chain.submit()
    assert chain.slurm.lines == []


# ----------------------------------------------------------------------------------------------- how the jobs stand


def job(link: str, job_id: str) -> Job:
    return Job(link, job_id, "2026-01-31T10:00:00+00:00", "slurm/pipeline.sh", f"jobs/{link}-{job_id}.out")


def test_the_first_link_that_failed_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    monkeypatch.setenv("QAZ_LINK", "corpus-parts")
    monkeypatch.delenv("RANK", raising=False)
    for task in ("0", "1"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        with noted_in_chain(tmp_path):
            pass
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "2")
    monkeypatch.setenv("QAZ_LINK", "corpus")
    with pytest.raises(InputError), noted_in_chain(tmp_path):
        raise InputError("a.jsonl: no such file", hint="check the path")
    assert read_endings(tmp_path) == {"1": {"0": "done", "1": "done"}, "2": {"": "failed: a.jsonl: no such file"}}
    jobs = [job("corpus-parts", "1"), job("corpus", "2"), job("cpt", "3")]
    rows = list(judged(jobs, {}, read_endings(tmp_path)))
    assert [row["state"] for row in rows] == ["done", "failed", "cancelled"]
    assert rows[1]["why"] == "a.jsonl: no such file" and rows[2]["why"] == "corpus (job 2) failed before it"
    text = "\n".join(describe_chain(rows))
    assert "corpus stopped those behind it; its log: jobs/corpus-2.out" in text and "slurm/chain.sh" in text


def test_jobs_in_the_queue_killed_jobs_and_a_machine_without_slurm() -> None:
    jobs = [job("corpus", "1"), job("cpt", "2"), job("eval", "3")]
    at_work = list(judged(jobs, {"2": "RUNNING", "3": "PENDING"}, {"1": {"": "done"}}))
    assert [row["state"] for row in at_work] == ["done", "running", "waiting"]
    killed = list(judged(jobs, {}, {"1": {"": "done"}}))
    assert [row["state"] for row in killed] == ["done", "gone", "cancelled"]
    assert [row["state"] for row in judged(jobs, None, {"1": {"": "done"}})] == ["done", "unknown", "unknown"]
    again = list(judged(jobs, {"1": "PENDING"}, {"1": {"": "stopped"}}))
    assert again[0]["state"] == "waiting"


def test_outside_a_chain_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")] + ["QAZ_LINK"]:
        monkeypatch.delenv(name, raising=False)
    with noted_in_chain(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    assert read_jobs(tmp_path) == {}
