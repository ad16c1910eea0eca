"""Looking at an organisation as one of its members sees it ("view as").

An administrator chooses a member. From then on, inside this organisation, requests are answered as for that member, but

* only to read: every other method is refused;
* only what *both* may see: the permission filter asks for the member and for the one who looks (`User.seen_by`), so that
  it is never a way to images or results that one has no right to;
* only pages of rooms that said that nothing personal is on them (`hooks.register_viewable`): what somebody read, answered
  or was told is not shown;
* in one's own name: the trail says who looked, and as whom.

It ends by itself after half an hour, with the session, or when either of the two loses what it needs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import Resolver404, resolve

from access import hooks, queries
from access.models import Membership, Organisation, User
from core.errors import Conflict, NotFound
from core.tenancy import tenant

SESSION_KEY = "view_as"
SECONDS = 30 * 60
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
END_ROUTE = "access:view-as-end"


@dataclass(frozen=True)
class Look:
    """Who looks as whom."""

    viewer: User
    person: User
    since: int

    @property
    def seconds_left(self) -> int:
        return max(0, self.since + SECONDS - int(time.time()))

    @property
    def minutes_left(self) -> int:
        return -(-self.seconds_left // 60)


def start(*, actor: User, organisation: Organisation, user: User, request: HttpRequest) -> None:
    """Begin to look as a member. Raises `Forbidden`, `NotFound`, `Conflict`."""
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        if actor.seen_by is not None or actor.pk == user.pk:
            raise Conflict
        if not queries.has_membership(user=user, organisation=organisation):
            raise NotFound
        request.session[SESSION_KEY] = {"organisation": organisation.pk, "person": user.pk, "since": int(time.time())}
        hooks.tell(action="look.started", organisation=organisation, actor=actor, target=user, request=request)


def end(*, request: HttpRequest, organisation: Organisation) -> User | None:
    """Stop looking; returns as whom it was."""
    known = request.session.pop(SESSION_KEY, None)
    if not known or known.get("organisation") != organisation.pk:
        return None
    user = User.objects.filter(pk=known["person"]).first()
    viewer: Any = request.user
    hooks.tell(
        action="look.ended", organisation=organisation, actor=viewer.seen_by or viewer, target=user, request=request
    )
    return user


def current(request: HttpRequest, *, organisation: Organisation) -> Look | None:
    """The look that is going on in this organisation, checked anew; one that no longer holds is forgotten."""
    if getattr(request, "api_token", None) is not None:
        return None
    known = request.session.get(SESSION_KEY)
    if not known or known.get("organisation") != organisation.pk:
        return None
    viewer: Any = request.user
    person = User.objects.filter(
        pk=known["person"],
        is_active=True,
        memberships__in=Membership.objects.filter(organisation=organisation, is_active=True),
    ).first()
    is_over = time.time() - known["since"] > SECONDS
    if person is None or is_over or not queries.may(viewer, "access.manage_people", organisation):
        del request.session[SESSION_KEY]
        return None
    return Look(viewer=viewer, person=person, since=known["since"])


def step_into(request: HttpRequest, look: Look) -> None:
    """From here on the request is answered as for the person, in the looks and words of the one who looks."""
    person = look.person
    person.seen_by = look.viewer
    for name in ("theme", "density", "time_zone", "language"):
        setattr(person, name, getattr(look.viewer, name))
    person.preferences = look.viewer.preferences
    request.user = person
    request.look = look  # type: ignore[attr-defined]


def is_open(request: HttpRequest) -> bool:
    """Whether the address may be seen through other eyes."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return True  # the answer is "not found" to everybody
    if match.view_name == END_ROUTE:
        return True
    return request.method in SAFE_METHODS and hooks.is_viewable(match.view_name)
