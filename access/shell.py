"""What access adds to the shell: the administration, and people in "search everything"."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from access import queries
from access.models import Membership, Organisation, User
from core import navigation, palette, shell


def may_manage_people(request: HttpRequest) -> bool:
    organisation = getattr(request, "organisation", None)
    if organisation is None or not isinstance(request.user, User):
        return False
    # Asked by navigation and palette of the same page: the answer is kept for the request.
    known: bool | None = getattr(request, "_may_manage_people", None)
    if known is None:
        known = queries.may(request.user, "access.manage_people", organisation)
        request._may_manage_people = known  # type: ignore[attr-defined]
    return known


def nearest_organisation(request: HttpRequest) -> Organisation | None:
    """The organisation named by `?from=`, or the first of the person's."""
    if not isinstance(request.user, User):
        return None
    found = list(queries.organisations_of(request.user))
    return next((one for one in found if one.slug == request.GET.get("from")), found[0] if found else None)


def find_people(request: HttpRequest, words: str, limit: int) -> Iterator[palette.Hit]:
    if not may_manage_people(request):
        return
    organisation = request.organisation  # type: ignore[attr-defined]
    named = Q(user__display_name__icontains=words) | Q(user__username__icontains=words)
    rows = Membership.objects.filter(named, organisation=organisation).select_related("user")
    for row in rows.order_by("user__display_name")[:limit]:
        url = reverse("access:person", kwargs={"organisation": organisation.slug, "person": row.user_id})
        yield palette.Hit(label=str(row.user), url=url, icon="user", note=row.user.username)


def register() -> None:
    shell.register_organisation_finder(nearest_organisation)
    navigation.register(
        key="administration",
        label=_("Administration"),
        icon="settings",
        url="access:administration",
        order=900,
        may=may_manage_people,
        go="u",
    )
    palette.register(key="people", label=_("People"), find=find_people, order=80)
