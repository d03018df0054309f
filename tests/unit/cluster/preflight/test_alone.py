"""What a training by one process makes of its node: a batch job ends, a person's own machine warns, one without GPUs is silent."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from test_node_checks import GOOD

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.alone import check_this_node
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import NodeFacts
from qaz_llm.cluster.preflight.nodes import Look
from qaz_llm.cluster.preflight.verdict import BAD_NODES_FILE, BadNodeError
from qaz_llm.io import read_json

LOOK = Look(PreflightConfig(), {"run_dir": Path("/nowhere")}, {})
ON_CPU, ON_GPU = Environment(), Environment(device="cuda", device_name="NVIDIA H200")
DEAD = replace(GOOD, disks=(), visible_gpus=0, gpus=(), is_given=True, driver_says="nvidia-smi: no devices were found")


def check(environment: Environment, node: NodeFacts, look: Look = LOOK) -> None:
    def gather(*_: object, **__: object) -> NodeFacts:
        return node

    check_this_node(environment, look, gather=gather)


def test_a_batch_job_on_a_dead_driver_ends_and_names_the_node(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    with pytest.raises(BadNodeError, match="no devices were found"):
        check(ON_CPU, replace(DEAD, in_slurm=True), replace(LOOK, record=tmp_path))
    assert (tmp_path / "state" / BAD_NODES_FILE).read_text().startswith("gpu07\t")
    assert read_json(tmp_path / "preflight.json")["findings"]


def test_a_persons_machine_warns_and_trains(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        check(ON_CPU, DEAD)
        check(ON_GPU, replace(GOOD, disks=(), visible_gpus=7))
    assert ["expected 8 GPUs, torch sees 0" in caplog.text, "7 GPUs seen, 8 expected" in caplog.text] == [True, True]


def test_without_gpus_nothing_is_said_and_a_small_shm_is_no_fault_of_one_process(tmp_path: Path, caplog) -> None:
    check(ON_CPU, NodeFacts(node="laptop", host="laptop", shm_free_bytes=1), replace(LOOK, record=tmp_path))
    check(ON_GPU, replace(GOOD, disks=(), shm_free_bytes=1, in_slurm=True, pids=(11,)))
    assert caplog.text == "" and not list(tmp_path.iterdir())


def test_told_to_keep_to_processors_or_not_to_look_nothing_is_asked() -> None:
    def gather(*_: object, **__: object) -> NodeFacts:
        raise AssertionError("asked")

    check_this_node(ON_CPU, replace(LOOK, keeps_to_cpu=True), gather=gather)
    check_this_node(ON_GPU, replace(LOOK, config=PreflightConfig(nodes=False)), gather=gather)
