"""What a run will take, against the model that is really made."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Phi3Config, PretrainedConfig, Qwen3MoeConfig
from typer.testing import CliRunner

from qaz_llm.cli.entry import app
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.machines import Machine, describe_gpus, read_site
from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import TrainPlan, describe_plan, make_plan

ROOT = Path(__file__).parents[4]
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


def plan(environment: Environment, *overrides: str, machine: Machine | None = None, **values) -> TrainPlan:
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
    config = config_from_values(TrainConfig, base | values, where="t", overrides=overrides)
    return make_plan(config, environment, machine=machine)


def test_llama_3_8b_has_the_published_number_of_parameters() -> None:
    assert plan(H200).parameters == 8_030_261_248  # meta-llama/Llama-3.1-8B's safetensors index


def test_a_gpu_without_a_sheet_s_peak_says_that_mfu_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qaz_llm.train.plan.duration._product_flops_per_s", lambda *_: 1e12)
    made = plan(dataclasses.replace(H200, device_name="NVIDIA A10G"))
    assert "note: MFU: not known, for want of a data sheet's peak of NVIDIA A10G" in describe_plan(made)
    assert "MFU" not in describe_plan(plan(H200))


def test_tokens_flops_and_time_by_hand() -> None:
    made = plan(H200)
    assert made.tokens_per_step == 4096 * 8 and made.tokens == 100 * 4096 * 8
    multiplied = 8_030_261_248 - 128256 * 4096 - 65 * 4096  # but for the lookup and the norms
    attention = 12 * 32 * 4096 * 4097 / 2  # layers × hidden × tokens seen on average
    assert made.flops_per_token == pytest.approx(6 * multiplied + attention, rel=1e-9)
    assert made.flops == made.flops_per_token * 100 * 4096 * 8
    blocks_again = 2 * (multiplied - 128256 * 4096) + attention / 3
    assert made.seconds == pytest.approx((made.flops + blocks_again * made.tokens) / (8 * 989e12 * 0.4), rel=1e-9)


@pytest.mark.parametrize(("precision", "peak"), [("bf16", 989e12), ("fp32", 67e12)])
def test_time_is_by_the_peak_of_the_run_s_precision_and_that_is_said(precision: str, peak: float) -> None:
    """NVIDIA's H200 data sheet: 989 TFLOP/s dense in bf16, 67 in float32. Trainings here leave TF32 off."""
    shown = {"bf16": "989 TFLOP/s in bf16", "fp32": "67.0 TFLOP/s in float32 without TF32"}[precision]
    for machine in (None, describe_gpus("h200", gpus=8)):
        made = plan(H200, f"precision={precision}", machine=machine)
        assert made.flops_per_s == pytest.approx(0.4 * peak)
        assert made.seconds == pytest.approx(made.tokens * made.token_flops.hardware / (8 * 0.4 * peak))
        assert f"40% of {shown} assumed" in describe_plan(made)
        values = made.to_dict()
        assert values["precision"] == precision and values["peak_flops_per_s"] == peak
    assert f"{shown} each (NVIDIA H200 data sheet" in describe_plan(made)


