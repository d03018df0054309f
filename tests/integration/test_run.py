"""`qaz run` from the command line: the whole way on embedded text, made tiny, and then everything that may come between."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qaz_llm import cli
from qaz_llm.config import dump_yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LANGUAGES = ("kk", "ru", "en")
STAGES = ["corpus", "tokenizer", "pretrain", "cpt", "sft", "eval", "report"]
CPT_STEPS = 24
SENTENCES = 4
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "QAZ_CORPUS_DIR"} | {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}

SHORT = {"total_tokens": None, "seq_len": 64, "warmup_steps": 1, "log_every_steps": 1}
SOURCE = {"id_field": "id", "licence": "CC0-1.0"}
TINY: dict[str, Any] = {
    "base": str(ROOT / "configs" / "demo.yaml"),
    "data": {
        "sources": [
            {"name": "kk", "path": "embedded:documents_kk_a.jsonl", "language": "kk", **SOURCE},
            {"name": "ru", "path": "embedded:documents_ru.jsonl", "language": "ru", **SOURCE},
            {"name": "en", "path": "embedded:documents_en.jsonl", "language": "en", **SOURCE},
        ]
    },
    "tokenizer": {"train_base": {"vocab_size": 600}, "num_new_tokens": 200},
    "model": {
        "architecture": {
            "hidden_size": 32,
            "num_layers": 1,
            "num_heads": 2,
            "num_kv_heads": 1,
            "intermediate_size": 64,
            "max_position_embeddings": 256,
        }
    },
    "pretrain": {**SHORT, "max_steps": 4, "checkpoint_every_steps": 100, "eval_every_steps": None},
    "cpt": {**SHORT, "max_steps": CPT_STEPS, "checkpoint_every_steps": 4, "eval_every_steps": 12},
    "sft": {
        "seq_len": 256,
        "micro_batch_size": 2,
        "max_steps": 2,
        "warmup_steps": 1,
        "log_every_steps": 1,
        "checkpoint_every_steps": 100,
        "adapter": {"r": 2, "alpha": 4},
    },
    "eval": {"max_items": SENTENCES, "sample_bytes": 12, "batch_tokens": 1024},
}


def listen_to_ctrl_c() -> None:
    """In the child: a shell that starts the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Job:
    """The tiny config with one run folder."""

    def __init__(self, config: Path, run_dir: Path) -> None:
        self.config = config
        self.run_dir = run_dir

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "qaz_llm", "run", str(self.config), f"run_dir={self.run_dir}", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As a person types it, in a process of its own."""
        return subprocess.run(
            self.command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
        )

    def statuses(self, *arguments: str) -> dict[str, str]:
        done = self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr
        return {name: stage["status"] for name, stage in json.loads(done.stdout)["stages"].items()}

    def interrupt(self, signal_: signal.Signals, ready: Callable[[], bool], *arguments: str) -> tuple[int, str]:
        """Start the job, send it a signal as soon as it is `ready`, and return its exit code and stderr."""
        process = subprocess.Popen(
            self.command(*arguments),
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=listen_to_ctrl_c,
        )
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal_)
        _stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def report(self) -> dict[str, Any]:
        return read_json(self.run_dir / "report" / "report.json")

    def bytes_of_outputs(self) -> dict[str, bytes]:
        """Every file the stages made; run.log and the facts of the last start are of the run, not of a stage."""
        files = (p for p in self.run_dir.rglob("*") if p.is_file() and p.parent != self.run_dir)
        return {str(p.relative_to(self.run_dir)): p.read_bytes() for p in files}

    def forget(self, *stages: str) -> None:
        """As if these stages had not been run yet."""
        for stage in stages:
            (self.run_dir / "stages" / f"{stage}.json").unlink()
            shutil.rmtree(self.run_dir / stage)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def steps(run_dir: Path) -> list[int]:
    path = run_dir / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.is_file() else []


def has_checkpoint(run_dir: Path) -> bool:
    """Whether one is whole: it is written beside training, so the step counter alone does not tell."""
    return any(run_dir.glob("checkpoints/step-*/complete.json"))


def weights(model_dir: Path) -> bytes:
    return (model_dir / "model.safetensors").read_bytes()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A run that is done. Not to be changed: see `job`."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "tiny.yaml"
    config.write_text(dump_yaml(TINY), encoding="utf-8")
    made = Job(config, folder / "made")
    done = made.run()
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def job(finished: Job, tmp_path: Path) -> Job:
    """A copy of the finished run that a test may change."""
    shutil.copytree(finished.run_dir, tmp_path / "copy")
    return Job(finished.config, tmp_path / "copy")


# ---------------------------------------------------------------------------------------------------- what it makes


def test_the_report_has_the_keys_that_programs_read(finished: Job) -> None:
    report = finished.report()
    assert set(report["fertility"]) >= {"base", "extended"}
    assert set(report["bits_per_byte"]) >= {"base", "adapted"}
    for by_language in (*report["fertility"].values(), *report["bits_per_byte"].values()):
        assert set(by_language) == set(LANGUAGES)
        assert all(math.isfinite(value) and value > 0 for value in by_language.values())
    assert set(report["stages"]) >= set(STAGES) - {"report"}
    assert all({"status", "seconds"} <= stage.keys() for stage in report["stages"].values())
    for model in ("base", "adapted"):
        assert set(report["parity"][model]) == {"scores", "gaps"}
        assert set(report["parity"][model]["scores"]["qaz_mc"]) == set(LANGUAGES)
    page = (finished.run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert f"{report['bits_per_byte']['adapted']['kk']:.4f}" in page


def test_kazakh_gets_cheaper_and_the_other_languages_no_dearer(finished: Job) -> None:
    base, extended = (finished.report()["fertility"][name] for name in ("base", "extended"))
    assert extended["kk"] < base["kk"]
    assert extended["ru"] <= base["ru"]
    assert extended["en"] == base["en"]


def test_fertility_is_what_the_saved_tokenizers_give(finished: Job) -> None:
    from transformers import AutoTokenizer

    rows = embedded_sentences()
    for name in ("base", "extended"):
        tokenizer = AutoTokenizer.from_pretrained(finished.run_dir / "tokenizer" / name)
        for language in LANGUAGES:
            texts = [row[language].strip() for row in rows]
            tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
            expected = tokens / sum(len(text.split()) for text in texts)
            assert finished.report()["fertility"][name][language] == pytest.approx(expected, rel=1e-12)


def test_the_model_is_what_instruction_tuning_made_and_loads_by_itself(finished: Job) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logits = []
    for folder in (finished.run_dir / "model", finished.run_dir / "sft" / "model"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder)
        ids_BT = torch.tensor([tokenizer.encode("Қазақ тілі – түркі тілі.")])
        assert "Қазақ тілі" in tokenizer.decode(ids_BT[0])
        with torch.no_grad():
            logits.append(model(ids_BT).logits)
    assert torch.equal(*logits)
    assert logits[0].isfinite().all()


@pytest.mark.parametrize(("name", "folder"), [("base", "pretrain/model"), ("cpt", "cpt/model"), ("adapted", "model")])
def test_bits_per_byte_are_those_of_the_saved_model(finished: Job, name: str, folder: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(finished.run_dir / folder)
    model = AutoModelForCausalLM.from_pretrained(finished.run_dir / folder, dtype=torch.float32).eval()
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    for language in LANGUAGES:
        nats, size_bytes = 0.0, 0
        for row in embedded_sentences()[:SENTENCES]:
            text = row[language].strip()
            ids = [start, *tokenizer.encode(text, add_special_tokens=False)]
            with torch.no_grad():
                logprobs_TV = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            nats -= sum(float(logprobs_TV[position, token]) for position, token in enumerate(ids[1:]))
            size_bytes += len(text.encode())
        expected = nats / math.log(2) / size_bytes
        assert finished.report()["bits_per_byte"][name][language] == pytest.approx(expected, rel=1e-5)


def embedded_sentences() -> list[dict[str, str]]:
    path = ROOT / "src" / "qaz_llm" / "embedded" / "parallel_sentences.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --------------------------------------------------------------------------------------------- running it once more


def test_a_second_run_does_nothing(job: Job) -> None:
    before = job.bytes_of_outputs()
    assert job.statuses() == dict.fromkeys(STAGES, "unchanged")
    assert job.bytes_of_outputs() == before


def test_a_changed_learning_rate_runs_that_stage_and_what_reads_from_it(job: Job) -> None:
    before = weights(job.run_dir / "model")
    again = dict.fromkeys(STAGES, "unchanged") | dict.fromkeys(("sft", "eval", "report"), "done")
    assert job.statuses("sft.lr=0.01") == again
    assert weights(job.run_dir / "model") != before
    assert weights(job.run_dir / "model") == weights(job.run_dir / "sft" / "model")


def test_preferences_are_learned_where_the_config_has_the_section(job: Job) -> None:
    """From the model of stage sft on, whose policy is the reference in the first step: ln 2."""
    section = (
        "{pairs: [{name: pairs, path: 'embedded:preferences.jsonl'}], seq_len: 256, max_steps: 3, log_every_steps: 1}"
    )
    again = dict.fromkeys(STAGES, "unchanged") | dict.fromkeys(("preference", "eval", "report"), "done")
    assert job.statuses(f"preference={section}") == again
    report = job.report()
    assert report["preference"]["first"]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert set(report["bits_per_byte"]) == {"base", "extended", "cpt", "sft", "adapted"}
    assert weights(job.run_dir / "model") == weights(job.run_dir / "preference" / "model")
    page = (job.run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert "Learning from preferences" in page


def test_a_lost_output_is_made_again_and_the_same(job: Job) -> None:
    before = weights(job.run_dir / "cpt" / "model")
    (job.run_dir / "cpt" / "model" / "model.safetensors").unlink()
    statuses = job.statuses("--until", "cpt")
    assert statuses == {"corpus": "unchanged", "tokenizer": "unchanged", "pretrain": "unchanged", "cpt": "done"}
    assert weights(job.run_dir / "cpt" / "model") == before


def test_a_stage_that_was_left_out_later_is_not_reported(job: Job) -> None:
    assert job.statuses("sft=null") == {
        n: "done" if n in ("eval", "report") else "unchanged" for n in STAGES if n != "sft"
    }
    assert weights(job.run_dir / "model") == weights(job.run_dir / "cpt" / "model")
    assert "sft" not in job.report()["stages"]
    page = (job.run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert "Instruction tuning" not in page


def test_parts_of_the_way(job: Job, in_process: Callable[..., tuple[int, str, str]]) -> None:
    config, run_dir = str(job.config), f"run_dir={job.run_dir}"
    code, out, _ = in_process("run", config, run_dir, "--from", "report", "--force", "report", "--json")
    assert code == 0
    assert {n: s["status"] for n, s in json.loads(out)["stages"].items()} == {"report": "done"}
    code, _, err = in_process("run", config, run_dir, "--from", "sft", "--until", "corpus")
    assert code == 2 and "after --until" in err
    code, _, err = in_process("run", config, run_dir, "--force", "train")
    assert code == 2 and "the stages are: corpus, tokenizer" in err
    fresh = job.run_dir.with_name("fresh")
    code, _, err = in_process("run", config, f"run_dir={fresh}", "--from", "cpt")
    assert code == 2 and "needs 'corpus'" in err
    assert not (fresh / "stages").exists() or not any((fresh / "stages").iterdir())


def test_a_dry_run_writes_nothing(job: Job, in_process: Callable[..., tuple[int, str, str]]) -> None:
    config, fresh = str(job.config), job.run_dir.with_name("fresh")
    code, out, _ = in_process("run", config, f"run_dir={fresh}", "--dry-run", "--json")
    assert code == 0 and not fresh.exists()
    assert [(s["name"], s["action"]) for s in json.loads(out)] == [(name, "run") for name in STAGES]
    before = job.bytes_of_outputs()
    arguments = (config, f"run_dir={job.run_dir}", "cpt.lr=1e-3", "--dry-run")
    code, out, _ = in_process("run", *arguments, "--json")
    actions = {s["name"]: s["action"] for s in json.loads(out)}
    assert actions == {n: "unchanged" if n in ("corpus", "tokenizer", "pretrain") else "run" for n in STAGES}
    code, out, _ = in_process("run", *arguments)
    assert code == 0 and "cpt will have changed" in out
    assert job.bytes_of_outputs() == before


@pytest.fixture
def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command without starting Python anew: exit code, stdout, stderr."""
    monkeypatch.delenv("QAZ_CORPUS_DIR", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["qaz", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


# ------------------------------------------------------------------------------------------------------ interrupted


@pytest.mark.parametrize("signal_", [pytest.param(signal.SIGINT, marks=pytest.mark.thorough), signal.SIGKILL])
def test_interrupted_training_ends_with_the_same_weights(finished: Job, job: Job, signal_: signal.Signals) -> None:
    cpt = job.run_dir / "cpt"
    job.forget("cpt")
    code, stderr = job.interrupt(signal_, lambda: has_checkpoint(cpt) and len(steps(cpt)) >= 6)
    assert not (cpt / "complete.json").exists()
    assert not (job.run_dir / "stages" / "cpt.json").exists()
    assert "Traceback" not in stderr
    assert code == (1 if signal_ is signal.SIGINT else -signal.SIGKILL)
    if signal_ is signal.SIGINT:
        assert "interrupted" in stderr.splitlines()[-1]
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert "goes on where it stopped" in done.stderr and "resuming from" in done.stderr
    assert steps(cpt) == list(range(1, CPT_STEPS + 1))
    for folder in ("cpt/model", "sft/model", "model"):
        assert weights(job.run_dir / folder) == weights(finished.run_dir / folder)
    assert job.report()["bits_per_byte"] == finished.report()["bits_per_byte"]


def test_the_run_folder_may_be_named_another_way_when_training_goes_on(job: Job) -> None:
    job.forget("cpt")
    job.interrupt(signal.SIGKILL, lambda: has_checkpoint(job.run_dir / "cpt"))
    moved = Job(job.config, job.run_dir.rename(job.run_dir.with_name("moved")))
    done = moved.run("--until", "cpt")
    assert done.returncode == 0, done.stderr
    assert "goes on where it stopped" in done.stderr
    assert steps(moved.run_dir / "cpt") == list(range(1, CPT_STEPS + 1))


@pytest.mark.parametrize("stage", ["corpus", pytest.param("eval", marks=pytest.mark.thorough)])
def test_interrupting_any_other_stage_leaves_nothing_half_trusted(finished: Job, job: Job, stage: str) -> None:
    job.forget(stage)
    started = job.run_dir / "stages" / f"{stage}.started.json"
    code, stderr = job.interrupt(signal.SIGINT, started.exists)
    assert code == 1
    assert "Traceback" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("error")]
    assert errors == ["error: interrupted; run the same command again to go on where it stopped"], stderr
    assert not (job.run_dir / "stages" / f"{stage}.json").exists()
    statuses = job.statuses()
    assert statuses[stage] in {"done", "resumed"}
    assert statuses["cpt"] == "unchanged"  # what was made anew is the same as before
    assert job.report()["bits_per_byte"] == finished.report()["bits_per_byte"]
    assert not [p for p in job.run_dir.rglob("*") if p.name.endswith(".tmp") or p.name == ".spool"]


# ------------------------------------------------------------------------------------------------- other ways to go


def test_a_checkpoint_of_its_own_tokenizer_is_adapted(finished: Job, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    checkpoint = finished.run_dir / "model"
    job = Job(finished.config, tmp_path / "run")
    done = job.run(
        "model.architecture=null", f"model.checkpoint={checkpoint}", "pretrain=null", "tokenizer.train_base=null",
        "tokenizer.num_new_tokens=auto", "tokenizer.max_new_tokens=30", "tokenizer.pad_to_multiple_of=16",
        "cpt.max_steps=2", "sft=null",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report, before = job.report(), finished.report()
    assert report["bits_per_byte"]["base"] == pytest.approx(before["bits_per_byte"]["adapted"], rel=1e-6)
    assert report["fertility"]["base"] == before["fertility"]["extended"]
    assert report["fertility"]["extended"]["kk"] < report["fertility"]["base"]["kk"]
    assert "pretrain" not in report["stages"] and "sft" not in report["stages"]
    sizes = [len(AutoTokenizer.from_pretrained(folder)) for folder in (checkpoint, job.run_dir / "model")]
    assert 0 < sizes[1] - sizes[0] <= 30
    facts = json.loads((job.run_dir / "tokenizer" / "extension_facts.json").read_text())
    assert facts["new_tokens"] == sizes[1] - sizes[0]
    assert facts["curve"]["points"][-1]["new_tokens"] == 30
    assert facts["curve"]["points"][-1]["compute_frac"] is not None  # the model is known, so its size decides
    rows = json.loads((job.run_dir / "model" / "config.json").read_text())["vocab_size"]
    assert rows % 16 == 0 and rows >= sizes[1]


@pytest.mark.thorough
def test_without_new_tokens_the_tokenizer_stays(job: Job) -> None:
    done = job.run("tokenizer.num_new_tokens=0", "cpt.max_steps=2", "sft=null")
    assert done.returncode == 0, done.stderr
    report = job.report()
    assert report["fertility"]["extended"] == report["fertility"]["base"]
    assert set(report["bits_per_byte"]) == {"base", "adapted"}
    texts = [(job.run_dir / folder / "tokenizer.json").read_text() for folder in ("tokenizer/base", "model")]
    assert json.loads(texts[0])["model"] == json.loads(texts[1])["model"]


@pytest.mark.thorough
def test_two_processes_learn_what_one_learns(finished: Job, job: Job) -> None:
    """Two rows per step, on one process and on two: the same steps, the same losses."""
    same = ("cpt.max_steps=4", "cpt.eval_every_steps=2", "sft=null")
    alone = Job(finished.config, job.run_dir.with_name("alone"))
    shutil.copytree(finished.run_dir, alone.run_dir)
    done = alone.run(*same, "cpt.micro_batch_size=2")
    assert done.returncode == 0, done.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29641"]
    command = [*launcher, *job.command(*same, "cpt.micro_batch_size=1", "--json")[1:]]
    both = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False)
    assert both.returncode == 0, both.stderr
    assert json.loads(both.stdout)["stages"]["cpt"]["status"] == "done"  # one process speaks, not two
    rows = [
        [json.loads(line) for line in (j.run_dir / "cpt" / "metrics.jsonl").read_text().splitlines()]
        for j in (alone, job)
    ]
    assert [row["tokens"] for row in rows[0]] == [row["tokens"] for row in rows[1]]
    assert [row["loss"] for row in rows[0]] == pytest.approx([row["loss"] for row in rows[1]], rel=1e-4)
    expected, found = (j.report()["bits_per_byte"]["adapted"] for j in (alone, job))
    assert found == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------------------------------------ stages by many jobs


def test_shares_and_then_the_stages_make_what_the_stages_alone_make(
    finished: Job, job: Job, in_process: Callable[..., tuple[int, str, str]]
) -> None:
    """Shares out of order, one of them twice; manifests and models are those of one process."""
    arguments = (str(job.config), f"run_dir={job.run_dir}")
    job.forget("corpus", "cpt", "eval")
    for share in ("1/2", "0/2", "0/2"):
        code, out, err = in_process("run", *arguments, "--only", "corpus", "--share", share)
        assert code == 0 and "parts cleaned" in out, err
    assert [p.name for p in (job.run_dir / "corpus").iterdir()] == [".work"]
    assert in_process("run", *arguments, "--only", "corpus")[0] == 0
    for share in ("1/2", "0/2"):
        assert in_process("run", *arguments, "--only", "cpt", "--share", share)[0] == 0
    assert sorted(p.name.split("-")[0] for p in (job.run_dir / "cpt" / "packed").iterdir()) == ["en", "kk", "ru"]
    assert in_process("run", *arguments, "--only", "cpt")[0] == 0
    for share in ("0/2", "1/2"):
        assert in_process("run", *arguments, "--only", "eval", "--share", share)[0] == 0
    assert in_process("run", *arguments, "--from", "eval")[0] == 0
    assert not list(job.run_dir.rglob("shares"))
    for stage in ("corpus", "cpt", "sft"):
        manifests = [read_json(j.run_dir / "stages" / f"{stage}.json") for j in (job, finished)]
        assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"], stage
    assert weights(job.run_dir / "cpt" / "model") == weights(finished.run_dir / "cpt" / "model")
    for name in ("base", "adapted"):
        rows = [(j.run_dir / "eval" / name / "items.jsonl").read_text() for j in (job, finished)]
        assert rows[0] == rows[1]
    code, out, _err = in_process("run", *arguments, "--only", "cpt", "--share", "0/2")
    assert (code, out) == (0, "stage cpt is done already\n")


def test_shares_of_what_one_job_does_are_refused(job: Job, in_process: Callable[..., tuple[int, str, str]]) -> None:
    arguments = ("run", str(job.config), f"run_dir={job.run_dir}")
    code, _, err = in_process(*arguments, "--only", "tokenizer", "--share", "0/2")
    assert code == 2 and "these can be shared out: corpus, pretrain, cpt, sft, eval" in err
    code, _, err = in_process(*arguments, "--share", "0/2")
    assert code == 2 and "--share needs --only" in err
    code, _, err = in_process(*arguments, "--only", "cpt", "--from", "corpus")
    assert code == 2 and "leave them out" in err
    code, _, err = in_process(*arguments, "--only", "cpt", "--share", "array/2")
    assert code == 2 and "no job of a Slurm array" in err
    fresh = (str(job.config), f"run_dir={job.run_dir.with_name('fresh')}")
    code, _, err = in_process("run", *fresh, "--only", "cpt", "--share", "0/2")
    assert code == 2 and "needs 'corpus'" in err
