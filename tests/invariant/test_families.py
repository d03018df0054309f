"""Every family of docs/models.md walks the whole way: planned, grown, trained, merged, exported, read again, talked to.

`QAZ_WRITE_TABLE=1 pytest tests/invariant/test_families.py` writes the table of docs/models.md anew from what was seen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, SAME_LOGITS, Facts, Family, facts_of, save_family
from safetensors.torch import load_file
from small_runs import run_here

from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import config_from_values
from qaz_llm.model.chat import chat_session
from qaz_llm.model.export import export_model
from qaz_llm.model.load import load_model
from qaz_llm.tokenizer.fast import load_fast_tokenizer
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- table: written by tests/invariant/test_families.py -->", "<!-- end of table -->"
SHORT = {"SmolLM2", "Qwen3-MoE", "Gemma 2", "Gemma 3, multimodal"}
"""Families that walk the whole way in the quick run: plain, with experts, without sdpa, inside another model."""
WALKS = [
    name if name in SHORT else pytest.param(name, marks=(pytest.mark.slow, pytest.mark.thorough)) for name in FAMILIES
]
NEW_TOKENS = 50


@pytest.fixture(scope="session")
def tokenizer(base_model: Path) -> Any:
    return load_fast_tokenizer(str(base_model))


@pytest.fixture
def folder(request: pytest.FixtureRequest, tokenizer: Any, tmp_path: Path) -> Path:
    return save_family(FAMILIES[request.getfixturevalue("name")], tokenizer, tmp_path / "base")


def values_of(folder: Path, tokenizer: Path, run_dir: Path, **values: Any) -> dict[str, Any]:
    return {
        "run_dir": str(run_dir),
        "method": "cpt",
        "model": {"checkpoint": str(folder), "tokenizer": str(tokenizer)},
        "data": {"mix": [{"name": "kk", "path": "embedded:documents_kk_a.jsonl"}]},
        "seq_len": 64,
        "micro_batch_size": 2,
        "max_steps": 2,
        "lr": 1e-3,
        "eval_every_steps": 2,
        "checkpoint_every_steps": None,
        "gradient_checkpointing": True,
        "device": "cpu",
    } | values


def logits_of(model: Any) -> torch.Tensor:
    """Of a text with old and new tokens."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([[5, 600, 40, 649, 620, 7]]), use_cache=False).logits.clone()


def numbers_in(path: Path) -> int:
    return sum(tensor.numel() for tensor in load_file(path).values())


def walk(values: dict[str, Any]) -> Path:
    """Plan and train; the plan's counts are those of the files, and the model read again is the one in memory."""
    plan = make_plan(config_from_values(TrainConfig, values, where="test"), read_environment({}))
    seen = {}

    def look(model: Any, _tokenizer: Any, _step: int) -> dict[str, float]:
        seen["logits"] = logits_of(model)
        return {}

    result = run_here(values, on_eval=look)
    whole = numbers_in(result.model_dir / "model.safetensors")
    if values.get("adapter"):
        adapter = result.model_dir.parent / "adapter" / "adapter_model.safetensors"
        trained = numbers_in(adapter)
        # B starts at zero: one that is still zero stands beside a weight that the forward pass does not go through
        assert not [key for key, tensor in load_file(adapter).items() if ".lora_B." in key and not tensor.any()]
        assert (plan.trainable_parameters, plan.parameters) == (trained, whole + trained)
    else:
        assert plan.trainable_parameters == plan.parameters == whole
    torch.testing.assert_close(logits_of(load_model(result.model_dir)), seen["logits"], atol=SAME_LOGITS, rtol=1e-4)
    return result.model_dir


