"""The probe finds what a model does to packed documents, and rows of one document are right for all of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from packed_families import MIXED, SEPARATED, VOCAB_SIZE, make_family
from small_runs import run_here

from qaz_llm.errors import ConfigError
from qaz_llm.model.export import write_model
from qaz_llm.model.load import load_tokenizer
from qaz_llm.records import IGNORE_INDEX, TokenizedExample
from qaz_llm.rows.dataset import PackedDataset
from qaz_llm.rows.packing import make_row, one_by_one
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.influence import foreign_gradient, foreign_influence
from qaz_llm.train.batches.packing_probe import probe, probe_tokens, refusal

TOKENS = np.random.default_rng(0).integers(5, VOCAB_SIZE, 400)
DOCUMENTS = [[5, 6, 7, 8, 9, 10], [11, 90], [12, 13, 14], [15, 16, 17, 18, 19, 20, 21, 22, 23]]


def as_dict(row) -> dict:
    return {"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}


@pytest.mark.parametrize("family", SEPARATED)
def test_families_that_keep_documents_apart_pass(family: str) -> None:
    model = make_family(family)
    for packs in (True, False):
        result = probe(model, Collator(packs=packs), TOKENS, num_rows=3)
        assert result.holds, result
        assert result.foreign_gradient == 0


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", MIXED)
def test_families_that_do_not_are_found_in_any_precision(family: str, precision: torch.dtype, scale: float) -> None:
    model = make_family(family, scale=scale).to(precision)
    assert not probe(model, Collator(), TOKENS, num_rows=3).holds
    assert probe(model, Collator(packs=False), TOKENS, num_rows=3).holds


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", [*MIXED, "llama", "gemma3"])
def test_other_tokens_tell_the_same_as_gradients(family: str, precision: torch.dtype) -> None:
    """The way for sharded models, which give no gradients."""
    model = make_family(family).to(precision)
    row = make_row([TokenizedExample(tuple(d), tuple(d)) for d in DOCUMENTS])
    for collator in (Collator(), Collator(packs=False)):
        batch = collator([as_dict(row)] * 2)
        bounds = (6, 8) if collator.packs else (0, 6)
        found = foreign_influence(model, batch, bounds), foreign_gradient(model, batch, bounds)
        assert (found[0] > 0.01) == (found[1] > 0) == (collator.packs and family in MIXED)
        assert found[0] == 0 or found[1] > 0


def test_a_sharded_model_is_probed_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, holds in (("llama", True), ("lfm2", False)):
        model = make_family(family)
        for number, parameter in enumerate(model.parameters()):
            parameter.ds_id = number
        assert probe(model, Collator(), TOKENS, num_rows=2).holds == holds


def test_a_refusal_names_what_was_tried_and_holds() -> None:
    model = make_family("lfm2")
    error = refusal(model, Collator(), TOKENS, probe(model, Collator(), TOKENS, num_rows=2), num_rows=2)
    assert error.exit_code == 2
    assert error.hint == "works here: packing=off (rows of one document each, padded)"
    assert model.config._attn_implementation == "sdpa"  # as before, though eager was tried


@pytest.mark.parametrize("family", [*MIXED, "llama", "gemma3"])
def test_rows_of_one_document_are_read_as_alone(family: str) -> None:
    """Batches of rows of one document, beside each document by itself: logits and labels, padded to any length."""
    model = make_family(family)
    rows = list(one_by_one([TokenizedExample(tuple(d), tuple(d)) for d in DOCUMENTS], seq_len=16, overflow="drop"))
    batch = Collator(pad_id=3, packs=False)([as_dict(row) for row in rows])
    assert batch["attention_mask"].sum(1).tolist() == [len(d) for d in DOCUMENTS]
    labels_BL = batch.pop("labels")
    with torch.no_grad():
        together_BLV = model(**batch).logits
        for row, document in enumerate(DOCUMENTS):
            alone_LV = model(input_ids=torch.tensor([document]), use_cache=False).logits[0]
            torch.testing.assert_close(together_BLV[row, : len(document)], alone_LV, atol=1e-4, rtol=1e-5)
            assert labels_BL[row].tolist()[: len(document)] == [IGNORE_INDEX, *document[1:]]
            assert set(labels_BL[row].tolist()[len(document) :]) <= {IGNORE_INDEX}


def test_a_long_text_takes_several_rows_and_a_padded_row_of_a_dataset_is_cut() -> None:
    text = TokenizedExample(tuple(range(10)), tuple(range(10)))
    rows = list(one_by_one([text, text], seq_len=8, overflow="split"))
    assert [len(row.input_ids) for row in rows] == [8, 2, 8, 2]
    assert [row.labels[0] for row in rows] == [IGNORE_INDEX] * 4
    padded = {"input_ids": [5, 6, 0, 0], "labels": [-100, 6, -100, -100], "position_ids": [0, 1, 0, 1]}
    batch = Collator(packs=False)([padded])
    assert batch["input_ids"].tolist() == [[5, 6]]


def test_the_gradient_of_one_document_ends_at_its_borders() -> None:
    """By brute force: change one token of another document, and look whether any logit of this one moves."""
    for family, leaks in (("llama", False), ("lfm2", True)):
        model = make_family(family)
        row = make_row([TokenizedExample(tuple(d), tuple(d)) for d in DOCUMENTS])
        batch = Collator()([as_dict(row)])
        other = {**batch, "input_ids": batch["input_ids"].clone()}
        other["input_ids"][0, 5] = 50  # the last token of the first document
        start, end = 6, 8
        with torch.no_grad():
            apart = [
                model(**{k: v for k, v in b.items() if k != "labels"}).logits[0, start:end] for b in (batch, other)
            ]
        assert (not torch.equal(*apart)) == leaks
        assert (foreign_gradient(model, batch, (start, end)) != 0) == leaks


def test_probe_tokens_come_from_the_data_however_little_there_is() -> None:
    found = probe_tokens([{"input_ids": np.array([7, 8, 9])}])
    assert set(found.tolist()) == {7, 8, 9} and len(found) == 256


def save_family(family: str, base_model: Path, folder: Path) -> Path:
    tokenizer = load_tokenizer(base_model)
    write_model(make_family(family, vocab_size=len(tokenizer)), tokenizer, folder, facts={})
    return folder


def test_a_run_is_refused_before_its_first_step_and_runs_with_packing_off(settings, base_model, tmp_path) -> None:
    """Refused: nothing trained, nothing written. Off: the first loss is that of the documents alone, over any split."""
    checkpoint = save_family("lfm2", base_model, tmp_path / "lfm2")
    values = settings("run", model={"checkpoint": str(checkpoint)}, max_steps=1, lr=1e-9)
    with pytest.raises(ConfigError, match="are read as one") as caught:
        run_here(values)
    assert "packing=off" in str(caught.value)
    run_dir = Path(values["run_dir"])
    assert not (run_dir / "metrics.jsonl").exists() and not list((run_dir / "checkpoints").glob("step-*"))
    found = []
    for name, split in (("wide", (8, 1)), ("deep", (2, 4))):
        off = settings(name, **{k: values[k] for k in ("model", "max_steps", "lr")}, packing="off")
        run_here(off | {"micro_batch_size": split[0], "grad_accum_steps": split[1]})
        found.append(json.loads((Path(off["run_dir"]) / "metrics.jsonl").read_text())["loss"])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[0] == pytest.approx(loss_alone(Path(off["run_dir"]), checkpoint, num_rows=8), abs=1e-5)


def loss_alone(run_dir: Path, checkpoint: Path, *, num_rows: int) -> float:
    from qaz_llm.model.load import load_model
    from qaz_llm.rows.dataset import StepSampler

    (folder,) = (run_dir / "packed").iterdir()
    data = PackedDataset.open(folder)
    model = load_model(checkpoint)
    total, count = 0.0, 0
    for index in StepSampler(np.arange(len(data)), num_rows=num_rows, seed=0):
        length = int(data.row_tokens_R[index])
        ids, labels = (torch.from_numpy(data[index][key][:length]) for key in ("input_ids", "labels"))
        with torch.no_grad():
            logprobs_LV = model(input_ids=ids[None], use_cache=False).logits[0].double().log_softmax(-1)
        learned = [at for at in range(1, length) if labels[at] != IGNORE_INDEX]
        total -= sum(logprobs_LV[at - 1, labels[at]].item() for at in learned)
        count += len(learned)
    return total / count


def test_in_float32_a_leak_far_below_the_largest_logit_is_found() -> None:
    """Logits of 30 and more, as real weights make: a difference of 1e-3 is no rounding there, and no gradient shows it."""
    model = make_family("llama", scale=4.0)
    with torch.no_grad():
        largest = float(model(input_ids=torch.as_tensor(TOKENS[None, :60])).logits.abs().max())
        model.lm_head.weight.mul_(40 / largest)
    assert probe(model, Collator(), TOKENS, num_rows=2).holds
    forward = model.forward

    def moved(*args, **kwargs):
        out = forward(*args, **kwargs)
        if kwargs.get("position_ids") is not None:
            out.logits = out.logits + 1e-3
        return out

    model.forward = moved
    result = probe(model, Collator(), TOKENS, num_rows=2)
    assert result.difference > 5e-4 and not result.holds, result
