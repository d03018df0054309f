"""Merging against sums written out, row by row where vocabularies differ."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.model.merge import Merge, difference_of, revert_parts
from qaz_llm.model.one_base import Source
from qaz_llm.pipeline.merge import MergeRequest, chosen, in_words, judge, odd_weights


def words(tokens: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of these tokens."""
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({token: n for n, token in enumerate(tokens)})))


def source(name: str, tokens: str, *, seed: int, tied: bool = True, rows: int | None = None, width: int = 8) -> Source:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=rows or len(tokens), hidden_size=width, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=tied,
    )  # fmt: skip
    return Source(name, LlamaForCausalLM(config), words(tokens))


def weights(one: Source) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in one.model.state_dict().items()}


@pytest.mark.parametrize("tied", [True, False])
def test_a_sum_of_weighted_differences(tied: bool) -> None:
    onto, a, b, ref = (source(name, "xyz", seed=n, tied=tied) for n, name in enumerate(("onto", "a", "b", "ref")))
    expected = {
        name: value
        + 0.5 * (0.7 * (weights(a)[name] - weights(ref)[name]) - 0.2 * (weights(b)[name] - weights(ref)[name]))
        for name, value in weights(onto).items()
    }
    merge = Merge.of(onto, difference_of(onto, [(a, 0.7), (b, -0.2)], ref))
    merge.set_scale(1.0)
    merge.set_scale(0.5)  # from where it started, not from where it stands
    for name, value in weights(onto).items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=0)
    merge.set_scale(0.0)
    assert torch.equal(weights(onto)["model.norm.weight"], merge.start["model.norm.weight"])


def test_rows_stand_for_tokens_wherever_they_lie() -> None:
    """Onto has a c b n (n new), add c a b, ref a b q: of all three are a and b alone."""
    onto, add, ref = source("onto", "acbn", seed=0, rows=6), source("add", "cab", seed=1), source("ref", "abq", seed=2)
    before, added, base = (weights(one)["model.embed_tokens.weight"] for one in (onto, add, ref))
    difference = difference_of(onto, [(add, 1.0)], ref)
    Merge.of(onto, difference).set_scale(1.0)
    after = weights(onto)["model.embed_tokens.weight"]
    torch.testing.assert_close(after[0], before[0] + added[1] - base[0])  # a
    torch.testing.assert_close(after[2], before[2] + added[2] - base[1])  # b
    for row in (1, 3, 4, 5):  # c is not in ref, n in neither, the last two are no tokens
        assert torch.equal(after[row], before[row]), row
    assert difference.left_rows == 2


def test_half_way_between_two_models_is_their_mean_in_the_type_of_the_first() -> None:
    a, b = source("a", "xyz", seed=0), source("b", "xyz", seed=1)
    mean = {name: (value + weights(b)[name]) / 2 for name, value in weights(a).items()}
    a.model.to(torch.bfloat16)
    Merge.of(a, difference_of(a, [(b, 0.5)], a)).set_scale(1.0)
    for name, value in weights(a).items():
        assert value.dtype == torch.bfloat16
        torch.testing.assert_close(value.float(), mean[name], atol=2e-2, rtol=2e-2)


def test_parts_are_put_back_and_nothing_else_is() -> None:
    onto, ref = source("onto", "acb", seed=0), source("ref", "ab", seed=1)
    before, there = weights(onto), weights(ref)
    done = revert_parts(onto, ref, ["layers 1", "embeddings"])
    for name, value in weights(onto).items():
        if "layers.1." in name:
            assert torch.equal(value, there[name])
        elif name in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(value[[0, 2]], there["model.embed_tokens.weight"])
            assert torch.equal(value[1], before[name][1])
        else:
            assert torch.equal(value, before[name]), name
    assert done == sum(p.numel() for p in onto.model.model.layers[1].parameters()) + 2 * 8


def test_weights_that_the_type_does_not_hold_are_refused() -> None:
    """Float16 ends at 65,504: a difference of 1e5 is a number in float32 alone."""
    a, b = source("a", "xyz", seed=0), source("b", "xyz", seed=1)
    with torch.no_grad():
        b.model.model.norm.weight.add_(1e5)
    a.model.to(torch.float16)
    merge = Merge.of(a, difference_of(a, [(b, 1.0)], a))
    merge.set_scale(0.5)
    with pytest.raises(InputError, match=r"scale 1 1 of the merged weights hold NaN or infinity: model\.norm\.weight"):
        merge.set_scale(1.0)


def test_a_model_has_no_difference_to_itself() -> None:
    a, b = source("a", "xyz", seed=0), source("b", "xyz", seed=1)
    assert Merge.of(a, difference_of(a, [(source("same", "xyz", seed=0), 1.0)], a)).is_nothing
    assert not Merge.of(a, difference_of(a, [(b, 1.0)], a)).is_nothing


def test_weights_that_may_be_a_slip_of_the_hand_are_named() -> None:
    assert list(odd_weights([("a", 0.7), ("b", 2.0)])) == []
    said = list(odd_weights([("a", 0.0), ("b", -0.5), ("c", 2.5), ("b", 1.5)]))
    assert [line.split(" ", 1)[0] for line in said] == ["b", "a", "b", "c"]
    assert "added 2 times, its weights add up to 1" in said[0] and "weight 0 and changes nothing" in said[1]
    assert "taken away" in said[2] and "2.5" in said[3]


def test_other_shapes_and_parts_that_are_not_there_are_named() -> None:
    onto = source("onto", "abc", seed=0)
    with pytest.raises(InputError, match=r"not of one base: .*hidden_size 8 and 16"):
        difference_of(onto, [(source("wide", "abc", seed=1, width=16), 1.0)], onto)
    with pytest.raises(ConfigError, match="revert: layers 5"):
        revert_parts(onto, source("ref", "abc", seed=1), ["layers 5"])


FOUND = [
    (0.0, {"kk": 1.6, "ru": 2.0, "en": 1.45}),
    (0.5, {"kk": 1.7, "ru": 1.9, "en": 1.35}),
    (1.0, {"kk": 2.9, "ru": 1.8, "en": 1.30}),
]


def test_the_lowest_target_among_those_that_keep_the_others() -> None:
    tried = judge(FOUND, "kk", 0.06)  # en up to 1.378, ru up to 1.908
    assert [one.is_kept for one in tried] == [False, True, True]
    assert chosen(tried, "kk").scale == 0.5
    assert chosen(judge(FOUND, "kk", 0.5), "kk").scale == 0.0
    with pytest.raises(InputError, match="no scale keeps"):
        chosen(judge([*FOUND[:2], (1.0, {"kk": 2.9, "ru": 2.2, "en": 1.0})], "kk", 0.01), "kk")


def test_the_card_says_what_was_done_without_paths() -> None:
    request = MergeRequest("/home/a/cpt/model", (("/home/a/instruct", 0.5),), "/home/a/base", ("layers 0-3",))
    assert in_words(request, 0.8) == "cpt/model + 0.4 × (instruct − base); layers 0-3 as in base"
