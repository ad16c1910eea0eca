"""Doors of getting in: name and password, passkey, second factor, one-time password, forgotten password."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import perform_login, perform_password_login, record_authentication
from allauth.account.internal.stagekit import clear_login, get_pending_stage
from allauth.account.models import Login
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.webauthn.internal import auth as webauthn
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import throttle
from access.forms import NewPasswordForm, SignInForm
from access.models import User
from access.sign_in import addresses, factors, sessions
from access.sign_in.forms import AskResetForm, CodeForm
from access.sign_in.stages import ChoosePasswordStage
from access.single_sign_on import queries as single_sign_on
from access.single_sign_on.errors import ProviderUnreachable
from access.single_sign_on.words import sentence_of
from core.callers import client_address
from core.errors import Conflict, PacswebError

RESET_KEY = "password_reset"
IN_SESSION = "choose"


def wanted_target(request: HttpRequest) -> str:
    """Where to go after signing in: only to an address of this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("access:front-door")


def organisation_meant(request: HttpRequest) -> str:
    """The organisation a sign-in page is for: named in the address, or the one the person was on the way to."""
    named = request.GET.get("organisation", "")
    if named:
        return named[:63]
    parts = wanted_target(request).split("/", 3)
    return parts[2][:63] if len(parts) > 2 and parts[1] == "o" else ""


def _too_many() -> str:
    return _("Too many failed attempts. Wait 15 minutes, then try again.")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(wanted_target(request))
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            username = form.cleaned_data["username"]
            aimed_at = addresses.find_account(username)
            attempt = throttle.attempt(request=request, name=throttle.name_of(aimed_at, typed=username))
            if not attempt.is_admitted:
                if attempt.is_first_shut_out:
                    sessions.tell_of_name(
                        action="session.shut-out", user=aimed_at, typed=username, request=request, outcome="refused"
                    )
                form.add_error(None, _too_many())
                status = 429
            else:
                user = authenticate(request, username=username, password=form.cleaned_data["password"])
                if isinstance(user, User):
                    attempt.succeeded()
                    return _enter(request, user=user)
                if attempt.closed_the_name and aimed_at is not None:
                    sessions.tell(
                        action="account.closed", user=aimed_at, request=request, outcome="refused", is_actor=False
                    )
                problem = getattr(request, "sign_on_problem", None)
                if isinstance(problem, ProviderUnreachable) and not _has_own_password(aimed_at):
                    attempt.was_none()
                form.add_error(
                    None,
                    str(sentence_of(problem)) if problem else _("Incorrect user name or password."),
                )
                status = _status_of(problem)
    elif request.method == "GET":
        clear_login(request)
    return sign_in_page(request, form=form, status=status)


def _has_own_password(user: User | None) -> bool:
    """Whether the password was compared with one that is kept here, whatever became of the directory."""
    return user is not None and user.has_usable_password()


def _status_of(problem: PacswebError | None) -> int:
    """422, unless the password was not looked at because a directory is away (503) or guessed at (429)."""
    if isinstance(problem, ProviderUnreachable):
        return 503
    return 429 if problem is not None and problem.status_code == 429 else 422


def sign_in_page(request: HttpRequest, *, form: SignInForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "next": wanted_target(request),
        "has_demo": (settings.DATA_DIR / "demo-accounts.json").exists(),
        "sign_ons": single_sign_on.providers_of(organisation_meant(request)),
        "was_reset": request.GET.get("reset") == "done",
    }
    response = render(request, "access/sign_in.html", context, status=status)
    if status == 429:
        response["Retry-After"] = str(throttle.WINDOW_SECONDS)
    return response


def _enter(request: HttpRequest, *, user: User) -> HttpResponse:
    """The password was right: go on through the stages that remain."""
    clear_login(request)
    # Whoever planted this session before must not hold it when it becomes somebody's, half-way in either.
    request.session.cycle_key()
    arrived = {"directory": user.arrived_by} if user.arrived_by else None
    login = Login(user=user, redirect_url=wanted_target(request), signal_kwargs=arrived)
    response: HttpResponse = perform_password_login(request, {"username": user.username}, login)
    return response


# Passkey ---------------------------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    """GET: the question for the browser. POST: its answer, which opens the session without name and password."""
    if request.method == "GET":
        return JsonResponse(factors.passkey_question(user=None))
    refusal = _("This passkey is not known here, or the answer came too late. Try again, or use your password.")
    attempt = throttle.attempt(request=request, name=_passkey_name(request))
    if not attempt.is_admitted:
        return JsonResponse({"code": "too-many-attempts", "detail": _too_many()}, status=429)
    user, authenticator = _who_answered(request.POST.get("passkey", ""))
    if user is None or authenticator is None or not user.is_active:
        return JsonResponse({"code": "unknown-passkey", "detail": refusal}, status=422)
    attempt.was_none()
    factors.note_use(authenticator=authenticator, request=request)
    clear_login(request)
    request.session.cycle_key()
    record_authentication(request, user, "mfa", id=authenticator.pk, type=str(authenticator.type), passwordless=True)
    response = perform_login(request, Login(user=user, redirect_url=wanted_target(request)))
    return JsonResponse({"go": response.headers.get("Location", "/")})