def test_a_site_s_gpu_in_float32_needs_its_float32_peak(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("gpu: toy\nmemory_gb: 96\npeak_tflops: 500\n")
    assert plan(H200, "precision=bf16", machine=read_site(site)).flops_per_s == pytest.approx(200e12)
    with pytest.raises(ConfigError, match="the float32 peak of toy is not known") as caught:
        plan(H200, "precision=fp32", machine=read_site(site))
    assert "peak_fp32_tflops" in str(caught.value.hint)
    site.write_text(site.read_text() + "peak_fp32_tflops: 50\n")
    assert plan(H200, "precision=fp32", machine=read_site(site)).flops_per_s == pytest.approx(20e12)


def test_tf32_is_left_off_by_what_trainer_is_told(tmp_path: Path) -> None:
    """The float32 peak is reckoned with because of this; torch is asked, not us."""
    import torch

    from qaz_llm.train.start.arguments import training_arguments

    values = {"run_dir": str(tmp_path), "method": "cpt", "model": {"checkpoint": "m"}, "lr": 1e-3, "precision": "fp32",
              "data": {"mix": [{"name": "kk", "path": "kk.txt"}]}}  # fmt: skip
    config = config_from_values(TrainConfig, values, where="t", overrides=())
    training_arguments(config, total_steps=1, on_cpu=True, world_size=1, deepspeed=None)
    assert not torch.backends.cuda.matmul.allow_tf32 and torch.get_float32_matmul_precision() == "highest"


def test_eight_gpus_hold_8b_in_full_only_when_sharded() -> None:
    """16 bytes a parameter are 128 GB: with activations too much for one H200, an eighth of it is not."""
    assert not plan(H200).fits
    sharded = plan(H200, f"distributed.deepspeed={ROOT}/configs/deepspeed/zero3.json")
    assert sharded.zero_stage == 3 and sharded.fits
    assert 16e9 < sharded.memory_bytes < 40e9
    by_torch = plan(H200, "distributed.backend=fsdp2")
    assert by_torch.zero_stage == 0 and by_torch.memory_bytes == pytest.approx(sharded.memory_bytes, rel=0.2)
    assert "FSDP2" in describe_plan(by_torch)


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
    with pytest.raises(ConfigError, match=r"gradient_checkpointing: 400 layers, the model has [0-9]+"):
        plan(cpu, "gradient_checkpointing=400")
    own = tmp_path / "ds.json"
    own.write_text('{"optimizer": {"type": "AdamW"}}')
    with pytest.raises(ConfigError, match="'optimizer' and 'scheduler' belong to the training config"):
        plan(cpu, f"distributed.deepspeed={own}")


def test_the_plan_reads_as_text_and_as_json() -> None:
    made = plan(H200)
    assert "8.03 B parameters" in describe_plan(made) and "does NOT fit" in describe_plan(made)
    assert made.to_dict()["world_size"] == 8


def of_checkpoint(folder: Path, *overrides: str, **values) -> TrainPlan:
    start = {"method": "cpt", "seq_len": 64, "precision": "fp32", "model": {"checkpoint": str(folder)}}
    return plan(Environment(), *overrides, **start | values)


def write(config: PretrainedConfig, folder: Path) -> Path:
    """A folder that is planned with: a config, a tokenizer, and weights, of which a plan reads names and shapes alone."""
    if getattr(config, "quantization_config", None) is None:
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    else:  # refused by its config
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
    assert "adapters beside o_proj, qkv_proj, gate_up_proj, down_proj" in describe_plan(made)
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
    one_expert, norms = 3 * 32 * 16, 3 * (2 * 32 + 2 * 8) + 32
    multiplied = made.parameters - 3 * 6 * one_expert - norms - (0 if made.counted.tables == 400 * 32 else 400 * 32)
    assert made.flops_per_token == 6 * multiplied + 3 * 12 * 32 * 65 / 2


def test_attention_is_what_the_architecture_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gemma = write(Gemma2Config(**SMALL, head_dim=8), tmp_path / "gemma")
    with caplog.at_level("INFO", logger="qaz"):
        made = of_checkpoint(gemma)
    assert made.attn_implementation == "eager" and "Gemma2ForCausalLM has no sdpa attention" in caplog.text
    with pytest.raises(
        ConfigError,
        match=r"attn_implementation sdpa: Gemma2ForCausalLM has eager, flash_attention_2, flash_attention_3, flex_attention",
    ):
        of_checkpoint(gemma, "model.attn_implementation=sdpa")
    llama = write(LlamaConfig(**SMALL), tmp_path / "llama")
    sdpa, eager = of_checkpoint(llama), of_checkpoint(llama, "model.attn_implementation=eager")
    assert (sdpa.attn_implementation, eager.attn_implementation) == ("sdpa", "eager")
    # 4 bytes for each head, token and token looked at, against a mask and the sums of each head; checkpointing keeps one layer's
    apart = 64 * (4 * 4 * 64 - 4 * 64 - 4 * 4)
    assert eager.memory.peak.parts["activations"] - sdpa.memory.peak.parts["activations"] == apart
    full = [
        of_checkpoint(llama, f"model.attn_implementation={a}", gradient_checkpointing=False).memory.peak.parts
        for a in ("sdpa", "eager")
    ]
    assert full[1]["activations"] - full[0]["activations"] == 3 * apart


def test_what_cannot_be_trained_is_said_by_the_plan(tmp_path: Path) -> None:
    folder = write(LlamaConfig(**SMALL, quantization_config={"quant_method": "awq", "bits": 4}), tmp_path / "q")
    with pytest.raises(InputError, match="quantised weights"):
        of_checkpoint(folder)
    folder = write(LlamaConfig(**SMALL | {"vocab_size": 300}), tmp_path / "s")
    with pytest.raises(InputError, match="400 tokens, the model 300 embedding rows"):
        of_checkpoint(folder)


def test_memory_of_an_8b_model_by_hand_under_every_way_to_share() -> None:
    """Rajbhandari et al. 2020, figure 1, with 8 devices: 16 bytes a parameter, of which each way shares its part; DeepSpeed adds
    gradients up in float32 here, which takes 2 bytes more."""
    n = 8_030_261_248
    held = {"none": (4, 4, 8), "zero2": (2, 4 / 8, 12 / 8), "zero3": (2 / 8, 4 / 8, 12 / 8)}
    for way, (weights, gradients, states) in held.items():
        extra = [] if way == "none" else [f"distributed.deepspeed={ROOT}/configs/deepspeed/{way}.json"]
        update = next(moment for moment in plan(H200, *extra).memory.moments if moment.name == "update")
        assert update.parts["weights"] == round(weights * n)
        assert update.parts["gradients"] == round(gradients * n)
        assert update.parts["states"] == round(states * n)
        assert update.parts.get("weights cast to bf16", 0) == (2 * n if way == "none" else 0)
    loss = plan(H200).memory.moments[0]
    # in blocks: a gradient in 16 bit for each token and row of the table, two blocks of float32 logits, the states' gradient
    assert (
        loss.parts["logits"] == 4096 * 128256 * 2 + 2 * 512 * 2**20 + 4096 * 4096 * 2 and "gradients" not in loss.parts
    )
    assert loss.parts["gradient of the output table"] == 4 * 128256 * 4096
    whole = plan(H200, "kernels.loss=full_logits").memory.moments[0]
    assert whole.parts["logits"] == 4096 * 128256 * 16
    assert "gradients" in plan(H200, "grad_accum_steps=2").memory.moments[0].parts


def test_the_result_is_in_bf16_where_that_was_asked_for_or_the_base_is(tmp_path: Path, monkeypatch) -> None:
    from qaz_llm.train.plan import settle

    monkeypatch.setattr(settle, "SMALLEST_HIDDEN", 1)
    monkeypatch.setattr(settle, "bf16_gain", lambda *_: 2.0)
    for dtype, precision, expected in (
        ("float32", "auto", False), ("bfloat16", "auto", True), ("float32", "bf16", True), ("bfloat16", "fp32", False),
    ):  # fmt: skip
        folder = write(LlamaConfig(**SMALL, dtype=dtype), tmp_path / f"{dtype}-{precision}")
        made = of_checkpoint(folder, f"precision={precision}", "adapter.type=full")
        assert made.stores_bf16 == expected, (dtype, precision)
        assert made.disk.result_bytes == (2 if expected else 4) * made.parameters


def test_what_is_suggested_fits_and_keeps_the_tokens_of_a_step() -> None:
    made = plan(H200, "micro_batch_size=8", "gradient_checkpointing=false")
    assert not made.fits and made.suggestion is not None and made.suggestion.fits
    overrides = [o.replace("=configs/", f"={ROOT}/configs/") for o in made.suggestion.overrides]
    then = plan(H200, "micro_batch_size=8", "gradient_checkpointing=false", *overrides)
    assert then.fits and then.memory_bytes == made.suggestion.memory_bytes
    assert then.tokens_per_step == made.tokens_per_step
    assert " ".join(made.suggestion.overrides) in describe_plan(made)
    small = dataclasses.replace(H200, gpu_memory_bytes=10**9)
    assert "nothing that keeps the tokens per step fits" in describe_plan(plan(small))


def test_disk_by_hand() -> None:
    """Adam's moments and weights are 12 bytes a parameter; two checkpoints stay, a third is there while it is written."""
    made = plan(Environment(), "precision=fp32", "max_steps=1000", "checkpoint_every_steps=100")
    assert made.disk.checkpoint_bytes == 12 * made.parameters and made.disk.result_bytes == 4 * made.parameters
    assert made.disk.kept_bytes == 28 * made.parameters and made.disk_bytes == 36 * made.parameters


def run_plan(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", *arguments])


def test_a_config_json_alone_is_enough_for_a_described_machine(tmp_path: Path) -> None:
    LlamaConfig(**SMALL).save_pretrained(tmp_path / "m")
    (tmp_path / "site.yaml").write_text("gpu: h200\ngpus: 16\nnodes: 2\nprice_per_gpu_hour: 3\ncurrency: KZT\n")
    site = ["--site", str(tmp_path / "site.yaml"), "max_steps=1000000", "seq_len=64"]
    values = json.loads(run_plan(str(tmp_path / "m"), *site, "--json").stdout)
    assert values["world_size"] == 16 and values["nodes"] == 2 and values["fits"] and values["currency"] == "KZT"
    assert values["cost"] == pytest.approx(16 * 3 * values["seconds"] / 3600)
    shown = run_plan(str(tmp_path / "m"), *site).stdout
    assert "16 × NVIDIA H200 on 2 nodes" in shown and "the text is not at hand" in shown
    without_steps = json.loads(run_plan(str(tmp_path / "m"), "--gpu", "h200", "seq_len=64", "--json").stdout)
    assert without_steps["steps"] == round(1e9 / without_steps["tokens_per_step"])
    assert any("those of 1 billion tokens" in note for note in without_steps["notes"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"hidden_size": -64}, "hidden_size -64"), ({"num_hidden_layers": 0}, "num_hidden_layers 0"), ({"num_key_value_heads": 0}, "num_key_value_heads 0")],
)  # fmt: skip
def test_a_config_json_that_is_of_no_model(tmp_path: Path, changed: dict[str, int], said: str) -> None:
    LlamaConfig(**SMALL).save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    found = run_plan(str(tmp_path / "m"), "--gpu", "h200", "seq_len=64")
    assert isinstance(found.exception, InputError) and f"its config.json says {said}" in str(found.exception)


