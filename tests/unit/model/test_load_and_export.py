"""Folders that are no model, parameters counted two ways, and what an exported folder holds."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from qaz_llm.errors import InputError, QazError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.adapters import add_lora, merge_adapter, save_adapter
from qaz_llm.model.architecture import count_active, llama_config, make_model, model_without_weights
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.export import export_model, write_model
from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.model.vocabulary import fit_vocabulary, has_mark
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer

SHAPE = ArchitectureConfig(hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, intermediate_size=48)
PROJECTIONS = ("q_proj", "v_proj")


@pytest.fixture(scope="module")
def tokenizer():
    return train_base_tokenizer(
        [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))], vocab_size=400
    )


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("m") / "model"
    model = make_model(SHAPE, tokenizer, seed=0, attn_implementation="sdpa")
    write_model(model, tokenizer, out, facts={"steps": 1}, end_of_turn=4)
    return out


def by_hand(shape: ArchitectureConfig, vocab: int) -> int:
    h, inner, head = shape.hidden_size, shape.intermediate_size, shape.hidden_size // shape.num_heads
    kv = head * (shape.num_kv_heads or shape.num_heads)
    layer = h * h + 2 * h * kv + h * h + 3 * h * inner + 2 * h
    return vocab * h * (1 if shape.tie_embeddings else 2) + shape.num_layers * layer + h


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_by_hand(tied: bool) -> None:
    shape = SHAPE.model_copy(update={"tie_embeddings": tied})
    assert count_active(model_without_weights(llama_config(shape, vocab_size=400))) == by_hand(shape, 400)


def test_the_seed_decides_the_weights_and_leaves_the_generator_alone(tokenizer) -> None:
    state = torch.random.get_rng_state()
    a, b, c = (make_model(SHAPE, tokenizer, seed=s, attn_implementation="sdpa") for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.lm_head.weight, b.lm_head.weight) and not torch.equal(a.lm_head.weight, c.lm_head.weight)


def test_the_folder_is_what_transformers_reads(folder: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert isinstance(model, LlamaForCausalLM) and tokenizer.chat_template
    assert {"model.safetensors", "config.json", "tokenizer.json", "generation_config.json", "README.md"} <= {
        p.name for p in folder.iterdir()
    }
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [tokenizer.eos_token_id, 4]
    assert json.loads((folder / "config.json").read_text())["use_cache"] is True


def test_what_is_no_model_is_said(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_model("./nothing/here")
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(InputError, match=r"config.json is missing; it holds readme.txt"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match="the weights are missing"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="not a model that can be loaded"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="no such model on the hub or in its cache") as caught:
        load_model("nobody/nothing")
    assert "HF_HUB_OFFLINE" in str(caught.value)


def test_a_tokenizer_that_is_too_large_is_refused(folder: Path, tokenizer) -> None:
    larger = train_base_tokenizer(
        [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))], vocab_size=450
    )
    with pytest.raises(InputError, match="450 tokens, the model 400 embedding rows"):
        fit_vocabulary(load_model(folder), larger, None, init="mean", seed=0)


def test_new_rows_are_made_once(folder: Path, tokenizer, tmp_path: Path) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extended = extend_tokenizer(tokenizer, texts, num_new_tokens=20)
    model = load_model(folder)
    assert fit_vocabulary(model, extended.tokenizer, extended, init="mean", seed=0) == tuple(range(400, 420))
    with torch.no_grad():
        model.get_input_embeddings().weight[400:] = 7.0  # as if trained
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert fit_vocabulary(again, extended.tokenizer, extended, init="mean", seed=0) is None
    assert (again.get_input_embeddings().weight[400:] == 7.0).all()


def without_mark(folder: Path) -> None:
    """As a tool leaves it that writes only the keys of a config that it knows."""
    values = json.loads((folder / "config.json").read_text())
    del values["qaz_extension"]
    (folder / "config.json").write_text(json.dumps(values))


def grown_and_trained(folder: Path, out: Path, tokenizer, num_new_tokens: int = 20):
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extended = extend_tokenizer(tokenizer, texts, num_new_tokens=num_new_tokens)
    model = load_model(folder)
    fit_vocabulary(model, extended.tokenizer, extended, init="mean", seed=0)
    with torch.no_grad():
        model.get_input_embeddings().weight[400:] = 7.0  # as if trained
    model.save_pretrained(out)
    without_mark(out)
    return extended


def test_trained_rows_are_kept_where_the_mark_is_lost(folder: Path, tokenizer, tmp_path: Path, caplog) -> None:
    """Told by the tokenizer beside the weights: the extended one knows all new tokens, the base's none."""
    extended = grown_and_trained(folder, tmp_path, tokenizer)
    extended.tokenizer.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    with caplog.at_level("INFO", logger="qaz"):
        assert fit_vocabulary(again, extended.tokenizer, extended, init="mean", seed=0) is None
    assert (again.get_input_embeddings().weight[400:] == 7.0).all() and has_mark(again.config, extended)
    assert "its tokenizer has the new tokens, so their rows are kept" in caplog.text


