"""The security page: password, address, second factors, recovery codes, open sessions."""

from __future__ import annotations

import ipaddress
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.internal.auth import clear_totp_secret, get_totp_secret
from allauth.mfa.webauthn.internal import auth as webauthn
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import queries, sudo, throttle
from access.forms import ChangePasswordForm, add_errors
from access.sign_in import addresses, factors, mail, policy, sessions
from access.sign_in.forms import AddressForm, AppCodeForm, PasskeyForm
from access.single_sign_on import queries as single_sign_on
from access.views.accounts import signed_in_person
from core.errors import Invalid
from core.shell import within_organisation


def page(
    request: HttpRequest,
    *,
    password_form: ChangePasswordForm | None = None,
    address_form: AddressForm | None = None,
) -> HttpResponse:
    user = signed_in_person(request)
    user.refresh_from_db()
    proven, waiting = addresses.of(user)
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        target = ""
    found = factors.overview(user)
    demanding = [one for one in queries.organisations_of(user) if policy.demands_second_factor(organisation=one)]
    context = {
        "factors": found,
        "demanding": demanding,
        "must_set_up": bool(demanding) and not found.has_any,
        "next": target,
        "password_form": password_form or ChangePasswordForm(user=user),
        "has_password": user.has_usable_password(),
        "address_form": address_form or AddressForm(),
        "proven": proven,
        "waiting": waiting,
        "sessions": sessions.list_of(request=request, user=user),
        "sign_ons": [one for one in single_sign_on.links_for(user) if one.is_shown],
    }
    bad = (password_form and password_form.errors) or (address_form and address_form.errors)
    with within_organisation(request):
        return render(request, "account/security.html", context, status=422 if bad else 200)


@login_required
@never_cache
@require_GET
def security(request: HttpRequest) -> HttpResponse:
    return page(request)


def _back(anchor: str) -> HttpResponse:
    return redirect(f"{reverse('access:security')}#{anchor}")


