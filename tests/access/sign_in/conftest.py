"""A hospital and a member of it with a password and nothing else."""

from __future__ import annotations

import pytest

from access.models import Organisation, User
from tests.access.factories import make_member, make_organisation


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def member(hospital: Organisation) -> User:
    return make_member(hospital, username="member@hospital")
