"""What other tools say in the environment, and what trainings before did in this process, changes nothing."""

import os
from pathlib import Path

import pytest
from small_runs import losses, run_here

from qaz_llm.cluster.environment import Environment
from qaz_llm.errors import ConfigError
from qaz_llm.train.start.isolation import isolated

FOREIGN = {
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
    "ACCELERATE_DYNAMO_BACKEND": "EAGER",
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_SHARDING_STRATEGY": "FULL_SHARD",
    "LOCAL_RANK": "0",
    "OMPI_COMM_WORLD_SIZE": "2",
}
ZERO_2 = {"deepspeed": str(Path(__file__).parents[2] / "configs/deepspeed/zero2.json")}


def test_the_environment_of_other_tools_changes_nothing_and_is_named(settings, monkeypatch) -> None:
    plain, foreign = settings("plain", max_steps=2), settings("foreign", max_steps=2)
    run_here(plain)
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    run_here(foreign)
    assert losses(foreign) == losses(plain)
    assert {name: os.environ[name] for name in FOREIGN} == FOREIGN  # as before
    log = (Path(foreign["run_dir"]) / "train.log").read_text()
    assert all(name in log for name in FOREIGN)


def test_a_launcher_is_listened_to_and_what_a_training_sets_is_gone(monkeypatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with isolated(Environment(world_size=2, rank=1, launcher="torchrun")) as ignored:
        assert os.environ["LOCAL_RANK"] == "1" and ignored == []
        os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    assert "ACCELERATE_USE_DEEPSPEED" not in os.environ
    with pytest.raises(KeyError), isolated(Environment()):
        assert os.environ["LOCAL_RANK"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize("order", ["plain deepspeed deepspeed plain"])
def test_trainings_in_one_process_in_any_order(settings, order: str) -> None:
    """ZeRO in one process computes what plain training does, so all of them have the same losses."""
    found = []
    for number, kind in enumerate(order.split()):
        values = settings(f"{number}", max_steps=2, **({"distributed": ZERO_2} if kind == "deepspeed" else {}))
        run_here(values)
        found.append(losses(values))
        assert not any(name.startswith(("ACCELERATE_", "DS_")) for name in os.environ)
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-5)


def test_evaluation_without_text_is_refused(settings) -> None:
    values = settings("run", eval_every_steps=1)
    with pytest.raises(ConfigError, match="nothing to evaluate on"):
        run_here(values)
    assert not (Path(values["run_dir"]) / "metrics.jsonl").exists()
