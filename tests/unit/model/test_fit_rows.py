"""New rows fitted to text: by hand where it can be worked out, and what must never change."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from qaz_llm.model.architecture import llama_config
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.fit_rows import _constant, _expected, _log_odds, _seen, _shift, fit_rows
from qaz_llm.model.fit_samples import FitSample

OLD, NEW = 40, 12
SHAPE = ArchitectureConfig(
    hidden_size=16, num_layers=1, num_heads=2, intermediate_size=32, max_position_embeddings=64, tie_embeddings=False
)


def small_model(*, tied: bool = False) -> Any:
    shape = SHAPE.model_copy(update={"tie_embeddings": tied})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = LlamaForCausalLM(llama_config(shape, vocab_size=OLD + NEW))
    for parameter in model.parameters():
        parameter.data.mul_(4)
    return model.eval()


def samples() -> list[list[list[int]]]:
    generator = torch.Generator().manual_seed(0)
    new = torch.randint(OLD - 8, OLD + 4, (30, 40), generator=generator).tolist()  # old and new tokens, in one language
    old = torch.randint(0, OLD, (20, 40), generator=generator).tolist()
    return [new, old]


def parts(rows: list[list[list[int]]]) -> list[FitSample]:
    return [FitSample.of(part) for part in rows]


def logprobs(model: Any, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain way: every row through the whole model; T × V, and the tokens that came."""
    with torch.no_grad():
        found = [model(input_ids=torch.tensor([row])).logits[0, :-1].log_softmax(-1) for row in rows]
    return torch.cat(found), torch.cat([torch.tensor(row[1:]) for row in rows])


def nll(model: Any, rows: list[list[int]]) -> float:
    logprobs_TV, next_T = logprobs(model, rows)
    return -logprobs_TV.gather(1, next_T[:, None]).mean().item()


@pytest.mark.parametrize("tied", [False, True])
def test_text_gets_likelier_and_old_weights_stay(tied: bool) -> None:
    model, rows = small_model(tied=tied), samples()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = [nll(model, part) for part in rows]
    assert fit_rows(model, range(OLD, OLD + NEW), parts(rows))
    assert sum(nll(model, part) for part in rows) < sum(losses)
    for name, tensor in model.state_dict().items():
        if name in ("lm_head.weight", "model.embed_tokens.weight"):
            assert torch.equal(tensor[:OLD], before[name][:OLD]), name
            assert torch.equal(tensor, before[name]) == (name == "model.embed_tokens.weight" and not tied)
        else:
            assert torch.equal(tensor, before[name]), name


def test_expected_counts_become_those_seen() -> None:
    """Untied, tokens with many occurrences: what the model expects in all comes near to what there is."""
    model, rows = small_model(), samples()
    everything = [row for part in rows for row in part]
    seen_V = torch.bincount(torch.tensor([i for row in everything for i in row[1:]]), minlength=OLD + NEW)

    def distance() -> float:
        expected_V = logprobs(model, everything)[0].exp().sum(0)
        often = [i for i in range(OLD, OLD + NEW) if seen_V[i] > 20]
        assert len(often) >= 3
        return float((expected_V[often] / seen_V[often]).log().abs().mean())

    before = distance()
    fit_rows(model, range(OLD, OLD + NEW), parts(rows))
    assert distance() < before / 2


