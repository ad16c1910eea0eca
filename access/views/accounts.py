"""Doors of an account: the front door, the profile, preferences."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import queries
from access.forms import (
    PreferenceForm,
    ProfileForm,
    TokenForm,
    add_errors,
)
from access.models import ApiToken, User
from core.errors import Invalid, NotFound
from core.shell import within_organisation

TOKENS_SHOWN = 50


@require_GET
def front_door(request: HttpRequest) -> HttpResponse:
    """`/`: to the sign-in page, to the one organisation of the person, or to a choice of several."""
    if not request.user.is_authenticated:
        return redirect("access:sign-in")
    found = list(queries.organisations_of(request.user))
    if len(found) == 1:
        return redirect("core:home", organisation=found[0].slug)
    return render(request, "access/organisations.html", {"organisations": found})


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
    secret: str = "",
) -> HttpResponse:
    user = signed_in_person(request)
    user.refresh_from_db()
    known = {name: getattr(user, name) for name in ProfileForm.base_fields if name != "single_keys"}
    forms = (form, token_form)
    moment = timezone.now()
    tokens = [(token, token.is_valid_at(moment)) for token in ApiToken.objects.filter(user=user)[:TOKENS_SHOWN]]
    context = {
        "form": form or ProfileForm(initial=known | {"single_keys": user.preferences.get("single_keys", True)}),
        "token_form": token_form or TokenForm(),
        "tokens": tokens,
        "scope_labels": dict(ApiToken.Scope.choices),
        "secret": secret,
        "organisations": queries.organisations_of(user),
    }
    status = 422 if any(form and form.errors for form in forms) else 200
    with within_organisation(request):
        return render(request, "access/profile.html", context, status=status)
