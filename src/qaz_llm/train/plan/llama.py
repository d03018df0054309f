"""A Llama trained from nothing, counted from its sizes: what `count_model` finds on the model itself.

Such a model is trained whole: a config with adapters or frozen parts beside an architecture is refused. Counting so saves the
import of torch and transformers, which is most of the time of a plan. The tests hold one against the other.
"""

from __future__ import annotations

from qaz_llm.model.architecture import choose_attention
from qaz_llm.model.llama_sizes import PROJECTIONS, LlamaSizes, block_shapes
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan.counts import CountedModel
from qaz_llm.train.plan.matrices import HEAD, Matrix, Norm, Structure, attention_of, with_lasts


def count_llama(config: TrainConfig, sizes: LlamaSizes) -> CountedModel:
    """The counts of a Llama, all of whose parameters are trained.

    Raises:
        ConfigError: an attention that it does not have.
    """
    hidden, table = sizes.hidden_size, sizes.vocab_size * sizes.hidden_size
    structure = _structure(sizes)
    block = sum(inputs * outputs for inputs, outputs in block_shapes(sizes).values()) + 2 * hidden
    tables = table if sizes.tie_word_embeddings else 2 * table
    parameters = sizes.num_hidden_layers * block + hidden + tables
    wanted = config.adapter.target_modules
    return CountedModel(
        parameters=parameters,
        trainable=parameters,
        active=parameters,
        attention=choose_attention(sizes, config.model.attn_implementation),
        targets=PROJECTIONS if wanted == "auto" else wanted or PROJECTIONS,
        structure=structure,
        largest_block=block,
        tables=tables,
        input_gets_gradient=True,
        loss_in_blocks=config.kernels.loss != "full_logits",
        trains_table=True,
    )


def _structure(sizes: LlamaSizes) -> Structure:
    hidden = sizes.hidden_size
    blocks = [f"model.layers.{number}" for number in range(sizes.num_hidden_layers)]
    matrices = [
        Matrix(f"{block}.{name}", block, inputs, outputs, float(inputs * outputs), total=inputs * outputs)
        for block in blocks
        for name, (inputs, outputs) in block_shapes(sizes).items()
    ]
    head = Matrix(HEAD, "", hidden, sizes.vocab_size, hidden * sizes.vocab_size)
    norms = [Norm(block, hidden, keeps_result=True, is_rms=True) for block in blocks for _ in range(2)]
    attentions = (attention_of(sizes, block, number) for number, block in enumerate(blocks))
    return Structure(
        hidden,
        sizes.vocab_size,
        (*with_lasts(matrices), head),
        (*norms, Norm("", hidden, keeps_result=True, is_rms=True)),
        tuple(attention for attention in attentions if attention is not None),
    )