def test_padding_rows_are_made_into_rows(folder: Path, tokenizer, tmp_path: Path) -> None:
    extended = grown_and_trained(folder, tmp_path, tokenizer)
    tokenizer.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert fit_vocabulary(again, extended.tokenizer, extended, init="mean", seed=0) == extended.new_ids
    assert not (again.get_input_embeddings().weight[400:] == 7.0).any()


def test_rows_of_which_nothing_tells_whose_they_are_are_refused(folder: Path, tokenizer, tmp_path: Path) -> None:
    extended = grown_and_trained(folder, tmp_path, tokenizer)

    def fit(**asked) -> tuple[torch.Tensor, tuple[int, ...] | None]:
        model = load_model(tmp_path)
        made = fit_vocabulary(model, extended.tokenizer, extended, init="mean", seed=0, **asked)
        return model.get_input_embeddings().weight[400:], made

    with pytest.raises(InputError, match=r"420 embedding rows.* no tokenizer lies beside it(.|\n)*model.new_rows=keep"):
        fit()
    rows_ND, made = fit(new_rows="keep")
    assert (rows_ND == 7.0).all() and made is None
    rows_ND, made = fit(new_rows="make")
    assert not (rows_ND == 7.0).any() and made == extended.new_ids
    # another extension of the same base, which shares some of the tokens
    other = grown_and_trained(folder, tmp_path / "other", tokenizer, num_new_tokens=12)
    tokenizer_of_other = other.tokenizer
    tokenizer_of_other.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="the tokenizer beside it knows 12 of the 20 new tokens"):
        fit()


def test_rows_that_are_too_few_cannot_be_kept(folder: Path, tokenizer) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extended = extend_tokenizer(tokenizer, texts, num_new_tokens=20)
    with pytest.raises(InputError, match="420 tokens, the model 400 embedding rows"):
        fit_vocabulary(load_model(folder), extended.tokenizer, extended, init="mean", seed=0, new_rows="keep")


def test_rows_that_version_0_1_made_are_kept(folder: Path, tokenizer) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    extended = extend_tokenizer(tokenizer, texts, num_new_tokens=20)
    model = load_model(folder)
    model.resize_token_embeddings(420)
    model.config.qaz_vocab_size = 420  # as that version noted it
    before = model.get_input_embeddings().weight.clone()
    assert fit_vocabulary(model, extended.tokenizer, extended, init="mean", seed=0) is None
    assert torch.equal(model.get_input_embeddings().weight, before)
    more = extend_tokenizer(extended.tokenizer, texts, num_new_tokens=10)
    assert fit_vocabulary(model, more.tokenizer, more, init="mean", seed=0) == tuple(range(420, 430))


def test_merging_is_the_formula(folder: Path, tmp_path: Path) -> None:
    """W' = W + alpha / r · B A, computed here by hand from the adapter's file."""
    from safetensors.torch import load_file

    model = add_lora(load_model(folder), r=2, alpha=6.0, dropout=0.0, target_modules=PROJECTIONS)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    save_adapter(model, tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    prefix = "base_model.model.model.layers.1.self_attn.q_proj"
    change = 3.0 * saved[f"{prefix}.lora_B.weight"] @ saved[f"{prefix}.lora_A.weight"]
    base, merged = load_model(folder), merge_adapter(load_model(folder), tmp_path)
    wanted = base.model.layers[1].self_attn.q_proj.weight + change
    torch.testing.assert_close(merged.model.layers[1].self_attn.q_proj.weight, wanted)
    assert torch.equal(merged.model.layers[1].self_attn.k_proj.weight, base.model.layers[1].self_attn.k_proj.weight)


def test_an_adapter_for_another_model_is_refused(folder: Path, tokenizer, tmp_path: Path) -> None:
    other = make_model(SHAPE.model_copy(update={"hidden_size": 64}), tokenizer, seed=0, attn_implementation="sdpa")
    save_adapter(add_lora(other, r=2, alpha=4.0, dropout=0.0, target_modules=PROJECTIONS), tmp_path)
    with pytest.raises(InputError, match="does not fit this model"):
        merge_adapter(load_model(folder), tmp_path)
    with pytest.raises(InputError, match="no adapter"):
        merge_adapter(load_model(folder), folder)


def test_a_model_can_be_exported_in_another_precision(folder: Path, tmp_path: Path) -> None:
    out = export_model(folder, tmp_path / "half", dtype="bfloat16")
    assert load_model(out).dtype == torch.bfloat16
    with pytest.raises(InputError, match="no such folder"):
        export_model(tmp_path / "nothing", tmp_path / "x")


@pytest.mark.parametrize("text", ['{"eos_token_id": ', '{"eos_token_id": "</s>"}', '{"eos_token_id": [1, "x"]}'])
def test_broken_settings_of_generation_are_named(folder: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "generation_config.json").write_text(text)
    with pytest.raises(QazError, match=r"generation_config\.json: ") as error:
        export_model(tmp_path / "m", tmp_path / "out")
    assert error.value.exit_code == 2 and not (tmp_path / "out").exists()
