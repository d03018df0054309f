"""Whether the weights of two models mean the same, so that they may be added: one function, one kind of tokens.

Equal shapes do not say so. 9 heads of 64 and 3 of 192 have the same matrices; another base of the rotary positions, another epsilon or
activation has no matrix at all. So the configs are compared field by field. What is left out of that changes no output of the model for given
weights and ids: names, versions, number types, the vocabulary and its special tokens, what is used in training alone. Longer contexts:

    max_position_embeddings differs alone       said, and allowed: plain rotary positions do not depend on it
    rope_parameters differ                      refused: queries and keys were learned under another rotation
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.kinds import different_kinds

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

MOST_LISTED = 5

LEAST_SHARED_FRAC = 0.5
"""Of the smaller vocabulary at least so many tokens are to be in the other. Of one base all are, or all but those that were swapped or
taken out; two tokenizers that were learned apart share what both languages and scripts have in common."""

FLOAT_DIFFERENCE = 1e-6
"""Relative; a config that went through float32 says 9.999999747378752e-06 for 1e-05."""
BUFFER_DIFFERENCE = 2.0**-7
"""Relative; what bfloat16 keeps of a number, in which one of two models may be stored."""

LONGEST = "max_position_embeddings"

NO_FUNCTION = re.compile(
    r"_.*|architectures|auto_map|transformers_version|dtype|torch_dtype|vocab_size"  # names, versions, types
    r"|id2label|label2id|problem_type|.*_token_ids?|.*_token_index"
    r"|use_cache|cache_implementation|return_dict|output_.*|chunk_size_feed_forward|pretraining_tp"  # how it is run
    r"|initializer_.*|.*dropout.*|.*_pdrop|layerdrop|router_(aux_loss|z_loss|jitter).*"  # in training alone
    rf"|{LONGEST}"  # see _is_scaled and remarks
)
"""Fields of a config that change no output; see above."""


@dataclass(frozen=True)
class Source:
    """A model that takes part, its tokenizer, and what it is called in messages."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


def check_one_base(onto: Source, other: Source) -> None:
    """Raise InputError where the weights of the two do not mean the same; what differs is named with both values."""
    differing = (
        different_fields(onto.model.config, other.model.config)
        or _different_shapes(onto.model, other.model)
        or list(_different_buffers(onto.model, other.model, persistent=False))
    )
    if differing:
        raise _not_one_base(onto, other, _listed(differing))
    if (difference := different_kinds(onto.tokenizer, other.tokenizer)) is not None:
        raise _not_one_base(onto, other, difference)
    shared, of = shared_tokens(onto, other)
    if shared < LEAST_SHARED_FRAC * of:
        raise _not_one_base(
            onto, other, f"{shared:,} of {of:,} tokens are in both, at least {LEAST_SHARED_FRAC:.0%} were expected"
        )


def remarks(onto: Source, other: Source) -> Iterator[str]:
    """What a person is to know of two models that may be added, and differ in something that does not stand against it."""
    ours, theirs = (one.model.config.get_text_config() for one in (onto, other))
    longest = [getattr(config, LONGEST, None) for config in (ours, theirs)]
    if longest[0] != longest[1]:
        yield f"{LONGEST} {longest[0]} and {longest[1]}: the result keeps that of {onto.name}"
    buffers = list(_different_buffers(onto.model, other.model, persistent=True))
    if buffers:
        yield f"{len(buffers)} buffers are no parameters and stay as {onto.name} has them: {_listed(buffers)}"
    if onto.model.dtype != other.model.dtype:
        yield f"{other.name} is in {_type(other.model)}, the result in {_type(onto.model)} as {onto.name}"


def _not_one_base(onto: Source, other: Source, difference: str) -> InputError:
    return InputError(
        f"{onto.name} and {other.name} are not of one base: {difference}",
        hint="only models that come from one base can be merged; vocabularies may differ, as those of a model and of the same grown by tokens",
    )


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
    return ", ".join(found[:MOST_LISTED]) + more


def _type(model: PreTrainedModel) -> str:
    return str(model.dtype).removeprefix("torch.")


