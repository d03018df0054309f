"""Values that are no numbers are counted as a look at each one counts them."""

import math
import random

import pytest
import torch

from qaz_llm.model.finite import LARGEST_WEIGHT, count_bad
from qaz_llm.train.health.finite import check_weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("limit", [None, 100.0])
def test_as_counted_one_by_one(dtype: torch.dtype, limit: float | None) -> None:
    dice = random.Random(0)
    kinds = [0.0, -1.5, 99.0, -101.0, 250.0, math.nan, math.inf, -math.inf]
    for size in (0, 1, 3, 50):
        values = [[dice.choice(kinds) for _ in range(size)] for _ in range(4)]
        bound = math.inf if limit is None else limit
        expected = sum(not abs(value) < bound for row in values for value in row)
        assert count_bad([torch.tensor(row, dtype=dtype) for row in values], limit=limit) == expected


def test_eight_bits() -> None:
    values = torch.tensor([1.0, math.nan, -2.0]).to(torch.float8_e4m3fn)
    assert count_bad([values]) == 1 and count_bad([values[:1]]) == 0


def test_the_largest_weight_has_a_square() -> None:
    edge = torch.tensor(LARGEST_WEIGHT, dtype=torch.float32)
    assert torch.isfinite(edge * edge) and not torch.isfinite((4 * edge) * (4 * edge))


class Engine:
    """What DeepSpeed's optimizer shows: flat float32 parts that are no parameters of the model."""

    def __init__(self, master: torch.Tensor, moment: torch.Tensor) -> None:
        self.param_groups = [{"params": [master]}]
        self.state = {master: {"exp_avg": moment, "step": 3}}


@pytest.mark.parametrize(("master", "moment", "said"), [(math.inf, 0.0, "1 weights"), (0.0, math.nan, "1 moments")])
def test_masters_and_moments_are_looked_at(master: float, moment: float, said: str, tmp_path) -> None:
    from qaz_llm.errors import WorkError

    model = torch.nn.Linear(2, 2)
    check_weights(model, Engine(torch.zeros(2), torch.zeros(2)), step=1, folder=tmp_path)
    with pytest.raises(WorkError, match=said):
        engine = Engine(torch.tensor([0.0, master]), torch.tensor([0.0, moment]))
        check_weights(model, engine, step=1, folder=tmp_path)


def test_a_model_that_is_no_number_is_not_exported(tmp_path) -> None:
    from qaz_llm.errors import WorkError
    from qaz_llm.model.export import write_model

    model = torch.nn.Linear(2, 2)
    model.weight.data[0, 0] = math.inf
    with pytest.raises(WorkError, match="1 of its weights are not numbers"):
        write_model(model, None, tmp_path / "model", facts={})
    assert not (tmp_path / "model").exists()
