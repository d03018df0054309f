"""The links of a chain and what is to be done about each, worked out by hand; no Slurm, no disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaz_llm.config import load_config
from qaz_llm.errors import InputError
from qaz_llm.pipeline.chain.links import Job, Link, Step, links_of, steps_of
from qaz_llm.pipeline.chain.slurm import check_names, sbatch_command, size_options
from qaz_llm.pipeline.config import RunConfig

ROOT = Path(__file__).parents[3]
SMALL = (
    Link("corpus-parts", "corpus", "data", 3),
    Link("corpus", "corpus", "data"),
    Link("cpt", "cpt", "train"),
    Link("report", "report", "data"),
)


def config(*overrides: str) -> RunConfig:
    return load_config(RunConfig, ROOT / "configs" / "demo.yaml", overrides)


def job(link: str, job_id: str) -> Job:
    return Job(link, job_id, "2026-01-31T10:00:00+00:00", "slurm/pipeline.sh", f"{link}-{job_id}.out", (), ())


def told(
    done: tuple[str, ...] = (),
    missing: dict[str, tuple[int, ...]] | None = None,
    alive: dict[str, str] | None = None,
    **jobs: str,
) -> list[tuple[str, str, str | None]]:
    """Of each link its name, what is done about it, and after which link or by which job."""
    given = {name.replace("_", "-"): job(name.replace("_", "-"), job_id) for name, job_id in jobs.items()}
    steps = steps_of(SMALL, done=done, missing=missing or {}, jobs=given, alive=alive or {})
    return [(step.link.name, step.action, step.job_id if step.action == "kept" else step.after) for step in steps]


def test_the_links_of_the_demo_and_of_parts_of_it() -> None:
    names = [link.name for link in links_of(config(), array=8, tasks=2)]
    assert names == [
        "corpus-parts", "corpus", "tokenizer", "pretrain-rows", "pretrain", "cpt-rows", "cpt", "sft", "eval-tasks", "eval", "report",
    ]  # fmt: skip
    shares = {link.name: link.shares for link in links_of(config(), array=8, tasks=2) if link.shares}
    assert shares == {"corpus-parts": 8, "pretrain-rows": 8, "cpt-rows": 8, "eval-tasks": 2}
    plain = links_of(config("sft=null"), array=1, tasks=1)
    assert [link.name for link in plain] == ["corpus", "tokenizer", "pretrain", "cpt", "eval", "report"]
    sizes = {link.name: link.size for link in links_of(config(), array=8, tasks=2)}
    assert {name for name, size in sizes.items() if size == "train"} == {"pretrain", "cpt", "sft"}
    assert {name for name, size in sizes.items() if size == "eval"} == {"eval-tasks", "eval"}


def test_a_new_chain_waits_link_by_link() -> None:
    assert told() == [
        ("corpus-parts", "submit", None),
        ("corpus", "submit", "corpus-parts"),
        ("cpt", "submit", "corpus"),
        ("report", "submit", "cpt"),
    ]


def test_what_is_done_or_at_work_is_not_submitted_again() -> None:
    running = {"2": "RUNNING", "3": "PENDING", "4": "PENDING"}
    found = told(missing={"corpus-parts": ()}, alive=running, corpus_parts="1", corpus="2", cpt="3", report="4")
    assert found == [
        ("corpus-parts", "done", None), ("corpus", "kept", "2"), ("cpt", "kept", "3"), ("report", "kept", "4"),
    ]  # fmt: skip
    assert told(done=("corpus", "cpt", "report")) == [(link.name, "done", None) for link in SMALL]
    assert told(done=("corpus", "cpt")) == [
        ("corpus-parts", "done", None), ("corpus", "done", None), ("cpt", "done", None), ("report", "submit", None),
    ]  # fmt: skip


def test_what_follows_a_failed_link_is_submitted_after_it() -> None:
    """Stage cpt failed, and Slurm has taken the report out of its queue."""
    assert told(done=("corpus",), corpus_parts="1", corpus="2", cpt="3", report="4")[2:] == [
        ("cpt", "submit", None), ("report", "submit", "cpt"),
    ]  # fmt: skip
    (_parts, _corpus, cpt, report) = steps_of(
        SMALL, done=("corpus",), missing={}, jobs={"cpt": job("cpt", "3"), "report": job("report", "4")}, alive={"4": "PENDING"}
    )  # fmt: skip
    assert (cpt.action, cpt.stale, report.action, report.stale) == ("submit", None, "submit", "4")


def test_a_job_that_is_kept_is_waited_for() -> None:
    found = told(done=("corpus",), alive={"3": "RUNNING"}, cpt="3")
    assert found[2:] == [("cpt", "kept", "3"), ("report", "submit", "cpt")]


def test_of_an_array_the_missing_shares_alone() -> None:
    first, *_others = steps_of(SMALL, done=(), missing={"corpus-parts": (0, 2)}, jobs={}, alive={})
    command = sbatch_command(
        first, config=Path("c.yaml"), overrides=["a=1"], jobs_folder=Path("run/jobs"), options={"data": "--time=1"}, after=None
    )  # fmt: skip
    assert "--array=0,2" in command and command[-2:] == ["--share", "array/3"]


def test_the_line_of_a_link() -> None:
    step = Step(Link("cpt", "cpt", "train"), "submit", after="corpus")
    options = size_options(
        ["train=--nodes=4", "cpt='--time=2:00'"], {"QAZ_SBATCH": "-A lab", "QAZ_SBATCH_TRAIN": "--nodes=2"}
    )
    command = sbatch_command(
        step, config=Path("c.yaml"), overrides=["cpt.lr=1"], jobs_folder=Path("run/jobs"), options=options, after="17"
    )
    assert command == [
        "sbatch", "--parsable", "--dependency=afterok:17", "--kill-on-invalid-dep=yes", "--job-name=qaz-cpt",
        "--output=run/jobs/cpt-%j.out", "--export=ALL,QAZ_LINK=cpt,QAZ_CHAIN_DIR=run", "-A", "lab", "--nodes=2", "--nodes=4", "--time=2:00",
        "slurm/pipeline.sh", "c.yaml", "cpt.lr=1", "--only", "cpt",
    ]  # fmt: skip


@pytest.mark.parametrize("given", ["train", "=x", "--nodes=4"])
def test_options_for_nothing_are_refused(given: str) -> None:
    with pytest.raises(InputError, match="NAME=OPTIONS"):
        size_options([given], {})


@pytest.mark.parametrize(
    ("given", "environment"), [(['train=--comment=x"y'], {}), ([], {"QAZ_SBATCH": "--comment='a"})]
)
def test_a_quote_that_is_not_closed_is_refused(given: list[str], environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match="No closing quotation"):
        size_options(given, environment)


def test_options_for_a_link_that_is_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="no such size or link") as refused:
        check_names(size_options(["sft=--time=1"], {}), SMALL)
    assert refused.value.hint == "there are: data, tokenize, train, eval, corpus-parts, corpus, cpt, report"
