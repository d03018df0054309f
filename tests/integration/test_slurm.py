"""The job scripts on a real Slurm: the two nodes that `scripts/slurm_test_cluster.sh up` starts, and no other cluster.

The oracle for a corpus built by many jobs is the same build by one process, byte for byte."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from qaz_llm.io import embedded_path, read_jsonl, write_jsonl

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240
"""A first job may compile all kernels."""

NEVER = "DependencyNeverSatisfied"


def on_test_cluster() -> bool:
    if shutil.which("sbatch") is None:
        return False
    shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    return "ClusterName             = qaz\n" in shown.stdout


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not on_test_cluster(), reason="no test cluster; scripts/slurm_test_cluster.sh up"),
]


def slurm(*command: str) -> str:
    state = str(Path(tempfile.gettempdir()) / "qaz-slurm-tests")
    own = {"QAZ_ROOT": str(ROOT), "QAZ_VENV": sys.prefix, "QAZ_STATE_DIR": state, "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **own}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def submit(config: Path, *arguments: str, options: tuple[str, ...] = ()) -> str:
    """The number of a job of slurm/data.sh; its log lies beside the config."""
    name = "%x-%A_%a" if any(option.startswith("--array") for option in options) else "%x-%j"
    sized = ("--cpus-per-task=2", "--time=10", f"--output={config.parent}/{name}.out", *options)
    return slurm("sbatch", "--parsable", *sized, "slurm/data.sh", str(config), *arguments)


def ended(job: str) -> dict[str, str]:
    """What Slurm says of a job, or task of an array, that has ended or never will begin."""
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE_S:
        shown = slurm("scontrol", "show", "job", "--oneliner", job)
        fields = dict(word.split("=", 1) for word in shown.split() if "=" in word)
        if fields["JobState"] not in {"PENDING", "RUNNING", "COMPLETING"} or fields["Reason"] == NEVER:
            return fields
        time.sleep(0.5)
    raise AssertionError(f"job {job} has not ended: {shown}")


def state(job: str) -> str:
    return ended(job)["JobState"]


def write_config(folder: Path, out: str, *, torn: Path) -> Path:
    """Nine parts: three embedded files, a file in five parts, and one that may be torn, which falls to the last share."""
    embedded = [
        {"name": name, "path": f"embedded:documents_{name}.jsonl", "licence": "CC0-1.0"}
        for name in ("kk_a", "kk_b", "ru")
    ]
    large = {"name": "large", "path": str(folder / "large.jsonl"), "licence": "CC0-1.0", "part_bytes": 60_000}
    sources = [*embedded, large, {"name": "torn", "path": str(torn), "licence": "CC0-1.0"}]
    path = folder / f"{out}.yaml"
    path.write_text(json.dumps({"out": str(folder / out), "shard_bytes": 60_000, "sources": sources}))
    return path


def shards_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.zst"))}


def test_an_array_that_fails_is_not_merged_and_goes_on_to_the_bytes_of_one_build(tmp_path: Path) -> None:
    texts = [
        row["text"] for name in ("kk_a", "kk_b", "en") for row in read_jsonl(embedded_path(f"documents_{name}.jsonl"))
    ]
    write_jsonl(tmp_path / "large.jsonl", [{"text": text} for text in texts])
    whole = gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in texts * 4).encode())
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(whole)
    config = write_config(tmp_path, "out", torn=torn)
    plan = json.loads(slurm(sys.executable, "-m", "qaz_llm", "data", "build", str(config), "--dry-run", "--json"))
    torn.write_bytes(whole[:-100])  # behind the first rows, at which every share looks
    broken = (len(plan["tasks"]) - 1) % 3
    assert len(plan["tasks"]) > 6

    array = submit(config, options=("--array=0-2",))
    merge = submit(config, options=(f"--dependency=afterok:{array}", "--job-name=merge"))
    states = [state(f"{array}_{task}") for task in range(3)]
    assert states == ["FAILED" if task == broken else "COMPLETED" for task in range(3)]
    assert ended(merge)["Reason"] == NEVER
    slurm("scancel", merge)
    log = (tmp_path / f"qaz-data-{array}_{broken}.out").read_text()
    assert f"workers=2 --share {broken}/3" in log and "torn.jsonl.gz" in log

    by_hand = submit(config, "--merge-only", options=("--job-name=hand",))
    assert state(by_hand) == "FAILED"
    assert "1 of " in (said := (tmp_path / f"hand-{by_hand}.out").read_text()) and "are not there: torn" in said
    assert not shards_of(tmp_path / "out")

    torn.write_bytes(whole)
    slurm("scontrol", "requeue", f"{array}_{broken}")
    slurm("scontrol", "update", f"JobId={array}_{broken}", "StartTime=now")  # not two minutes later
    assert ended(f"{array}_{broken}")["Restarts"] == "1"
    assert state(f"{array}_{broken}") == "COMPLETED"
    assert "parts were done before" in (tmp_path / f"qaz-data-{array}_{broken}.out").read_text()[len(log) :]

    array = submit(config, options=("--array=0-2",))  # a job that waits for an array which once failed waits for ever
    merge = submit(config, options=(f"--dependency=afterok:{array}", "--job-name=merge"))
    assert state(merge) == "COMPLETED"
    assert "--merge-only" in (tmp_path / f"merge-{merge}.out").read_text()

    alone = write_config(tmp_path, "alone", torn=torn)
    slurm(sys.executable, "-m", "qaz_llm", "data", "build", str(alone))
    assert shards_of(tmp_path / "out") == shards_of(tmp_path / "alone")
    assert len(shards_of(tmp_path / "out")) > 3


@pytest.mark.parametrize("array", ["1,2", "3", "0-4:2"])
def test_an_array_whose_numbers_are_no_shares_is_refused(tmp_path: Path, array: str) -> None:
    config = write_config(tmp_path, "out", torn=tmp_path / "nothing.jsonl.gz")
    job = submit(config, options=(f"--array={array}",))
    assert state(f"{job}_{array.split(',')[-1].partition('-')[0]}") == "FAILED"
    assert any("--array has to count from 0" in log.read_text() for log in tmp_path.glob("qaz-data-*.out"))
