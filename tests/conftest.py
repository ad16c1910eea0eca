"""What every test gets. The services themselves are started by tests/services.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import open_chromium
from tests.emptying import Emptying

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database kept from an earlier run (`--reuse-db`) gets the walls that the models ask for now, and a test that
    commits leaves it by a faster way than Django's."""
    from django.db import connection
    from django.test import TransactionTestCase

    from audit.ownership import hand_over
    from core.wall import raise_walls
    from tests import superuser

    with django_db_blocker.unblock():
        raise_walls(connection)
        with superuser.connect() as master, master.cursor() as cursor:
            hand_over(cursor, role=connection.settings_dict["USER"])
        emptying = Emptying()
    TransactionTestCase._fixture_teardown = lambda _self: emptying.empty()
    yield
    with superuser.connect() as master:
        # Whoever drops a database has to own it.
        master.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" OWNER TO pacsweb')


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Nothing one test cached or counted reaches the next."""
    from django.conf import settings
    from redis import Redis

    Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The one browser of this process; each test opens a context of its own in it."""
    from django.conf import settings

    manifest = Path(settings.DJANGO_VITE["default"]["manifest_path"])
    if not manifest.exists():
        pytest.fail("The front end is not built: run `python -m pacsweb build` (make test does).")
    with open_chromium() as browser:
        yield browser
