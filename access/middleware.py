"""Who is asking, and on behalf of which organisation: settled before any view runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, resolve
from django.utils import timezone, translation

from access import services
from access.models import Membership
from core.tenancy import tenant

GetResponse = Callable[[HttpRequest], HttpResponse]
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
        token = services.authenticate_token(secret=secret.strip())
        if token is None or not is_machine_door(request.path_info):
            return unauthorised()
        request.user = token.user
        request.api_token = token  # type: ignore[attr-defined]
        # No cookie is involved, so no other site can make a browser send this request.
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return self.get_response(request)


class OrganisationMiddleware:
    """Opens the scope of the organisation in the address, for members only; to all others it does not exist."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.organisation = None  # type: ignore[attr-defined]
        request.membership = None  # type: ignore[attr-defined]
        slug = self._slug(request)
        if slug is None:
            return self.get_response(request)
        if not request.user.is_authenticated:
            return ask_to_sign_in(request)
        membership = (
            Membership.objects.select_related("organisation")
            .filter(organisation__slug=slug, user=request.user, is_active=True)
            .first()
        )
        if membership is None:
            return self._absent(request)
        request.organisation = membership.organisation  # type: ignore[attr-defined]
        request.membership = membership  # type: ignore[attr-defined]
        with tenant(membership.organisation):
            response = self.get_response(request)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response = response.render()
            return response

    def _slug(self, request: HttpRequest) -> str | None:
        try:
            slug: str | None = resolve(request.path_info).kwargs.get("organisation")
        except Resolver404:
            return None
        return slug

    def _absent(self, request: HttpRequest) -> HttpResponse:
        if is_machine_door(request.path_info):
            return JsonResponse({"code": "not-found", "detail": "Not found."}, status=404)
        from django.views.defaults import page_not_found

        return page_not_found(request, None)  # type: ignore[arg-type]


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
        return unauthorised()
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=401)
        response["HX-Redirect"] = f"{settings.LOGIN_URL}?next={quote(request.headers.get('HX-Current-URL', '/'))}"
        return response
    return redirect(f"{settings.LOGIN_URL}?next={quote(request.get_full_path())}")
