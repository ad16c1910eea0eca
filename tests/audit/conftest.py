from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.audit.tampering import Trail


@pytest.fixture(autouse=True)
def heads_file() -> Iterator[Path]:
    """Each test begins with an empty database, so with no heads either."""
    path = Path(settings.AUDIT_HEADS)
    marker = Path(settings.AUDIT_HEADS_BEGUN)
    path.unlink(missing_ok=True)
    marker.unlink(missing_ok=True)
    yield path
    marker.unlink(missing_ok=True)


@pytest.fixture
def trail() -> Trail:
    return Trail()
