"""What holds for every measurement."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def only_figures() -> Iterator[None]:
    """Keep the log line of each request out of the tables, which are printed as they are measured."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)
