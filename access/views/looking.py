"""Doors of "view as": begin, what the person may see, end."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from access import looking, proofs
from access import people as people_service
from access.models import Organisation, User
from access.views.accounts import signed_in_person
from access.views.people import managed_organisation
from core.errors import NotFound


@proofs.needed("view-as")
@require_POST
def view_as_start(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = User.objects.filter(memberships__organisation=found, pk=person).first()
    if user is None:
        raise NotFound
    looking.start(actor=signed_in_person(request), organisation=found, user=user, request=request)
    return redirect("access:view-as", organisation=organisation)


@never_cache
@require_GET
def view_as(request: HttpRequest, organisation: str) -> HttpResponse:
    """What the person of the look may enter, with each role. Without a look there is no such page."""
    look: looking.Look | None = getattr(request, "look", None)
    if look is None:
        raise NotFound
    found: Organisation = request.organisation  # type: ignore[attr-defined]
    sheet = [
        line
        for line in people_service.role_sheet(organisation=found, user=look.person)
        if any(role.held for role in line.roles)
    ]
    return render(request, "access/view_as.html", {"sheet": sheet, "person": look.person, "look": look})


@require_POST
def view_as_end(request: HttpRequest, organisation: str) -> HttpResponse:
    found: Any = request.organisation  # type: ignore[attr-defined]
    user = looking.end(request=request, organisation=found)
    if user is None:
        return redirect("core:home", organisation=organisation)
    messages.success(request, _("You see the organisation with your own eyes again."))
    return redirect("access:person", organisation=organisation, person=user.pk)
