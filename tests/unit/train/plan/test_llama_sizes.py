"""A Llama counted from its sizes, against the model that transformers makes of them; and what a plan does not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.model.architecture import _attentions_of, choose_training_attention, config_of_sizes, llama_config
from qaz_llm.model.llama_sizes import LlamaForCausalLM as SaidOfLlama
from qaz_llm.model.llama_sizes import LlamaSizes, sizes_of
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan.counts import count_model
from qaz_llm.train.plan.llama import count_llama

ROOT = Path(__file__).parents[4]
SMALL: dict[str, Any] = {"hidden_size": 48, "num_layers": 3, "num_heads": 4, "intermediate_size": 136}
SHAPES = {
    "tied": SMALL,
    "untied": SMALL | {"tie_embeddings": False},
    "grouped queries": SMALL | {"num_kv_heads": 2},
    "one head of keys": SMALL | {"num_kv_heads": 1, "tie_embeddings": False},
    "one layer": SMALL | {"num_layers": 1, "max_position_embeddings": 77},
    "llama 3.1 8b": {
        "hidden_size": 4096, "num_layers": 32, "num_heads": 32, "num_kv_heads": 8, "intermediate_size": 14336,
        "max_position_embeddings": 8192, "tie_embeddings": False,
    },
}  # fmt: skip


def config_of(shape: str, *overrides: str) -> tuple[TrainConfig, LlamaSizes]:
    values = {
        "run_dir": "r",
        "method": "pretrain",
        "model": {"architecture": SHAPES[shape], "train_vocab_size": 331},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "seq_len": 64,
    }
    config = config_from_values(TrainConfig, values, where="t", overrides=overrides)
    assert config.model.architecture is not None
    return config, sizes_of(config.model.architecture, vocab_size=331)


@pytest.mark.parametrize("overrides", [[], ["kernels.loss=full_logits"], ["model.attn_implementation=eager"],
                                       ["adapter.target_modules=[q_proj]"]])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES)
def test_all_counts_are_those_of_the_model(shape: str, overrides: list[str]) -> None:
    config, sizes = config_of(shape, *overrides)
    assert count_llama(config, sizes) == count_model(config, config_of_sizes(sizes))


@pytest.mark.parametrize("override", ["freeze=[norms]", "adapter.type=lora"])
def test_what_would_have_to_be_counted_on_the_model_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="pretrain starts from fresh weights"):
        config_of("tied", override)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_sizes_are_those_of_the_config_that_is_trained(shape: str) -> None:
    config, sizes = config_of(shape)
    assert config.model.architecture is not None
    made = llama_config(config.model.architecture, vocab_size=331)
    assert vars(sizes) == {name: getattr(made, name) for name in vars(sizes)}


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize(("on_gpu", "half"), [(False, False), (True, True), (True, False)])
def test_attention_is_chosen_as_for_the_class_of_transformers(packs: bool, on_gpu: bool, half: bool) -> None:
    assert _attentions_of(SaidOfLlama) == _attentions_of(LlamaForCausalLM)
    for shape in SHAPES:
        sizes = config_of(shape)[1]
        chosen = [
            choose_training_attention(said, packs=packs, on_gpu=on_gpu, half=half)
            for said in (sizes, config_of_sizes(sizes))
        ]
        assert chosen[0] == chosen[1]


def test_a_head_too_wide_for_documents_is_said_of_sizes_too() -> None:
    sizes = LlamaSizes(331, 1200, 64, 1, 4, 4, 64, True)
    for said in (sizes, config_of_sizes(sizes)):
        why = choose_training_attention(said, packs=True, on_gpu=True, half=True)[1]
        assert why is not None and "heads are 300 wide" in why


def test_a_plan_of_a_model_from_nothing_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys\n"
        "from qaz_llm.cli.entry import app\n"
        "app(['plan', 'configs/train/tiny.yaml', '--gpu', 'h200'], standalone_mode=False)\n"
        "print('imported:', *sorted({'torch', 'transformers', 'scipy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "imported:"
    assert "0.50 M parameters" in done.stdout
