"""What a training config accepts, and what it says where it does not."""

from pathlib import Path

import pytest
from train_configs import make

from qaz_llm.config import load_config
from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig

ROOT = Path(__file__).parents[4]


def test_the_base_is_valid() -> None:
    assert make().run_dir == Path("r")


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "configs/train").glob("*.yaml")))
def test_shipped_configs_are_valid(name: str) -> None:
    load_config(TrainConfig, ROOT / "configs/train" / name)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.checkpoint=x"], "exactly one of checkpoint and architecture, found both"),
        (["model.architecture.num_heads=5"], "not a multiple of num_heads 5"),
        (["model.architecture.num_kv_heads=3"], "not a multiple of num_kv_heads 3"),
        (["model.tokenizer=x"], "exactly one of tokenizer and train_vocab_size"),
        (["seq_len=4096"], "exceeds the architecture's max_position_embeddings 2048"),
        (["method=sft"], "goes on from model.checkpoint"),
        (["adapter.type=lora"], "LoRA needs trained ones"),
        (["data.mix.0.language=kz"], "the language code of Kazakh is 'kk'"),
        (["data.mix.0.weight=0"], "greater than 0"),
        (["data.mix=[]"], "at least 1 item"),
        (["max_steps=1.5"], "valid integer"),
        (["sequence_length=64"], "unknown key"),
        (["grad_acum_steps=2"], "did you mean 'grad_accum_steps'"),
        (["distributed={backend: ddp, deepspeed: a.json}"], "exclude each other"),
        (["distributed={backend: fsdp2, deepspeed: a.json}"], "exclude each other"),
        (["distributed.reshard_after_forward=false"], "belongs to backend fsdp2"),
        (["precision=fp16"], "'fp32' or 'bf16'"),
        (["lr=.inf"], "finite number"),
        (["adam_eps=1e400"], "finite number"),
        (["data.mix.0.weight=.inf"], "finite number"),
        (["epochs=1e300", "max_steps=null"], "less than or equal to 100000"),
        (["max_steps=99999999999999999999"], "less than or equal to"),
        (["seed=18446744073709551615"], "less than 4294967296"),
        (["lr=1e-3", "weight_decay=3000"], "lr 0.001 × weight_decay 3000 is 3"),
    ],
)
def test_what_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(*overrides)
    assert said in str(caught.value)


def test_names_of_the_mix_must_differ() -> None:
    with pytest.raises(ConfigError, match="more than once"):
        make(data={"mix": [{"name": "a", "path": "a"}, {"name": "a", "path": "b"}]})


def test_sft_never_splits() -> None:
    sft = {"method": "sft", "model": {"checkpoint": "x"}}
    assert not make(**sft).row_shape.splits
    assert make().row_shape.splits
    with pytest.raises(ConfigError, match="in the middle of an answer"):
        make(**sft, overflow="split")
