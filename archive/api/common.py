"""What the REST views of an archive share."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request

from access.models import User
from archive import queries
from archive.models import Archive
from archive.permissions import VIEW
from core.errors import Invalid, NotFound


class ArchiveMixin:
    """Loads the archive of the address for the caller; `permission` is what the view needs."""

    permission = VIEW
    request: Any
    kwargs: dict[str, Any]

    def get_archive(self) -> Archive:
        return queries.get_archive(user=self.request.user, slug=self.kwargs["archive"], permission=self.permission)

    @property
    def is_schema(self) -> bool:
        return bool(getattr(self, "swagger_fake_view", False))


def person(request: Request) -> User:
    """The signed-in person; the permission classes let nobody else in."""
    if not isinstance(request.user, User):
        raise NotFound
    return request.user


def body_of(request: Request) -> Any:
    """The unread body of a streamed request."""
    return request._request


def whole_number(request: Request, name: str) -> int:
    words = request.query_params.get(name, "")
    if not (words.isascii() and words.isdigit() and len(words) < 16):
        raise Invalid(fields={name: [_("a whole number from 0, in decimal digits")]})
    return int(words)
