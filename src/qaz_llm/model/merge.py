"""Models of one architecture put together without training: differences added, parts put back.

    θ = onto + Σ weight_i · (add_i − ref)        ref: where the differences are taken from, by default `onto` itself

    weight averaging       onto A, add B with weight 0.3                        0.7 A + 0.3 B             arXiv 2203.05482
    task vectors           onto BASE, add each tuned model, ref BASE            BASE + Σ w (TUNED − BASE) arXiv 2212.04089
    instruct residual      onto ADAPTED, add INSTRUCT, ref BASE                 ADAPTED + w (INSTRUCT − BASE)
    reverting layers       onto ADAPTED, revert `layers 0-3` to INSTRUCT        those layers as they were

Vocabularies may differ, as those of a model and of the same grown by tokens. A row of a table stands for a token: rows of tokens that
both have take part, each at its own place; rows that only `onto` has stay as they are, and how many is counted.

    onto has tokens a b c, add and ref have b a             rows of a and b get the difference, c is left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.model.finite import not_finite
from qaz_llm.model.frozen import modules_of
from qaz_llm.model.one_base import Source, check_one_base, is_table
from qaz_llm.model.stored import shown

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Difference:
    """Σ weight_i · (add_i − ref) by parameter of `onto`, in float32; `left_rows`: rows of a table that stay as `onto` has them."""

    tensors: Mapping[str, torch.Tensor]
    left_rows: int


@dataclass(frozen=True)
class Merge:
    """A model that moves along a difference: `set_scale(s)` makes it onto + s · difference, wherever it stood."""

    model: PreTrainedModel
    difference: Difference
    start: Mapping[str, torch.Tensor] = field(repr=False)

    @classmethod
    def of(cls, onto: Source, difference: Difference) -> Merge:
        return cls(
            onto.model,
            difference,
            {name: p.detach().clone() for name, p in onto.model.named_parameters() if name in difference.tensors},
        )

    @property
    def is_nothing(self) -> bool:
        """Whether the difference is zero everywhere, as that of a model to itself."""
        return not any(tensor.any() for tensor in self.difference.tensors.values())

    def set_scale(self, scale: float) -> None:
        """Put onto + scale · difference into the model, computed in float32 and rounded once to the model's own type.

        Raises InputError where weights come out beyond what that type holds.
        """
        import torch

        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in self.start:
                    parameter.copy_(self.start[name].float() + scale * self.difference.tensors[name])
        if odd := not_finite(self.model.named_parameters()):
            raise InputError(
                f"at scale {scale:g} {len(odd)} of the merged weights hold NaN or infinity: {shown(odd)}",
                hint=f"give smaller weights; the numbers have to be ones that {str(self.model.dtype).removeprefix('torch.')} holds",
            )


def difference_of(onto: Source, adds: Sequence[tuple[Source, float]], ref: Source) -> Difference:
    """What is to be added to `onto` at scale 1.

    Raises:
        InputError: models that are not of one base (one_base.py); what differs is named.
    """
    import torch

    for source in (ref, *(add for add, _ in adds)):
        check_one_base(onto, source)
    rows = {source.name: shared_rows(onto, source) for source in (ref, *(add for add, _ in adds))}
    total: dict[str, torch.Tensor] = {}
    for name, own in onto.model.named_parameters():
        if is_table(onto.model, own):
            parts = [(_in_place(own, add, rows[add.name], name), weight) for add, weight in adds]
            base = _in_place(own, ref, rows[ref.name], name)
            total[name] = _sum_where_all_have(parts, base)
        else:
            start = parameter_of(ref.model, name).float()
            total[name] = torch.zeros_like(start)
            for add, weight in adds:
                total[name] += weight * (parameter_of(add.model, name).float() - start)
    everywhere = set.intersection(*(set(found) for found in rows.values()))
    return Difference(total, len(onto.tokenizer) - len(everywhere))


def revert_parts(onto: Source, ref: Source, parts: Sequence[str]) -> int:
    """Put parts of `onto` (as `freeze` names them) back to what `ref` has; the number of parameters that were.

    Of a table the rows of tokens that both have.

    Raises:
        ConfigError: a part that the model does not have.
        InputError: models that are not of one base.
    """
    import torch

    check_one_base(onto, ref)
    rows, done = shared_rows(onto, ref), 0
    seen: set[int] = set()
    with torch.no_grad():
        for name, own in _parameters_of(onto.model, parts):
            if id(own) in seen:
                continue
            seen.add(id(own))
            if is_table(onto.model, own):
                there, has_V = _in_place(own, ref, rows, name)
                own[has_V] = there[has_V].to(own.dtype)
                done += int(has_V.sum()) * own.shape[1]
            else:
                own.copy_(parameter_of(ref.model, name))
                done += own.numel()
    return done


def _parameters_of(model: PreTrainedModel, parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    names = {id(p): name for name, p in model.named_parameters()}
    for part in parts:
        for module in modules_of(model, part, key="revert"):
            yield from ((names[id(p)], p) for p in module.parameters() if id(p) in names)


def shared_rows(onto: Source, other: Source) -> dict[int, int]:
    """By id in `onto`, the id that the same token has in `other`.

    >>> # onto {"a": 0, "b": 1, "c": 2}, other {"b": 0, "a": 1}  →  {0: 1, 1: 0}
    """
    there = other.tokenizer.get_vocab()
    return {own: there[token] for token, own in onto.tokenizer.get_vocab().items() if token in there}


def _in_place(
    own: torch.Tensor, other: Source, rows: Mapping[int, int], name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of `other` where `onto` has those tokens, in float32, and which of `onto`'s rows there are."""
    import torch

    table = parameter_of(other.model, name).float()
    pairs = [(mine, theirs) for mine, theirs in rows.items() if mine < len(own) and theirs < len(table)]
    mine = torch.tensor([pair[0] for pair in pairs], dtype=torch.long)
    theirs = torch.tensor([pair[1] for pair in pairs], dtype=torch.long)
    placed, has_V = torch.zeros(own.shape, dtype=torch.float32), torch.zeros(len(own), dtype=torch.bool)
    placed[mine], has_V[mine] = table[theirs], True
    return placed, has_V


def _sum_where_all_have(
    parts: Sequence[tuple[tuple[torch.Tensor, torch.Tensor], float]], base: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    import torch

    there, has_V = base
    total = torch.zeros_like(there)
    for (added, added_V), weight in parts:
        both_V = has_V & added_V
        total[both_V] += weight * (added[both_V] - there[both_V])
    return total


def parameter_of(model: PreTrainedModel, name: str) -> torch.Tensor:
    found: torch.Tensor = model.get_parameter(name).detach()
    return found
