"""Copies in kept buffers are what deepcopy makes, and are not written over while they are needed."""

from __future__ import annotations

import io
from collections import OrderedDict
from copy import deepcopy
from typing import Any

import torch

from qaz_llm.train.saving.host_copies import HostCopies


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def state() -> dict[str, Any]:
    base = torch.arange(12.0)
    weights = OrderedDict(
        a=base.view(3, 4), tied=base.view(3, 4), part=base[2:5], half=torch.ones(3, dtype=torch.bfloat16)
    )
    weights._metadata = {"version": 1}  # type: ignore[attr-defined]
    state = {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2, 2).t()}, 1: {"empty": torch.empty(0)}}
    return {
        "weights": weights,
        "state": state,
        "groups": [{"lr": 0.1, "betas": (0.9, 0.95)}],
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def test_written_as_what_was_copied() -> None:
    """Byte by byte, shared storage and what hangs on a dictionary among it, as of the original and of a deepcopy."""
    content, copies = state(), HostCopies()
    expected = saved(content)
    for _ in range(2):  # fresh buffers, then kept ones
        copies.begin()
        copied = copies.copy(content)
        content["weights"]["a"].add_(1)
        assert saved(copied) == expected == saved(deepcopy(copied))
        content["weights"]["a"].sub_(1)


def test_a_buffer_is_filled_again_only_after_begin() -> None:
    copies, source = HostCopies(), torch.ones(4)
    copies.begin()
    first = copies.copy({"w": source})["w"]
    source.fill_(2)
    second = copies.copy({"w": source})["w"]  # the same storage, as a model's that is in two files
    assert first.tolist() == [1] * 4 and second.tolist() == [2] * 4
    places = {first.data_ptr(), second.data_ptr()}
    copies.begin()
    source.fill_(3)
    third = copies.copy({"w": source})["w"]
    assert third.tolist() == [3] * 4 and third.data_ptr() in places


def test_warmed_buffers_are_used() -> None:
    copies, source = HostCopies(), torch.ones(4)
    copies.warm({"w": source})
    (warmed,) = copies._free.values()
    copies.begin()
    assert copies.copy([source])[0].data_ptr() == warmed.data_ptr()
