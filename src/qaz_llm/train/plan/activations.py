"""What the forward pass keeps for the backward pass, per token and block, counted from the model's own matrices and norms.

In numbers of a token, for a block of Llama's kind (h hidden, I intermediate, a heads of d, r rank of adapters):

    norms               input and scaled result                     4 h     frozen: the input alone            2 h
                        kernels.norms: the input, and 1 number      2 h
    projections         what goes into q k v, o, gate up, down      2 h + a d + I
    attention           q, k, v as many heads as queries            3 a d   (k and v are repeated for grouped queries; by
                                                                            documents and flash attention they are not)
                        eager: the probabilities                    a T     sdpa on packed rows: the mask as numbers, T
    feed-forward        gate, up, silu(gate)                        3 I
    adapters            between A and B                             r beside each projection
                        in bf16: the input, cast for each of PEFT's adapters; kernels.adapters casts once for all

which for h = 4 h/4 heads and I = 8/3 h is 34 bytes × h in 16 bit (Korthikanti et al. 2022, arXiv 2205.05198, equation 2) where a
kernel fuses the norms. A number takes 4 bytes in float32. In bf16 it takes 2, but norms work in float32 on 4.

With checkpointing a block keeps its input alone, and one block at a time is computed again in full. Where that is so of some blocks,
they are the first ones: when they are computed again the others are gone. The oracle in the tests is
torch itself: the tensors that autograd packs (torch.autograd.graph.saved_tensors_hooks).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qaz_llm.train.plan.matrices import Attention, Matrix, Structure, matrices_by_block


@dataclass(frozen=True)
class Precision:
    """Bytes of a number: in matrix products (`wide`), and in the residual stream between them (`residual`).

    bf16 beside float32 weights (autocast) has products in 2 bytes and a stream of 4; a model held in bf16 2 and 2.
    """

    wide: int = 4
    residual: int = 4


@dataclass(frozen=True)
class Activations:
    """Bytes per token: `blocks` kept by each block, `inputs` of each block, `outside` of the blocks (the last norm, the
    input of the output table)."""

    blocks: tuple[float, ...]
    inputs: tuple[float, ...]
    outside: float

    def kept(self, *, checkpointed: int) -> float:
        """Bytes per token at the fullest moment, with the first `checkpointed` blocks computed twice."""
        inputs, again, whole = self.inputs[:checkpointed], self.blocks[:checkpointed], self.blocks[checkpointed:]
        return sum(inputs) + max(sum(whole), max(again, default=0.0)) + self.outside


def count_activations(
    structure: Structure,
    seq_len: int,
    precision: Precision,
    *,
    attention: str,
    packs: bool = True,
    lean_norms: bool = False,
    fused_adapters: bool = False,
) -> Activations:
    """Bytes that a token of a row of `seq_len` leaves for the backward pass.

    `attention`: the implementation, `eager` keeps its matrix, `sdpa` a mask where rows are `packs`, documents and flash neither.
    `lean_norms`: those of model/kernels/norms.py. `fused_adapters`: those of model/kernels/fused_adapters.py.
    """
    found = {a.block: a for a in structure.attentions}
    blocks = []
    for block, matrices in matrices_by_block(structure).items():
        kept = _norm_bytes(structure, block, precision, lean_norms)
        kept += _projection_bytes(matrices, precision, fused_adapters)
        kept += sum(_feed_forward_bytes(group, precision) for group in _groups(matrices))
        if block in found:
            kept += _attention_bytes(found[block], seq_len, precision, attention, packs)
        blocks.append(kept)
    h = structure.hidden_size
    outside = _norm_bytes(structure, "", precision, lean_norms) + h * precision.wide
    return Activations(tuple(blocks), tuple(float(h * precision.residual) for _ in blocks), outside)


def _norm_bytes(structure: Structure, block: str, precision: Precision, lean: bool) -> float:
    """The input in float32, as the norm itself makes it, and the scaled result in what the stream is in; or the input as it
    came and one number."""
    result, total = precision.residual, 0.0
    for norm in structure.norms:
        if norm.block == block and lean and norm.is_rms:
            total += norm.width * result + 4 * norm.parts
        elif norm.block == block:
            total += norm.width * (4 + (result if norm.keeps_result else 0))
    return total


def _groups(matrices: list[Matrix]) -> Iterator[list[Matrix]]:
    """The matrices of a block by what they are part of: its attention, its feed-forward part."""
    for parent in dict.fromkeys(matrix.parent for matrix in matrices):
        yield [matrix for matrix in matrices if matrix.parent == parent]


def _projection_bytes(matrices: list[Matrix], precision: Precision, fused: bool) -> float:
    """The inputs of projections: a shared one once, unless each has to cast it to 16 bit for itself, as projections do in
    a stream of float32, and PEFT's float32 adapters in any. A frozen matrix without an adapter keeps none."""
    casts = precision.wide != precision.residual
    total = 0.0
    for group in _groups(matrices):
        shared_seen = False
        for matrix in group:
            if not (matrix.gets_gradient or matrix.rank):
                continue
            total += matrix.uses * matrix.rank * precision.wide
            casts_alone = not fused and (casts or (matrix.rank and precision.wide == 2))
            if matrix.is_last or not shared_seen or casts_alone:
                total += matrix.uses * matrix.inputs * precision.wide
            shared_seen = shared_seen or not matrix.is_last
    return total


def _feed_forward_bytes(group: list[Matrix], precision: Precision) -> float:
    """Before the last projection: what comes out of the ones before it, and the activation's result where that is a factor."""
    last = next((matrix for matrix in group if matrix.is_last), None)
    if last is None or last.in_attention:
        return 0.0
    before = sum(m.uses * m.outputs for m in group if not m.is_last and m.is_stack == last.is_stack)
    gated = before >= 2 * last.uses * last.inputs
    experts = 2 * last.uses * last.outputs if last.is_stack else 0.0  # each expert's answer, and its share of the sum
    return (before * (1.5 if gated else 1.0) + experts) * precision.wide


def _attention_bytes(attention: Attention, seq_len: int, precision: Precision, kind: str, packs: bool) -> float:
    heads = attention.heads
    repeats = kind in ("sdpa", "eager")
    kv_heads = heads if repeats or attention.kv_heads is None else attention.kv_heads
    kept = (heads * attention.qk_dim + kv_heads * (attention.qk_dim + attention.v_dim)) * precision.wide
    if kind == "eager":
        probabilities = 4 + (2 if precision.wide == 2 else 0)  # softmax is in float32, its product in 16 bit
        capped = precision.wide if attention.is_capped else 0  # the tanh of the scores
        return kept + heads * seq_len * (probabilities + capped)
    sums = heads * 4.0
    masked = packs or (attention.window is not None and attention.window < seq_len)
    return kept + sums + (seq_len * precision.wide if kind == "sdpa" and masked else 0)
