"""Help for people who lost their second factors, on the page of a person."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from access import proofs, queries
from access.models import Organisation, User
from access.sign_in import factors
from access.views.accounts import signed_in_person
from core.errors import NotFound


@proofs.needed("factors")
@require_POST
def factors_reset(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    """Take every second factor from a person of this organisation; they set up new ones."""
    found: Organisation = request.organisation  # type: ignore[attr-defined]
    queries.require(signed_in_person(request), "access.manage_people", found)
    user = User.objects.filter(memberships__organisation=found, pk=person).first()
    if user is None:
        raise NotFound
    removed = factors.reset(actor=signed_in_person(request), organisation=found, user=user, request=request)
    said = (
        _("The second factors of %(name)s were removed, and every session ended.")
        if removed
        else _("%(name)s had no second factor. Every session was ended.")
    )
    messages.success(request, said % {"name": user})
    return redirect("access:person", organisation=organisation, person=person)
