"""A chain submitted to a Slurm that is played here: which jobs, after which, what is written, what happens again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from qaz_llm.config import load_config
from qaz_llm.errors import ConfigError, DamagedFileError, InputError, WorkError
from qaz_llm.pipeline.chain.slurm import jobs_alive, size_options, submit
from qaz_llm.pipeline.chain.submit import Asked, Slurm, submit_chain
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
        given = (f"run_dir={json.dumps(str(self.run_dir))}", *overrides)  # quoted, as YAML
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
    assert set(listed[0]) == {"link", "job_id", "submitted", "script", "log", "arguments", "shares"}
    assert [one["shares"] for one in listed[:2]] == [[0, 1, 2, 3], []]
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "as a whole"), (b"null", "as a whole"), (b"7", "as a whole"), (b"[7]", "0: "), (b'[{"link": "cpt"}]', "0.job_id"),
        (b'[{"link": "cpt", "job_id": 8', "not JSON"), (b"\xff\xfe[]", "not JSON"), (b"", "not JSON"),
    ],
)  # fmt: skip
def test_a_damaged_list_of_jobs_is_named_and_nothing_is_submitted(chain: Chain, content: bytes, said: str) -> None:
    chain.submit()
    (chain.run_dir / "jobs.json").write_bytes(content)
    before = len(chain.slurm.lines)
    with pytest.raises(DamagedFileError, match=r"jobs\.json: ") as refused:
        chain.submit()
    assert said in refused.value.message and "squeue" in str(refused.value.hint) and refused.value.exit_code == 2
    assert len(chain.slurm.lines) == before


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("100 %j, 5%%", "100 %%j, 5%%%%"), ('it\'s "қазақ" [1]*', 'it\'s "қазақ" [1]*')],
)
def test_a_run_dir_keeps_its_name_among_sbatchs_patterns(tmp_path: Path, name: str, pattern: str) -> None:
    """The oracle is sbatch(1), filename pattern: %% is a percent sign; a real Slurm was seen to take the other signs as they are."""
    chain = Chain(tmp_path / name)
    chain.submit()
    outputs = [next(w for w in line if w.startswith("--output=")) for line in chain.slurm.lines]
    assert outputs[:2] == [
        f"--output={tmp_path}/{pattern}/jobs/corpus-parts-%A_%a.out", f"--output={tmp_path}/{pattern}/jobs/corpus-%j.out"
    ]  # fmt: skip
    logs = [job["log"] for job in json.loads((chain.run_dir / "jobs.json").read_text())]
    assert logs[1] == f"{tmp_path}/{name}/jobs/corpus-102.out"


@pytest.mark.parametrize("name", ["back\\slash", "two\nlines", "a\x1b[2Jb", "a\x7fb"])
def test_a_run_dir_that_no_pattern_can_name_is_refused(tmp_path: Path, name: str) -> None:
    chain = Chain(tmp_path / name)
    with pytest.raises(InputError, match="cannot lie in a folder with") as refused:
        chain.submit()
    assert "run_dir=runs/NAME" in str(refused.value.hint) and chain.slurm.lines == [] and not chain.run_dir.exists()


def test_slurms_own_commands_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs in its place: one that refuses in two lines, one that answers in bytes that are no text, none at all."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: no account' >&2\necho 'ask the desk' >&2\nexit 1\n"
    )
    (tmp_path / "squeue").write_text("#!/bin/sh\nprintf '7 PENDING\\n8 RUNNING\\n8 PENDING\\n'\n")
    for name in ("sbatch", "squeue"):
        (tmp_path / name).chmod(0o755)
    with pytest.raises(WorkError, match="no account; ask the desk") as refused:
        submit(["sbatch", "a b"])
    assert refused.value.hint == "the line was: sbatch 'a b'"
    assert jobs_alive() == {"7": "PENDING", "8": "RUNNING"}
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no squeue on this machine"):
        jobs_alive()