def test_odds_and_expected_counts_are_those_of_the_whole_softmax() -> None:
    """Also after a shift, which is worked out from the new columns alone."""
    generator = torch.Generator().manual_seed(1)
    hidden_TD, table_VD = (torch.randn(n, 6, generator=generator) for n in (300, OLD + NEW))
    shift_D = torch.randn(6, generator=generator).double()
    is_new_V = torch.arange(OLD + NEW) >= OLD
    whole_TV = (hidden_TD.double() @ table_VD.double().T).softmax(-1)
    p_T = whole_TV[:, is_new_V].sum(-1)
    odds_T = _log_odds(hidden_TD, table_VD, is_new_V)
    torch.testing.assert_close(odds_T, (p_T / (1 - p_T)).log(), rtol=0, atol=1e-4)
    shifted_VD = table_VD.double() + is_new_V[:, None] * shift_D
    whole_V = (hidden_TD.double() @ shifted_VD.T).softmax(-1).sum(0)
    p_new_T = torch.sigmoid(odds_T + hidden_TD.double() @ shift_D)
    found_N = _expected(hidden_TD, shifted_VD[is_new_V].float(), p_new_T)
    torch.testing.assert_close(found_N, whole_V[is_new_V], rtol=1e-4, atol=1e-4)


def test_the_shift_by_hand() -> None:
    """One dimension, h = 1 everywhere, half of the positions new: σ(offset + d) = 1/2 but for the ridge, so d = -offset nearly."""
    hidden_TD, is_new_T = torch.ones(100, 1), torch.arange(100) % 2 == 0
    offset_T, share_T = torch.full((100,), -2.0, dtype=torch.double), torch.full((100,), 0.01)
    d = _shift(hidden_TD, offset_T, is_new_T, share_T).item()
    # the slope is zero there: σ(d - 2) - 1/2 + 0.1 d = 0
    assert 1 / (1 + math.exp(2 - d)) - 0.5 + 0.1 * d == pytest.approx(0, abs=1e-6)
    assert 0 < d < 2


def test_logits_that_are_no_product_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    model = small_model()
    head = model.lm_head.forward
    model.lm_head.forward = lambda hidden: 5 * torch.tanh(head(hidden) / 5)  # as Gemma 2 caps them
    before = model.lm_head.weight.clone()
    assert not fit_rows(model, range(OLD, OLD + NEW), parts(samples()))
    assert torch.equal(model.lm_head.weight, before)
    assert "no plain product" in caplog.text


@pytest.mark.parametrize("part", [[[1, 2, 3, 4]], [[OLD, OLD + 1, OLD]]])
def test_text_of_one_kind_fits_nothing(part: list[list[int]], caplog: pytest.LogCaptureFixture) -> None:
    model = small_model()
    before = model.lm_head.weight.clone()
    assert not fit_rows(model, range(OLD, OLD + NEW), parts([part, [[5]]]))
    assert torch.equal(model.lm_head.weight, before)
    assert "not fitted" in caplog.text


def test_seen_counts_are_scaled_to_what_was_read() -> None:
    """By hand: 10 tokens read of a text where id 7 is 2 of 4, 30 of one where it is 1 of 6; id 9 is in neither."""
    first, second = FitSample.of([[0, 7, 7, 3, 3]]), FitSample.of([[0, 7, 1, 1, 1, 1, 1]])
    seen_N, prior = _seen([first, second], [10, 30], torch.tensor([7, 9]))
    torch.testing.assert_close(seen_N, torch.tensor([10 * 2 / 4 + 30 * 1 / 6, 0.0]).double())
    assert prior == pytest.approx(0.5 * 40 / 10)


def test_a_bias_takes_a_short_direction() -> None:
    """30 columns around 2 and one that is 0.3 everywhere: least squares takes that one alone, 1 / 0.3 long, exact everywhere."""
    generator = torch.Generator().manual_seed(2)
    hidden_TD = torch.cat([2 + torch.randn(500, 30, generator=generator), torch.full((500, 1), 0.3)], dim=1)
    exact = torch.linalg.lstsq(hidden_TD.double(), torch.ones(500, 1).double(), driver="gelsd").solution
    assert exact.norm() == pytest.approx(1 / 0.3)
    found_D = _constant(hidden_TD)
    assert found_D.norm() < 1.1 / (2 * math.sqrt(30))  # the shortest with c · mean = 1 is 1 / |mean|
    assert (hidden_TD.double() @ found_D).mean() == pytest.approx(1, abs=0.1)
