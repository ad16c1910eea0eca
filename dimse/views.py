"""Pages: callers that were refused."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from access import proofs
from access.views.installation import administrator
from archive.views.common import page_context
from core.shell import within_organisation
from core.tenancy import all_tenants
from dimse import lists, queries, refusals


@require_GET
def callers(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = queries.archive_of(user=request.user, slug=archive)
    context = page_context(request, found, tab="callers")
    table = lists.CallerTable(request=request, queryset=queries.refused_callers(archive=found), context=context)
    return table.respond("dimse/callers.html", context)


@require_POST
@proofs.needed("intake")
def caller_allow(request: Any, organisation: str, archive: str, caller: str) -> HttpResponse:
    """Let the caller in from now on."""
    found = queries.archive_of(user=request.user, slug=archive)
    row = queries.refused_caller(archive=found, public_id=caller)
    refusals.allow(actor=request.user, caller=row, request=request)
    messages.success(request, _("%(title)s can connect from its next association.") % {"title": row.calling_ae_title})
    return redirect("dimse:callers", organisation=organisation, archive=archive)


@require_POST
def caller_forget(request: Any, organisation: str, archive: str, caller: str) -> HttpResponse:
    """Take the row off the list."""
    found = queries.archive_of(user=request.user, slug=archive)
    refusals.forget(actor=request.user, caller=queries.refused_caller(archive=found, public_id=caller))
    return redirect("dimse:callers", organisation=organisation, archive=archive)


@login_required
@never_cache
@require_GET
def lost_callers(request: Any) -> HttpResponse:
    """For the administrator of the installation: whom nobody knew."""
    administrator(request)
    with within_organisation(request), all_tenants():
        table = lists.LostCallerTable(request=request, queryset=queries.lost_callers())
        return table.respond("dimse/lost_callers.html", {})
