"""What a run will take, against the model that is really made."""

import dataclasses
from pathlib import Path

import pytest
from transformers import Gemma2Config, LlamaConfig, Phi3Config, PretrainedConfig, Qwen3MoeConfig

from qaz_llm.cluster.environment import Environment
from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer
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
    by_torch = plan(H200, "distributed.backend=fsdp2")
    assert by_torch.zero_stage == 0 and by_torch.memory_bytes == sharded.memory_bytes
    assert "FSDP2" in by_torch.describe()


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


def of_checkpoint(folder: Path, *overrides: str, **values) -> TrainPlan:
    start = {"method": "cpt", "seq_len": 64, "precision": "fp32", "model": {"checkpoint": str(folder)}}
    return plan(Environment(), *overrides, **start | values)


def write(config: PretrainedConfig, folder: Path) -> Path:
    """A folder that is planned with: a config and a tokenizer; the weights are there, but a plan never reads them."""
    config.save_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"")
    train_base_tokenizer(
        [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))], vocab_size=400
    ).save_pretrained(folder)
    return folder


SMALL = {"vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
         "num_key_value_heads": 2, "pad_token_id": 0}  # fmt: skip


def test_adapters_by_hand_on_fused_projections(tmp_path: Path) -> None:
    """Phi-3: a matrix r × in and one out × r beside each of four projections; keys and values are half as wide."""
    folder, r = write(Phi3Config(**SMALL), tmp_path), 4
    made = of_checkpoint(folder, adapter={"type": "lora", "r": r})
    layer = (32 + (32 + 16 + 16)) + (32 + 32) + (32 + 2 * 48) + (48 + 32)
    assert made.target_modules == ("o_proj", "qkv_proj", "gate_up_proj", "down_proj")
    assert made.trainable_parameters == 3 * r * layer
    assert "adapters beside o_proj, qkv_proj, gate_up_proj, down_proj" in made.describe()
    with pytest.raises(ConfigError, match=r"q_proj match nothing in Phi3ForCausalLM; o_proj match"):
        of_checkpoint(folder, adapter={"type": "lora", "target_modules": ["q_proj", "o_proj"]})


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new_embeddings", ["trainable_token_indices", "modules_to_save", "frozen"])
def test_rows_of_a_grown_vocabulary_by_hand(tied: bool, new_embeddings: str, tmp_path: Path) -> None:
    folder, r, new, tables = (
        write(LlamaConfig(**SMALL, tie_word_embeddings=tied), tmp_path / "m"),
        4,
        20,
        1 if tied else 2,
    )
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extended = dataclasses.replace(extend_tokenizer(load_fast_tokenizer(str(folder)), texts, num_new_tokens=new),
                                   pad_to_multiple_of=32)  # fmt: skip
    extended.save(tmp_path / "t")
    adapter = {"type": "lora", "r": r, "target_modules": ["q_proj"], "new_embeddings": new_embeddings}
    model = {"checkpoint": str(folder), "tokenizer": str(tmp_path / "t")}
    rows = {"trainable_token_indices": new, "modules_to_save": 448, "frozen": 0}[new_embeddings]  # 420, up to 32 · 14
    lora = 3 * r * (32 + 32)
    made = of_checkpoint(folder, model=model, adapter=adapter)
    assert made.trainable_parameters == lora + rows * 32 * tables
    body = 3 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48 + 2 * 32) + 32
    beside = new * 32 * tables if new_embeddings == "trainable_token_indices" else 0
    assert made.parameters == body + 448 * 32 * tables + lora + beside


def test_a_token_goes_through_some_experts_by_hand(tmp_path: Path) -> None:
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8}
    made = of_checkpoint(write(Qwen3MoeConfig(**SMALL, **experts), tmp_path))
    one_expert = 3 * 32 * 16
    assert made.flops_per_token == 6 * (made.parameters - 3 * 6 * one_expert)


def test_attention_is_what_the_architecture_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gemma = write(Gemma2Config(**SMALL, head_dim=8), tmp_path / "gemma")
    with caplog.at_level("INFO", logger="qaz"):
        made = of_checkpoint(gemma)
    assert made.attn_implementation == "eager" and "Gemma2ForCausalLM has no sdpa attention" in caplog.text
    with pytest.raises(
        ConfigError, match=r"attn_implementation sdpa: Gemma2ForCausalLM has eager, flash_attention_2 only"
    ):
        of_checkpoint(gemma, "model.attn_implementation=sdpa")
    llama = write(LlamaConfig(**SMALL), tmp_path / "llama")
    sdpa, eager = of_checkpoint(llama), of_checkpoint(llama, "model.attn_implementation=eager")
    assert (sdpa.attn_implementation, eager.attn_implementation) == ("sdpa", "eager")
    # 8 bytes for each head, token and token looked at, in each of 3 layers, in float32; checkpointing keeps one layer's
    assert eager.memory_bytes - sdpa.memory_bytes == 8 * 4 * 64 * 64
    full = [
        of_checkpoint(llama, f"model.attn_implementation={a}", gradient_checkpointing=False) for a in ("sdpa", "eager")
    ]
    assert full[1].memory_bytes - full[0].memory_bytes == 3 * 8 * 4 * 64 * 64


def test_what_cannot_be_trained_is_said_by_the_plan(tmp_path: Path) -> None:
    folder = write(LlamaConfig(**SMALL, quantization_config={"quant_method": "awq", "bits": 4}), tmp_path / "q")
    with pytest.raises(InputError, match="quantised weights"):
        of_checkpoint(folder)
    folder = write(LlamaConfig(**SMALL | {"vocab_size": 300}), tmp_path / "s")
    with pytest.raises(InputError, match="400 tokens, the model 300 embedding rows"):
        of_checkpoint(folder)
