"""What several of those that look at a model between two steps need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Without dropout while the block runs; the modes of all modules are as before afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def is_due(step: int, every_steps: int, max_steps: int) -> bool:
    """Whether something that is done every so many steps, and at the last, is done after `step`."""
    return step % every_steps == 0 or step == max_steps
