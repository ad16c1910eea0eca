"""What every test gets. The services themselves are started by tests/services.py."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Nothing one test cached or counted reaches the next."""
    from django.conf import settings
    from redis import Redis

    Redis.from_url(settings.REDIS_URL).flushdb()
