"""The intake policy of a de-identified archive: who may send."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import proofs
from archive import lists
from archive.forms import SourceForm
from archive.intake import policy, sources
from archive.models import Archive
from archive.permissions import CHANGE
from archive.views.archives import add_errors
from archive.views.common import load_archive, page_context
from core.errors import Invalid, NotFound


def _load(request: Any, slug: str) -> Archive:
    """A de-identified archive for who may change its policy; others have none."""
    found = load_archive(request, slug, CHANGE)
    if not found.is_gated:
        raise NotFound
    return found


@require_GET
def source_list(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = _load(request, archive)
    rows = policy.sources_of(found).select_related("user", "role", "created_by")
    table = lists.SourceTable(request=request, queryset=rows, context={"archive": found})
    return table.respond("archive/source_list.html", page_context(request, found, tab="sources"))


@require_http_methods(["GET", "POST"])
@proofs.needed("intake")
def source_add(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = _load(request, archive)
    roles = {str(row.pk): row for row in policy.roles_that_may_send(found)}
    form = SourceForm(request.POST or None, roles=[(key, sources.role_words(row)) for key, row in roles.items()])
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        kind = given["kind"]
        try:
            sources.add_source(
                actor=request.user,
                archive=found,
                kind=kind,
                calling_ae_title=given["calling_ae_title"] if kind == "ae" else "",
                network=given["network"] if kind == "ae" else "",
                user=policy.member_named(found, given["person"]) if kind == "person" else None,
                role=roles.get(given["role"]) if kind in ("ae", "role") else None,
                request=request,
            )
        except Invalid as error:
            if "user" in error.fields:
                error.fields["person"] = error.fields.pop("user")
            add_errors(form, error)
        else:
            messages.success(request, _("Source added. Files it sends are screened on arrival."))
            return redirect("archive:sources", organisation=organisation, archive=archive)
    context = page_context(request, found, tab="sources") | {"form": form}
    return render(request, "archive/source_add.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@proofs.needed("intake")
def source_remove(request: Any, organisation: str, archive: str, source: str) -> HttpResponse:
    found = _load(request, archive)
    rows = policy.sources_of(found).select_related("archive__organisation", "user", "role")
    one = rows.filter(public_id=source).first()
    if one is None:
        raise NotFound
    sources.remove_source(actor=request.user, source=one, request=request)
    messages.success(request, _("The source was removed. What it sent stays."))
    return redirect("archive:sources", organisation=organisation, archive=archive)
