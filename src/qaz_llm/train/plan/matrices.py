"""The matrices, norms and attentions of a model without weights: what FLOPs and activations are counted from.

A block is what stands under one number of a list of layers (`model.layers.3`). In a block's attention and in its
feed-forward part the last projection has an input of its own, and those before it share one:

    q_proj k_proj v_proj | o_proj        qkv_proj | o_proj        gate_proj up_proj | down_proj        c_fc | c_proj
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qaz_llm.model.architecture import EXPERT_COUNTS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEAD = "output table"

OUTPUT_PROJECTIONS = ("o_proj", "out_proj", "down_proj", "c_proj", "dense_4h_to_h", "w2", "fc2", "fc_out", "wo")
"""What families call the last projection; Phi-3 declares its o_proj first."""


@dataclass(frozen=True)
class Matrix:
    """One matrix (of experts: the stack of them). `numel` are the numbers that one token is multiplied with, `total` all of it.

    `uses`: how many of a stack a token goes through. `is_last`: it has an input of its own (see above). `rank`: of the
    adapter beside it, 0 for none. `gets_gradient`: a gradient as large as the weight is computed, though maybe only some
    rows of it are trained.
    """

    name: str
    block: str
    inputs: int
    outputs: int
    numel: float
    uses: float = 1.0
    is_stack: bool = False
    is_last: bool = False
    rank: int = 0
    gets_gradient: bool = True
    total: int = 0

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def in_attention(self) -> bool:
        return "att" in self.name.removeprefix(self.block)  # self_attn, attention, attn


@dataclass(frozen=True)
class Norm:
    """A norm: `width` numbers of a token go in. `keeps_result`: plain arithmetic keeps what it scales, a kernel does not.
    `is_rms`: model/kernels/norms.py can take its place. `parts`: that many norms of one token, those of heads."""

    block: str
    width: int
    keeps_result: bool
    is_rms: bool = False
    parts: int = 1


@dataclass(frozen=True)
class Attention:
    """Softmax attention of one block. `window`: a token sees so many back; `chunk`: only its own chunk; None: all before.
    `is_capped`: its scores go through a tanh."""

    block: str
    heads: int
    qk_dim: int
    v_dim: int
    window: int | None = None
    chunk: int | None = None
    is_capped: bool = False
    kv_heads: int | None = None
    """Heads of keys and values; None: as many as of queries."""


@dataclass(frozen=True)
class Structure:
    """What a token goes through, in the model's order."""

    hidden_size: int
    vocab_size: int
    matrices: tuple[Matrix, ...]
    norms: tuple[Norm, ...]
    attentions: tuple[Attention, ...]
    caps_logits: bool = False

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(matrix.block for matrix in self.matrices if matrix.block))

    @property
    def numel(self) -> float:
        """N of 6 N: the numbers that one token is multiplied with, the output table among them, the lookup not."""
        return sum(matrix.numel for matrix in self.matrices)

    def adapted(self, ends: tuple[str, ...], *, rank: int, trains_tables: bool) -> Structure:
        """The structure under LoRA: all frozen but adapters beside what `ends` name. Experts' stacks are adapted by adding
        to the weight itself, whose gradient is then computed whole (PEFT's target_parameters)."""

        def fit(matrix: Matrix) -> Matrix:
            hit = any(matrix.name == end or matrix.name.endswith(f".{end}") for end in ends)
            whole = (hit and matrix.is_stack) or (matrix.name == HEAD and trains_tables)
            return replace(matrix, rank=rank if hit and not matrix.is_stack else 0, gets_gradient=whole)

        norms = tuple(replace(norm, keeps_result=False) for norm in self.norms)
        return replace(self, matrices=tuple(map(fit, self.matrices)), norms=norms)


def structure_of(model: PreTrainedModel) -> Structure:
    """Read the structure of a model of transformers, which may be without weights."""
    config: Any = model.config
    hidden = model.get_input_embeddings().weight.shape[1]
    matrices = with_lasts(list(_matrices(model, hidden)))
    head = model.get_output_embeddings()
    if head is not None:
        vocab = head.weight.shape[0]
        matrices.append(Matrix(HEAD, "", hidden, vocab, head.weight.numel()))
    blocks = tuple(dict.fromkeys(matrix.block for matrix in matrices if matrix.block))
    found = (attention_of(config, block, n) for n, block in enumerate(blocks)
             if any(m.block == block and m.in_attention for m in matrices))  # fmt: skip
    attentions = tuple(attention for attention in found if attention is not None)
    return Structure(
        hidden,
        config.vocab_size,
        tuple(matrices),
        tuple(_norms(model, config, hidden)),
        attentions,
        caps_logits=bool(getattr(config, "final_logit_softcapping", None)),
    )


