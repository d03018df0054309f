"""A grown vocabulary is the same wherever a model is trained: in one process, sharded by ZeRO-3, as an adapter, exported.

Run by torchrun, this file is the worker of `test_a_model_that_is_sharded_already_gets_the_same_rows`.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import losses, make_base, run_here, run_launched, weights

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.embeddings import count_rows, resize_embeddings
from qaz_llm.model.export import export_model
from qaz_llm.model.load import load_model
from qaz_llm.model.vocabulary import fit_vocabulary
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer

# shape legend: V rows of the vocabulary, D hidden size
ZERO_3 = Path(__file__).parents[2] / "configs/deepspeed/zero3.json"
BASE_VOCAB, NEW_TOKENS, MULTIPLE = 600, 30, 64
TABLES = ("model.embed_tokens.weight", "lm_head.weight")
KINDS = ("appended", "swapped", "padded")


@pytest.fixture(scope="module")
def extensions(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tokenizers with new tokens: after the old ones; also a padded table; in the place of old ones."""
    base = load_fast_tokenizer(str(base_model))
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    appended = extend_tokenizer(base, texts, num_new_tokens=NEW_TOKENS)
    similar = {new: ((new - 500, 0.75), (new - 450, 0.25)) for new in appended.new_ids}
    appended = dataclasses.replace(appended, similar=similar)
    padded = dataclasses.replace(appended, pad_to_multiple_of=MULTIPLE)
    # By hand: what Russian text uses most now means something else. Bad for Russian, and good for a test: it is trained.
    ids = [index for row in read_jsonl(embedded_path("documents_ru.jsonl")) for index in base(row["text"])["input_ids"]]
    often = sorted(set(ids), key=lambda index: (-ids.count(index), index))[:5]
    others = [index for index in range(300, BASE_VOCAB) if index not in often]
    swapped = ExtendedTokenizer(
        base,
        BASE_VOCAB,
        {index: tuple(others[3 * n : 3 * n + 3]) for n, index in enumerate(often)},
        {index: ((others[n], 0.75), (others[n + 20], 0.25)) for n, index in enumerate(often)},
    )
    folder = tmp_path_factory.mktemp("extensions")
    for kind, extended in zip(KINDS, (appended, swapped, padded), strict=True):
        extended.save(folder / kind)
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture
def make_values(settings: Any, base_model: Path, untied_model: Path, extensions: dict[str, Path]) -> Any:
    """Values of a run on text that uses the new tokens."""

    def make(name: str, *, tied: bool, kind: str = "appended", init: str = "mean", **values: Any) -> dict[str, Any]:
        base = base_model if tied else untied_model
        model = {"checkpoint": str(base), "tokenizer": str(extensions[kind]), "embedding_init": init}
        model["new_rows"] = (
            "make"  # the tokenizer swapped by hand spells its tokens as the base does, so it cannot tell
        )
        text = "ru" if kind == "swapped" else "kk_a"
        data = {"mix": [{"name": "text", "path": f"embedded:documents_{text}.jsonl"}]}
        common = {"method": "cpt", "model": model, "data": data, "seq_len": 64, "max_steps": 3, "seed": 5}
        return settings(name, **common, **values)

    return make


def grown(base: Path, extension: Path, init: str = "mean") -> Any:
    """The base with rows for the new tokens, made here."""
    model, extended = load_model(base, dtype="float32"), ExtendedTokenizer.load(extension)
    fit_vocabulary(model, extended.tokenizer, extended, init=init, seed=5, new_rows="make")  # type: ignore[arg-type]
    return model


def tables(model: Any) -> list[torch.Tensor]:
    return [model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()]


# ------------------------------------------------------------------------------------------------------------------ export


@pytest.mark.parametrize("treatment", ["trainable_token_indices", "frozen"])
@pytest.mark.parametrize(
    ("kind", "init", "tied"),
    [
        ("appended", "mean", True),
        ("appended", "random", False),
        ("swapped", "similar", False),
        ("swapped", "random", True),
        ("padded", "weighted_mean", False),
        ("padded", "similar", True),
    ],
)
def test_an_exported_adapter_is_the_model_that_was_in_memory(
    make_values: Any, extensions: dict[str, Path], tmp_path: Path, kind: str, init: str, tied: bool, treatment: str
) -> None:
    """The base gets its new rows a second time, from what stands beside the adapter."""
    extended = ExtendedTokenizer.load(extensions[kind])
    new_ids = list(extended.new_ids)
    ids = torch.tensor([[*new_ids[:6], 10, 20, *new_ids[-6:]]])
    seen: dict[str, torch.Tensor] = {}

    def look(model: Any, _tokenizer: Any, _step: int) -> dict[str, float]:
        with torch.no_grad():
            seen["logits"] = model(input_ids=ids).logits.clone()
        return {}

    adapter = {"type": "lora", "r": 4, "new_embeddings": treatment}
    values = make_values("run", tied=tied, kind=kind, init=init, adapter=adapter, eval_every_steps=3)
    result = run_here(values, on_eval=look)
    again = export_model(result.model_dir.parent / "adapter", tmp_path / "again")
    for folder in (result.model_dir, again):
        model = load_model(folder)
        with torch.no_grad():
            torch.testing.assert_close(model(input_ids=ids).logits, seen["logits"], atol=1e-5, rtol=1e-5)
        assert (tables(model)[0].data_ptr() == tables(model)[1].data_ptr()) == tied
        reference = grown(Path(values["model"]["checkpoint"]), extensions[kind], init)
        for found_VD, made_VD in zip(tables(model), tables(reference), strict=True):
            assert len(found_VD) == {"appended": 630, "swapped": 600, "padded": 640}[kind]
            untouched = [index for index in range(len(found_VD)) if index not in new_ids or treatment == "frozen"]
            assert torch.equal(found_VD[untouched], made_VD[untouched])
            assert torch.equal(found_VD[new_ids], made_VD[new_ids]) == (treatment == "frozen")
        assert fit_vocabulary(model, extended.tokenizer, extended, init="mean", seed=0) is None  # made once


