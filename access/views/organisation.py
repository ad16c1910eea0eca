"""Doors of an organisation's settings and its logo."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import proofs, queries, services, usage
from access.forms import LogoForm, OrganisationForm, SecurityPolicyForm, add_errors
from access.models import Organisation, OrganisationLogo
from access.sign_in import policy
from access.views.accounts import signed_in_person
from core.caching import as_picture
from core.errors import Invalid, NotFound


def _changeable(request: HttpRequest) -> Organisation:
    organisation: Organisation = request.organisation  # type: ignore[attr-defined]
    queries.require(signed_in_person(request), "access.change_organisation", organisation)
    return organisation


@never_cache
@proofs.needed("settings")
@require_http_methods(["GET", "POST"])
def organisation_settings(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _changeable(request)
    initial = {name: getattr(found, name) for name in OrganisationForm.base_fields}
    form = OrganisationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_organisation(
                actor=signed_in_person(request), organisation=found, changes=dict(form.cleaned_data), request=request
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("The settings were saved."))
            return redirect("access:organisation-settings", organisation=organisation)
    return _page(request, found, form=form)


def _page(request: HttpRequest, found: Organisation, **forms: Any) -> HttpResponse:
    initial = {name: getattr(found, name) for name in OrganisationForm.base_fields}
    context = {
        "form": OrganisationForm(initial=initial),
        "policy_form": SecurityPolicyForm(instance=policy.of(found)),
        "logo_form": LogoForm(),
        "usage": usage.of(found),
        **forms,
    }
    status = 422 if any(form.errors for form in forms.values()) else 200
    return render(request, "access/organisation_settings.html", context, status=status)


@proofs.needed("sign-in-rules")
@require_POST
def security_policy(request: HttpRequest, organisation: str) -> HttpResponse:
    """What the organisation asks of its members' sign-in and sessions."""
    found = _changeable(request)
    form = SecurityPolicyForm(request.POST, instance=policy.of(found))
    if form.is_valid():
        policy.change(actor=signed_in_person(request), organisation=found, request=request, **form.cleaned_data)
        messages.success(request, _("The rules of signing in were saved. They hold within a minute."))
        return redirect("access:organisation-settings", organisation=organisation)
    return _page(request, found, policy_form=form)


@require_POST
def logo_change(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _changeable(request)
    actor = signed_in_person(request)
    if request.POST.get("remove"):
        services.remove_logo(actor=actor, organisation=found, request=request)
        messages.success(request, _("The logo was removed."))
        return redirect("access:organisation-settings", organisation=organisation)
    form = LogoForm(request.POST, request.FILES)
    if form.is_valid():
        data = form.cleaned_data["logo"].read(services.LOGO_BYTES + 1)
        try:
            services.set_logo(actor=actor, organisation=found, data=data, request=request)
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("The logo was changed."))
            return redirect("access:organisation-settings", organisation=organisation)
    return _page(request, found, logo_form=form)


@require_GET
def logo(request: HttpRequest, organisation: str) -> HttpResponse:
    """The mark of an organisation, for its members."""
    found: Organisation = request.organisation  # type: ignore[attr-defined]
    tag = f'"{found.logo_digest}"'
    if found.logo_digest and request.headers.get("If-None-Match") == tag:
        return as_picture(HttpResponseNotModified())
    row = OrganisationLogo.objects.filter(organisation=found).first()
    if row is None:
        raise NotFound
    return as_picture(
        HttpResponse(
            bytes(row.png),
            content_type="image/png",
            headers={"ETag": tag, "Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"},
        )
    )
