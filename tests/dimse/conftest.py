from __future__ import annotations

import shutil

import pytest

from archive import spool


@pytest.fixture(autouse=True)
def _empty_spool() -> None:
    """What an earlier test received and did not index is not this test's."""
    shutil.rmtree(spool.spool_root(), ignore_errors=True)