def _block_of(name: str) -> str:
    """`model.layers.3` of `model.layers.3.mlp.up_proj`; empty outside the blocks."""
    parts = name.split(".")
    number = next((index for index, part in enumerate(parts) if part.isdecimal()), None)
    return "" if number is None else ".".join(parts[: number + 1])


def _matrices(model: PreTrainedModel, hidden: int) -> Iterator[Matrix]:
    """Every weight of two dimensions and more that is no table, in order; a tied output table is not among them."""
    from torch.nn import Embedding
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    tables = {id(p) for m in model.modules() if isinstance(m, Embedding) or m is head for p in m.parameters()}
    transposed = {id(m.weight) for m in model.modules() if isinstance(m, Conv1D)}  # GPT-2's: in × out
    count = next((getattr(model.config, name) for name in EXPERT_COUNTS if getattr(model.config, name, None)), None)
    taken = (getattr(model.config, "num_experts_per_tok", None) or count) if count else None
    for name, weight in model.named_parameters():
        if weight.dim() < 2 or id(weight) in tables:
            continue
        stacked, of_experts = weight.dim() == 3 and ".experts." in name, ".experts." in name
        share = taken / count if of_experts and count and taken else 1.0
        outputs, inputs = weight.shape[-2:]
        if id(weight) in transposed or (stacked and "down" not in name and inputs != hidden) or (
            stacked and "down" in name and outputs != hidden
        ):  # fmt: skip
            outputs, inputs = inputs, outputs
        uses = taken if stacked and taken else share
        yield Matrix(
            name.removesuffix(".weight"),
            _block_of(name),
            inputs,
            outputs,
            weight.numel() * share,
            uses,
            stacked,
            total=weight.numel(),
        )


def with_lasts(matrices: list[Matrix]) -> list[Matrix]:
    """Mark the last projection of each attention and feed-forward part."""
    marked: list[Matrix] = []
    for _, siblings in groupby(matrices, key=lambda matrix: matrix.parent):
        group = list(siblings)
        named = [index for index, matrix in enumerate(group) if matrix.name.endswith(OUTPUT_PROJECTIONS)]
        last = named[-1] if named else len(group) - 1
        marked += [replace(matrix, is_last=len(group) > 1 and index == last) for index, matrix in enumerate(group)]
    return marked


def _norms(model: PreTrainedModel, config: Any, hidden: int) -> Iterator[Norm]:
    """Norms by the name of their class. One over a head's numbers runs for every head of queries, or of keys."""
    from torch.nn import LayerNorm

    from qaz_llm.model.kernels.norms import may_keep_less

    heads = getattr(config, "num_attention_heads", 1)
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if "norm" not in type(module).__name__.lower() or weight is None:
            continue
        own = width = weight.shape[0]
        if width < hidden and name.rpartition(".")[2].startswith(("q_", "k_")):
            width *= heads if name.rpartition(".")[2].startswith("q_") else kv_heads
        yield Norm(_block_of(name), width, not isinstance(module, LayerNorm), may_keep_less(module), parts=width // own)


def attention_of(config: Any, block: str, index: int) -> Attention | None:
    """None for a block whose attention is a recurrence (`linear_attention`), which keeps no matrix of scores."""
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kinds = getattr(config, "layer_types", None)
    kind = kinds[index] if kinds else None
    if kind is not None and ("attention" not in kind or "linear" in kind):
        return None
    window = getattr(config, "sliding_window", None)
    if kind not in (None, "sliding_attention") or getattr(config, "use_sliding_window", True) is False:
        window = None
    return Attention(
        block,
        heads,
        getattr(config, "qk_head_dim", None) or head_dim,
        getattr(config, "v_head_dim", None) or head_dim,
        window,
        getattr(config, "attention_chunk_size", None) if kind == "chunked_attention" else None,
        bool(getattr(config, "attn_logit_softcapping", None)),
        getattr(config, "num_key_value_heads", None),
    )


def matrices_by_block(structure: Structure) -> Mapping[str, list[Matrix]]:
    return {block: [m for m in structure.matrices if m.block == block] for block in structure.blocks}
