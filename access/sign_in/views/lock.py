"""The lock of a session: set by the person or by time, opened by the same person."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from access import sudo
from access.errors import TooManyAttempts, WrongProof
from access.middleware import ask_to_sign_in, is_machine_door
from access.models import User
from access.sign_in import factors, sessions
from core.errors import NotFound

LOCKED_HEADER = "X-PACSWeb-Locked"
UNLOCK = "unlock"


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotFound
    return request.user


def ways_back(user: User) -> list[str]:
    """A code alone is too little here: it stands in for no password."""
    return [method for method in sudo.methods_of(user) if method in ("password", "passkey")]


def wants_page(request: HttpRequest) -> bool:
    if request.headers.get("HX-Request") or is_machine_door(request.path_info):
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else request.accepts("text/html")


def answer_locked(request: HttpRequest) -> HttpResponse:
    """423 to everything: a page that asks for the person, or a bare refusal that the open page understands."""
    if wants_page(request):
        there = request.get_full_path() if request.method == "GET" else reverse("access:front-door")
        return page(request, target=there)
    response = JsonResponse({"code": "locked", "detail": "The session is locked.", "status": 423}, status=423)
    response[LOCKED_HEADER] = "1"
    add_never_cache_headers(response)
    return response


def page(request: HttpRequest, *, target: str, error: WrongProof | TooManyAttempts | None = None) -> HttpResponse:
    methods = ways_back(_user(request))
    question = factors.passkey_question(user=_user(request)) if "passkey" in methods else None
    context = {"next": target, "error": error, "methods": methods, "passkey_question": question}
    response = render(request, "account/locked.html", context, status=423)
    response[LOCKED_HEADER] = "1"
    add_never_cache_headers(response)
    return response


@never_cache
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> HttpResponse:
    """GET: is it locked, and when would it be. POST: the person did something."""
    if not request.user.is_authenticated:
        return ask_to_sign_in(request)
    user = _user(request)
    state: sessions.State = request.session_state  # type: ignore[attr-defined]
    if request.method == "POST" and not state.is_locked:
        sessions.touch(request=request, state=state)
    # The name lets a page notice that somebody else has signed in in another tab.
    return JsonResponse({"locked": state.is_locked, "idle_seconds": state.idle_seconds, "user": user.username})


@login_required
@never_cache
@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    sessions.lock(request=request, user=user, because="idle" if request.POST.get("because") == "idle" else "asked")
    if wants_page(request):
        return redirect(_target(request))
    return HttpResponse(status=204)


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("access:front-door")


@login_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def unlock(request: HttpRequest) -> HttpResponse:
    """GET: how it can be unlocked. POST: the proof, from the overlay or from the page."""
    user = _user(request)
    if request.method == "GET":
        return _ways(request, user)
    method = request.POST.get("method", "password")
    try:
        if method not in ways_back(user):
            raise WrongProof
        proof = sudo.prove(
            user=user, method=method, secret=request.POST.get(method, ""), purpose=UNLOCK, request=request
        )
    except (WrongProof, TooManyAttempts) as error:
        if wants_page(request):
            return page(request, target=_target(request), error=error)
        status = 429 if isinstance(error, TooManyAttempts) else 422
        return JsonResponse({"code": error.code, "detail": str(error.message)}, status=status)
    sessions.unlock(request=request, user=user, method=proof.method)
    return redirect(_target(request)) if wants_page(request) else HttpResponse(status=204)


def _ways(request: HttpRequest, user: User) -> HttpResponse:
    methods = ways_back(user)
    if wants_page(request):
        return page(request, target=reverse("access:front-door"))
    question = factors.passkey_question(user=user) if "passkey" in methods else None
    return JsonResponse({"methods": methods, "passkey": question, "csrf": get_token(request)})
