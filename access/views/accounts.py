"""Doors of an account: signing in and out, the profile, preferences, the password."""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import queries, throttle
from access.forms import (
    ChangePasswordForm,
    NewPasswordForm,
    PreferenceForm,
    ProfileForm,
    SignInForm,
    TokenForm,
    add_errors,
)
from access.models import ApiToken, User
from core.errors import Invalid, NotFound
from core.shell import within_organisation

CHOOSING_SECONDS = 15 * 60
TOKENS_SHOWN = 50


def _next(request: HttpRequest) -> str:
    """Where to go after signing in: only to an address of this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("access:front-door")


@require_GET
def front_door(request: HttpRequest) -> HttpResponse:
    """`/`: to the sign-in page, to the one organisation of the person, or to a choice of several."""
    if not request.user.is_authenticated:
        return redirect("access:sign-in")
    found = list(queries.organisations_of(request.user))
    if len(found) == 1:
        return redirect("core:home", organisation=found[0].slug)
    return render(request, "access/organisations.html", {"organisations": found})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            username = form.cleaned_data["username"]
            if throttle.is_closed(request=request, username=username):
                form.add_error(None, _("Too many attempts failed. Wait a quarter of an hour, then try again."))
                status = 429
            else:
                user = authenticate(request, username=username, password=form.cleaned_data["password"])
                if isinstance(user, User):
                    throttle.succeeded(request=request, username=username)
                    return _enter(request, user)
                throttle.failed(request=request, username=username)
                form.add_error(None, _("User name and password do not belong together."))
    context = {"form": form, "next": _next(request), "has_demo": (settings.DATA_DIR / "demo-accounts.json").exists()}
    return render(request, "access/sign_in.html", context, status=status)


def _enter(request: HttpRequest, user: User) -> HttpResponse:
    """Open the session; a one-time password opens only the page on which it is replaced."""
    target = _next(request)
    if user.preferences.get(people_service.ONE_TIME_FLAG):
        request.session.cycle_key()
        request.session["choosing"] = {"user": user.pk, "since": int(time.time()), "next": target}
        return redirect("access:choose-password")
    login(request, user)
    return redirect(target)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """The first sign-in with a one-time password: choose an own one, then enter."""
    choosing = request.session.get("choosing") or {}
    user = User.objects.filter(pk=choosing.get("user") or 0, is_active=True).first()
    if user is None or time.time() - choosing.get("since", 0) > CHOOSING_SECONDS:
        request.session.pop("choosing", None)
        return redirect("access:sign-in")
    form = NewPasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
        del request.session["choosing"]
        login(request, user, backend="access.backends.PasswordBackend")
        return redirect(choosing.get("next") or reverse("access:front-door"))
    status = 422 if form.errors else 200
    return render(request, "access/choose_password.html", {"form": form, "person": user}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("access:sign-in")


@login_required
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Theme and density, from the menu of the shell."""
    form = PreferenceForm(request.POST)
    if not form.is_valid():
        raise Invalid(fields={name: [str(e) for e in errors] for name, errors in form.errors.items()})
    changes = {name: value for name, value in form.cleaned_data.items() if value}
    if changes:
        people_service.save_preferences(user=signed_in_person(request), changes=changes)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect(request.headers.get("Referer") or reverse("access:profile"))


def signed_in_person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotFound
    return request.user


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = signed_in_person(request)
    known = {name: getattr(user, name) for name in ProfileForm.base_fields if name != "single_keys"}
    form = ProfileForm(request.POST or None, initial=known | {"single_keys": user.preferences.get("single_keys", True)})
    if request.method == "POST" and form.is_valid():
        try:
            people_service.save_preferences(user=user, changes=dict(form.cleaned_data))
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("Your profile was saved."))
            return redirect("access:profile")
    return profile_page(request, form=form)


def profile_page(
    request: HttpRequest,
    *,
    form: ProfileForm | None = None,
    token_form: TokenForm | None = None,
    password_form: ChangePasswordForm | None = None,
    secret: str = "",
) -> HttpResponse:
    user = signed_in_person(request)
    user.refresh_from_db()
    known = {name: getattr(user, name) for name in ProfileForm.base_fields if name != "single_keys"}
    forms = (form, token_form, password_form)
    moment = timezone.now()
    tokens = [(token, token.is_valid_at(moment)) for token in ApiToken.objects.filter(user=user)[:TOKENS_SHOWN]]
    context = {
        "form": form or ProfileForm(initial=known | {"single_keys": user.preferences.get("single_keys", True)}),
        "token_form": token_form or TokenForm(),
        "password_form": password_form or ChangePasswordForm(user=user),
        "tokens": tokens,
        "scope_labels": dict(ApiToken.Scope.choices),
        "secret": secret,
        "organisations": queries.organisations_of(user),
    }
    status = 422 if any(form and form.errors for form in forms) else 200
    with within_organisation(request):
        return render(request, "access/profile.html", context, status=status)


@login_required
@never_cache
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    user = signed_in_person(request)
    form = ChangePasswordForm(request.POST, user=user)
    if not form.is_valid():
        return profile_page(request, password_form=form)
    people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
    update_session_auth_hash(request, user)
    messages.success(request, _("Your password was changed. Other sessions of yours were ended."))
    return redirect("access:profile")
