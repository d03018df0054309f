"""Input rows fitted to how their pieces are read: against states worked out the plain way, and what must never change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from qaz_llm.model import fit_reading as module
from qaz_llm.model.architecture import llama_config
from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.model.fit_reading import LAYERS, fit_reading
from qaz_llm.model.fit_samples import FitSample

OLD, NEW, START = 40, 6, 1
SHAPE = ArchitectureConfig(
    hidden_size=32, num_layers=6, num_heads=2, intermediate_size=64, max_position_embeddings=64, tie_embeddings=False
)


def seeded(make: Any) -> Any:
    """A model whose layers do something: weights ten times those of a fresh one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = make()
    for name, parameter in model.named_parameters():
        if "norm" not in name and "ln_" not in name:
            parameter.data.mul_(10)
    return model.eval()


def llama(*, tied: bool = False) -> Any:
    shape = SHAPE.model_copy(update={"tie_embeddings": tied})
    return seeded(lambda: LlamaForCausalLM(llama_config(shape, vocab_size=OLD + NEW)))


def gemma() -> Any:
    config = Gemma3TextConfig(
        vocab_size=OLD + NEW, hidden_size=32, num_hidden_layers=6, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, intermediate_size=64, max_position_embeddings=64, sliding_window=8,
    )  # fmt: skip
    return seeded(lambda: Gemma3ForCausalLM(config))


def gpt2() -> Any:
    config = GPT2Config(vocab_size=OLD + NEW, n_embd=32, n_layer=6, n_head=2, n_positions=64)
    return seeded(lambda: GPT2LMHeadModel(config))


def extension() -> Any:
    """Each new token is made of two or three old ones; the last of one alone, which is no new reading."""
    pieces = {OLD + n: (3 + n, 9 + n, 20 + n)[: 2 + n % 2] for n in range(NEW - 1)} | {OLD + NEW - 1: (7,)}
    tokenizer = SimpleNamespace(bos_token_id=START, eos_token_id=2)
    return SimpleNamespace(new_ids=tuple(pieces), sub_tokens=pieces, tokenizer=tokenizer, base_size=OLD)


def samples() -> list[FitSample]:
    generator = torch.Generator().manual_seed(0)
    return [FitSample.of(torch.randint(0, OLD + NEW, (10, 20), generator=generator).tolist())]


def states(model: Any, rows: list[list[int]]) -> torch.Tensor:
    """The plain way: each text alone through the whole model; the state of its last token after LAYERS layers."""
    with torch.no_grad():
        found = [
            model.base_model(input_ids=torch.tensor([row]), output_hidden_states=True, use_cache=False).hidden_states
            for row in rows
        ]
    last = torch.stack([hidden[LAYERS][0, -1] for hidden in found])
    return last / last.square().mean(-1, keepdim=True).sqrt()


def distance(model: Any, extended: Any) -> float:
    ids = [i for i in extended.new_ids if len(extended.sub_tokens[i]) > 1]
    alone = states(model, [[START, i] for i in ids])
    pieces = states(model, [[START, *extended.sub_tokens[i]] for i in ids])
    return float((alone - pieces).square().mean())


@pytest.mark.parametrize(
    "make", [llama, lambda: llama(tied=True), gemma, gpt2], ids=["untied", "tied", "gemma", "gpt2"]
)
def test_new_tokens_are_read_like_their_pieces_and_old_weights_stay(make: Any) -> None:
    model, extended = make(), extension()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    was = distance(model, extended)
    found = fit_reading(model, extended, samples())
    assert found is not None and (found.moved, found.rows) == (NEW - 1, NEW - 1)
    assert found.before == pytest.approx(was, rel=1e-3)
    assert found.after == pytest.approx(distance(model, extended), rel=1e-3)
    assert found.after < 0.7 * found.before
    table = model.get_input_embeddings().weight
    for name, tensor in model.state_dict().items():
        if tensor.shape == table.shape and torch.equal(tensor, table):
            assert torch.equal(tensor[:OLD], before[name][:OLD]), name
            assert torch.equal(tensor[-1], before[name][-1]), "made of one piece alone"
            assert not torch.equal(tensor[OLD:-1], before[name][OLD:-1])
        else:
            assert torch.equal(tensor, before[name]), name


def test_where_only_the_last_piece_counts_the_row_becomes_that_pieces_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without attention a state is made from its own token alone, so the answer is known."""
    model, extended = llama(), extension()
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data.zero_()
        layer.mlp.down_proj.weight.data.mul_(0.01)  # nearly a straight way, so that no other row leads there
    monkeypatch.setattr(module, "LENGTH_PENALTY", 1e-6)
    monkeypatch.setattr(module, "STEPS", 300)
    fit_reading(model, extended, samples())
    table = model.get_input_embeddings().weight
    for new in extended.new_ids[:-1]:
        likeness = torch.cosine_similarity(table[new], table[extended.sub_tokens[new][-1]], dim=0)
        assert likeness > 0.99, new


def test_tied_rows_keep_their_logits_better_than_rows_that_only_read() -> None:
    """The second term: with it, what the token's own logit changes by in text is smaller."""

    def change(weight: float) -> float:
        model = llama(tied=True)
        text = torch.tensor([list(row) for row in samples()[0].rows])
        with torch.no_grad():
            hidden = model.base_model(input_ids=text, use_cache=False).last_hidden_state
            before = model.get_output_embeddings().weight[OLD:].clone()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "LOGIT_PENALTY", weight)
                with torch.enable_grad():
                    fit_reading(model, extension(), samples())
            moved = model.get_output_embeddings().weight[OLD:] - before
            return float((hidden @ moved.T).square().mean())

    assert change(1.0) < 0.5 * change(0.0)


def test_where_time_is_short_frequent_tokens_go_first_and_the_rest_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, extended = llama(), extension()
    weights = sum(p.numel() for layer in model.model.layers[:LAYERS] for p in layer.parameters())
    monkeypatch.setattr(module, "MAX_FLOPS", 2.5 * 12 * module.STEPS * weights)
    text = [FitSample.of([[START, OLD + 3, OLD + 3, OLD + 1, OLD + 3, OLD + 1, OLD + 2]])]
    before = model.get_input_embeddings().weight.clone()
    with caplog.at_level("WARNING", logger="qaz_llm"):
        fit_reading(model, extended, text)
    moved = (model.get_input_embeddings().weight != before).any(1).nonzero().flatten().tolist()
    assert moved == [OLD + 1, OLD + 3]
    assert "3 rarer new tokens of 5" in caplog.text


def test_a_model_without_a_list_of_layers_keeps_its_rows(caplog: pytest.LogCaptureFixture) -> None:
    model, extended = llama(), extension()
    model.config.num_hidden_layers = 7
    before = model.get_input_embeddings().weight.clone()
    with caplog.at_level("WARNING", logger="qaz_llm"):
        assert fit_reading(model, extended, samples()) is None
    assert torch.equal(model.get_input_embeddings().weight, before)
    assert "layers were not found" in caplog.text