# ------------------------------------------------------------------------------------------------------------------ resume


@pytest.mark.parametrize("tied", [True, False])
def test_whole_tables_go_on_from_a_checkpoint(make_values: Any, tied: bool) -> None:
    """Stopped after two steps and prolonged to four, or four in one go: the same losses and weights."""
    adapter = {"type": "lora", "r": 4, "new_embeddings": "modules_to_save"}
    common = {"tied": tied, "adapter": adapter, "schedule": "constant", "checkpoint_every_steps": 2}
    whole, parted = make_values("whole", **common) | {"max_steps": 4}, make_values("parted", **common)
    run_here(whole)
    run_here(parted | {"max_steps": 2})
    assert run_here(parted | {"max_steps": 4}).status == "resumed"
    assert losses(parted) == losses(whole)
    reference, found = (weights(Path(values["run_dir"]) / "model") for values in (whole, parted))
    assert reference.keys() == found.keys()
    for name, tensor in reference.items():
        assert torch.equal(found[name], tensor), name


# ------------------------------------------------------------------------------------------------------------------ ZeRO-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("treatment", "tied", "kind"),
    [
        ("trainable_token_indices", True, "padded"),
        pytest.param("trainable_token_indices", False, "swapped", marks=pytest.mark.thorough),
        pytest.param("modules_to_save", True, "appended", marks=pytest.mark.thorough),
        ("modules_to_save", False, "swapped"),
        pytest.param("frozen", True, "swapped", marks=pytest.mark.thorough),
        pytest.param("frozen", False, "padded", marks=pytest.mark.thorough),
    ],
)
def test_an_adapter_under_zero_3_learns_what_it_learns_in_one_process(
    make_values: Any, extensions: dict[str, Path], treatment: str, tied: bool, kind: str
) -> None:
    common = {"tied": tied, "kind": kind, "adapter": {"type": "lora", "r": 4, "new_embeddings": treatment}}
    plain = make_values("plain", micro_batch_size=4, **common)
    sharded = make_values("sharded", micro_batch_size=2, distributed={"deepspeed": str(ZERO_3)}, **common)
    run_here(plain)
    run_launched(sharded, processes=2)
    assert losses(sharded) == pytest.approx(losses(plain), abs=5e-5)
    alone, together = (weights(Path(values["run_dir"]) / "model") for values in (plain, sharded))
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, atol=5e-4, rtol=0, msg=name)
    new_ids = ExtendedTokenizer.load(extensions[kind]).new_ids
    reference = dict(zip(TABLES, tables(grown(Path(plain["model"]["checkpoint"]), extensions[kind])), strict=True))
    for name in TABLES[: 1 if tied else 2]:
        table_VD, made_VD = together[name], reference[name]
        if treatment == "modules_to_save":
            assert not torch.equal(table_VD, made_VD)
            continue
        kept = [index for index in range(len(table_VD)) if index not in new_ids]
        assert torch.equal(table_VD[kept], made_VD[kept])
        assert torch.equal(table_VD[list(new_ids)], made_VD[list(new_ids)]) == (treatment == "frozen")
    adapters = [Path(values["run_dir"]) / "adapter" / "adapter_model.safetensors" for values in (plain, sharded)]
    assert adapters[0].stat().st_size == adapters[1].stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tied", "kind"), [pytest.param(True, "padded", marks=pytest.mark.thorough), (False, "appended")]
)
def test_full_training_under_zero_3_starts_with_the_rows_made_before(
    make_values: Any, extensions: dict[str, Path], tied: bool, kind: str
) -> None:
    """At a learning rate below the smallest float32, what is saved is bit for bit what was made, tables and all."""
    config = {"deepspeed": str(ZERO_3)}
    values = make_values("run", tied=tied, kind=kind, init="random", lr=1e-60, distributed=config, micro_batch_size=2)
    run_launched(values, processes=2)
    saved = load_model(Path(values["run_dir"]) / "model")
    reference = grown(Path(values["model"]["checkpoint"]), extensions[kind], "random")
    assert (tables(saved)[0].data_ptr() == tables(saved)[1].data_ptr()) == tied
    for name, tensor in reference.state_dict().items():
        assert torch.equal(saved.state_dict()[name], tensor), name


