"""A model with fresh weights, from the shape its config gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from qaz_llm.model.config import ArchitectureConfig
from qaz_llm.tokenizer.curve import ModelCost

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast


def make_model(
    architecture: ArchitectureConfig, tokenizer: PreTrainedTokenizerFast, *, seed: int, attn_implementation: str
) -> PreTrainedModel:
    """A Llama with fresh float32 weights drawn by `seed`, its vocabulary as large as the tokenizer's."""
    import torch
    from transformers import LlamaForCausalLM

    config = llama_config(
        architecture,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config._attn_implementation = attn_implementation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def llama_config(architecture: ArchitectureConfig, *, vocab_size: int, **token_ids: Any) -> LlamaConfig:
    """The transformers config of an architecture."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=architecture.num_heads,
        num_key_value_heads=architecture.num_kv_heads or architecture.num_heads,
        max_position_embeddings=architecture.max_position_embeddings,
        tie_word_embeddings=architecture.tie_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
        **token_ids,
    )


def count_parameters(config: Any) -> int:
    """The parameters of a model by its transformers config, tied ones once; nothing is allocated."""
    return sum(parameter.numel() for parameter in _without_weights(config).parameters())


def model_cost(config: Any) -> ModelCost:
    """What decides how dear a row of the vocabulary is: parameters beside the tables, and the hidden size."""
    model = _without_weights(config)
    tables = {id(table.weight): table.weight for table in (model.get_input_embeddings(), model.get_output_embeddings())}
    body = sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in tables)
    return ModelCost(body_parameters=body, hidden_size=model.get_input_embeddings().weight.shape[1])


def _without_weights(config: Any) -> PreTrainedModel:
    """The model of a transformers config, shapes alone."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return cast("PreTrainedModel", AutoModelForCausalLM.from_config(config))
