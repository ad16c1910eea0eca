"""Who is asking, and on behalf of which organisation: settled before any view runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from access import looking, queries, services
from access.errors import OrganisationSuspended, TokenEnded
from access.models import ApiToken, Membership
from access.services.tokens import is_still_good
from access.sharing import guests
from access.single_sign_on import binding
from access.single_sign_on.errors import Elsewhere
from access.streams import while_entitled
from core.callers import client_address
from core.errors import Forbidden
from core.middleware import problem, wants_json
from core.ready import ready
from core.tenancy import carried, signed_in, tenant

GetResponse = Callable[[HttpRequest], HttpResponse]
STREAM_CHECK_SECONDS = 1.0
PRESENCE_SECONDS = 5 * 60
SIGNED_OUT_HEADER = "X-PACSWeb-Signed-Out"
MACHINE_DOORS = ("dicomweb", "api", "fhir")


class TokenMiddleware:
    """`Authorization: Bearer …` stands for the token's person, at machine doors only."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.api_token = None  # type: ignore[attr-defined]
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self.get_response(request)
        token = services.authenticate_token(secret=secret.strip(), address=client_address(request))
        if token is None or not is_machine_door(request.path_info):
            return unauthorised()
        request.user = token.user
        request.api_token = token  # type: ignore[attr-defined]
        # No cookie is involved, so no other site can make a browser send this request.
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        response = self.get_response(request)
        if response.streaming:
            response.streaming_content = while_good(token, response.streaming_content)  # type: ignore[attr-defined]
        return response