def different_fields(ours: PretrainedConfig, theirs: PretrainedConfig) -> list[str]:
    """Fields that change what a model computes, each with both values; of models of two families that alone.

    Of what the family's config class does not know, as other programs leave their names there, nothing is read when it runs.
    """
    mine, other = (_fields(config.get_text_config()) for config in (ours, theirs))
    family = "model_type"
    if mine.get(family) != other.get(family):
        return [f"{family} {mine.get(family)} and {other.get(family)}"]
    if _is_scaled(mine) or _is_scaled(other):
        mine[LONGEST], other[LONGEST] = (getattr(one.get_text_config(), LONGEST, None) for one in (ours, theirs))
    return [
        f"{name} {_shown(mine.get(name))} and {_shown(other.get(name))}"
        for name in sorted(mine.keys() | other.keys())
        if not _is_same(mine.get(name), other.get(name))
    ]


def _fields(config: PretrainedConfig) -> dict[str, Any]:
    known = None if getattr(config, "has_no_defaults_at_init", False) else type(config)().to_dict().keys()
    values = {
        name: value
        for name, value in config.to_dict().items()
        if not NO_FUNCTION.fullmatch(name) and (known is None or name in known)
    }
    return dict(_flat("", values)) | {"model_type": config.model_type}


def _is_scaled(fields: Mapping[str, Any]) -> bool:
    """Whether rotary positions are scaled, which is computed from the longest context."""
    return any(name.endswith("rope_type") and value != "default" for name, value in fields.items())


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """`{"rope": {"theta": 1}, "kinds": ["a"]}` → rope.theta 1, kinds.0 "a"."""
    if isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and value):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, part in pairs:
            yield from _flat(f"{path}.{name}" if path else str(name), part)
    else:
        yield path, value


def _is_same(one: Any, other: Any) -> bool:
    both_numbers = all(isinstance(value, (int, float)) for value in (one, other))
    return math.isclose(one, other, rel_tol=FLOAT_DIFFERENCE) if both_numbers else bool(one == other)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def is_table(model: PreTrainedModel, parameter: Any) -> bool:
    """Whether a parameter has a row for each token: the input table, or the output's weight or bias."""
    head = model.get_output_embeddings()
    tables = [model.get_input_embeddings().weight]
    tables += [p for p in (getattr(head, "weight", None), getattr(head, "bias", None)) if p is not None]
    return any(parameter is table for table in tables)


def _different_shapes(ours: PreTrainedModel, theirs: PreTrainedModel) -> list[str]:
    """Parameters that only one has, or that differ in more than the length of a table."""
    mine = {name: (p.shape, is_table(ours, p)) for name, p in ours.named_parameters()}
    other = {name: p.shape for name, p in theirs.named_parameters()}
    wrong = [f"only one has {name}" for name in mine.keys() ^ other.keys()]
    for name in mine.keys() & other.keys():
        shape, is_table_ = mine[name]
        first = 1 if is_table_ else 0
        if shape[first:] != other[name][first:]:
            wrong.append(f"{name} {tuple(shape)} and {tuple(other[name])}")
    return sorted(wrong)


def _different_buffers(ours: PreTrainedModel, theirs: PreTrainedModel, *, persistent: bool) -> Iterator[str]:
    """Tensors that are no parameters: those that are made anew from the config, or the `persistent` ones that a file holds."""
    import torch

    mine, other = dict(ours.named_buffers()), dict(theirs.named_buffers())
    in_files = ours.state_dict().keys() | theirs.state_dict().keys()
    for name in sorted(mine.keys() | other.keys()):
        one, another = mine.get(name), other.get(name)
        if (name in in_files) != persistent or (one is None and another is None):
            continue
        if one is None or another is None:
            yield f"only one has {name}"
        elif one.shape != another.shape or not torch.allclose(
            one.float(), another.float(), rtol=BUFFER_DIFFERENCE, atol=0.0
        ):
            yield name


def shared_tokens(onto: Source, other: Source) -> tuple[int, int]:
    """How many tokens both have, by their strings, and how many the smaller vocabulary has."""
    ours, theirs = onto.tokenizer.get_vocab(), other.tokenizer.get_vocab()
    return len(ours.keys() & theirs.keys()), min(len(ours), len(theirs))
