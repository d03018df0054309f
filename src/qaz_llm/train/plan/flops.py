"""Model FLOPs of one training token, counted from the matrices that it goes through and the tokens it looks at.

    a matrix of n numbers          forward 2 n, gradient of its input 2 n, gradient of its weight 2 n           6 N in all
    … frozen (LoRA)                no gradient of its weight; the adapters beside it are counted as trained     4 N in all
    attention, p tokens seen       forward 2 p heads (d_qk + d_v), backward twice that                     12 p heads × d
    checkpointing                  the blocks' forward pass once more, which the machine does but the model has no use for:
                                   8 N for 6 N                            (`recomputed`, no part of the model's FLOPs)

Kaplan et al. 2020, arXiv 2001.08361, section 2.1 for 6 N; Korthikanti et al. 2022, arXiv 2205.05198, section 5, for model
and hardware FLOPs. Here N leaves out the lookup in the input table and has only the experts that a token goes to.

Causal attention sees p = (T + 1) / 2 tokens on average in a row of T, less in a window; a kernel that knows the mask does no
more. A kernel that computes the whole square and masks it afterwards (eager attention) does p = T, which is what torch's
counter counts: `causal=False`. A row of several documents needs less than one of a single document, which is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

from qaz_llm.train.plan.matrices import Attention, Matrix, Structure


@dataclass(frozen=True)
class TokenFlops:
    """FLOPs of one token in training. `per_parameter` is 6, or 4 where most weights are frozen: the rule of thumb."""

    matrices: float
    attention: float
    recomputed: float
    numel: float
    per_parameter: int

    @property
    def model(self) -> int:
        """What the model's arithmetic needs: the numerator of MFU."""
        return round(self.matrices + self.attention)

    @property
    def hardware(self) -> int:
        """What the machine does: with checkpointing more."""
        return round(self.matrices + self.attention + self.recomputed)


def seen_tokens(attention: Attention, seq_len: int, *, causal: bool = True) -> float:
    """Tokens that one token looks at, itself among them, on average over a row of `seq_len`.

    Of 4 tokens with a window of 2: 1, 2, 2, 2 → 1.75.
    """
    if not causal:
        return seq_len
    width = min(attention.window or seq_len, seq_len)
    if attention.chunk is not None and attention.chunk < seq_len:
        return (attention.chunk + 1) / 2
    return (width * (width + 1) / 2 + (seq_len - width) * width) / seq_len


def count_flops(
    structure: Structure,
    seq_len: int,
    *,
    trains_all: bool,
    input_gets_gradient: bool = True,
    checkpointed_frac: float = 0.0,
    causal: bool = True,
) -> TokenFlops:
    """FLOPs of one token of a row of `seq_len`.

    `checkpointed_frac`: the share of the blocks that are computed twice. `input_gets_gradient`: false where the input table is frozen, so that nothing is taken back through the projections that
    read it: those of the first block's attention.
    """
    first = structure.blocks[0] if structure.blocks else None
    matrices = 0.0
    for matrix in structure.matrices:
        cut_off = not input_gets_gradient and matrix.block == first and matrix.in_attention and not matrix.is_last
        matrices += _matrix_flops(matrix, passes_back=not cut_off)
    forward = sum(
        2 * seen_tokens(a, seq_len, causal=causal) * a.heads * (a.qk_dim + a.v_dim) for a in structure.attentions
    )
    again = sum(2 * (m.numel + m.uses * m.rank * (m.inputs + m.outputs)) for m in structure.matrices if m.block)
    return TokenFlops(
        matrices=matrices,
        attention=3 * forward,
        recomputed=(again + forward) * checkpointed_frac,
        numel=structure.numel,
        per_parameter=6 if trains_all else 4,
    )


def _matrix_flops(matrix: Matrix, *, passes_back: bool) -> float:
    """Forward, gradient of the input, gradient of the weight; and those of its adapter A (r × in), B (out × r)."""
    passes = 1 + passes_back
    own = 2 * matrix.numel * (passes + matrix.gets_gradient)
    down, up = matrix.rank * matrix.inputs, matrix.rank * matrix.outputs
    return own + 2 * matrix.uses * (down * (passes + 1) + up * 3)
