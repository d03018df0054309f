"""An adapter is merged whole or not at all. Oracle: the keys of its file against the layers of the base, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_llama import make_model

from qaz_llm.errors import InputError
from qaz_llm.model.adapters import add_lora, merge_adapter, save_adapter

PER_LAYER = 7 * 2
"""Seven projections, two matrices each."""


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    save_adapter(add_lora(make_model(tied=False, num_layers=2), r=2, alpha=4.0, dropout=0.0), tmp_path / "adapter")
    return tmp_path / "adapter"


def change(folder: Path, rule: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(rule(load_file(path)), path)


def test_its_own_base_takes_it(adapter: Path) -> None:
    merge_adapter(make_model(tied=False, num_layers=2), adapter)


@pytest.mark.parametrize(("layers", "said"), [(1, "have no layer in this model"), (3, "are not in the file")])
def test_another_number_of_layers_is_refused(adapter: Path, layers: int, said: str) -> None:
    with pytest.raises(InputError, match=f"{PER_LAYER} matrices .*{said}"):
        merge_adapter(make_model(tied=False, num_layers=layers), adapter)


def test_a_missing_matrix_and_other_names_are_refused(adapter: Path) -> None:
    change(adapter, lambda state: dict(list(state.items())[1:]))
    with pytest.raises(InputError, match=r"1 matrices .*are not in the file"):
        merge_adapter(make_model(tied=False, num_layers=2), adapter)
    change(adapter, lambda state: {key.removeprefix("base_model.model."): value for key, value in state.items()})
    with pytest.raises(InputError, match="have no layer in this model"):
        merge_adapter(make_model(tied=False, num_layers=2), adapter)


def test_matrices_that_are_no_numbers_are_refused(adapter: Path) -> None:
    change(adapter, lambda state: {key: value.fill_(float("nan")) for key, value in state.items()})
    with pytest.raises(InputError, match="NaN or infinity in"):
        merge_adapter(make_model(tied=False, num_layers=2), adapter)
