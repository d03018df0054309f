"""A limit on many short waits: beside `asyncio.timeout` as the oracle, and what lies between two waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from qaz_llm.serve.waiting import Waiting

STEP_S = 0.05


async def ends(waits: Sequence[int], limit: int, *, is_ours: bool) -> list[str]:
    """What becomes of waits of so many steps, each with a limit of `limit` and a half."""
    waiting, made = Waiting((limit + 0.5) * STEP_S), []
    for steps in waits:
        try:
            if is_ours:
                with waiting:
                    await asyncio.sleep(steps * STEP_S)
            else:
                async with asyncio.timeout((limit + 0.5) * STEP_S):
                    await asyncio.sleep(steps * STEP_S)
        except TimeoutError:
            made.append("late")
        else:
            made.append("in time")
    waiting.close()
    return made


async def _compared(seed: int) -> None:
    waits = [random.Random(seed).randrange(4) for _ in range(8)]
    ours, theirs = await asyncio.gather(ends(waits, 1, is_ours=True), ends(waits, 1, is_ours=False))
    assert ours == theirs
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


def test_each_wait_ends_as_under_a_timeout_of_its_own() -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(_compared(seed) for seed in range(12)))

    asyncio.run(all_of_them())


def test_what_lies_between_two_waits_is_never_cut_off() -> None:
    async def run() -> None:
        waiting = Waiting(2 * STEP_S, in_all=True)
        with waiting:
            await asyncio.sleep(0)
        await asyncio.sleep(4 * STEP_S)
        with pytest.raises(TimeoutError), waiting:
            await asyncio.sleep(0)

    asyncio.run(run())


def test_who_is_cancelled_by_others_is_not_late() -> None:
    async def run() -> None:
        async def work() -> None:
            with Waiting(9.0):
                await asyncio.sleep(9)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_waits_make_no_timer_each() -> None:
    async def run() -> int:
        loop, made = asyncio.get_running_loop(), 0
        before = loop.call_at

        def counted(*arguments: object, **named: object) -> asyncio.TimerHandle:
            nonlocal made
            made += 1
            return before(*arguments, **named)  # type: ignore[arg-type]

        loop.call_at = counted  # type: ignore[method-assign]
        waiting = Waiting(60.0)
        for _ in range(1000):
            with waiting:
                await asyncio.sleep(0)
        waiting.close()
        return made

    assert asyncio.run(run()) == 1
