"""Proof, before the first step, that a document in a batch is read as it would be alone.

Whether it is depends on the family, its attention and the batch: a recurrence or a convolution runs on from one document
of a packed row into the next, some models count positions by the mask alone, some kernels find the documents of one row
but not of two. None of them warns, and the loss looks plausible. So the model that is about to be trained reads a few
rows of its own data in the very form of a training batch, and two things must hold:

    the logits of each document are those it has when it is read by itself, but for rounding
    the gradient of one document's logits is exactly zero at the tokens of all others: what was masked has probability 0,
    in any precision, so that a leak too small for rounding to show is found too

Shape legend: B rows, L tokens of the longest row, T tokens of one document, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from transformers import TrainerCallback

from qaz_llm.errors import ConfigError
from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.progress import get_logger
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.packing import make_row
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.influence import (
    foreign_gradient,
    foreign_influence,
    innermost,
    largest_of,
    logits_of,
    reading,
)
from qaz_llm.train.health.out_of_memory import is_out_of_memory
from qaz_llm.train.ranks.distributed import any_process
from qaz_llm.train.ranks.sharding import is_sharded

if TYPE_CHECKING:
    import torch

_logger = get_logger("train")

LENGTHS = ((23, 41), (37, 11), (9, 30))
"""Tokens of the two documents of a row: rows differ, since a batch of equal ones would hide a mistake between rows."""

MAX_ROWS = 4
"""Rows of the probe's batch at most, however large micro_batch_size is: far less than a step of training takes."""

TOLERANCE_FRAC = {"float32": 1e-4, "bfloat16": 1e-1, "float16": 1e-2}
"""Largest difference that rounding may make, as a share of the largest logit.

float32: an upper end, for what SAME_LOGITS and ROUNDING_TIMES allow, which is far less. bfloat16 keeps 8 bits, a
unit in the last place is 2^-8 = 0.4 % of a number; thirty layers of real weights make 2 % of it (SmolLM2 135M). So in
bfloat16 this comparison finds wrong positions and wrong rows; small leaks are found by the gradient, which is exact.
"""


SAME_LOGITS = 1e-4
"""float32: logits that differ by no more are the same."""

ROUNDING_TIMES = 10
"""float32: where a model's own rounding is more than a tenth of SAME_LOGITS, so many times that rounding is allowed. It is
measured on the model, without packing: a text by itself against the same text with more behind it, which a causal model
reads alike. Measured so on real weights: SmolLM2 135M 3.7e-5 (packed against alone 3.7e-5), Gemma 3 270M 2.9e-5 (1.0e-4)."""


class AttentionRefusedError(ConfigError):
    """Documents of a batch see each other; `working` are attentions that were found to keep them apart."""

    def __init__(self, message: str, *, hint: str, working: Sequence[str]) -> None:
        super().__init__(message, hint=hint)
        self.working = tuple(working)


class Rows(Protocol):
    """Training rows by their number, each with `input_ids`."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class ProbeResult:
    """`difference` is the largest between logits together and alone; rounding explains up to `tolerance`.

    `foreign_gradient` is the largest gradient of a document's logits at other documents' tokens. Where the model is sharded
    (ZeRO-3, FSDP2), whose engine takes no gradients but its own, other tokens are put there instead, and it is how far the logits move,
    if that is more than a tenth of what rounding explains. `why`: the attention refused the model.
    """

    difference: float
    tolerance: float
    foreign_gradient: float
    why: str | None = None

    @property
    def holds(self) -> bool:
        return self.difference <= self.tolerance and not self.foreign_gradient  # NaN holds in neither

    def describe(self) -> str:
        if self.why is not None:
            return self.why
        seen = f"{self.foreign_gradient:.1e}" if self.foreign_gradient else "none"
        return (
            f"logits differ by {self.difference:.1e} from those of each document alone (rounding: up to "
            f"{self.tolerance:.1e}), gradient at other documents {seen}"
        )


class PackingProbe(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Looks once, when the model stands as it will be trained: on its device, sharded, with its adapters.

    `rows` are the rows of the training data, from which the documents of the probe are cut.
    """

    def __init__(self, collator: Collator, rows: Rows, *, micro_batch_size: int) -> None:
        self.collator = collator
        self.token_ids = probe_tokens(rows)
        self.num_rows = min(micro_batch_size, MAX_ROWS)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Raises AttentionRefusedError, on all processes at once, where documents of a batch see each other."""
        try:
            result = probe(model, self.collator, self.token_ids, num_rows=self.num_rows)
        except (RuntimeError, ValueError, TypeError) as error:
            if self.collator.attention != DOCUMENTS or is_out_of_memory(error):
                raise
            why = str(error).splitlines()[0][:200]  # a family that reads its mask in a way of its own
            result = ProbeResult(float("inf"), 0.0, 0.0, why=f"attention {DOCUMENTS} does not fit this model: {why}")
        if any_process(not result.holds):
            raise refusal(model, self.collator, self.token_ids, result, num_rows=self.num_rows)
        _logger.info("documents of a batch do not see each other: %s", result.describe())


def probe_tokens(rows: Rows) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Token ids of the first training rows, enough for all documents of the probe, repeated where the data is short.

    The first of them is what a document begins with, which is BOS in most families.
    """
    needed = MAX_ROWS * max(map(sum, LENGTHS))
    found: list[np.ndarray[Any, Any]] = []
    for number in range(len(rows)):
        found.append(np.asarray(rows[number]["input_ids"], np.int64))
        if sum(map(len, found)) >= needed:
            break
    return np.resize(np.concatenate(found), needed)


