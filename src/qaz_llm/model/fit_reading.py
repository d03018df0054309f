"""New input rows fitted to how their pieces are read: after a few layers the model is where it would be after the pieces.

A row that is a mixture of old ones says of what a token is made, not in which order and not what the first layers make of it. Those
layers join the pieces of a word into one state at its last piece (Kaplan et al. 2024, "From Tokens to Words", arXiv 2410.05864). So
the row is moved until the state after it equals that state:

    new token ab, made of a and b        start a b   →   state at b after LAYERS layers, the aim
                                         start ab    →   state at ab, moved to the aim by gradient steps on ab's row alone

Each row is a problem of its own, without text and without the rest of the model. Of row w + δ what is made small is

    |state(w + δ) - aim|²  +  λ δᵀ C δ  +  μ |δ|² / n²

with states scaled to a mean square of 1 and n the usual length of a row. The second term stands where the tables are tied: C is the
second moment of last hidden states in text, so δᵀ C δ is the mean square of what the token's logit would change by.

Shape legend: B new tokens of a block, L tokens of a row, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qaz_llm.model.embeddings import has_tied_tables
from qaz_llm.progress import get_logger, track
from qaz_llm.tokenizer.start import start_id_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from qaz_llm.model.fit_samples import FitSample
    from qaz_llm.tokenizer.extension import ExtendedTokenizer

_logger = get_logger("model")

LAYERS = 4
STEPS = 20
STEP_FRAC = 0.075
"""Of a row's usual number, by which Adam moves each number at first; falls to nothing."""
LENGTH_PENALTY = 0.1
"""μ. Without it rows grow longer than any other row, and the fit in text gets worse while that without text gets better."""
LOGIT_PENALTY = 0.05
"""λ, where the tables are tied."""
BLOCK_ROWS = 512
MOMENT_TOKENS = 1_000
"""Of each part of the text, read for C."""
MAX_FLOPS = 3e14
"""Rows of the most frequent tokens go first, and what is beyond this keeps its row: half an hour on two cores. A GPU has no limit."""


@dataclass(frozen=True)
class ReadingFit:
    """What was done: rows moved, of how many, and the mean squared distance of states before and after."""

    moved: int
    rows: int
    before: float
    after: float


def fit_reading(model: PreTrainedModel, extended: ExtendedTokenizer, samples: Sequence[FitSample]) -> ReadingFit | None:
    """Move the input rows of new tokens, in place, so that they are read like their pieces; None where it cannot be done.

    Args:
        model: on one device and whole, its new rows made; old rows, and all other weights, stay as they are.
        extended: says of which old tokens each new one is made, and what a text starts with.
        samples: text in the new vocabulary, for C and for how often tokens come.

    A row that would be no nearer to its aim stays as it was. A model whose layers are not found, or that takes no embeddings in place
    of ids, keeps its rows, and that is said.
    """
    layers = _layers(model)
    if layers is None:
        _logger.warning("new rows are not fitted to how their pieces are read: the model's layers were not found")
        return None
    ids = _by_frequency(extended, samples)
    if not ids:
        return None
    reach = _reach(model, layers[:LAYERS])
    if reach < len(ids):
        _logger.warning(
            "the input rows of %d rarer new tokens of %d stay as made: fitting them would take too long here",
            len(ids) - reach, len(ids),
        )  # fmt: skip
    was_training = model.training
    model.eval()
    try:
        problem = _Problem.of(model, layers[min(LAYERS, len(layers)) - 1], extended, samples)
        found = [_fit_block(problem, block) for block in _blocks(ids[:reach])]
    except (TypeError, ValueError, NotImplementedError) as error:  # a family whose forward takes no inputs_embeds
        _logger.warning("new rows are not fitted to how their pieces are read: %s", error)
        return None
    finally:
        model.train(was_training)
    moved = sum(count for count, _before, _after in found)
    fitted = max(min(reach, len(ids)), 1)
    before, after = (sum(block[place] for block in found) / fitted for place in (1, 2))
    _logger.info(
        "input rows of %d of %d new tokens fitted to their pieces: distance of states %.4f, before %.4f",
        moved, len(ids), after, before,
    )  # fmt: skip
    return ReadingFit(moved, len(ids), before, after)


