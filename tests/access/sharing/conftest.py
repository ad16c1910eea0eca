"""A hospital that shares by links."""

from __future__ import annotations

import pytest

from tests.access.sharing.hospital import Hospital


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()
