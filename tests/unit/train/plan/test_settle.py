"""What `auto` comes to, by machine, model and an earlier sitting."""

import json
from pathlib import Path

import pytest
from train_configs import going_on as config
from transformers import LlamaConfig

from qaz_llm.cluster.environment import Environment
from qaz_llm.errors import ConfigError
from qaz_llm.train.plan import settle as module
from qaz_llm.train.plan.settle import settle

LARGE = LlamaConfig(hidden_size=512, intermediate_size=1024, num_attention_heads=8, num_hidden_layers=2, vocab_size=99)
TINY = LlamaConfig(hidden_size=64, intermediate_size=128, num_attention_heads=2, num_hidden_layers=2, vocab_size=99)


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch):
    def set_to(value: float) -> None:
        monkeypatch.setattr(module, "bf16_gain", lambda *_: value)

    return set_to


def test_precision_by_a_trial_and_said(tmp_path: Path, gain) -> None:
    gain(2.2)
    settled, lines = settle(config(tmp_path), LARGE, Environment(), "cpu")
    assert settled.precision == "bf16" and "2.2 times as fast" in lines[0]
    gain(0.4)
    settled, lines = settle(config(tmp_path), LARGE, Environment(), "cpu")
    assert settled.precision == "fp32" and "0.4 times as fast" in lines[0]


def test_a_tiny_model_is_not_tried_and_what_is_asked_for_by_name_is_taken(tmp_path: Path, gain) -> None:
    gain(9.0)
    assert settle(config(tmp_path), TINY, Environment(), "cpu")[0].precision == "fp32"
    assert settle(config(tmp_path, "precision=bf16"), TINY, Environment(), "cpu")[0].precision == "bf16"
    assert settle(config(tmp_path, "precision=fp32"), LARGE, Environment(), "cpu")[0].precision == "fp32"


def test_several_processes_ask_the_processor_and_not_the_clock(tmp_path: Path, gain, monkeypatch) -> None:
    gain(9.0)
    for has, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(module, "processor_has_bf16", lambda has=has: has)
        assert settle(config(tmp_path), LARGE, Environment(world_size=2), "cpu")[0].precision == expected


def test_the_trial_itself_gives_a_ratio() -> None:
    assert 0.001 < module.bf16_gain(256, 300, tokens=64) < 1000


def test_a_run_goes_on_with_what_it_began_with(tmp_path: Path, gain) -> None:
    gain(9.0)
    (tmp_path / "run").mkdir()
    identity = {"precision": "fp32", "model": {"attn_implementation": "eager"}}
    (tmp_path / "run" / "run.json").write_text(json.dumps({"identity": identity}))
    settled, lines = settle(config(tmp_path), LARGE, Environment(), "cpu")
    assert (settled.precision, settled.model.attn_implementation) == (
        "fp32",
        "eager",
    ) and "as the run was begun" in lines[0]
    settled, _ = settle(config(tmp_path, "resume=false"), LARGE, Environment(), "cpu")
    assert settled.precision == "bf16"
    (tmp_path / "run" / "run.json").write_text("{}")
    assert settle(config(tmp_path), LARGE, Environment(), "cpu")[0].precision == "bf16"


def test_attention_by_rows_and_device(tmp_path: Path, gain) -> None:
    gain(1.0)
    for device, overrides, expected in (
        ("cpu", ("seq_len=1024",), "documents"),
        ("cpu", ("seq_len=256",), "documents"),
        ("cpu", ("seq_len=255",), "sdpa"),
        ("cpu", ("seq_len=1024", "packing=off"), "sdpa"),
        ("cuda", ("seq_len=256", "precision=bf16"), "documents"),
        ("cuda", ("seq_len=1024", "precision=fp32"), "sdpa"),
    ):
        assert (
            settle(config(tmp_path, *overrides), LARGE, Environment(), device)[0].model.attn_implementation == expected
        )


def test_layers_are_compiled_on_a_gpu_alone_unless_asked(tmp_path: Path, gain, monkeypatch) -> None:
    gain(1.0)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    settled, lines = settle(config(tmp_path), LARGE, Environment(), "cuda")
    assert settled.kernels.compile == "off" and "compile off: the package triton is not installed" in lines
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    for device, overrides, expected in (
        ("cpu", (), "off"), ("cuda", (), "on"), ("cpu", ("kernels.compile=on",), "on"), ("cuda", ("kernels.compile=off",), "off"),
    ):  # fmt: skip
        assert settle(config(tmp_path, *overrides), LARGE, Environment(), device)[0].kernels.compile == expected


def test_documents_on_a_gpu_in_float32_are_refused_by_name(tmp_path: Path) -> None:
    asked = config(tmp_path, "model.attn_implementation=documents", "precision=fp32")
    with pytest.raises(ConfigError, match="documents on a GPU: on a GPU it needs precision bf16"):
        settle(asked, LARGE, Environment(), "cuda")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("kernels.fp8=rowwise",), "kernels.fp8 rowwise needs a GPU"),
        (("model.attn_implementation=flash_attention_3", "precision=bf16"), "flash_attention_3 needs a GPU"),
        (("model.attn_implementation=flex_attention",), "flex_attention learns on a GPU alone"),
    ],
)
def test_what_cannot_be_had_here_is_one_message(tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        settle(config(tmp_path, *overrides), LARGE, Environment(), "cpu")
    assert "use " in str(caught.value.hint)


@pytest.mark.parametrize(
    ("model", "device", "override", "expected"),
    [
        (LARGE, "cpu", "device=auto", "on"),
        (TINY, "cpu", "device=auto", "off"),
        (TINY, "cpu", "kernels.norms=on", "on"),
        (TINY, "cuda", "kernels.compile=off", "on"),
        (LARGE, "cpu", "kernels.compile=on", "off"),
    ],
)
def test_norms_keep_their_input_alone_where_that_saves_something(
    tmp_path: Path, gain, model: LlamaConfig, device: str, override: str, expected: str
) -> None:
    gain(1.0)
    settled, _ = settle(config(tmp_path, override), model, Environment(), device, is_described=device == "cuda")
    assert settled.kernels.norms == expected