def _passkey_name(request: HttpRequest) -> str:
    # No name is given, so failures count for where they come from.
    return f"passkey from {client_address(request)}"


def _who_answered(answer: str) -> tuple[User | None, Authenticator | None]:
    try:
        credential = json.loads(answer)
        if not isinstance(credential, dict):
            return None, None
        webauthn.parse_authentication_response(credential)
        found: Any = webauthn.extract_user_from_response(credential)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None, None
    return found, factors.check_passkey(user=found, credential=credential)


# Second factor ---------------------------------------------------------------------------------------------------------


@login_stage_required(stage=AuthenticateStage.key, redirect_urlname="account_login")
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """The password was right; now the code or passkey."""
    stage: AuthenticateStage = request._login_stage  # type: ignore[attr-defined]
    user: Any = stage.login.user
    form = CodeForm(request.POST if "code" in request.POST else None)
    status = 200
    problem = ""
    if request.method == "POST":
        status = 422
        attempt = throttle.attempt(request=request, name=_factor_name(user))
        if not attempt.is_admitted:
            status, problem = 429, _too_many()
        else:
            authenticator = _second_factor_shown(request, form=form, user=user)
            if authenticator is not None:
                attempt.succeeded()
                factors.note_use(authenticator=authenticator, request=request)
                record_authentication(request, user, "mfa", id=authenticator.pk, type=str(authenticator.type))
                return stage.exit()
            sessions.tell(action="factor.refused", user=user, request=request, outcome="refused", is_actor=False)
            problem = _("This is not right, or it was used already. Try again.")
    has_passkey = factors.has_passkey(user)
    context = {
        "form": form,
        "problem": problem,
        "has_app": factors.has_app(user),
        "passkey_question": factors.passkey_question(user=user) if has_passkey else None,
    }
    return render(request, "account/second_factor.html", context, status=status)


def _factor_name(user: User) -> str:
    # Counted apart from the password: whoever knows it must not open the count of the code by signing in again.
    return f"second factor of {user.pk}"


def _second_factor_shown(request: HttpRequest, *, form: CodeForm, user: User) -> Authenticator | None:
    if "passkey" in request.POST:
        try:
            credential = json.loads(request.POST["passkey"])
        except (ValueError, RecursionError):
            return None
        return factors.check_passkey(user=user, credential=credential)
    return factors.check_code(user=user, code=form.cleaned_data["code"]) if form.is_valid() else None


# One-time password -----------------------------------------------------------------------------------------------------


@login_stage_required(stage=ChoosePasswordStage.key, redirect_urlname="account_login")
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """The first sign-in with a one-time password: choose an own one, then enter."""
    stage: ChoosePasswordStage = request._login_stage  # type: ignore[attr-defined]
    user: Any = stage.login.user
    form = NewPasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
        response: HttpResponse = stage.exit()
        return response
    status = 422 if form.errors else 200
    return render(request, "access/choose_password.html", {"form": form, "person": user}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    from access.single_sign_on.views.entry import leave_page, way_out

    out = way_out(request)
    sessions.end_current(request=request)
    if out is not None:
        return leave_page(request, address=out[0], label=out[1])
    return redirect("access:sign-in")


# Forgotten password ----------------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "POST"])
def reset_ask(request: HttpRequest) -> HttpResponse:
    """Ask for a link. The page afterwards is the same whether the account exists or not."""
    form = AskResetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if throttle.may_send_mail(request=request, name=name):
            addresses.ask_for_reset(name=name, request=request)
        return redirect("access:reset-sent")
    return render(request, "account/reset_ask.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def reset_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "account/reset_sent.html")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def reset_open(request: HttpRequest, who: str, key: str) -> HttpResponse:
    """The link of the letter. Its key moves into the session at once, so that no address bar or referrer keeps it."""
    if key != IN_SESSION:
        if request.method == "GET" and addresses.find_reset(who=who, key=key) is not None:
            request.session[RESET_KEY] = [who, key]
            return redirect("access:reset-open", who=who, key=IN_SESSION)
        return render(request, "account/reset_stale.html", status=410)
    kept = request.session.get(RESET_KEY) or ["", ""]
    user = addresses.find_reset(who=kept[0], key=kept[1])
    if user is None or kept[0] != who:
        return render(request, "account/reset_stale.html", status=410)
    form = NewPasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        request.session.pop(RESET_KEY, None)
        try:
            addresses.reset_password(who=kept[0], key=kept[1], password=form.cleaned_data["password"], request=request)
        except Conflict:
            return render(request, "account/reset_stale.html", status=410)
        return redirect(f"{reverse('access:sign-in')}?reset=done")
    return render(
        request, "account/reset_choose.html", {"form": form, "person": user}, status=422 if form.errors else 200
    )


def pending_or_sign_in(request: HttpRequest) -> HttpResponse:
    """Where django-allauth sends who must not go on: to the stage that waits, or to the beginning."""
    stage = get_pending_stage(request)
    return redirect(stage.urlname if stage is not None and stage.urlname else "access:sign-in")
