"""Letting guests in: the one place that decides which address a share opens.

A guest is somebody without a membership (or a member whose own roles do not reach the thing) who holds an open share.
The request then runs in the organisation's scope with `request.guest` set and `request.user.guest` naming the share:
`access.queries.visible_to` gives such a user the reach of the share and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import timezone

from access import hooks
from access.grant_policy import policy_of
from access.models import Organisation
from access.sharing import queries, recipients, registry
from access.sharing.models import Share, ShareVisit
from access.single_sign_on import binding
from core.tenancy import carried, tenant

SESSION_KEY = "share_visits"
# The key of no organisation.
ABSENT = -1
LANDING = "access:shared"
DOWNLOAD = "access:shared-download"
OWN_ROUTES: dict[str, registry.Means] = {LANDING: "view", DOWNLOAD: "download"}
SAFE_METHODS = frozenset({"GET", "HEAD"})
VISIT_LENGTH = timedelta(hours=12)
SEEN_RESOLUTION = timedelta(minutes=1)
# How long a stream may go on after the share was closed.
WATCH_SECONDS = 1.0

GetResponse = Callable[[HttpRequest], HttpResponse]


class Guest(AnonymousUser):
    """Who came by a link: nobody we know, with one share."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.guest = share

    def __str__(self) -> str:
        return self.guest.audit_label


class ShareClosed(ConnectionAbortedError):
    """The share ended while an answer was being sent."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    organisation: Organisation
    share: Share
    shareable: registry.Shareable
    needs: registry.Means
    visit: str = ""

    @property
    def is_refused(self) -> bool:
        return self.needs == "download" and not self.share.allows_download


def held_visits(request: HttpRequest, *, slug: str) -> dict[str, str]:
    """Share → visit of this browser session in one organisation."""
    session: Any = getattr(request, "session", None)
    if session is None or getattr(request, "api_token", None) is not None:
        return {}
    held = session.get(SESSION_KEY) or {}
    return {share: entry["visit"] for share, entry in held.items() if entry.get("organisation") == slug}


def hold_visit(request: HttpRequest, *, visit: ShareVisit, organisation: Organisation) -> None:
    """Bind a visit to the browser session; nobody who knew the session before knows it afterwards."""
    session: Any = request.session
    held = dict(session.get(SESSION_KEY) or {})
    if not getattr(request.user, "is_authenticated", False):
        session.cycle_key()
    held[visit.share.public_id] = {"visit": visit.public_id, "organisation": organisation.slug}
    session[SESSION_KEY] = held


def admit(request: HttpRequest, *, slug: str) -> Admission | None:
    """What lets a guest ask for this address, or None when nothing does."""
    # What was shared with a person is for them, not for whoever another organisation's sign-on says they are.
    user: Any = AnonymousUser() if binding.is_foreign(request) else request.user
    names = recipients.names_of(request)
    held = held_visits(request, slug=slug)
    if request.method not in SAFE_METHODS or not (held or user.is_authenticated):
        return None
    match = _match(request)
    # An organisation that does not exist costs the same questions as one that is not for this person.
    organisation = Organisation.objects.filter(slug=slug).first() or Organisation(pk=ABSENT, slug=slug)
    if match is None or organisation.is_suspended or not _is_within_token(user, organisation):
        return None
    with tenant(organisation):
        for share in open_shares(user=user, names=names, held=held, organisation=organisation):
            found = _opens(share, match)
            # The right of who shared it is asked with every request: it ends here when it ends there.
            if found is not None and queries.is_answered_for(share):
                shareable, needs = found
                return Admission(
                    organisation=organisation,
                    share=share,
                    shareable=shareable,
                    needs=needs,
                    visit=held.get(share.public_id, ""),
                )
    return None


def open_shares(*, user: Any, names: frozenset[str], held: dict[str, str], organisation: Organisation) -> list[Share]:
    """Shares that this person or session holds and that the organisation's policy still allows.

    `names` are those the person may take a share in now: an address that is proven no more opens nothing.
    """
    now = timezone.now()
    policy = policy_of(organisation)
    reasons = Q(pk__in=[])
    if user.is_authenticated and user.is_active and policy.allows_people:
        reasons |= Q(audience=Share.Audience.PERSON, recipient=user, recipient_login__in=names)
    if held and policy.allows_links:
        visits = ShareVisit.objects.filter(public_id__in=held.values(), started_at__gt=now - VISIT_LENGTH)
        reasons |= Q(audience=Share.Audience.LINK, pk__in=visits.values("share"))
    rows = Share.objects.filter(reasons, revoked_at=None, expires_at__gt=now)
    return list(rows.select_related("organisation", "created_by", "kept_by"))


def _is_within_token(user: Any, organisation: Organisation) -> bool:
    """A token that is limited to containers stays within them: none of them is what a share opens."""
    token = getattr(user, "api_token", None)
    return token is None or not (token.containers or organisation.pk in token.shut_out_of)


def _match(request: HttpRequest) -> ResolverMatch | None:
    try:
        return resolve(request.path_info)
    except Resolver404:
        return None


def _opens(share: Share, match: ResolverMatch) -> tuple[registry.Shareable, registry.Means] | None:
    shareable = registry.find(share.kind)
    if shareable is None:
        return None
    own = OWN_ROUTES.get(match.view_name)
    if own is not None:
        is_this = match.kwargs.get("share") == share.public_id
        return (shareable, own) if is_this and shareable.is_there(share) else None
    needs = shareable.routes.get(match.view_name)
    if needs is None or not shareable.is_there(share) or not shareable.covers(share, match.kwargs):
        return None
    return shareable, needs


def is_guest_of_own_accord(request: HttpRequest, *, slug: str) -> Admission | None:
    """A member holds a share, too: its page, and what the member's own roles do not reach, is seen as a guest."""
    match = _match(request)
    held = held_visits(request, slug=slug)
    if match is None or not (held or match.view_name in OWN_ROUTES):
        return None
    admission = admit(request, slug=slug)
    if admission is None or match.view_name in OWN_ROUTES:
        return admission
    with tenant(admission.organisation):
        is_own = admission.shareable.sees(request.user, admission.share, match.kwargs)
    return None if is_own else admission


