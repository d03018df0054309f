"""New output rows fitted to how often text uses new tokens, by what the model sees there; no gradient goes through the model.

Rows that are mixtures of old ones (embeddings.py) say what a token is like, and nothing about how often it comes: together they take
probability from Russian text, where none of them ever comes, and too much or too little from one another. With h the last hidden
state before a token, and rows w, two corrections are read off text:

    shift   w + d for all new rows: the logit of "a new token comes" changes by d · h, whatever the token. d is the ridge
            regression (logistic, Newton's method) of new or old on h, with what the rows say already as an offset
    counts  w + b c: c · h is nearly 1 everywhere, so b is a bias of its own token, log (seen / expected by the model). What is
            expected takes a model and a few thousand positions; what is seen is counted in a million tokens (fit_samples.py)

One step of iterative scaling (Darroch and Ratcliff 1972) each, computed in closed form but for Newton's few steps. Every part of the text counts
alike for the shift, whatever its length, so a language with little text is not given away. Where the tables are tied, what changes the
output row changes the input row too: the corrections are small beside the rows.

Shape legend: T positions, V rows of the vocabulary, N new tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from qaz_llm.model.fit_samples import FitSample

_logger = get_logger("model")

SHIFT_RIDGE = 0.1
"""Times the mean square of a hidden state's numbers, in the mean over positions. 0.03 to 0.3 gave nearly the same."""
CONSTANT_RIDGE = 1.0
"""Likewise. With 0.001 c · h is no nearer to 1 where it matters, and c is six times as long: as input a row was pushed out of place."""
PRIOR_COUNT = 0.5
"""Occurrences in the counted text, added to what was seen and to what is expected: a token that never comes has a bias, too."""
NEWTON_STEPS = 8
BLOCK_POSITIONS = 128
"""Positions whose logits are in memory together: 134 MB with 262,144 rows."""
TOLERANCE = 1e-2
"""How far logits may be from the product of hidden states and table, as a share of the largest one: bfloat16 rounds."""


def fit_rows(model: PreTrainedModel, new_ids: Sequence[int], samples: Sequence[FitSample]) -> bool:
    """Correct the rows of new tokens in place; whether it was done.

    Args:
        model: on one device and whole; old rows, and all other weights, stay as they are.
        new_ids: whose rows have been made.
        samples: of each part of the text (a language, a source), what is read of it and what is counted.

    It is not done, and said so, where the model's logits are no product of its last hidden states and its output table (soft
    caps, scaling), or where one of new and old tokens does not come in the text.
    """
    import torch

    with torch.no_grad():
        samples = [sample for sample in samples if any(len(row) > 1 for row in sample.rows)]
        parts = [_read(model, sample.rows) for sample in samples]
        if not parts or not _is_plain_product(model, samples[0].rows):
            _logger.warning(
                "new rows are not fitted: the model's logits are no plain product of its last hidden states"
            )
            return False
        hidden_TD = torch.cat([hidden for hidden, _ids in parts])
        next_T = torch.cat([ids for _hidden, ids in parts])
        share_T = torch.cat([torch.full((len(ids),), 1 / (len(ids) * len(parts))) for _hidden, ids in parts])
        table_VD = model.get_output_embeddings().weight
        is_new_V = torch.zeros(len(table_VD), dtype=torch.bool)
        is_new_V[list(new_ids)] = True
        is_new_T = is_new_V[next_T]
        if not is_new_T.any() or is_new_T.all():
            _logger.warning("new rows are not fitted: of %d tokens %d are new", len(next_T), int(is_new_T.sum()))
            return False
        new_N = torch.tensor(sorted(new_ids))
        offset_T = _log_odds(hidden_TD, table_VD, is_new_V)
        shift_D = _shift(hidden_TD, offset_T, is_new_T, share_T)
        table_VD[new_N] += shift_D.to(table_VD)
        p_new_T = torch.sigmoid(offset_T + hidden_TD.double() @ shift_D)
        expected_N = _expected(hidden_TD, table_VD[new_N], p_new_T)  # a shift leaves the new ones' shares as they are
        seen_N, prior = _seen(samples, [len(ids) for _hidden, ids in parts], new_N)
        bias_N = ((seen_N + prior) / (expected_N + prior)).log()
        table_VD[new_N] += (bias_N[:, None] * _constant(hidden_TD)).to(table_VD)
    _logger.info("new rows fitted on %s tokens, %s of them new", f"{len(next_T):,}", f"{int(is_new_T.sum()):,}")
    return True


