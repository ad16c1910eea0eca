"""People and organisations for tests, made by the services people use."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from access import services
from access.models import Organisation, User

#: What everybody signs in with whom `make_user` made.
PASSWORD = "correct horse battery staple"

_numbers = itertools.count(1)


def make_user(username: str = "", *, password: str = PASSWORD) -> User:
    number = next(_numbers)
    return User.objects.create_user(
        username=username or f"person{number}@test", password=password, display_name=f"Person {number}"
    )


def make_organisation(slug: str = "", *, administrator: User | None = None) -> Organisation:
    number = next(_numbers)
    return services.create_organisation(
        slug=slug or f"organisation-{number}", name=f"Organisation {number}", administrator=administrator
    )


def make_member(organisation: Organisation, *, roles: Sequence[str] = ("member",), username: str = "") -> User:
    user = make_user(username)
    services.add_member(actor=None, organisation=organisation, user=user, roles=roles)
    return user
