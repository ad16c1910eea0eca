"""Two houses with a trial each, built once for all tests of a file: what a test does to them is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction

from tests.trials.factories import House, make_house


@pytest.fixture(scope="module")
def _houses(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[House, House]]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_house(), make_house()
        transaction.set_rollback(True)


@pytest.fixture
def house(_houses: tuple[House, House], db: None) -> House:
    return deepcopy(_houses[0])


@pytest.fixture
def stranger(_houses: tuple[House, House], db: None) -> House:
    """Another organisation that looks alike from outside."""
    return deepcopy(_houses[1])
