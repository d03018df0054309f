"""Sixteen samples have one loss, however micro-batches, processes, ZeRO and FSDP2 share them out: to 1e-6, for two families."""

import json
from pathlib import Path

import pytest
from packed_families import make_family
from small_runs import losses, run_here, run_launched

from qaz_llm.model.export import write_model
from qaz_llm.model.load import load_tokenizer

ROOT = Path(__file__).parents[2]
FAMILIES = ("llama", "gemma3")
SPLITS = ((16, 1), (4, 4), (1, 16))
"""(micro_batch_size, grad_accum_steps)."""
SPREAD = [
    *(("llama", "zero3"), ("gemma3", "ddp"), ("gemma3", "fsdp2")),
    *(
        pytest.param(*pair, marks=pytest.mark.thorough)
        for pair in (("llama", "ddp"), ("llama", "zero2"), ("gemma3", "zero2"), ("gemma3", "zero3"))
    ),
]
"""Families and how two processes share the work."""


@pytest.fixture(scope="session")
def families(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tokenizer, made = load_tokenizer(base_model), {}
    for family in FAMILIES:
        made[family] = tmp_path_factory.mktemp(family) / "model"
        model = make_family(family, scale=2.0, vocab_size=len(tokenizer))
        write_model(model, tokenizer, made[family], facts={})
    return made


def sixteen(settings, families, family: str, name: str, micro: int, accum: int, **values) -> dict:
    """Dialogues: rows differ much in the number of learned tokens, so that a mean of means would be another number."""
    model = {"checkpoint": str(families[family])}
    shape = {"micro_batch_size": micro, "grad_accum_steps": accum, "max_steps": 1, "seq_len": 192}
    return settings(f"{family}-{name}", model=model, **shape, **values)


def first_loss(values: dict) -> float:
    return losses(values)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_micro_batches(settings, families, family: str) -> None:
    found = []
    for micro, accum in SPLITS:
        values = sixteen(settings, families, family, f"{micro}x{accum}", micro, accum)
        run_here(values)
        found.append(first_loss(values))
    assert found[1:] == pytest.approx(found[:1] * 2, abs=1e-6)
    learned = json.loads((Path(values["run_dir"]) / "run.json").read_text())["data"]
    assert all(part["learned_tokens"] < part["tokens"] for part in learned.values())


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), SPREAD)
def test_two_processes(settings, families, family: str, kind: str) -> None:
    one = sixteen(settings, families, family, "one", 16, 1)
    run_here(one)
    zero = {"deepspeed": str(ROOT / f"configs/deepspeed/{kind}.json")}
    engine = zero if kind.startswith("zero") else {"backend": kind}
    two = sixteen(settings, families, family, kind, 2, 4, distributed=engine)
    run_launched(two, processes=2)
    assert first_loss(two) == pytest.approx(first_loss(one), abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_in_this_process(settings, families, family: str) -> None:
    """The short form of the above: one process, ZeRO-2."""
    plain = sixteen(settings, families, family, "plain", 16, 1)
    run_here(plain)
    zero = {"distributed": {"deepspeed": str(ROOT / "configs/deepspeed/zero2.json")}}
    sharded = sixteen(settings, families, family, "zero", 4, 4, **zero)
    run_here(sharded)
    assert first_loss(sharded) == pytest.approx(first_loss(plain), abs=1e-6)
