"""Pages outside an organisation's address (profile, component page) still show the shell of one.

The floor above knows which; it registers a finder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.http import HttpRequest

from core.tenancy import tenant

if TYPE_CHECKING:
    from access.models import Organisation

Finder = Callable[[HttpRequest], "Organisation | None"]

_finders: list[Finder] = []


def register_organisation_finder(finder: Finder) -> None:
    """Say how to choose the organisation whose navigation a page outside any organisation shows."""
    _finders[:] = [finder]


@contextmanager
def within_organisation(request: HttpRequest) -> Iterator[None]:
    """Render the block with the navigation, search and jobs of the person's organisation, when there is one."""
    if getattr(request, "organisation", None) is not None:
        yield
        return
    found = next((organisation for finder in _finders if (organisation := finder(request)) is not None), None)
    if found is None:
        yield
        return
    request.organisation = found  # type: ignore[attr-defined]
    with tenant(found):
        yield
