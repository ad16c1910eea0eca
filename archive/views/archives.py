"""Archives: the list, a new one, its settings."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, Sum
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from access import proofs
from access.queries import may, require
from archive import queries, services
from archive.forms import ArchiveForm, NewArchiveForm
from archive.lists import ArchiveTable
from archive.models import QuarantinedFile
from archive.permissions import CHANGE, CREATE
from archive.views.common import load_archive, page_context
from core.errors import Invalid


@require_GET
def archive_list(request: Any, organisation: str) -> HttpResponse:
    rows = queries.archives(user=request.user).annotate(
        study_count=Count("studies", distinct=False),
        image_count=Sum("studies__instance_count"),
        bytes=Sum("studies__size_bytes"),
        last_images=Max("studies__last_received_at"),
    )
    table = ArchiveTable(request=request, queryset=rows)
    counts = kept_counts([row.pk for row in table.objects])
    for row in table.objects:
        row.kept_count = counts.get(row.pk, 0)
    may_create = may(request.user, CREATE, request.organisation)
    return table.respond("archive/archive_list.html", {"may_create": may_create})


def kept_counts(archive_ids: list[int]) -> dict[int, int]:
    rows = QuarantinedFile.objects.filter(archive_id__in=archive_ids, state=QuarantinedFile.State.KEPT)
    return {row["archive_id"]: row["n"] for row in rows.order_by().values("archive_id").annotate(n=Count("pk"))}


@require_http_methods(["GET", "POST"])
def archive_create(request: Any, organisation: str) -> HttpResponse:
    require(request.user, CREATE, request.organisation)
    form = NewArchiveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            archive = services.create_archive(
                actor=request.user, organisation=request.organisation, request=request, **form.cleaned_data
            )
        except Invalid as error:
            add_errors(form, error)
        else:
            messages.success(request, _("The archive %(name)s takes images now.") % {"name": archive.name})
            return redirect("archive:study-list", organisation=organisation, archive=archive.slug)
    status = 422 if request.method == "POST" else 200
    return render(request, "archive/archive_create.html", {"form": form}, status=status)


@proofs.needed("intake")
@require_http_methods(["GET", "POST"])
def archive_settings(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive, CHANGE)
    initial = {name: getattr(found, name) for name in ArchiveForm.base_fields}
    form = ArchiveForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_archive(actor=request.user, archive=found, changes=form.cleaned_data, request=request)
        except Invalid as error:
            add_errors(form, error)
        else:
            messages.success(request, _("The settings are kept."))
            return redirect("archive:settings", organisation=organisation, archive=found.slug)
    status = 422 if request.method == "POST" else 200
    context = page_context(request, found, tab="settings") | {"form": form}
    return render(request, "archive/archive_settings.html", context, status=status)


def add_errors(form: Form, error: Invalid) -> None:
    for name, sentences in error.fields.items():
        for sentence in sentences:
            form.add_error(name if name in form.fields else None, sentence)
    if not error.fields:
        form.add_error(None, str(error.message))


@require_GET
def archive_home(request: Any, organisation: str, archive: str) -> HttpResponse:
    load_archive(request, archive)
    return redirect("archive:study-list", organisation=organisation, archive=archive)