class _StateFoundError(Exception):
    """The state that was wanted is there; the layers after it need not run."""


@dataclass(frozen=True)
class _Problem:
    """What all rows share."""

    model: Any
    layer: Any
    sub_tokens: Mapping[int, Sequence[int]]
    start: tuple[int, ...]
    scale: float
    """An embedding module may scale its rows (Gemma does)."""
    length: float
    """The root mean square of an old row's numbers."""
    penalty_DD: torch.Tensor
    """λ C + μ / n², or μ / n² alone; float64 on the CPU."""

    @classmethod
    def of(cls, model: Any, layer: Any, extended: ExtendedTokenizer, samples: Sequence[FitSample]) -> _Problem:
        import torch

        inputs = model.get_input_embeddings()
        tokenizer = extended.tokenizer
        start = start_id_of(tokenizer)
        old_VD = inputs.weight[: min(extended.base_size, 20_000)].detach().float()
        length = float(old_VD.square().mean().sqrt())
        size = old_VD.shape[1]
        penalty_DD = torch.eye(size, dtype=torch.double) * (LENGTH_PENALTY / (length**2 * size))
        if has_tied_tables(model):
            penalty_DD += LOGIT_PENALTY * _second_moment(model, samples)
        longest = int(old_VD.square().sum(-1).argmax())  # any row but one of zeros, as padding may have
        scaled_D = inputs(torch.tensor([longest], device=old_VD.device))[0].detach().float()
        scale = float((scaled_D * old_VD[longest]).sum() / old_VD[longest].square().sum())
        first = () if start is None else (int(start),)
        return cls(model, layer, extended.sub_tokens, first, scale, length, penalty_DD)

    def state(self, embedded_BLD: torch.Tensor, last_B: torch.Tensor) -> torch.Tensor:
        """After the layer, at the place `last_B` of each row, scaled to a mean square of 1; float32, B × D."""
        import torch

        kept: list[torch.Tensor] = []

        def keep(_module: Any, _inputs: Any, output: Any) -> None:
            kept.append(output if isinstance(output, torch.Tensor) else output[0])
            raise _StateFoundError

        hook = self.layer.register_forward_hook(keep)
        try:
            self.model.base_model(inputs_embeds=embedded_BLD, use_cache=False)
        except _StateFoundError:
            pass
        finally:
            hook.remove()
        state_BD = kept[0][torch.arange(len(last_B), device=last_B.device), last_B].float()
        return state_BD / state_BD.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)


def _fit_block(problem: _Problem, ids: Sequence[int]) -> tuple[int, float, float]:
    """Fit the rows of some new tokens; how many moved, and their distances before and after, summed."""
    import torch

    inputs = problem.model.get_input_embeddings()
    device = inputs.weight.device
    with torch.no_grad():
        aim_BD = problem.state(*_embedded(inputs, [(*problem.start, *problem.sub_tokens[i]) for i in ids]))
        made_BLD, last_B = _embedded(inputs, [(*problem.start, i) for i in ids])
    basis_DD = _inverse_root(problem.penalty_DD).to(device)
    penalty_DD = problem.penalty_DD.float().to(device)
    moves_BD = torch.zeros(len(ids), made_BLD.shape[-1], device=device, requires_grad=True)
    optimizer = torch.optim.Adam([moves_BD], betas=(0.9, 0.95))
    places = torch.arange(len(ids), device=device)

    def distance(delta_BD: torch.Tensor) -> torch.Tensor:
        embedded_BLD = made_BLD.index_put(
            (places, last_B), (problem.scale * delta_BD).to(made_BLD.dtype), accumulate=True
        )
        return (problem.state(embedded_BLD, last_B) - aim_BD).square().mean(-1)

    before_B = distance(torch.zeros_like(moves_BD)).detach()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = STEP_FRAC * problem.length * (1 - step / STEPS)
        delta_BD = moves_BD @ basis_DD
        loss = (distance(delta_BD) + ((delta_BD @ penalty_DD) * delta_BD).sum(-1)).sum()
        moves_BD.grad = torch.autograd.grad(loss, moves_BD)[0]
        optimizer.step()
    with torch.no_grad():
        delta_BD = moves_BD @ basis_DD
        after_B = distance(delta_BD)
        nearer_B = after_B < before_B
        rows_B = torch.tensor(list(ids), device=device)[nearer_B]
        inputs.weight[rows_B] += delta_BD[nearer_B].to(inputs.weight.dtype)
        final_B = torch.where(nearer_B, after_B, before_B)
    return int(nearer_B.sum()), float(before_B.sum()), float(final_B.sum())


