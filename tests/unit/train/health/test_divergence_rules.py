"""What counts as divergence, by numpy and by hand; and the order of rows with some left out, by brute force."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qaz_llm.rows.dataset import StepSampler
from qaz_llm.train.config import DivergenceConfig
from qaz_llm.train.health.divergence import DivergedError, StepWatch, skips_on_device
from qaz_llm.train.health.history import WINDOW, LossHistory, Verdict
from qaz_llm.train.health.left_out import leave_out, make_sampler, read_left_out
from qaz_llm.train.loop.schedule import warm_up_line

CPU = torch.device("cpu")
ZERO = torch.zeros(())


class NoOptimizer:
    param_groups: tuple[()] = ()


def watch(policy: Any = "skip", **limits: Any) -> StepWatch:
    return StepWatch(policy=policy, limits=DivergenceConfig(**limits), vocab_size=1000, world_size=1)


def judged(one: StepWatch, losses: list[float], norms: list[float] | None = None) -> list[bool]:
    """Whether each step is skipped."""
    before = list(one.skipped)
    for step, loss in enumerate(losses, 1):
        one.add(torch.tensor(loss), ZERO)
        one.judge(step, norms[step - 1] if norms else 1.0, NoOptimizer())
        one.look()
    return [step in one.skipped[len(before) :] for step in range(1, len(losses) + 1)]


@pytest.mark.parametrize("count", [1, 2, 7, WINDOW, WINDOW + 5])
def test_median_and_spread_are_those_of_numpy(count: int) -> None:
    losses = np.random.default_rng(count).normal(3.0, 0.5, count).astype(np.float32)
    history = LossHistory.on(CPU)
    for loss in losses:
        history.append(torch.tensor(loss), unless=torch.tensor(False))
    window = np.sort(losses[-WINDOW:])
    median = window[(len(window) - 1) // 2]  # the lower of two
    spread = 1.4826 * np.sort(np.abs(window - median))[(len(window) - 1) // 2]
    found = [float(value) for value in history.median_and_spread()]
    assert found == pytest.approx([median, max(spread, 0.05 * median, 0.15)])
    assert history.known() == losses[-WINDOW:].tolist()


def test_a_history_goes_on_as_if_it_had_not_been_written_down() -> None:
    one = watch()
    judged(one, np.random.default_rng(0).normal(3.0, 0.5, 40).tolist())
    kept = one.state()["attributes"]
    again = LossHistory.on(CPU, kept["losses"], kept["count"])
    assert one._history is not None
    assert torch.equal(again.losses_W, one._history.losses_W) or again.known() == one._history.known()
    assert [float(v) for v in again.median_and_spread()] == [float(v) for v in one._history.median_and_spread()]


def test_what_is_no_number_and_what_is_far_above_ln_of_the_vocabulary() -> None:
    ceiling = 3 * math.log(1000)
    losses = [2.0, math.nan, ceiling * 1.01, ceiling * 0.99, -math.inf, 2.0]
    assert judged(watch(), losses) == [False, True, True, False, True, False]
    assert judged(watch(), [2.0, 2.0, 2.0], [1.0, math.inf, math.nan]) == [False, True, True]
    assert judged(watch(max_loss=None), [2.0, ceiling * 9]) == [False, False]


def test_a_jump_counts_after_enough_good_steps_alone() -> None:
    """Median 2.0, spread at least 0.15: 20 spreads are 3 nats."""
    assert judged(watch(jump_after_steps=5), [2.0] * 4 + [5.1]) == [False] * 5
    assert judged(watch(jump_after_steps=5), [2.0] * 5 + [4.9, 5.1, 2.0]) == [False] * 6 + [True, False]
    assert judged(watch(jump=None), [2.0] * 70 + [9.0]) == [False] * 71


def test_training_as_it_should_be_never_trips() -> None:
    """From ln(V) down to a loss near nothing, noisy, with rows of another kind among them at three times the loss."""
    generator = np.random.default_rng(0)
    for noise in (0.01, 0.1, 0.4):
        falling = 0.05 + math.log(1000) * np.exp(-np.arange(500) / 60)
        losses = falling * np.exp(noise * generator.normal(size=500))
        losses[37::37] *= 2
        losses[37::37] += 1.0
        assert not any(judged(watch(), losses.tolist()))


def test_a_bad_step_counts_as_the_median_in_the_row_of_metrics() -> None:
    one = watch()
    judged(one, [2.0, 4.0, 3.0])
    one.add(torch.tensor(math.nan), torch.tensor(7.0))
    assert float(one.judge(4, 1.0, NoOptimizer())) == 10.0
    one.look()
    one.add(torch.tensor(1.0), torch.tensor(7.0))
    one.add(torch.tensor(0.5), torch.tensor(8.0))
    assert float(one.judge(5, 1.0, NoOptimizer())) == 8.5


def test_a_verdict_that_is_still_on_its_way_is_read_with_the_next_one_or_before_a_save() -> None:
    class Event:
        waited = 0

        def synchronize(self) -> None:
            self.waited += 1

    one, events = watch("stop"), [Event(), Event()]
    one.add(torch.tensor(math.nan), ZERO)
    one.judge(1, 1.0, NoOptimizer())
    one._pending[0].event = events[0]
    one.look()
    assert not events[0].waited
    with pytest.raises(DivergedError, match=r"at step 1 .*loss nan"):
        one.look(at_all=True)
    assert events[0].waited == 1


def test_why_is_said_in_numbers() -> None:
    limits = DivergenceConfig()
    assert "ln(vocabulary)" in Verdict(1, True, 25.0, 1.0, 2.0, 0.2, False).why(limits, 1000)
    assert "20 times the spread" in Verdict(1, True, 6.0, 1.0, 2.0, 0.2, False).why(limits, 1000)
    assert "norm of the gradient inf" in Verdict(1, True, 6.0, math.inf, 2.0, 0.2, False).why(limits, 1000)


def test_which_optimizers_skip_on_the_device() -> None:
    parameters = [torch.nn.Parameter(torch.ones(2))]
    assert skips_on_device(torch.optim.AdamW(parameters, fused=True))
    assert not skips_on_device(torch.optim.AdamW(parameters))
    assert not skips_on_device(torch.optim.SGD(parameters))


def test_rows_left_out_are_passed_over_and_all_others_keep_their_order(tmp_path: Path) -> None:
    rows, per_step = np.arange(7), 3
    whole = list(StepSampler(rows, num_rows=30, seed=5))
    steps = [whole[n : n + per_step] for n in range(0, 30, per_step)]
    sampler = make_sampler(rows, steps=6, rows_per_step=per_step, seed=5, run_dir=tmp_path)
    assert list(sampler) == list(chain.from_iterable(steps[:6]))
    leave_out(tmp_path, sampler, step=3, why="x")
    sampler = make_sampler(rows, steps=6, rows_per_step=per_step, seed=5, run_dir=tmp_path)
    leave_out(tmp_path, sampler, step=3, why="x")  # as it is counted now: the fourth of all
    leave_out(tmp_path, make_sampler(rows, steps=6, rows_per_step=3, seed=5, run_dir=tmp_path), step=5, why="x")
    assert [entry["place"] for entry in read_left_out(tmp_path)] == [3, 4, 7]
    sampler = make_sampler(rows, steps=6, rows_per_step=per_step, seed=5, run_dir=tmp_path)
    expected = [steps[n] for n in (0, 1, 4, 5, 7, 8)]
    assert list(sampler) == list(chain.from_iterable(expected))
    assert [sampler.rows_of_step(n, per_step).tolist() for n in range(1, 7)] == expected


def test_warm_up_as_long_as_the_run_is_said() -> None:
    from qaz_llm.train.config import TrainSettings

    settings = TrainSettings(method="cpt", lr=1e-3, warmup_steps=200)
    assert warm_up_line(settings, 201) is None
    assert "ends at 0.0005 of 0.001" in (warm_up_line(settings, 100) or "")
