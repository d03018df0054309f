"""What other programs read in an exported folder: where to stop, rope in old and new words, permissions, the card."""

import json
import os
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoTokenizer, GenerationConfig
from transformers.models.gemma3 import Gemma3ForCausalLM, Gemma3TextConfig
from transformers.models.llama import LlamaConfig, LlamaForCausalLM
from transformers.models.phi3 import Phi3Config
from transformers.models.qwen3_moe import Qwen3MoeConfig

from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl, write_json
from qaz_llm.model.adapters import add_lora, save_adapter
from qaz_llm.model.card import licence_of, model_card
from qaz_llm.model.compat import write_old_words
from qaz_llm.model.export import ADAPTER_FACTS, export_model, write_model
from qaz_llm.model.load import load_model
from qaz_llm.tokenizer.base import train_base_tokenizer

SHAPE = {
    "vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
LLAMA_3_1 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    return train_base_tokenizer(texts, vocab_size=400)


def make(**values) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**(SHAPE | values)))


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


# ------------------------------------------------------------------------------------------------------- generation


def test_what_the_base_says_of_generation_is_kept_and_extended(tokenizer, tmp_path: Path) -> None:
    model = make()
    model.generation_config = GenerationConfig(eos_token_id=[7, 1], do_sample=True, temperature=0.6, top_p=0.9)
    write_model(model, tokenizer, tmp_path / "m", facts={}, end_of_turn=5)
    found = read(tmp_path / "m", "generation_config.json")
    assert found["eos_token_id"] == [7, 1, 5]
    assert (found["do_sample"], found["temperature"], found["top_p"]) == (True, 0.6, 0.9)
    again = export_model(tmp_path / "m", tmp_path / "again")
    assert read(again, "generation_config.json")["eos_token_id"] == [7, 1, 5]


def test_settings_that_contradict_each_other_can_be_saved(tokenizer, tmp_path: Path, caplog) -> None:
    model = make()
    model.generation_config = GenerationConfig(eos_token_id=1, do_sample=False)
    model.generation_config.temperature = 0.6
    write_model(model, tokenizer, tmp_path / "m", facts={})
    found = read(tmp_path / "m", "generation_config.json")
    assert "temperature" not in found and found["do_sample"] is False
    assert "temperature" in caplog.text


def test_stop_tokens_of_the_config_count_and_those_without_a_row_are_named(tokenizer, tmp_path: Path, caplog) -> None:
    model = make(eos_token_id=[1, 9, 4000])
    write_model(model, tokenizer, tmp_path / "m", facts={})
    assert set(read(tmp_path / "m", "generation_config.json")["eos_token_id"]) == {1, 9}
    assert "4000" in caplog.text


def test_an_adapter_says_where_to_stop(tokenizer, tmp_path: Path) -> None:
    """The base knows one stop token, training added one: the merged model stops at both."""
    write_model(make(), tokenizer, tmp_path / "base", facts={})
    adapter = tmp_path / "adapter"
    save_adapter(
        add_lora(load_model(tmp_path / "base"), r=2, alpha=4.0, dropout=0.0, target_modules=("q_proj",)), adapter
    )
    tokenizer.save_pretrained(adapter)
    write_json(adapter / ADAPTER_FACTS, {"base": str(tmp_path / "base")})
    GenerationConfig(eos_token_id=[1, 6]).save_pretrained(adapter)
    out = export_model(adapter, tmp_path / "out")
    assert read(out, "generation_config.json")["eos_token_id"] == [1, 6]


# ---------------------------------------------------------------------------------------------- old words beside new


def write_config(config, folder: Path) -> dict:
    config.save_pretrained(folder)
    write_old_words(folder, config)
    values = read(folder, "config.json")
    again = type(config).from_dict(deepcopy(values))
    same = {key: value for key, value in again.rope_parameters.items() if key != "type"}  # an old word for rope_type
    assert same == config.rope_parameters  # transformers 5 reads what it did
    return values


def test_a_scaled_rope(tmp_path: Path) -> None:
    found = write_config(LlamaConfig(**SHAPE, rope_parameters=dict(LLAMA_3_1)), tmp_path)
    assert found["rope_theta"] == 500000.0
    assert found["rope_scaling"] == {k: v for k, v in LLAMA_3_1.items() if k != "rope_theta"}


def test_a_rope_without_scaling(tmp_path: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 1e6}
    found = write_config(LlamaConfig(**SHAPE, rope_parameters=rope), tmp_path)
    assert (found["rope_theta"], found["rope_scaling"]) == (1e6, None)


