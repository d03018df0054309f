"""What a run will take, against the model that is really made."""

from pathlib import Path

import pytest

from qaz_llm.cluster.environment import Environment
from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import TrainPlan, make_plan

ROOT = Path(__file__).parents[3]
H200 = Environment(
    world_size=8, local_world_size=8, device="cuda", device_name="NVIDIA H200", gpu_memory_bytes=141 * 10**9
)
LLAMA_8B = {
    "hidden_size": 4096,
    "num_layers": 32,
    "num_heads": 32,
    "num_kv_heads": 8,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "tie_embeddings": False,
}


def plan(environment: Environment, *overrides: str, **values) -> TrainPlan:
    base = {
        "run_dir": "r",
        "method": "pretrain",
        "seq_len": 4096,
        "micro_batch_size": 1,
        "model": {"architecture": LLAMA_8B, "train_vocab_size": 128256},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "max_steps": 100,
        "precision": "bf16",
        "gradient_checkpointing": True,
    }
    return make_plan(config_from_values(TrainConfig, base | values, where="t", overrides=overrides), environment)


def test_llama_3_8b_has_the_published_number_of_parameters() -> None:
    assert plan(H200).parameters == 8_030_261_248  # meta-llama/Llama-3.1-8B's safetensors index


def test_tokens_flops_and_time_by_hand() -> None:
    made = plan(H200)
    assert made.tokens_per_step == 4096 * 8 and made.tokens == 100 * 4096 * 8
    assert made.flops == 6 * 8_030_261_248 * 100 * 4096 * 8
    assert made.seconds == pytest.approx(made.flops / (8 * 989e12 * 0.4))


def test_eight_gpus_hold_8b_in_full_only_when_sharded() -> None:
    """16 bytes a parameter are 128 GB: with activations too much for one H200, an eighth of it is not."""
    assert not plan(H200).fits
    sharded = plan(H200, f"distributed.deepspeed={ROOT}/configs/deepspeed/zero3.json")
    assert sharded.zero_stage == 3 and sharded.fits
    assert 16e9 < sharded.memory_bytes < 40e9


def test_what_the_machine_cannot_do_is_said_before_any_work(tmp_path: Path) -> None:
    cpu = Environment()
    with pytest.raises(ConfigError, match="torch sees no GPU"):
        plan(cpu, "device=cuda")
    with pytest.raises(ConfigError, match="no such file"):
        plan(cpu, "distributed.deepspeed=nothing.json")
    with pytest.raises(ConfigError, match="flash_attention_2 needs a GPU"):
        plan(cpu, "model.attn_implementation=flash_attention_2")
    with pytest.raises(InputError, match="no such file or folder"):
        plan(cpu, "data.mix.0.path=nothing.jsonl")
    own = tmp_path / "ds.json"
    own.write_text('{"optimizer": {"type": "AdamW"}}')
    with pytest.raises(ConfigError, match="'optimizer' and 'scheduler' belong to the training config"):
        plan(cpu, f"distributed.deepspeed={own}")


def test_the_plan_reads_as_text_and_as_json() -> None:
    made = plan(H200)
    assert "8.03 B parameters" in made.describe() and "does NOT fit" in made.describe()
    assert made.to_dict()["world_size"] == 8
