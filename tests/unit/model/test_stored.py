"""Checkpoints whose files are not what their config promises: read right, or refused by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_llama import make_model
from transformers import BertConfig, Gemma3Config, Gemma3ForConditionalGeneration, T5Config

from qaz_llm.errors import InputError
from qaz_llm.model.export import export_model
from qaz_llm.model.load import check_weights, load_config_of, load_model
from qaz_llm.model.stored import match_names
from qaz_llm.tokenizer.base import train_base_tokenizer

State = dict[str, torch.Tensor]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A tiny Llama's folder, its weights and config changed."""

    def write(change: Callable[[State], State] = dict, *, tied: bool = False, **config: Any) -> Path:
        make_model(tied=tied, num_layers=2).save_pretrained(tmp_path)
        path = tmp_path / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})
        values = json.loads((tmp_path / "config.json").read_text()) | config
        (tmp_path / "config.json").write_text(json.dumps(values))
        return tmp_path

    return write


def renamed(rule: Callable[[str], str]) -> Callable[[State], State]:
    return lambda state: {rule(key): tensor for key, tensor in state.items()}


def without(part: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if part not in key}


RENAMED = {
    "compiled": lambda key: f"_orig_mod.{key}",
    "parallel": lambda key: f"module.{key}",
    "both": lambda key: f"module._orig_mod.{key}",
    "peft": lambda key: f"base_model.model.{key}",
    "compiled block by block": lambda key: key.replace("layers.0.", "layers.0._orig_mod.").replace(
        "layers.1.", "layers.1._orig_mod."
    ),
    "sharded": lambda key: key.replace(".mlp.", "._fsdp_wrapped_module.mlp."),
    "inside another": lambda key: key.replace("model.", "model.language_model."),
    "an old wrapper": lambda key: f"language_model.{key}",
    "decoder": lambda key: key.replace("model.", "transformer.decoder."),
}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", RENAMED)
def test_names_of_a_wrapper_are_refused_and_can_be_written_anew(
    kind: str, tied: bool, written: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = written(renamed(RENAMED[kind]), tied=tied)
    with pytest.raises(InputError, match=r"weights are missing under their names: .*\n.*--rename-weights"):
        load_model(folder)
    train_base_tokenizer(["сәлем"], vocab_size=260).save_pretrained(folder)
    out = export_model(folder, tmp_path_factory.mktemp("out") / "model", rename_weights=True)
    original = make_model(tied=tied, num_layers=2).state_dict()
    for name, tensor in load_model(out).state_dict().items():
        assert torch.equal(tensor, original[name]), name


@pytest.mark.parametrize("rename", [True, False])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without("layers.1.mlp"), "model.layers.1.mlp.down_proj.weight"),
        (without("lm_head"), "lm_head.weight"),
        (without("model.norm"), "model.norm.weight"),
        # two answers: which of them is the model?
        (lambda s: {f"{p}.{k}": t.clone() for k, t in s.items() for p in ("module", "ema")}, "lm_head.weight"),
        # one of them was renamed, another is missing
        (lambda s: {f"module.{k}": t for k, t in s.items() if "norm" not in k}, "model.norm.weight"),
        (lambda s: {f"model.{i}.w": t for i, t in enumerate(s.values())}, "lm_head.weight"),
        (lambda s: {}, "lm_head.weight"),
    ],
)
def test_weights_that_are_missing_are_named(
    change: Callable[[State], State], named: str, rename: bool, written: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=r"of the model's weights are not in (model|its files)") as caught:
        load_model(written(change), rename_weights=rename)
    assert named in str(caught.value) and caught.value.exit_code == 2


def test_the_missing_head_of_tied_tables_is_no_fault(written: Callable[..., Path]) -> None:
    folder = written(tied=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    model = load_model(folder)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_head_of_its_own_where_the_config_ties_is_kept_and_named(
    written: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tie_word_embeddings=True)
    with caplog.at_level(logging.WARNING, logger="qaz"):
        model = load_model(folder)
    assert "an output table of its own that differs" in caplog.text
    assert torch.equal(model.lm_head.weight, make_model(tied=False, num_layers=2).lm_head.weight)
    assert model.config.tie_word_embeddings is False


def test_what_the_model_has_no_place_for_is_named(
    written: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(num_hidden_layers=1)
    with caplog.at_level(logging.WARNING, logger="qaz"):
        load_model(folder)
    assert "9 weights that the model has no place for are left out: model.layers.1." in caplog.text


def test_another_shape_is_refused(written: Callable[..., Path]) -> None:
    with pytest.raises(
        InputError, match=r"another shape .* model.layers.0.mlp.down_proj.weight: \[16, 32\] in the file"
    ):
        load_model(written(intermediate_size=64))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq, 4 bits"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes, 4 bits"),
        ({"quant_method": "awq", "bits": 4}, "awq, 4 bits"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed-tensors"),
        ({"quant_algo": "NVFP4"}, "an unknown method"),
    ],
)
def test_quantised_by_its_config(settings: dict[str, Any], said: str, written: Callable[..., Path]) -> None:
    folder = written(quantization_config=settings)
    for load in (load_model, lambda f: load_config_of(str(f))):
        with pytest.raises(InputError, match=rf"quantised weights \(config.json, quantization_config: {said}\)"):
            load(folder)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.uint8])
