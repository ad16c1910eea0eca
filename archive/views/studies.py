"""Studies: the list, one study, its images' attributes, pictures, exports, deletion."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from access.queries import get_visible, may
from archive import attributes, hooks, lists, queries, services
from archive.albums import queries as album_queries
from archive.models import Archive, Instance, Series, Study
from archive.permissions import DELETE, EXPORT, VIEW
from archive.services import deletion, export
from archive.storage import storage
from archive.views.common import load_archive, note_search, page_context, send_file
from audit import services as audit
from core import jobs
from core.caching import as_picture
from core.chosen import chosen
from core.errors import Conflict, NotFound
from core.models import Job

SELECTED_LIMIT = 500
INSTANCES_SHOWN = 200


@require_GET
def study_list(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive)
    seen = queries.studies_seen(user=request.user, archive=found)
    table = lists.StudyTable(
        request=request, queryset=seen.rows, context={"archive": found, "is_whole_archive": seen.is_whole}
    )
    note_search(request, found, table)
    context: dict[str, Any] = {"change_mark": change_mark(found)}
    if table.is_fragment_request:
        context["rights"] = page_context(request, found)["rights"]
    else:
        context |= page_context(request, found, tab="studies")
    return table.respond("archive/study_list.html", context)


def change_mark(archive: Archive) -> str:
    """Differs as soon as a study came, grew, or settled."""
    moments = queries.newest_change(archive=archive)
    return "-".join(f"{moment.timestamp():.3f}" if moment else "0" for moment in moments)


@require_GET
def study_changes(request: Any, organisation: str, archive: str) -> HttpResponse:
    """What the list asks every few seconds: has anything changed since it was drawn?"""
    found = load_archive(request, archive)
    mark = change_mark(found)
    has_changed = request.GET.get("since", "") not in ("", mark)
    return render(request, "archive/_changes.html", {"archive": found, "change_mark": mark, "has_changed": has_changed})


def load_study(request: Any, archive: Archive, public_id: str, permission: str = VIEW) -> Study:
    rows = Study.objects.filter(archive=archive).select_related("patient", "archive", "organisation")
    return get_visible(request.user, rows, permission, public_id=public_id)


@require_GET
def study_detail(request: Any, organisation: str, archive: str, study: str) -> HttpResponse:
    found_archive = load_archive(request, archive)
    found = load_study(request, found_archive, study)
    series = list(queries.series_of(user=request.user, study=found).select_related("organisation"))
    for one in series:
        # Shown by the template; not a column.
        setattr(one, "thumbnail_url", lists.thumbnail_url(one) if one.thumbnail_key else "")  # noqa: B010
    audit.record(action="study.opened", organisation=request.organisation, target=found, request=request)
    others = queries.studies(user=request.user, archive=found_archive).filter(patient=found.patient)
    context = page_context(request, found_archive, tab="studies") | {
        "clearance": hooks.clearance_of([found])[found.pk].value if found_archive.is_gated else "",
        "study": found,
        "series": series,
        "others": list(others.exclude(pk=found.pk).order_by("-study_date")[:20]),
        "viewer_url": lists.viewer_url(organisation=organisation, study=found),
        "detail_url": lists.detail_url(organisation=organisation, archive=found_archive, study=found),
        "deliveries": list(found.instances.order_by().values_list("delivery_id", flat=True).distinct()[:20]),
        "albums": list(album_queries.albums_of(user=request.user, study=found)[:20]),
        "may_audit": may(request.user, "access.view_audit", request.organisation),
    }
    if request.GET.get("part") == "drawer":
        return render(request, "archive/_study_drawer.html", context)
    return render(request, "archive/study_detail.html", context)


@require_GET
def series_instances(request: Any, organisation: str, archive: str, study: str, series: str) -> HttpResponse:
    """The images of one series as a fragment of the study page, page by page."""
    found_archive = load_archive(request, archive)
    found = load_study(request, found_archive, study)
    one = queries.series_of(user=request.user, study=found).filter(public_id=series).first()
    if one is None:
        raise NotFound
    start = request.GET.get("from", "0")
    first = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 0
    rows = list(
        queries.instances_of(user=request.user, series=one).defer("frame_table")[first : first + INSTANCES_SHOWN + 1]
    )
    context = {
        "archive": found_archive,
        "study": found,
        "one": one,
        "instances": rows[:INSTANCES_SHOWN],
        "next_from": first + INSTANCES_SHOWN if len(rows) > INSTANCES_SHOWN else None,
        "first": first,
    }
    return render(request, "archive/_instance_rows.html" if first else "archive/_instances.html", context)


def load_instance(request: Any, study: Study, pk: int) -> Instance:
    instance = Instance.objects.filter(study=study, pk=pk).select_related("series", "study", "delivery").first()
    if instance is None:
        raise NotFound
    return instance


@require_GET
def instance_detail(request: Any, organisation: str, archive: str, study: str, instance: int) -> HttpResponse:
    """Every attribute of one image as it is stored, with search."""
    found_archive = load_archive(request, archive)
    found = load_study(request, found_archive, study)
    one = load_instance(request, found, instance)
    words = request.GET.get("q", "").strip()[:100]
    with storage().local(one.storage_key) as path:
        listing = attributes.list_attributes(path, words=words)
    if not request.htmx:
        audit.record(action="study.attributes_read", organisation=request.organisation, target=found, request=request)
    siblings = queries.instances_of(user=request.user, series=one.series)
    ids = list(siblings.values_list("pk", flat=True)[:5000])
    place = ids.index(one.pk) if one.pk in ids else 0
    context = page_context(request, found_archive, tab="studies") | {
        "study": found,
        "instance": one,
        "listing": listing,
        "words": words,
        "place": place + 1,
        "total": one.series.instance_count,
        "previous": ids[place - 1] if place > 0 else None,
        "following": ids[place + 1] if place + 1 < len(ids) else None,
    }
    template = (
        "archive/_attributes.html" if request.htmx and not request.htmx.boosted else "archive/instance_detail.html"
    )
    return render(request, template, context)


@require_GET
def instance_file(request: Any, organisation: str, archive: str, study: str, instance: int) -> HttpResponseBase:
    """The stored file, byte for byte."""
    found_archive = load_archive(request, archive, EXPORT)
    found = load_study(request, found_archive, study)
    one = load_instance(request, found, instance)
    audit.record(action="instance.downloaded", organisation=request.organisation, target=found, request=request)
    return send_file(
        queries.open_instance(one), size=one.size_bytes, name=f"{one.pk}.dcm", content_type="application/dicom"
    )


@require_GET
def thumbnail(request: Any, organisation: str, series: str) -> HttpResponse:
    """The picture of a series; seen by whoever may see the series, for whatever reason."""
    found = get_visible(request.user, Series.objects.select_related("archive__organisation"), VIEW, public_id=series)
    if not found.thumbnail_key or not queries.sees_whole(user=request.user, series=found):
        raise NotFound
    etag = quote_etag(f"{found.public_id}-{found.thumbnail_key.rpartition('/')[2].partition('-')[0]}")
    if request.headers.get("If-None-Match") == etag:
        return as_picture(HttpResponseNotModified())
    try:
        with storage().open(found.thumbnail_key) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise NotFound from error
    response = HttpResponse(content, content_type="image/webp")
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=86400, immutable" if request.GET.get("v") else "private, no-cache"
    return as_picture(response)


# Acts on studies ------------------------------------------------------------------------------------------------------


def chosen_keys(request: Any, *, back: str) -> list[str]:
    """Public ids of the studies that were ticked; without any the person is led back to the list."""
    return chosen(
        request,
        nothing=_("Choose at least one study."),
        too_many=_("At most %(n)s studies at once.") % {"n": SELECTED_LIMIT},
        limit=SELECTED_LIMIT,
        back=back,
    )


def selected_studies(request: Any, archive: Archive, *, back: str = "") -> list[Study]:
    keys = chosen_keys(request, back=back or list_url(request, archive))
    rows = queries.studies(user=request.user, archive=archive).select_related("archive", "organisation")
    found = list(rows.filter(public_id__in=keys))
    if len(found) != len(keys):
        raise NotFound
    return found


@require_POST
def studies_export(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive, EXPORT)
    studies = selected_studies(request, found)
    services.start_export(actor=request.user, archive=found, studies=studies, request=request)
    messages.info(request, _("The export is being packed; it appears under jobs and can be fetched for a day."))
    return redirect(back(request, found))


@require_POST
def studies_delete(request: Any, organisation: str, archive: str) -> HttpResponse:
    """Ask with names and numbers; with the word typed, delete as a job."""
    found = load_archive(request, archive, DELETE)
    studies = selected_studies(request, found)
    wanted = confirmation(studies)
    if "confirm_name" not in request.POST:
        context = page_context(request, found, tab="studies") | {
            "studies": [(study, deletion.kept_until(study)) for study in studies],
            "confirm": wanted,
        }
        return render(request, "archive/studies_delete.html", context)
    if request.POST["confirm_name"].strip() != wanted:
        raise Conflict(_("The number typed is not the number of images. Nothing was deleted."))
    from archive import tasks

    with transaction.atomic():
        job = jobs.start(
            organisation=request.organisation,
            owner=request.user,
            kind="archive.delete",
            title=ngettext("Delete %(n)s study", "Delete %(n)s studies", len(studies)) % {"n": len(studies)},
            total=len(studies),
            needs=[(DELETE, found)],
        )
        tasks.delete_studies.enqueue(
            organisation_id=request.organisation.pk, job_id=str(job.pk), study_ids=[study.pk for study in studies]
        )
    messages.info(request, _("The studies are being deleted; see jobs for the result."))
    return redirect("archive:study-list", organisation=organisation, archive=archive)


def confirmation(studies: list[Study]) -> str:
    """What must be typed: the number of images that will be lost."""
    return str(sum(study.instance_count for study in studies))


def back(request: Any, archive: Archive) -> str:
    if request.POST.get("next") == "study" and len(request.POST.getlist("selected")) == 1:
        study = Study.objects.get(archive=archive, public_id=request.POST["selected"])
        return lists.detail_url(organisation=request.organisation.slug, archive=archive, study=study)
    return list_url(request, archive)


def list_url(request: Any, archive: Archive) -> str:
    return reverse("archive:study-list", kwargs={"organisation": request.organisation.slug, "archive": archive.slug})


@require_GET
def export_file(request: Any, organisation: str, job: Any) -> HttpResponseBase:
    """The zip of an export; for the person who asked for it only."""
    rows = Job.objects.select_related("organisation", "owner")
    found = rows.filter(pk=job, owner=request.user, kind="archive.export", state=Job.State.SUCCEEDED).first()
    path = export.export_path(job)
    # Asked again with each fetch, also for one that was packed before a right ended by the clock. An export of an older
    # version does not say what it hangs on.
    if found is None or not path.exists() or not found.needs or not jobs.is_still_allowed(found):
        raise NotFound(_("This export is no longer here. If you may still export these studies, make it again."))
    return send_file(
        path.open("rb"), size=path.stat().st_size, name=f"studies-{str(job)[:8]}.zip", content_type="application/zip"
    )
