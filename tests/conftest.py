"""For all tests."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""Made-up inputs are the same in every run, so that a change is judged by what it changes; `explore` looks for new ones."""


@pytest.fixture(autouse=True)
def _logger_as_it_comes() -> None:
    """Each test finds the program's logger as an import leaves it: a command that an earlier one ran in this process has set it up
    for a terminal, and then nothing reaches `caplog`."""
    logger = logging.getLogger("qaz")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