def while_good(token: ApiToken, parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a long answer for as long as the token holds; asked at most once a second."""
    try:
        asked = time.monotonic()
        for part in parts:
            if time.monotonic() - asked >= STREAM_CHECK_SECONDS:
                if not is_still_good(token):
                    raise TokenEnded
                asked = time.monotonic()
            yield part
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


@ready(slug=str, user_id=int)
def _membership_of(*, slug: str, user_id: int) -> QuerySet[Membership]:
    return Membership.objects.select_related("organisation").filter(
        organisation__slug=slug, user_id=user_id, is_active=True
    )


class OrganisationMiddleware:
    """Opens the scope of the organisation in the address, for members only; to all others it does not exist."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.organisation = None  # type: ignore[attr-defined]
        request.membership = None  # type: ignore[attr-defined]
        request.guest = None  # type: ignore[attr-defined]
        with signed_in(user_id=request.user.pk):
            return self._respond(request)

    def _respond(self, request: HttpRequest) -> HttpResponse:
        slug = self._slug(request)
        if slug is None:
            return self._carried(self.get_response(request))
        if not request.user.is_authenticated:
            admission = guests.admit(request, slug=slug)
            if admission is not None:
                return guests.serve(request, admission, self.get_response)  # type: ignore[return-value]
            return guests.closed_landing(request, slug=slug) or ask_to_sign_in(request)
        is_token = getattr(request, "api_token", None) is not None
        membership = _membership_of.first(slug=slug, user_id=request.user.pk)
        if membership is not None and not self._is_within_token(request, membership):
            return self._absent(request)
        if membership is not None and membership.organisation.is_suspended:
            return self._suspended(request, membership)
        admission = (
            guests.admit(request, slug=slug)
            if membership is None
            else guests.is_guest_of_own_accord(request, slug=slug)
        )
        if admission is not None:
            return guests.serve(request, admission, self.get_response)  # type: ignore[return-value]
        if membership is None:
            return guests.closed_landing(request, slug=slug) or self._absent(request)
        if not is_token and not binding.opens(request, organisation_id=membership.organisation_id):
            return self._elsewhere(request, membership)
        request.organisation = membership.organisation  # type: ignore[attr-defined]
        request.membership = membership  # type: ignore[attr-defined]
        since = timezone.now()
        with tenant(membership.organisation):
            note_presence(membership)
            look = looking.current(request, organisation=membership.organisation)
            if look is not None:
                looking.step_into(request, look)
                if not looking.is_open(request):
                    return self._not_through_other_eyes(request)
            response = self.get_response(request)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response = response.render()
            return self._carried(response, membership=membership, since=since)

    def _carried(
        self, response: HttpResponse, *, membership: Membership | None = None, since: datetime | None = None
    ) -> HttpResponse:
        """A body that is made while it is sent still belongs to this scope, and to the rights that it began with."""
        if isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None:
            parts: Any = response.streaming_content
            if membership is not None and since is not None:
                parts = while_entitled(parts, membership=membership, since=since)
            response.streaming_content = carried(parts)
        return response

    def _slug(self, request: HttpRequest) -> str | None:
        try:
            slug: str | None = resolve(request.path_info).kwargs.get("organisation")
        except Resolver404:
            return None
        return slug

    def _is_within_token(self, request: HttpRequest, membership: Membership) -> bool:
        if getattr(request, "api_token", None) is None or membership.organisation.is_suspended:
            return True
        if queries.is_plain(request.user):
            return True  # such a token enters wherever its person is a member, and that is known by now
        return queries.memberships_open_to(request.user).filter(pk=membership.pk).exists()

    def _suspended(self, request: HttpRequest, membership: Membership) -> HttpResponse:
        error = OrganisationSuspended()
        if wants_json(request):
            return JsonResponse(problem(error), status=error.status_code)
        context = {"organisation": membership.organisation}
        return render(request, "access/suspended.html", context, status=error.status_code)

    def _elsewhere(self, request: HttpRequest, membership: Membership) -> HttpResponse:
        """The person is a member, but came by another organisation's sign-on, which has no say here."""
        error = Elsewhere()
        if wants_json(request):
            return JsonResponse(problem(error), status=error.status_code)
        context = {"organisation": membership.organisation, "next": request.get_full_path()}
        return render(request, "access/sso_elsewhere.html", context, status=error.status_code)

    def _not_through_other_eyes(self, request: HttpRequest) -> HttpResponse:
        error = Forbidden(_("This is not shown while you look as somebody else. End the look to go on."))
        if wants_json(request):
            return JsonResponse(problem(error), status=error.status_code)
        return render(request, "access/look_closed.html", {"error": error}, status=error.status_code)

    def _absent(self, request: HttpRequest) -> HttpResponse:
        if is_machine_door(request.path_info):
            return JsonResponse({"code": "not-found", "detail": "Not found."}, status=404)
        from django.views.defaults import page_not_found

        return page_not_found(request, None)  # type: ignore[arg-type]


def note_presence(membership: Membership) -> None:
    """Remember, every few minutes, that the person was here."""
    now = timezone.now()
    if membership.last_seen_at is None or (now - membership.last_seen_at).total_seconds() > PRESENCE_SECONDS:
        Membership.objects.filter(pk=membership.pk).update(last_seen_at=now)


class PreferencesMiddleware:
    """The person's time zone and language for the length of the request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        if not user.is_authenticated:
            return self.get_response(request)
        with timezone.override(user.time_zone), translation.override(user.language):
            request.LANGUAGE_CODE = user.language  # type: ignore[attr-defined]
            return self.get_response(request)


def is_machine_door(path: str) -> bool:
    """Whether an address answers programs (JSON, DICOM) instead of people (HTML)."""
    parts = path.strip("/").split("/")
    return parts[0] == "api" or (len(parts) > 2 and parts[0] == "o" and parts[2] in MACHINE_DOORS)


def unauthorised() -> HttpResponse:
    response = JsonResponse({"code": "not-authenticated", "detail": "A valid token is needed."}, status=401)
    response["WWW-Authenticate"] = 'Bearer realm="PACSWeb"'
    return response


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    if is_machine_door(request.path_info):
        response = unauthorised()
        if "Sec-Fetch-Mode" in request.headers:
            # A browser: it came with the session of a page.
            response[SIGNED_OUT_HEADER] = "1"
        return response
    if request.headers.get("HX-Request"):
        response = signed_out()
        response["HX-Redirect"] = f"{settings.LOGIN_URL}?next={quote(request.headers.get('HX-Current-URL', '/'))}"
        return response
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return signed_out()
    return redirect(f"{settings.LOGIN_URL}?next={quote(_page_of(request))}")


def signed_out() -> HttpResponse:
    """What a script of an open page is told when the session has ended: the page asks to sign in, and sends it again."""
    document = {"code": "signed-out", "detail": _("The session has ended. Sign in again."), "status": 401}
    response = JsonResponse(document, status=401)
    response[SIGNED_OUT_HEADER] = "1"
    response["Cache-Control"] = "no-store"
    return response


def _page_of(request: HttpRequest) -> str:
    """The page to come back to: for a form that was sent, the one that holds it, since its own address may show nothing."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    came_from = urlsplit(request.headers.get("Referer", ""))
    if came_from.netloc != request.get_host():
        return "/"
    return came_from.path + (f"?{came_from.query}" if came_from.query else "")