def _embedded(inputs: Any, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embedded rows, padded after their ends by their own first token, and the place of each one's last token."""
    import torch

    device, length = inputs.weight.device, max(map(len, rows))
    ids_BL = torch.tensor([[*row, *[row[0]] * (length - len(row))] for row in rows], device=device)
    return inputs(ids_BL).detach(), torch.tensor([len(row) - 1 for row in rows], device=device)


def _inverse_root(matrix_DD: torch.Tensor) -> torch.Tensor:
    """M^(-1/2), scaled to 1 in its longest direction: steps are small where the penalty is high; float32."""
    import torch

    values_D, vectors_DD = torch.linalg.eigh(matrix_DD)
    values_D = values_D.clamp(min=float(values_D.max()) * 1e-12)
    root_DD: torch.Tensor = (vectors_DD * (values_D / values_D.min()).rsqrt()) @ vectors_DD.T
    return root_DD.float()


def _second_moment(model: Any, samples: Sequence[FitSample]) -> torch.Tensor:
    """Of the last hidden states over a little of each part, D × D, float64 on the CPU."""
    import torch

    size = model.get_input_embeddings().weight.shape[1]
    total_DD, count = torch.zeros(size, size, dtype=torch.double), 0
    with torch.no_grad():
        for row in (row for sample in samples for row in _some(sample)):
            ids = torch.tensor([list(row)], device=model.get_input_embeddings().weight.device)
            hidden_LD = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0].double().cpu()
            total_DD += hidden_LD.T @ hidden_LD
            count += len(hidden_LD)
    return total_DD / max(count, 1)


def _some(sample: FitSample) -> Iterator[Sequence[int]]:
    tokens = 0
    for row in sample.rows:
        if tokens >= MOMENT_TOKENS:
            return
        tokens += len(row)
        yield row


def _by_frequency(extended: ExtendedTokenizer, samples: Sequence[FitSample]) -> list[int]:
    """New tokens made of several old ones, the most frequent first."""

    def count(token: int) -> int:
        return sum(int(s.counts_V[token]) for s in samples if token < len(s.counts_V))

    return sorted(
        (i for i in extended.new_ids if len(extended.sub_tokens.get(i, ())) > 1), key=lambda i: (-count(i), i)
    )


def _blocks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    starts = range(0, len(ids), BLOCK_ROWS)
    for start in track(starts, "fit input rows", total=len(starts), unit="blocks"):
        yield ids[start : start + BLOCK_ROWS]


def _layers(model: Any) -> Any:
    """The list of a model's layers: the one that is as long as its config says, and holds the most weights. None: not found."""
    import torch

    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found = [m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]
    return max(found, key=lambda m: sum(p.numel() for p in m.parameters()), default=None)


def _reach(model: Any, layers: Any) -> int:
    """How many rows MAX_FLOPS is enough for: 6 per weight and token, two tokens and STEPS steps a row. On a GPU, all."""
    weight = model.get_input_embeddings().weight
    if weight.device.type != "cpu":
        return int(weight.shape[0])
    weights = sum(p.numel() for p in layers.parameters())
    return int(MAX_FLOPS / (6 * 2 * STEPS * max(weights, 1)))
