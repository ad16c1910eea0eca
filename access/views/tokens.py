"""Doors of a person's own API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from access import proofs, queries, services
from access.forms import ReachTokenForm, TokenForm, add_errors
from access.models import ApiToken, User
from access.views.accounts import profile_page, signed_in_person
from core.errors import Invalid, NotFound
from core.shell import within_organisation

TOKENS_SHOWN = 100


def token_lines(*, user: User) -> list[dict[str, Any]]:
    """A person's tokens with their state and reach in words."""
    moment = timezone.now()
    names = {one.key: str(one.container) for one in queries.reach_of(user)}
    return [
        {
            "token": token,
            "state": token.state_at(moment),
            "reach": ", ".join(names.get(key, str(_("a place no longer open"))) for key in token.containers),
        }
        for token in ApiToken.objects.filter(user=user)[:TOKENS_SHOWN]
    ]


def wanted_token(form: ReachTokenForm) -> dict[str, Any]:
    """What the form asks for, as `services.create_token` takes it."""
    return {
        "name": form.cleaned_data["name"],
        "scopes": form.cleaned_data["scopes"],
        "containers": form.cleaned_data["containers"],
        "expires_at": timezone.now() + timedelta(days=form.cleaned_data["days"]),
    }


@login_required
@never_cache
@proofs.needed("tokens")
@require_http_methods(["GET", "POST"])
def my_tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens, and a new one."""
    user = signed_in_person(request)
    form = ReachTokenForm(request.POST or None, user=user)
    secret = ""
    if request.method == "POST" and form.is_valid():
        try:
            _token, secret = services.create_token(user=user, request=request, **wanted_token(form))
        except Invalid as error:
            add_errors(form, {"days" if name == "expires_at" else name: said for name, said in error.fields.items()})
        else:
            form = ReachTokenForm(user=user)
    return _page(request, form=form, secret=secret)


def _page(request: HttpRequest, *, form: ReachTokenForm, secret: str = "") -> HttpResponse:
    user = signed_in_person(request)
    context = {
        "form": form,
        "lines": token_lines(user=user),
        "scope_labels": dict(ApiToken.Scope.choices),
        "secret": secret,
    }
    with within_organisation(request):
        return render(request, "access/my_tokens.html", context, status=422 if form.errors else 200)


def _own(request: HttpRequest, public_id: str) -> ApiToken:
    found = ApiToken.objects.filter(user=signed_in_person(request), public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


@login_required
@never_cache
@proofs.needed("tokens")
@require_POST
def token_rotate(request: HttpRequest, token: str) -> HttpResponse:
    """The successor of a token; the old secret works one more day."""
    user = signed_in_person(request)
    _made, secret = services.rotate_token(actor=user, token=_own(request, token), request=request)
    return _page(request, form=ReachTokenForm(user=user), secret=secret)


@login_required
@never_cache
@proofs.needed("tokens")
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token from the profile and show its secret, this once."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            _token, secret = services.create_token(user=signed_in_person(request), request=request, **form.cleaned_data)
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            return profile_page(request, secret=secret)
    return profile_page(request, token_form=form)


@login_required
@require_POST
def token_revoke(request: HttpRequest, token: str) -> HttpResponse:
    found = _own(request, token)
    services.revoke_token(actor=signed_in_person(request), token=found, request=request)
    messages.success(request, _("The token “%(name)s” was revoked. It opens nothing any more.") % {"name": found.name})
    return redirect("access:my-tokens")
