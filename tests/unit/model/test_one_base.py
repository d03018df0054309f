"""Models with equal shapes and another function are told apart; the oracle is what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.model.one_base import Source, check_one_base, different_fields, remarks
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.kinds import different_kinds

TEXTS = ["Мама мыла раму, а папа читал газету.", "The cat sat on the mat, and the dog lay in the fog."] * 20
KAZAKH = ["Қазақстан Республикасының Конституциясы бойынша мемлекеттік тіл – қазақ тілі."] * 20
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 32}


def config(**changed: Any) -> LlamaConfig:
    values = {
        "vocab_size": 40, "hidden_size": 48, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
        "head_dim": 8, "max_position_embeddings": 64, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    }  # fmt: skip
    return LlamaConfig(**(values | changed))


def computed(settings: LlamaConfig, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a model of these settings makes of the weights; under attention that is not uniform."""
    model = LlamaForCausalLM(settings).eval()
    model.load_state_dict(weights)
    with torch.no_grad():
        found: torch.Tensor = model(torch.arange(40)[None]).logits
    return found


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: value * 20 for name, value in LlamaForCausalLM(config()).state_dict().items()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16}, ["head_dim 8 and 16", "num_attention_heads 6 and 3", "num_key_value_heads 2 and 1"]),
        ({"rms_norm_eps": 1e-1}, ["rms_norm_eps 1e-06 and 0.1"]),
        ({"hidden_act": "gelu"}, ["hidden_act silu and gelu"]),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}, ["rope_parameters.rope_theta 10000 and 100"]),
    ],
)  # fmt: skip
def test_the_same_weights_under_another_function(
    changed: dict[str, Any], said: list[str], weights: dict[str, torch.Tensor]
) -> None:
    assert not torch.allclose(computed(config(), weights), computed(config(**changed), weights), atol=1e-3)
    assert different_fields(config(), config(**changed)) == said


@pytest.mark.parametrize(
    "changed",
    [
        {"eos_token_id": 7, "pad_token_id": 1}, {"attention_dropout": 0.3, "initializer_range": 1.0}, {"use_cache": False}, {"max_position_embeddings": 128},
        {"rms_norm_eps": float(torch.tensor(1e-6))}, {"dtype": "bfloat16", "architectures": ["Other"]}, {"somebody_s_version": "1.2", "is_llama_config": True},
    ],
)  # fmt: skip
def test_what_changes_nothing_is_not_compared(changed: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(computed(config(), weights), computed(config(**changed), weights))
    assert different_fields(config(), config(**changed)) == []


def test_families_and_scaled_positions() -> None:
    from transformers import MistralConfig

    assert different_fields(config(), MistralConfig()) == ["model_type llama and mistral"]
    scaled, longer = config(rope_parameters=YARN), config(rope_parameters=YARN, max_position_embeddings=128)
    assert different_fields(scaled, longer) == ["max_position_embeddings 64 and 128"]


# --------------------------------------------------------------------------------------------------------- tokenizers


def fast(backend: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def pieces(normalizer: Any, pre_tokenizer: Any) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    if normalizer is not None:
        backend.normalizer = normalizer
    if pre_tokenizer is not None:
        backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.Fuse()
    return fast(backend)


def test_a_grown_tokenizer_is_of_the_kind_of_its_base() -> None:
    base = train_base_tokenizer(TEXTS, vocab_size=300)
    grown = extend_tokenizer(base, KAZAKH, num_new_tokens=20).tokenizer
    assert len(grown) == len(base) + 20 and different_kinds(base, grown) is None


@pytest.mark.parametrize(
    "other",
    [
        lambda: pieces(normalizers.Replace(" ", "▁"), None),
        lambda: pieces(None, pre_tokenizers.ByteLevel(add_prefix_space=True)),
        lambda: pieces(None, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        lambda: pieces(normalizers.Lowercase(), pre_tokenizers.ByteLevel(add_prefix_space=False)),
        lambda: pieces(normalizers.NFKC(), pre_tokenizers.ByteLevel(add_prefix_space=False)),
    ],
)  # fmt: skip
def test_what_spells_or_cuts_otherwise_is_of_another_kind(other: Callable[[], PreTrainedTokenizerFast]) -> None:
    plain = pieces(None, pre_tokenizers.ByteLevel(add_prefix_space=False))
    assert "different kinds, BPE of ByteLevel and BPE of" in str(different_kinds(plain, other()))


def test_two_ways_to_write_the_same_are_one_kind() -> None:
    same = pieces(normalizers.Replace(Regex(" "), "▁"), None)
    assert different_kinds(pieces(normalizers.Replace(" ", "▁"), None), same) is None


def test_another_model_of_tokens_is_another_kind() -> None:
    unigram = fast(Tokenizer(models.Unigram([("a", 0.0), ("b", -1.0)], unk_id=0)))
    assert (
        different_kinds(pieces(None, None), unigram)
        == "tokenizers of different kinds, BPE of plain text and Unigram of plain text"
    )


def source(name: str, tokens: str, **changed: Any) -> Source:
    torch.manual_seed(0)
    backend = Tokenizer(models.WordLevel({token: n for n, token in enumerate(tokens)}))
    return Source(name, LlamaForCausalLM(config(**changed)), fast(backend))


def test_how_many_tokens_are_shared_decides_and_is_said() -> None:
    check_one_base(source("a", "abcd"), source("b", "abxyzw"))  # 2 of 4
    with pytest.raises(InputError, match="1 of 4 tokens are in both, at least 50% were expected") as caught:
        check_one_base(source("a", "abcd"), source("b", "axyzw"))
    assert caught.value.exit_code == 2


def test_buffers_that_files_hold_are_said_and_those_of_the_config_are_refused() -> None:
    onto, other = source("onto", "abcd"), source("other", "abcd", max_position_embeddings=128)
    for one, value in ((onto, 1.0), (other, 2.0)):
        one.model.model.register_buffer("running_mean", torch.tensor([value]))
    check_one_base(onto, other)
    assert list(remarks(onto, other)) == [
        "max_position_embeddings 64 and 128: the result keeps that of onto",
        "1 buffers are no parameters and stay as onto has them: model.running_mean",
    ]
    other.model.model.rotary_emb.inv_freq.mul_(2)  # as code of its own may do, whatever the config says
    with pytest.raises(InputError, match=r"not of one base: model\.rotary_emb\.inv_freq"):
        check_one_base(onto, other)
    half = source("half", "abcd")
    half.model.to(torch.bfloat16)
    assert list(remarks(source("onto", "abcd"), half)) == ["half is in bfloat16, the result in float32 as onto"]