@pytest.mark.slow
def test_new_rows_under_zero_3_go_on_from_a_checkpoint(make_values: Any) -> None:
    adapter = {"type": "lora", "r": 4, "new_embeddings": "trainable_token_indices"}
    common = {"tied": True, "adapter": adapter, "schedule": "constant", "checkpoint_every_steps": 2}
    common |= {"distributed": {"deepspeed": str(ZERO_3)}, "micro_batch_size": 2}
    whole, parted = make_values("whole", **common) | {"max_steps": 4}, make_values("parted", **common)
    run_launched(whole, processes=2)
    run_launched(parted | {"max_steps": 2}, processes=2)
    run_launched(parted | {"max_steps": 4}, processes=2)
    assert losses(parted) == pytest.approx(losses(whole), abs=1e-6)
    reference, found = (weights(Path(values["run_dir"]) / "model") for values in (whole, parted))
    for name, tensor in reference.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0, msg=name)


# ------------------------------------------------------------------------------------------------------ sharded before


IDS = [[5, 6, 7, 301, 302, 303, 304, 8, 9]]
LEARNING_RATE = 0.02


def one_step(model: Any) -> float:
    """Plain PyTorch: a step against the gradient, which Adam would blow up to one size where it is next to nothing."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    ids = torch.tensor(IDS)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_a_model_that_is_sharded_already_gets_the_same_rows(
    extensions: dict[str, Path], tmp_path: Path, tied: bool
) -> None:
    """Loaded under transformers' DeepSpeed config or under `deepspeed.zero.Init`: the same rows on every rank, and it trains."""
    base = make_base(tmp_path / "base", tied=tied)
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    done = subprocess.run(
        [*command, str(base), str(extensions["appended"].parent), str(tmp_path)],
        env=environment | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    for kind in KINDS:
        model = load_model(base, dtype="float32")
        resize_embeddings(model, ExtendedTokenizer.load(extensions[kind]), init="mean", seed=5)
        made = {name: tensor.clone() for name, tensor in model.named_parameters()}
        loss = one_step(model.train())
        stepped = dict(model.named_parameters())
        for way in ("config", "init"):
            for rank in (0, 1):
                found = torch.load(tmp_path / f"{kind}-{way}-{rank}.pt")
                assert found["tied"] == tied and found["rows"] == (BASE_VOCAB, len(made[TABLES[0]]))
                assert found["made"].keys() == made.keys()
                for name, tensor in made.items():
                    assert torch.equal(found["made"][name], tensor), (kind, way, rank, name)
                assert found["loss"] == pytest.approx(loss, abs=1e-5)
                for name, tensor in stepped.items():
                    torch.testing.assert_close(found["stepped"][name], tensor, atol=2e-4, rtol=0, msg=name)
                assert not torch.equal(found["stepped"][TABLES[0]], made[TABLES[0]])


def _worker(base: Path, extensions: Path, out: Path) -> None:
    """One rank: a model sharded from the first, grown, compared by the parent, trained for a step."""
    import deepspeed
    from transformers import AutoModelForCausalLM
    from transformers.integrations import HfDeepSpeedConfig

    from qaz_llm.train.start.libraries import skip_slow_builds

    skip_slow_builds()
    deepspeed.init_distributed("gloo", verbose=False)
    rank = int(os.environ["RANK"])
    settings = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_clipping": 0.0,
        "zero_optimization": {"stage": 3},
        "zero_allow_untested_optimizer": True,
    }

    def gathered(model: Any) -> dict[str, torch.Tensor]:
        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    for kind in KINDS:
        for way in ("config", "init"):
            kept = None
            if way == "config":
                kept = HfDeepSpeedConfig(settings)
                model = AutoModelForCausalLM.from_pretrained(base)
            else:
                model = load_model(base)
                deepspeed.zero.Init(module=model, config_dict_or_path=settings)
            assert model.get_input_embeddings().weight.numel() == 0  # sharded indeed
            before = count_rows(model)
            resize_embeddings(model, ExtendedTokenizer.load(extensions / kind), init="mean", seed=5)
            tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
            found = {"rows": (before, count_rows(model)), "tied": tied, "made": gathered(model)}
            engine, *_others = deepspeed.initialize(
                model=model.train(), config=settings, optimizer=torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
            )
            ids = torch.tensor(IDS)
            loss = engine(input_ids=ids, labels=ids).loss
            engine.backward(loss)
            engine.step()
            assert count_rows(model) == found["rows"][1]  # also where the engine has sharded it again
            found |= {"loss": loss.item(), "stepped": gathered(model)}
            torch.save(found, out / f"{kind}-{way}-{rank}.pt")
            engine.destroy()
            del kept


if __name__ == "__main__":
    _worker(*map(Path, sys.argv[1:]))