def test_quantised_by_the_types_in_its_file(dtype: torch.dtype, written: Callable[..., Path]) -> None:
    """Transformers would cast 8 bit numbers to floats and leave their scales out."""

    def change(state: State) -> State:
        key = "model.layers.0.mlp.up_proj.weight"
        return state | {key: state[key].to(dtype), f"{key}_scale_inv": torch.ones(1)}

    with pytest.raises(InputError, match=r"quantised weights, though .*layers.0.mlp.up_proj.weight"):
        load_model(written(change))


def test_gguf_is_no_model_to_train(tmp_path: Path) -> None:
    (tmp_path / "llama-q4.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"config.json is missing(.|\n)*GGUF is quantised"):
        load_model(tmp_path)


def test_what_does_not_go_on_with_a_text_is_refused(tmp_path: Path, written: Callable[..., Path]) -> None:
    folder = written()
    T5Config(d_model=16).save_pretrained(folder)
    with pytest.raises(InputError, match="a t5 model, which is no causal language model"):
        load_model(folder)
    BertConfig(hidden_size=16, num_attention_heads=2).save_pretrained(folder)
    with pytest.raises(InputError, match="a bert model, which reads both ways"):
        load_model(folder)


def test_the_text_model_inside_a_multimodal_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 8,
            "num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": 8}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 28, "patch_size": 14}  # fmt: skip
    whole = Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4))
    whole.save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, logger="qaz"):
        model = load_model(tmp_path)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        expected = whole.eval()(input_ids=ids).logits
        torch.testing.assert_close(model(input_ids=ids).logits, expected)
    assert model.config.model_type == "gemma3_text" and load_config_of(str(tmp_path)).hidden_size == 16
    assert "its text model alone is used" in caplog.text
    assert "other parts of gemma3 than its text model are left out: multi_modal_projector." in caplog.text


def test_names_are_matched_only_where_there_is_one_way() -> None:
    assert match_names(["a.x", "a.y"], ["b.x", "b.y"]) == {"a.x": "b.x", "a.y": "b.y"}
    assert match_names(["a.x", "a.y"], ["b.x", "c.y"]) is None
    assert match_names(["a.x"], ["b.x", "c.x"]) is None
    assert match_names(["a.x"], ["b.x", "b.z"]) is None
    assert match_names(["a.x"], ["b.x", "b.z"], leftover=True) == {"a.x": "b.x"}
    assert match_names(["a.x"], ["module.a.x", "a._orig_mod.x"]) is None
    assert match_names(["a.x"], []) is None


@pytest.mark.parametrize(
    ("state", "config", "said"),
    [
        (without("layers.0.mlp"), {}, "of the model's weights are not in"),
        (renamed(lambda key: f"module.{key}"), {}, "missing under their names"),
        (dict, {"hidden_size": 64}, "of another shape than config.json says"),
    ],
)
def test_names_and_shapes_are_checked_without_reading(
    written: Callable[..., Path], state: Callable[[State], State], config: dict[str, Any], said: str
) -> None:
    """The same words as from loading it, which is the oracle."""
    folder = written(state, **config)
    with pytest.raises(InputError, match=said) as early:
        check_weights(str(folder))
    with pytest.raises(InputError) as late:
        load_model(folder)
    assert early.value.message == late.value.message


def test_a_whole_checkpoint_passes_the_early_check(written: Callable[..., Path]) -> None:
    for tied in (True, False):
        check_weights(str(written(tied=tied)))
    check_weights("someone/of-the-hub")  # looked at when it is fetched


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(written: Callable[..., Path], odd: float) -> None:
    def spoil(state: State) -> State:
        state["model.norm.weight"][3] = odd
        return state

    with pytest.raises(InputError, match=r"NaN or infinity in 1 of its weights: model\.norm\.weight"):
        load_model(written(spoil))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("pytorch_model.bin", "pickles"), ("m.gguf", "GGUF"), ("model-00001-of-00002.safetensors", "index")],
)
def test_a_folder_with_other_weights_says_what_it_holds(written: Callable[..., Path], name: str, hint: str) -> None:
    folder = written()
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(InputError, match=f"the weights are missing.*it holds {name}") as error:
        load_model(folder)
    assert hint in str(error.value.hint)


def test_of_two_sets_of_weights_it_is_said_which_is_read(
    written: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = written()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {}}))
    with caplog.at_level(logging.WARNING, logger="qaz_llm"):
        load_model(folder)
    assert "model.safetensors is read, the shards are not" in caplog.text