def _shell(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    with within_organisation(request):
        return render(request, template, context, status=status)


# Password and address --------------------------------------------------------------------------------------------------


@login_required
@never_cache
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    user = signed_in_person(request)
    attempt = throttle.attempt(request=request, name=throttle.name_of(user))
    if not attempt.is_admitted:
        messages.error(request, _("Too many failed attempts. Wait 15 minutes, then try again."))
        return _back("password")
    form = ChangePasswordForm(request.POST, user=user)
    if not form.is_valid():
        if "current" not in form.errors:
            attempt.succeeded()
        return page(request, password_form=form)
    attempt.succeeded()
    people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
    sessions.keep_current(request=request, user=user)
    mail.tell_later(user=user, what="password-changed")
    messages.success(request, _("Your password was changed. Other sessions of yours were ended."))
    return _back("password")


@login_required
@never_cache
@sudo.required(reason=gettext_lazy("Changing your e-mail address"))
@require_POST
def change_address(request: HttpRequest) -> HttpResponse:
    user = signed_in_person(request)
    form = AddressForm(request.POST)
    if form.is_valid():
        if not throttle.may_send_mail(request=request, name=user.username):
            form.add_error(None, _("Too many letters were asked for. Wait an hour, then try again."))
        else:
            try:
                addresses.begin_change(user=user, email=form.cleaned_data["email"], request=request)
            except Invalid as error:
                add_errors(form, error.fields)
            else:
                messages.success(request, _("A link is on its way. The address counts once you follow it."))
                return _back("address")
    return page(request, address_form=form)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def prove_address(request: HttpRequest, key: str) -> HttpResponse:
    """The link of the letter; a button, because mail scanners follow links."""
    user = signed_in_person(request)
    if request.method == "POST":
        row = addresses.prove(user=user, key=key, request=request)
        messages.success(request, _("%(email)s is your address now.") % {"email": row.email})
        return _back("address")
    row_waiting = addresses.find_waiting(user=user, key=key)
    status = 200 if row_waiting is not None else 410
    return _shell(request, "account/address_prove.html", {"waiting": row_waiting}, status=status)


# Second factors --------------------------------------------------------------------------------------------------------


def codes_page(request: HttpRequest, *, codes: list[str]) -> HttpResponse:
    return _shell(request, "account/codes.html", {"codes": codes, "next": request.POST.get("next", "")})


def _added(request: HttpRequest, *, codes: list[str], said: str) -> HttpResponse:
    messages.success(request, said)
    return codes_page(request, codes=codes) if codes else _back("factors")


@login_required
@never_cache
@sensitive_post_parameters()
@sudo.required(reason=gettext_lazy("Setting up an authenticator app"))
@require_http_methods(["GET", "POST"])
def app_add(request: HttpRequest) -> HttpResponse:
    """A key as a picture and in letters; the app's first code proves that it holds it."""
    user = signed_in_person(request)
    if factors.has_app(user):
        return _back("factors")
    secret = get_totp_secret(regenerate=request.method == "GET")
    form = AppCodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = f"new app of {user.pk}"
        attempt = throttle.attempt(request=request, name=name)
        if not attempt.is_admitted:
            form.add_error(None, _("Too many failed attempts. Wait 15 minutes, then try again."))
        else:
            try:
                codes = factors.add_app(request=request, user=user, secret=secret, code=form.cleaned_data["code"])
            except Invalid as error:
                add_errors(form, error.fields)
            else:
                attempt.succeeded()
                clear_totp_secret(request)
                return _added(request, codes=codes, said=_("The authenticator app is set up."))
    adapter = get_adapter()
    address = adapter.build_totp_url(user, secret)
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    context = {
        "form": form,
        "secret": groups,
        "picture": picture_of(adapter.build_totp_svg(address)),
        "address": address,
    }
    return _shell(request, "account/app_add.html", context, status=422 if form.errors else 200)


def picture_of(svg: str) -> str:
    """The drawing as an address, which the content policy allows for images and which runs nothing."""
    import base64

    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def has_name(request: HttpRequest) -> bool:
    """Passkeys are bound to a name; browsers refuse them for a bare address such as 127.0.0.1."""
    host = request.get_host().rpartition(":")[0] or request.get_host()
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return True
    return False


@login_required
@never_cache
@sudo.required(reason=gettext_lazy("Adding a passkey"))
@require_http_methods(["GET", "POST"])
def passkey_add(request: HttpRequest) -> HttpResponse:
    user = signed_in_person(request)
    form = PasskeyForm(request.POST or None)
    problem = ""
    if request.method == "POST":
        if form.is_valid():
            try:
                codes = factors.add_passkey(
                    request=request,
                    user=user,
                    name=form.cleaned_data["name"],
                    credential=form.cleaned_data["credential"],
                )
            except Invalid as error:
                problem = error.fields["credential"][0]
            else:
                return _added(request, codes=codes, said=_("The passkey was added."))
        else:
            problem = _("The device made no passkey. Try again.")
    question = webauthn.begin_registration(user, passwordless=True) if has_name(request) else None
    context = {"form": form, "question": question, "problem": problem, "port": request.get_port()}
    return _shell(request, "account/passkey_add.html", context, status=422 if problem else 200)


@login_required
@require_POST
def passkey_rename(request: HttpRequest, passkey: int) -> HttpResponse:
    factors.rename_passkey(user=signed_in_person(request), passkey=passkey, name=request.POST.get("name", ""))
    messages.success(request, _("The passkey was renamed."))
    return _back("factors")


@login_required
@sudo.required(reason=gettext_lazy("Removing a second factor"))
@require_POST
def factor_remove(request: HttpRequest, factor: int) -> HttpResponse:
    factors.remove(request=request, user=signed_in_person(request), factor=factor)
    messages.success(request, _("It was removed. Other sessions of yours were ended."))
    return _back("factors")


@login_required
@never_cache
@sudo.required(reason=gettext_lazy("Making new recovery codes"))
@require_POST
def codes_renew(request: HttpRequest) -> HttpResponse:
    return codes_page(request, codes=factors.renew_codes(request=request, user=signed_in_person(request)))


# Sessions --------------------------------------------------------------------------------------------------------------


@login_required
@require_POST
def session_revoke(request: HttpRequest, session: int) -> HttpResponseBase:
    if sessions.revoke(request=request, user=signed_in_person(request), session=session):
        return redirect("access:sign-in")
    messages.success(request, _("The session was ended."))
    return _back("sessions")


@login_required
@require_POST
def sessions_revoke_others(request: HttpRequest) -> HttpResponse:
    ended = sessions.revoke_others(request=request, user=signed_in_person(request))
    messages.success(request, ngettext("%(n)s session was ended.", "%(n)s sessions were ended.", ended) % {"n": ended})
    return _back("sessions")
