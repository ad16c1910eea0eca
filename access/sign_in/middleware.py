"""Between a session and the pages: its lock, its end, the second factor an organisation asks for, proofs for acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse

from access import sudo
from access.errors import ProofNeeded, SecondFactorNeeded, TooManyAttempts, WrongProof
from access.middleware import is_machine_door
from access.models import User
from access.sign_in import factors, policy, sessions
from access.sign_in.views import confirm, lock
from access.single_sign_on import binding
from core.middleware import problem

GetResponse = Callable[[HttpRequest], HttpResponse]
OPEN_WHILE_LOCKED = frozenset({"access:session", "access:unlock", "access:lock", "access:sign-out"})


class SessionMiddleware:
    """A locked session gets nothing but the way to unlock it; one that is over is nobody's."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if getattr(request, "api_token", None) is not None or not isinstance(user, User):
            return self.get_response(request)
        user.bound_to = binding.foreign_organisation(request)
        state = sessions.look(request=request, user=user)
        request.session_state = state  # type: ignore[attr-defined]
        if state.is_over:
            sessions.expire(request=request, user=user)
            request.user = AnonymousUser()
        elif state.is_locked:
            if not _is_open_while_locked(request):
                return lock.answer_locked(request)
        elif is_activity(request):
            sessions.touch(request=request, state=state)
        return self.get_response(request)


def _is_open_while_locked(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).view_name in OPEN_WHILE_LOCKED
    except Resolver404:
        return False


def is_activity(request: HttpRequest) -> bool:
    """Opening a page is an act of the person; what a page fetches by itself is not, or no page would ever lock.

    Pages report keys and touches to `access:session`. A browser too old to say what a request is for counts as active.
    """
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


class SecondFactorMiddleware:
    """Members of an organisation that asks for a second factor set one up before they enter."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        organisation = getattr(request, "organisation", None)
        # Whoever looks as somebody else proves to be themselves.
        user = getattr(request.user, "seen_by", None) or request.user
        if organisation is None or not isinstance(user, User) or getattr(request, "api_token", None) is not None:
            return self.get_response(request)
        if not policy.demands_second_factor(organisation=organisation) or factors.has_second_factor(user):
            return self.get_response(request)
        if binding.has_second_factor_for(request, organisation_id=organisation.pk):
            return self.get_response(request)
        there = f"{reverse('access:security')}?next={quote(request.get_full_path())}"
        if is_machine_door(request.path_info):
            return JsonResponse(problem(SecondFactorNeeded()), status=403)
        if request.headers.get("HX-Request"):
            response = HttpResponse(status=403)
            response["HX-Redirect"] = there
            return response
        return redirect(there)


# What a session of another organisation's sign-on may do below /accounts/ without a proof of the person's own: end, lock
# and unlock itself, sign in (again), and choose how its own pages look.
OF_THE_SESSION = frozenset(
    {
        *("preferences", "session", "lock", "unlock", "sign-out", "own-sign-in"),
        *("sign-in", "sign-in-passkey", "second-factor", "choose-password", "reset-ask", "reset-sent", "reset-open"),
        *("sign-on-find", "sign-on", "sign-on-callback", "sign-on-back-channel", "sign-on-proven"),
    }
)


class BindingMiddleware:
    """A session that an organisation's sign-on opened neither reads nor changes anything of an account that another one
    made, nor of the installation (`access.single_sign_on.binding`)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, keywords: dict[str, Any]
    ) -> HttpResponse | None:
        if request.path_info.startswith("/installation/") and binding.of(request) is not None:
            return _ask_for_own_sign_in(request)
        if not request.path_info.startswith("/accounts/") or not binding.is_foreign(request):
            return None
        match = request.resolver_match
        name = match.url_name if match is not None else None
        if name in OF_THE_SESSION or sudo.find(request) is not None:
            return None
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return _ask_for_own_sign_in(request)
        return confirm.ask(request, purpose=sudo.SENSITIVE)


def _ask_for_own_sign_in(request: HttpRequest) -> HttpResponse:
    return redirect(f"{reverse('access:own-sign-in')}?next={quote(request.get_full_path())}")


class ProofMiddleware:
    """Answers `ProofNeeded` with the question, and takes the answer that comes back with the repeated request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, keywords: dict[str, Any]
    ) -> HttpResponse | None:
        # Here, not earlier: Django has checked by now that the form comes from this site.
        user = request.user
        if request.method != "POST" or not isinstance(user, User) or not confirm.carries_answer(request):
            return None
        answer = confirm.take_answer(request)
        try:
            proof = sudo.prove(
                user=user, method=answer.method, secret=answer.secret, purpose=answer.purpose, request=request
            )
        except (WrongProof, TooManyAttempts) as error:
            return confirm.ask(request, purpose=answer.purpose, error=error, resumes_get=answer.resumes_get)
        sudo.keep(request=request, proof=proof)
        return redirect(request.get_full_path()) if answer.resumes_get else None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ProofNeeded):
            return None
        return confirm.ask(request, purpose=exception.purpose, reason=exception.reason)