def test_ropes_by_kind_of_layer(tmp_path: Path) -> None:
    """Gemma 3 in the words of transformers 4: global base and scaling, and `rope_local_base_freq`."""
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5e3},
    }
    found = write_config(Gemma3TextConfig(**SHAPE, head_dim=16, rope_parameters=rope), tmp_path)
    assert (found["rope_theta"], found["rope_local_base_freq"]) == (1e6, 5e3)
    assert found["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}


def test_a_long_rope_of_phi(tmp_path: Path) -> None:
    """Transformers 4 takes exactly three keys there."""
    rope = {"rope_type": "longrope", "rope_theta": 2e4, "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    config = Phi3Config(**SHAPE, pad_token_id=2, original_max_position_embeddings=64, rope_parameters=rope)
    found = write_config(config, tmp_path)
    assert found["rope_theta"] == 2e4
    assert found["rope_scaling"] == {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}


def test_a_name_that_transformers_5_has_changed(tmp_path: Path) -> None:
    config = Qwen3MoeConfig(**SHAPE, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
    found = write_config(config, tmp_path)
    assert found["num_experts"] == 4  # transformers 4 knows no num_local_experts and would take 128


def test_precision_and_tokenizer_in_old_words(tokenizer, tmp_path: Path) -> None:
    tokenizer = deepcopy(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    folder = tmp_path / "m"
    write_model(make().to(torch.bfloat16), tokenizer, folder, facts={})
    config, settings = read(folder, "config.json"), read(folder, "tokenizer_config.json")
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["additional_special_tokens"] == ["<|im_end|>"] and "extra_special_tokens" not in settings
    again = AutoTokenizer.from_pretrained(folder)
    text = "Қазақстан — мемлекет. <|im_end|>"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.all_special_ids == tokenizer.all_special_ids


@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o022, 0o644), (0o002, 0o664)])
def test_files_have_the_permissions_that_the_umask_asks_for(tokenizer, tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_model(make(), tokenizer, tmp_path / "m", facts={})
    finally:
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "m").iterdir()} == {
        path.name: oct(mode) for path in (tmp_path / "m").iterdir()
    }


# -------------------------------------------------------------------------------------------------------------- card


FACTS = {
    "base_model": "org/base-1b",
    "base_licence": "Apache-2.0",
    "languages": ["kk", "ru"],
    "datasets": [
        {"name": "wiki", "language": "kk", "licences": ["CC-BY-SA-4.0"], "share_frac": 0.75},
        {"name": "news", "language": "ru", "licences": ["CC-BY-4.0"], "share_frac": 0.25},
    ],
    "steps": 100,
    "evaluation": {"bits per byte, kk": "1.200 at step 100"},
}


def test_a_card_says_what_is_known() -> None:
    card = model_card(make(), FACTS)
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"] == "cc-by-sa-4.0"  # the strictest of the three
    assert header["base_model"] == "org/base-1b"
    assert (header["language"], header["datasets"]) == (["kk", "ru"], ["news", "wiki"])
    for line in (
        "- wiki: 75.0% of the tokens, kk, CC-BY-SA-4.0",
        "- steps: 100",
        "- bits per byte, kk: 1.200 at step 100",
    ):
        assert line in card


@pytest.mark.parametrize(
    ("change", "licence"),
    [
        ({"base_licence": "LicenseRef-unknown"}, "LicenseRef-unknown"),
        ({"datasets": [{"name": "x", "licences": []}]}, "LicenseRef-unknown"),
        ({"datasets": []}, "Apache-2.0"),
        ({"datasets": [{"name": "x", "licences": ["CC-BY-NC-4.0", "MIT"]}]}, "CC-BY-NC-4.0"),
        ({"base_model": "fresh weights", "base_licence": "CC0-1.0", "datasets": []}, "CC0-1.0"),
    ],
)
def test_the_licence_is_the_strictest_or_unknown(change: dict, licence: str) -> None:
    assert licence_of(FACTS | change) == licence


def test_facts_outlive_exports_and_paths_do_not(tokenizer, tmp_path: Path) -> None:
    facts = FACTS | {"base_model": str(tmp_path / "secret" / "base"), "config": "/home/someone/x.yaml"}
    write_model(make(), tokenizer, tmp_path / "m", facts=facts)
    out = export_model(tmp_path / "m", tmp_path / "out")
    for folder in (tmp_path / "m", out):
        card = (folder / "README.md").read_text()
        assert "base_model: base" in card and "- steps: 100" in card
        for path in folder.glob("*.[jm]*"):
            if path.suffix in (".json", ".md"):
                assert str(tmp_path) not in path.read_text() and "/home/" not in path.read_text(), path


def test_a_base_with_a_card_of_its_own(tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "SmolLM"
    make().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: en\n---\n# SmolLM\n")
    card = (export_model(folder, tmp_path / "out") / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1]) | {"tags": []} == {
        "license": "apache-2.0", "library_name": "transformers", "pipeline_tag": "text-generation",
        "base_model": "SmolLM", "tags": [],
    }  # fmt: skip
    assert "trained further" not in card


# --------------------------------------------------------------------------------------------------------------- runs


def test_a_run_is_named_in_place_of_its_model(tokenizer, tmp_path: Path) -> None:
    write_model(make(), tokenizer, tmp_path / "run/model", facts={})
    assert (export_model(tmp_path / "run", tmp_path / "out") / "model.safetensors").is_file()
    write_model(make(), tokenizer, tmp_path / "job/cpt/model", facts={})
    with pytest.raises(InputError, match=r"of which cpt have a model\n  → name one: qaz export .*job/cpt OUT"):
        export_model(tmp_path / "job", tmp_path / "out2")
    (tmp_path / "begun/checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="no model yet"):
        export_model(tmp_path / "begun", tmp_path / "out2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="it holds nothing"):
        export_model(tmp_path / "empty", tmp_path / "out2")


def test_gemma_3_is_the_same_after_export(tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5e3},
    }
    model = Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, head_dim=16, sliding_window=8, rope_parameters=rope)).eval()
    write_model(model, tokenizer, tmp_path / "m", facts={})
    ids = torch.arange(5, 65)[None]
    with torch.no_grad():
        torch.testing.assert_close(load_model(tmp_path / "m")(ids).logits, model(ids).logits)
