"""Saved views: kept from a list, looked after on a page of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core import saved_views
from core.errors import Invalid
from core.models import DefaultView


@require_GET
def view_list(request: Any, organisation: str) -> HttpResponse:
    """The person's own views of every list."""
    rows = list(saved_views.own(user=request.user).order_by("place", "list_key", "name"))
    defaults = set(DefaultView.objects.filter(person=request.user).values_list("view_id", flat=True))
    offered = [saved_views.Offered(view=row, is_own=True, is_default=row.pk in defaults) for row in rows]
    return render(request, "core/saved_views.html", {"offered": offered})


@require_POST
def view_save(request: Any, organisation: str) -> HttpResponse:
    place, list_key = request.POST.get("place", ""), request.POST.get("list", "")
    if not saved_views.is_place_of(place=place, organisation=request.organisation) or len(place) > 300:
        raise Invalid(_("A view belongs to a list of this organisation."))
    if not list_key.isidentifier() or len(list_key) > 64:
        raise Invalid(_("A view belongs to a list of this organisation."))
    view = saved_views.save(
        user=request.user,
        organisation=request.organisation,
        list_key=list_key,
        place=place,
        name=request.POST.get("name", ""),
        query=request.POST.get("query", ""),
        share="share" in request.POST,
        make_default="default" in request.POST,
    )
    messages.success(request, _("Kept as “%(name)s”.") % {"name": view.name})
    return redirect(saved_views.Offered(view=view, is_own=True, is_default=False).address)


@require_POST
def view_change(request: Any, organisation: str, view: str) -> HttpResponse:
    changed = saved_views.change(
        user=request.user, public_id=view, name=request.POST.get("name", ""), share="share" in request.POST
    )
    if "default" in request.POST:
        saved_views.choose_default(user=request.user, view=changed)
    else:
        saved_views.forget_default(user=request.user, view=changed)
    messages.success(request, _("“%(name)s” is changed.") % {"name": changed.name})
    return redirect("core:view-list", organisation=organisation)


@require_POST
def view_delete(request: Any, organisation: str, view: str) -> HttpResponse:
    gone = saved_views.delete(user=request.user, public_id=view)
    messages.info(request, _("“%(name)s” is deleted.") % {"name": gone.name})
    return redirect("core:view-list", organisation=organisation)


@require_POST
def view_default(request: Any, organisation: str, view: str) -> HttpResponse:
    """Open the list with this view from now on, or no longer."""
    found = saved_views.get_visible(user=request.user, public_id=view)
    if request.POST.get("on") == "1":
        saved_views.choose_default(user=request.user, view=found)
    else:
        saved_views.forget_default(user=request.user, view=found)
    return redirect(saved_views.Offered(view=found, is_own=False, is_default=True).address)
