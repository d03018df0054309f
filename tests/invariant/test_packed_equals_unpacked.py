"""A document in a packed row is read as if it were alone."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from qaz_llm.records import IGNORE_INDEX, TokenizedExample
from qaz_llm.rows.packing import make_row, pack
from qaz_llm.train.batches.collate import collate

SHAPE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
DOCUMENTS = [[5, 6, 7, 8, 9, 10], [11], [12, 13, 14], [15, 16, 17, 18], [19], [20, 21]]


def example(ids: list[int]) -> TokenizedExample:
    return TokenizedExample(tuple(ids), tuple(ids))


def as_dict(row) -> dict:
    return {"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}


@pytest.fixture(params=["llama-sdpa", "llama-eager", "qwen2-sdpa"])
def model(request: pytest.FixtureRequest):
    family, attention = request.param.split("-")
    torch.manual_seed(0)
    cls, config = {"llama": (LlamaForCausalLM, LlamaConfig), "qwen2": (Qwen2ForCausalLM, Qwen2Config)}[family]
    made = cls(config(**SHAPE, attn_implementation=attention))
    for parameter in made.parameters():  # larger weights, so that attending to a wrong document shows
        parameter.data.mul_(4)
    return made.eval()


def test_logits_of_each_document(model) -> None:
    rows = [make_row([example(d) for d in DOCUMENTS]), make_row([example(d) for d in DOCUMENTS[:3]])]
    batch = collate([as_dict(row) for row in rows], pad_id=3)
    with torch.no_grad():
        packed_BTV = model(**batch).logits
        for row, documents in enumerate([DOCUMENTS, DOCUMENTS[:3]]):
            start = 0
            for document in documents:
                alone_TV = model(input_ids=torch.tensor([document])).logits[0]
                got_TV = packed_BTV[row, start : start + len(document)]
                torch.testing.assert_close(got_TV, alone_TV, atol=2e-5, rtol=1e-4)
                start += len(document)


def test_the_trap_is_real_and_the_collator_avoids_it(model) -> None:
    """With a mask of ones the same row gives other logits: the test above could fail."""
    batch = collate([as_dict(make_row([example(d) for d in DOCUMENTS]))])
    with torch.no_grad():
        right = model(**batch).logits
        wrong = model(**batch, attention_mask=torch.ones_like(batch["input_ids"])).logits
    assert (right - wrong).abs().max() > 0.1


@pytest.mark.parametrize("seq_len", [7, 20])
def test_the_loss_is_that_of_the_documents_alone(model, seq_len: int) -> None:
    rows = list(pack([example(d) for d in DOCUMENTS], seq_len=seq_len, overflow="drop"))
    batch = collate([as_dict(row) for row in rows])
    packed = model(**batch).loss
    total, count = 0.0, 0
    for document in DOCUMENTS:
        if len(document) > 1:
            logits_TV = model(input_ids=torch.tensor([document])).logits[0, :-1]
            total += torch.nn.functional.cross_entropy(logits_TV, torch.tensor(document[1:]), reduction="sum")
            count += len(document) - 1
    assert count == int((batch["labels"] != IGNORE_INDEX).sum())
    torch.testing.assert_close(packed, total / count, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing(model) -> None:
    rows = [make_row([example(DOCUMENTS[0])]), make_row([example(DOCUMENTS[3])])]
    together = model(**collate([as_dict(row) for row in rows])).logits
    alone = model(**collate([as_dict(rows[1])])).logits
    torch.testing.assert_close(together[1, :4], alone[0], atol=2e-5, rtol=1e-4)