def serve(request: HttpRequest, admission: Admission, get_response: GetResponse) -> HttpResponseBase:
    """Answer a guest within the organisation's scope."""
    share = admission.share
    with tenant(admission.organisation):
        if admission.is_refused:
            return _refuse(request, admission)
        request.organisation = admission.organisation  # type: ignore[attr-defined]
        request.guest = share  # type: ignore[attr-defined]
        user: Any = request.user
        if not user.is_authenticated:
            request.user = user = Guest(share)  # type: ignore[assignment]
        user.guest = share
        if admission.visit:
            _touch(admission)
        response: Any = get_response(request)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            response = response.render()
        if getattr(response, "streaming", False):
            response.streaming_content = carried(watched(response.streaming_content, admission))
    response["Referrer-Policy"] = "no-referrer"
    # A guest's browser keeps nothing: what was revoked is gone with the page.
    response["Cache-Control"] = "private, no-store"
    return response  # type: ignore[no-any-return]


def _refuse(request: HttpRequest, admission: Admission) -> HttpResponse:
    from access.middleware import is_machine_door
    from access.sharing.errors import ViewOnly
    from core.middleware import refusal

    hooks.tell(
        action="share.refused",
        organisation=admission.organisation,
        actor=request.user if request.user.is_authenticated else None,
        target=admission.share,
        outcome="refused",
        detail={"recipient": admission.share.recipient_name},
        request=request,
    )
    return refusal(request, ViewOnly(), as_json=is_machine_door(request.path_info))


def _touch(admission: Admission) -> None:
    now = timezone.now()
    stale = ShareVisit.objects.filter(public_id=admission.visit, last_seen_at__lt=now - SEEN_RESOLUTION)
    if stale.update(last_seen_at=now):
        Share.objects.filter(pk=admission.share.pk).update(last_used_at=now)


def watched(stream: Iterable[bytes], admission: Admission) -> Iterator[bytes]:
    """Pass a long answer on as long as the share stays open; what is closed in between ends it broken off."""
    checked = time.monotonic()
    for piece in stream:
        if time.monotonic() - checked > WATCH_SECONDS:
            if not _is_still_open(admission):
                raise ShareClosed
            checked = time.monotonic()
        yield piece


def _is_still_open(admission: Admission) -> bool:
    with tenant(admission.organisation):
        policy = policy_of(admission.organisation)
        is_link = admission.share.audience == Share.Audience.LINK
        if not (policy.allows_links if is_link else policy.allows_people):
            return False
        found = (
            Share.objects.filter(pk=admission.share.pk, revoked_at=None, expires_at__gt=timezone.now())
            .select_related("organisation", "created_by", "kept_by")
            .first()
        )
        return found is not None and queries.is_answered_for(found)


def closed_landing(request: HttpRequest, *, slug: str) -> HttpResponse | None:
    """Somebody whose link was closed meanwhile reloads its page: say so, as to everybody with a dead link."""
    match = _match(request)
    if match is None or match.view_name not in OWN_ROUTES or request.method not in SAFE_METHODS:
        return None
    if match.kwargs.get("share") not in held_visits(request, slug=slug):
        return None
    response = redirect("access:share-enter")
    response["Location"] += "?closed=1"
    return response
