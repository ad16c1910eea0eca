"""One way in and out of a tenant: everything that reads or writes tenant rows runs inside `tenant(...)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django_scopes import get_scope, scope, scopes_disabled

if TYPE_CHECKING:
    from access.models import Organisation


@contextmanager
def tenant(organisation: Organisation) -> Iterator[None]:
    """Scope every query of tenant rows in the block to one organisation."""
    with scope(organisation=organisation):
        yield


@contextmanager
def all_tenants() -> Iterator[None]:
    """Lift the scope, for work of the installation itself (sweepers, seals, commands). Never in a view."""
    with scopes_disabled():
        yield


def current_organisation() -> Organisation | None:
    """The organisation of the active scope, or None outside one."""
    found: Organisation | None = get_scope().get("organisation")
    return found