@pytest.mark.parametrize("name", WALKS)
def test_a_family_walks_the_whole_way(name: str, folder: Path, extended_tokenizer: Path, tmp_path: Path) -> None:
    start = load_model(folder, dtype="float32")
    packing = {"packing": "off" if FAMILIES[name].reads_rows_as_one else "on"}
    full = walk(values_of(folder, extended_tokenizer, tmp_path / "full", **packing))
    lora = walk(values_of(folder, extended_tokenizer, tmp_path / "lora", adapter={"type": "lora", "r": 2}, **packing))
    for trained in (full, lora):
        model = load_model(trained)
        assert type(model) is type(start) and model.config.tie_word_embeddings == FAMILIES[name].tied
        assert len(model.get_input_embeddings().weight) == 600 + NEW_TOKENS
        assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == FAMILIES[name].tied
    # under LoRA only adapters and new rows are trained
    assert torch.equal(load_model(lora).get_input_embeddings().weight[:600], start.get_input_embeddings().weight)
    out = export_model(full, tmp_path / "exported")
    assert torch.equal(logits_of(load_model(out)), logits_of(load_model(full)))
    assert isinstance(chat_session(str(out), max_new_tokens=3)("Сәлем!"), str)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_new_row_means_what_it_is_made_of_under_the_familys_scaling(
    name: str, folder: Path, extended_tokenizer: Path
) -> None:
    """Gemma multiplies what it looks up by √D: the vector of a new token is still the mean of those of its parts."""
    from qaz_llm.model.embeddings import resize_embeddings
    from qaz_llm.tokenizer.extension import ExtendedTokenizer

    extended = ExtendedTokenizer.load(extended_tokenizer)
    model = load_model(folder, dtype="float32")
    before = model.get_input_embeddings()(torch.arange(600)).detach()
    resize_embeddings(model, extended, init="mean")
    after = model.get_input_embeddings()(torch.arange(600 + NEW_TOKENS)).detach()
    assert torch.equal(after[:600], before)
    for new, old in extended.sub_tokens.items():
        torch.testing.assert_close(after[new], before[list(old)].mean(0))


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_new_row_is_read_like_its_pieces_in_every_family(name: str, folder: Path, extended_tokenizer: Path) -> None:
    """Whatever the family does to its rows before the first layer, and whatever its layers are."""
    from qaz_llm.model.embeddings import resize_embeddings
    from qaz_llm.model.fit_reading import fit_reading
    from qaz_llm.tokenizer.extension import ExtendedTokenizer

    extended = ExtendedTokenizer.load(extended_tokenizer)
    model = load_model(folder, dtype="float32")
    resize_embeddings(model, extended, init="mean")
    found = fit_reading(model, extended, [])
    assert found is not None and found.moved > 0.8 * found.rows
    assert found.after < 0.8 * found.before


@pytest.fixture(scope="session")
def all_facts(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    return {name: _facts(family, tokenizer, tmp_path_factory.mktemp("facts")) for name, family in FAMILIES.items()}


def _facts(family: Family, tokenizer: Any, folder: Path) -> Facts:
    save_family(family, tokenizer, folder)
    return facts_of(family, lambda attention: load_model(folder, dtype="float32", attn_implementation=attention))


def table(facts: dict[str, Facts]) -> str:
    rows = [
        "| family | model in transformers | attention | tables | separates packed documents | adapters of `auto` beside |",
        "|---|---|---|---|---|---|",
    ]
    for name, seen in facts.items():
        separates = ", ".join(f"{attention}: {'yes' if yes else '**no**'}" for attention, yes in seen.separates.items())
        tied = "tied" if seen.tied else "two"
        targets = " ".join(f"`{target}`" for target in seen.targets)
        rows.append(f"| {name} | `{seen.kind}` | {seen.attention} | {tied} | {separates} | {targets} |")
    return "\n".join(rows)


def test_the_table_is_what_is_seen(all_facts: dict[str, Facts]) -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    written, after = rest.split(END)
    made = f"\n\n{table(all_facts)}\n\n"
    if os.environ.get("QAZ_WRITE_TABLE"):
        PAGE.write_text(before + BEGIN + made + END + after, encoding="utf-8")
        return
    assert written == made, "write it again: QAZ_WRITE_TABLE=1 pytest tests/invariant/test_families.py"
