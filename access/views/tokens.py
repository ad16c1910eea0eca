"""Doors of a person's own API tokens, on the profile."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from access import services
from access.forms import TokenForm, add_errors
from access.models import ApiToken
from access.views.accounts import profile_page, signed_in_person
from core.errors import Invalid, NotFound


@login_required
@never_cache
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and show its secret, this once."""
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
    user = signed_in_person(request)
    found = ApiToken.objects.filter(user=user, public_id=token).first()
    if found is None:
        raise NotFound
    services.revoke_token(actor=user, token=found, request=request)
    messages.success(request, _("The token “%(name)s” was revoked. It opens nothing any more.") % {"name": found.name})
    return redirect(reverse("access:profile") + "#tokens")