def probe(model: Any, collator: Collator, token_ids: np.ndarray[Any, Any], *, num_rows: int) -> ProbeResult:
    """Compare the logits of all documents of a batch of `num_rows` rows with those of each document alone."""
    import torch

    rows = list(_probe_rows(token_ids, num_rows, packs=collator.packs))
    batch = collator([row for row, _ in rows])
    difference = largest = 0.0
    with reading(model), _output_types(model) as types:
        together_BLV = logits_of(model, batch)
        for index, (row, bounds) in enumerate(rows):
            for start, end in bounds:
                alone = torch.tensor([row["input_ids"][start:end]])
                alone_TV = logits_of(model, {"input_ids": alone, "use_cache": False})[0].float()
                apart_TV = (together_BLV[index, start:end].float() - alone_TV).abs()
                difference = max(difference, largest_of(apart_TV))
                largest = max(largest, largest_of(alone_TV.abs()))
    precision = _precision(model, {together_BLV.dtype, *types})
    tolerance = largest * TOLERANCE_FRAC[precision]
    if precision == "float32":
        tolerance = min(tolerance, max(SAME_LOGITS, ROUNDING_TIMES * _rounding(model, *rows[0])))
    last = rows[0][1][-1]
    if is_sharded(model):
        moved = foreign_influence(model, batch, last)
        return ProbeResult(difference, tolerance, moved if not moved <= tolerance / 10 else 0.0)
    return ProbeResult(difference, tolerance, foreign_gradient(model, batch, last))


def _rounding(model: Any, row: Mapping[str, Any], bounds: list[tuple[int, int]]) -> float:
    """How far the logits of a text move when more text stands behind it, without packing: another shape, other rounding."""
    import torch

    ids, end = list(row["input_ids"]), bounds[0][1]
    texts = [torch.tensor([some]) for some in (ids[:end], ids + ids[:end])]
    with reading(model):
        alone_TV, longer_TV = (logits_of(model, {"input_ids": t, "use_cache": False})[0, :end].float() for t in texts)
    return largest_of((alone_TV - longer_TV).abs())


def refusal(
    model: Any, collator: Collator, token_ids: np.ndarray[Any, Any], found: ProbeResult, *, num_rows: int
) -> AttentionRefusedError:
    """The error for a batch whose documents see each other; names what was tried on this model and holds."""
    attention = str(model.config._attn_implementation)
    what = "packed in one row" if collator.packs else "in rows of their own"
    message = (
        f"{type(innermost(model)).__name__} with attention {attention}: documents {what} are read as one, training would "
        f"mix them; {found.describe()}"
    )
    holding = list(_attentions_that_hold(model, collator, token_ids, num_rows))
    working = [f"model.attn_implementation={name}" for name in holding]
    if collator.packs:
        padded = probe(model, replace(collator, packs=False), token_ids, num_rows=num_rows)
        if not any_process(not padded.holds):
            working.append("packing=off (rows of one document each, padded)")
    hint = f"works here: {' or '.join(working)}" if working else "nothing that was tried keeps them apart"
    return AttentionRefusedError(message, hint=hint, working=holding)


def _attentions_that_hold(
    model: Any, collator: Collator, token_ids: np.ndarray[Any, Any], num_rows: int
) -> Iterator[str]:
    """Other implementations of attention under which the same batch holds; the model is left as it was."""
    inner = innermost(model)
    before = str(inner.config._attn_implementation)
    for name in ("sdpa", "eager"):
        if name == before:
            continue
        try:
            inner.set_attn_implementation(name)
            if inner.config._attn_implementation != name:
                continue  # the family has only its own
            result = probe(model, replace(collator, attention=name), token_ids, num_rows=num_rows)
            if not any_process(not result.holds):
                yield name
        except (ValueError, ImportError, RuntimeError, TypeError):  # NotImplementedError is one of the third
            continue  # the family has no such attention
        finally:
            inner.set_attn_implementation(before)


def _probe_rows(
    token_ids: np.ndarray[Any, Any], num_rows: int, *, packs: bool
) -> Iterator[tuple[dict[str, Any], list[tuple[int, int]]]]:
    """Rows of two documents (of one where rows are not packed), and where each of them begins and ends.

    Each begins as documents of the data do: without its BOS a model is out of its element, and rounding grows.
    """
    first, *rest = token_ids.tolist()
    stream = iter(rest)
    for number in range(num_rows):
        lengths = LENGTHS[number % len(LENGTHS)][: 2 if packs else 1]
        pieces = [(first, *islice(stream, length - 1)) for length in lengths]
        row = make_row([TokenizedExample(ids, ids) for ids in pieces])
        bounds = list(pairwise([0, *np.cumsum(lengths).tolist()]))
        yield {"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}, bounds


@contextmanager
def _output_types(model: Any) -> Iterator[set[torch.dtype]]:
    """What the last layer gives: under autocast, which accelerate enters and leaves inside the model's own call and whose
    logits it makes float32 again, and under FSDP2, whose weights are float32 between calls, this alone shows bfloat16."""
    types: set[torch.dtype] = set()
    last = innermost(model).get_output_embeddings()
    hook = last.register_forward_hook(lambda _layer, _inputs, output: types.add(output.dtype)) if last else None
    try:
        yield types
    finally:
        if hook is not None:
            hook.remove()


def _precision(model: Any, types: set[torch.dtype]) -> str:
    """The coarsest type that computing goes through: of the weights, and of `types`."""
    names = {
        str(dtype).removeprefix("torch.") for dtype in types | {p.dtype for p in model.parameters() if p.dim() > 1}
    }
    return max(names & TOLERANCE_FRAC.keys() or {"float32"}, key=TOLERANCE_FRAC.__getitem__)