def test_a_rank_that_no_matrix_is_large_enough_for(tmp_path: Path) -> None:
    LlamaConfig(**SMALL).save_pretrained(tmp_path / "m")
    arguments = [str(tmp_path / "m"), "--gpu", "h200", "seq_len=64", "adapter.type=lora"]
    found = run_plan(*arguments, "adapter.r=100000")
    assert isinstance(found.exception, ConfigError) and "the shorter side of the largest matrix" in str(found.exception)
    largest = int(str(found.exception).split("more than ")[1].split(",")[0])
    assert run_plan(*arguments, f"adapter.r={largest}").exit_code == 0
    assert isinstance(run_plan(*arguments, f"adapter.r={largest + 1}").exception, ConfigError)


@pytest.mark.parametrize("positions", [64, 512, 1024, 4096])
def test_the_default_rows_of_a_model_folder_are_as_long_as_it_can_hold(tmp_path: Path, positions: int) -> None:
    LlamaConfig(**SMALL, max_position_embeddings=positions).save_pretrained(tmp_path / "m")
    arguments = [str(tmp_path / "m"), "--gpu", "h200", "max_steps=10", "micro_batch_size=2", "grad_accum_steps=1"]
    values = json.loads(run_plan(*arguments, "--json").stdout)
    assert values["tokens_per_step"] == 2 * min(positions, 1024)
    said = [note for note in values["notes"] if note.startswith("seq_len")]
    assert said == (
        [f"seq_len {positions}: the model has no more positions than that, the default is 1024"]
        if positions < 1024
        else []
    )
    given = run_plan(*arguments, f"seq_len={positions + 1}").exception
    assert isinstance(given, ConfigError) and f"exceeds the {positions} positions" in str(given)


