from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings


@pytest.fixture(autouse=True)
def heads_file() -> Path:
    """Each test begins with an empty database, so with no heads either."""
    path = Path(settings.AUDIT_HEADS)
    path.unlink(missing_ok=True)
    return path