def _read(model: Any, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The last hidden state before each token but the first of a row, float32 T × D, and those tokens, both on the CPU."""
    import torch

    hidden: list[torch.Tensor] = []
    following: list[torch.Tensor] = []
    for row in rows:
        ids = torch.tensor([list(row)], device=model.get_input_embeddings().weight.device)
        if ids.shape[1] < 2:
            continue
        states = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        hidden.append(states[0].float().cpu())
        following.append(ids[0, 1:].cpu())
    return torch.cat(hidden), torch.cat(following)


def _seen(samples: Sequence[FitSample], read: Sequence[int], new_N: torch.Tensor) -> tuple[torch.Tensor, float]:
    """How often each new token would come in what was read (`read` tokens of each part), if it came as often as in all that
    was counted; float64, N. And PRIOR_COUNT, on the same scale.

        of 10 tokens read, of 1,000 counted, 50 times this one    →   0.5, and 0.005
    """
    import torch

    seen_N = torch.zeros(len(new_N), dtype=torch.double)
    for sample, tokens in zip(samples, read, strict=True):
        counts_V = torch.from_numpy(sample.counts_V).double()
        known_N = new_N < len(counts_V)
        seen_N[known_N] += counts_V[new_N[known_N]] * (tokens / counts_V.sum())
    return seen_N, PRIOR_COUNT * sum(read) / sum(int(sample.counts_V.sum()) for sample in samples)


def _is_plain_product(model: Any, rows: Sequence[Sequence[int]]) -> bool:
    """Whether the logits of a few positions are hidden states times the output table."""
    import torch

    row = next(row for row in rows if len(row) > 1)
    ids = torch.tensor([list(row[:16])], device=model.get_input_embeddings().weight.device)
    outputs = model.get_output_embeddings()
    if getattr(outputs, "bias", None) is not None:
        return False
    logits = model(input_ids=ids, use_cache=False).logits[0].float()
    product = (model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0] @ outputs.weight.T).float()
    return bool((logits - product).abs().max() <= TOLERANCE * (1 + logits.abs().max()))


def _log_odds(hidden_TD: torch.Tensor, table_VD: torch.Tensor, is_new_V: torch.Tensor) -> torch.Tensor:
    """At each position, by the rows as they are: log P(a new token comes) - log P(an old one does); float64, T."""
    import torch

    odds: list[torch.Tensor] = []
    for start in range(0, len(hidden_TD), BLOCK_POSITIONS):
        logits_TV = (hidden_TD[start : start + BLOCK_POSITIONS].to(table_VD) @ table_VD.T).float().cpu()
        new_T, all_T = logits_TV[:, is_new_V].logsumexp(-1).double(), logits_TV.logsumexp(-1).double()
        odds.append(new_T - all_T - (1 - (new_T - all_T).exp()).clamp(min=1e-9).log())
    return torch.cat(odds)


def _expected(hidden_TD: torch.Tensor, rows_ND: torch.Tensor, p_new_T: torch.Tensor) -> torch.Tensor:
    """How often each new token is expected in all: the chance that a new one comes, shared out by the rows; float64, N."""
    import torch

    expected_N = torch.zeros(len(rows_ND), dtype=torch.double)
    for start in range(0, len(hidden_TD), BLOCK_POSITIONS):
        block = slice(start, start + BLOCK_POSITIONS)
        among_TN = (hidden_TD[block].to(rows_ND) @ rows_ND.T).double().softmax(-1).cpu()
        expected_N += p_new_T[block] @ among_TN
    return expected_N


def _shift(
    hidden_TD: torch.Tensor, offset_T: torch.Tensor, is_new_T: torch.Tensor, share_T: torch.Tensor
) -> torch.Tensor:
    """The d that makes σ(offset + d · h) fit whether a new token came; float64, D."""
    import torch
    from torch.nn.functional import softplus

    x_TD, y_T, share_T = hidden_TD.double(), is_new_T.double(), share_T.double()
    ridge = SHIFT_RIDGE * x_TD.square().mean()
    eye_DD = torch.eye(x_TD.shape[1], dtype=torch.double)

    def cost(shift_D: torch.Tensor) -> float:
        logit_T = offset_T + x_TD @ shift_D
        return float((share_T * (softplus(logit_T) - y_T * logit_T)).sum() + ridge / 2 * shift_D.square().sum())

    shift_D = torch.zeros(x_TD.shape[1], dtype=torch.double)
    for _ in range(NEWTON_STEPS):
        p_T = torch.sigmoid(offset_T + x_TD @ shift_D)
        slope_D = x_TD.T @ (share_T * (p_T - y_T)) + ridge * shift_D
        curve_DD = (x_TD * (share_T * p_T * (1 - p_T))[:, None]).T @ x_TD + ridge * eye_DD
        step_D = torch.linalg.solve(curve_DD, slope_D)
        length = 1.0
        while cost(shift_D - length * step_D) > cost(shift_D) and length > 1e-3:
            length /= 2
        shift_D = shift_D - length * step_D
    return shift_D


def _constant(hidden_TD: torch.Tensor) -> torch.Tensor:
    """The c with c · h as near to 1 as can be at all positions; float64, D."""
    import torch

    x_TD = hidden_TD.double()
    moments_DD = x_TD.T @ x_TD / len(x_TD)
    ridge = CONSTANT_RIDGE * moments_DD.trace() / len(moments_DD)
    constant_D: torch.Tensor = torch.linalg.solve(
        moments_DD + ridge * torch.eye(len(moments_DD), dtype=torch.double), x_TD.mean(0)
    )
    return constant_D
