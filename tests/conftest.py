"""For all tests."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _logger_as_it_comes() -> None:
    """Each test finds the program's logger as an import leaves it: a command that an earlier one ran in this process has set it up
    for a terminal, and then nothing reaches `caplog`."""
    logger = logging.getLogger("qaz")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