def test_a_described_machine_is_planned_without_this_one_s_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed here decides nothing: with and without every package the plan is the same, but for what it says of here."""
    from qaz_llm.model import architecture, quantised
    from qaz_llm.train.plan import packages, settle

    folder = write(LlamaConfig(**SMALL), tmp_path)
    start = {"method": "cpt", "model": {"checkpoint": str(folder)}, "seq_len": 64, "precision": "auto"}
    asked = {**start, "adapter": {"type": "lora", "quantised": "nf4"}, "optimizer": {"states": "torchao_8bit"}}
    made = {}
    for name, spec in (("all", object()), ("none", None)):
        for module in (architecture, quantised, packages, settle):
            monkeypatch.setattr(module, "find_spec", lambda _name, spec=spec: spec)
        made[name] = [plan(H200, machine=describe_gpus("h200"), **more) for more in (start, asked)]
        if spec is None:
            assert plan(H200, **start).config.kernels.compile == "off"  # the machine at hand
            with pytest.raises(ConfigError, match="torchao, which is not installed"):
                plan(H200, **asked)
    for here, elsewhere in zip(made["all"], made["none"], strict=True):
        assert (here.config, here.memory_bytes, here.settled) == (
            elsewhere.config,
            elsewhere.memory_bytes,
            elsewhere.settled,
        )
    plain, more = made["none"]
    assert plain.config.kernels.compile == "on" and "precision bf16: a GPU that is described" in "\n".join(more.settled)
    assert (
        "note: packages of the described machine: triton is taken to be installed there (triton is not here)"
        in describe_plan(plain)
    )
    assert (
        "bitsandbytes, torchao are taken to be installed there (bitsandbytes, torchao are not here)"
        in describe_plan(more)
    )
    assert not any("packages of" in note for note in plan(H200).notes)


def test_exit_1_where_it_does_not_fit_and_a_word_where_this_machine_is_meant(tmp_path: Path) -> None:
    LlamaConfig(**SMALL).save_pretrained(tmp_path / "m")
    (tmp_path / "site.yaml").write_text("gpu: toy\nmemory_gb: 0.5\npeak_tflops: 1\n")
    arguments = [str(tmp_path / "m"), "max_steps=10", "seq_len=64", "micro_batch_size=1"]
    tight = run_plan(*arguments, "--site", str(tmp_path / "site.yaml"))
    assert tight.exit_code == 1 and "does NOT fit" in tight.stdout
    here = run_plan(*arguments)
    assert here.exit_code == 0 and here.stdout.startswith("planned for this machine")
    assert isinstance(run_plan(*arguments, "--gpus", "2").exception, ConfigError)
