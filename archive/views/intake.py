"""What came in: upload page, deliveries, quarantine."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from access import proofs
from access.queries import require
from archive import decoding, lists, queries
from archive import quarantined as looking
from archive.domain.thumbnails import NoPicture
from archive.errors import DecodersBusy, StillQuarantined
from archive.intake import policy
from archive.models import Archive, Instance, QuarantinedFile
from archive.permissions import ADD, DELETE, EXPORT, MANAGE
from archive.services import quarantine as quarantine_service
from archive.storage import storage
from archive.views.common import load_archive, page_context, send_file
from audit import services as audit
from core.chosen import chosen
from core.errors import Conflict, NotFound

SELECTED_LIMIT = 1000


@require_GET
@ensure_csrf_cookie
def upload(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive, ADD)
    context = page_context(request, found, tab="upload") | {
        "upload_words": upload_words(),
        "is_source": policy.is_source(archive=found, user=request.user),
    }
    return render(request, "archive/upload.html", context)


def upload_words() -> dict[str, str]:
    """Sentences that the page's script shows."""
    return {
        "collecting": _("Looking through the folders…"),
        "sending": _("Sending"),
        "paused": _("Paused"),
        "unpacking": _("Unpacking on the server"),
        "waiting": _("No connection. Trying again in {seconds} s; nothing is lost."),
        "cancelled": _("Cancelled. What was stored until then stays."),
        "done": _("All files went in."),
        "doneWithProblems": _("Done. Some files did not go in; see below why."),
        "noConnection": _("The server cannot be reached. Try again in a moment."),
        "notClosed": _("All files were sent. The server finishes the delivery by itself."),
        "pause": _("Pause"),
        "resume": _("Go on"),
        "amount": _("Files: {files} of {all} · {sent} of {bytes}"),
        "remaining": _("about {time} left"),
        "image": _("{n} image"),
        "images": _("{n} images"),
        "refused": _("Refused"),
        "skipped": _("Left out"),
        "failed": _("Not sent"),
        "unreadable": _("The file cannot be read on this computer."),
        "no-answer": _("The server did not say what became of the file."),
        "firstOf": _("the first {shown} of {all}"),
        "zip-queued": _("Zip file: waits to be unpacked"),
        "zip-running": _("Zip file: being unpacked"),
        "zip-succeeded": _("Zip file: unpacked"),
        "zip-failed": _("Zip file: failed"),
        "zip-cancelled": _("Zip file: cancelled"),
    }


@require_GET
def delivery_list(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive, ADD)
    rows = queries.deliveries(user=request.user, archive=found).select_related("actor")
    table = lists.DeliveryTable(request=request, queryset=rows, context={"archive": found})
    return table.respond("archive/delivery_list.html", page_context(request, found, tab="deliveries"))


@require_GET
def delivery_detail(request: Any, organisation: str, archive: str, delivery: Any) -> HttpResponse:
    found = load_archive(request, archive, ADD)
    row = queries.deliveries(user=request.user, archive=found).select_related("actor").filter(pk=delivery).first()
    if row is None:
        raise NotFound
    context = page_context(request, found, tab="deliveries")
    came_here = Instance.objects.filter(delivery=row).order_by().values("study")
    studies = list(
        queries.studies(user=request.user, archive=found)
        .filter(pk__in=came_here)
        .annotate(from_here=Count("instances", filter=Q(instances__delivery=row)))
        .select_related("patient")
        .order_by("-from_here")[:200]
    )
    for study in studies:
        # Shown by the template; not a column.
        address = lists.detail_url(organisation=organisation, archive=found, study=study)
        setattr(study, "detail_url", address if context["rights"].view else "")  # noqa: B010
    reasons = (
        row.quarantined_files.order_by().values("code", "reason").annotate(n=Count("pk")).order_by("-n", "code")[:50]
    )
    context |= {
        "delivery": row,
        "studies": studies,
        "reasons": list(reasons),
    }
    template = "archive/_delivery.html" if request.GET.get("part") == "body" else "archive/delivery_detail.html"
    return render(request, template, context)


@require_GET
def quarantine(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive, ADD)
    rows = queries.quarantined(user=request.user, archive=found).select_related("delivery", "delivery__actor")
    if "state" not in request.GET:
        rows = rows.filter(state=QuarantinedFile.State.KEPT)
    table = lists.QuarantineTable(request=request, queryset=rows, context={"archive": found})
    return table.respond("archive/quarantine.html", page_context(request, found, tab="quarantine"))


def load_quarantined(archive: Archive, public_id: str) -> QuarantinedFile:
    file = QuarantinedFile.objects.select_related("archive", "archive__organisation").filter(
        archive=archive, public_id=public_id
    )
    found = file.first()
    if found is None:
        raise NotFound
    return found


def load_seen(request: Any, archive: Archive, public_id: str) -> QuarantinedFile:
    """A row of the list that the person sees."""
    rows = queries.quarantined(user=request.user, archive=archive).select_related(
        "archive__organisation", "delivery__actor", "decided_by"
    )
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


@require_GET
def quarantined(request: Any, organisation: str, archive: str, file: str) -> HttpResponse:
    """One file: why it was refused, and for managers what it holds."""
    found = load_archive(request, archive, ADD)
    row = load_seen(request, found, file)
    context = page_context(request, found, tab="quarantine")
    may_look = context["rights"].manage
    context |= {
        "file": row,
        "may_look": may_look,
        "look": looking.look(actor=request.user, file=row, request=request) if may_look else None,
    }
    return render(request, "archive/quarantined.html", context)


@require_GET
def quarantine_picture(request: Any, organisation: str, archive: str, file: str) -> HttpResponse:
    found = load_archive(request, archive, MANAGE)
    try:
        content = looking.picture(actor=request.user, file=load_seen(request, found, file), request=request)
    except (NoPicture, FileNotFoundError) as error:
        raise NotFound from error
    except decoding.Busy as error:
        raise DecodersBusy from error
    response = HttpResponse(content, content_type="image/webp")
    response["Cache-Control"] = "private, no-store"
    return response


@require_GET
def quarantine_file(request: Any, organisation: str, archive: str, file: str) -> HttpResponseBase:
    found = load_archive(request, archive, EXPORT)
    row = load_quarantined(found, file)
    if row.state != QuarantinedFile.State.KEPT:
        raise NotFound
    audit.record(
        action="quarantine.downloaded",
        organisation=request.organisation,
        target=row,
        detail={"archive": found.slug, "code": row.code},
        request=request,
    )
    return send_file(
        storage().open(row.storage_key),
        size=row.size_bytes,
        name=f"quarantined-{row.public_id}.bin",
        content_type="application/octet-stream",
    )


def selected_files(request: Any, archive: Archive) -> list[QuarantinedFile]:
    keys = chosen(
        request,
        nothing=_("Choose at least one file."),
        too_many=_("At most %(n)s files at once.") % {"n": SELECTED_LIMIT},
        limit=SELECTED_LIMIT,
        back=reverse("archive:quarantine", kwargs={"organisation": request.organisation.slug, "archive": archive.slug}),
    )
    rows = queries.quarantined(user=request.user, archive=archive)
    found = list(rows.select_related("archive", "archive__organisation").filter(public_id__in=keys))
    if len(found) != len(keys):
        raise NotFound
    return found


@proofs.needed("held-images", when=lambda request: "looked" in request.POST and "selected" in request.POST)
@require_POST
def quarantine_release(request: Any, organisation: str, archive: str) -> HttpResponse:
    """Try files again. For those that screening holds, ask first why each is a false alarm."""
    found = load_archive(request, archive, ADD)
    files = selected_files(request, found)
    held = [file for file in files if file.is_held]
    reason = request.POST.get("reason", "").replace("\x00", "").strip()
    if held:
        require(request.user, MANAGE, found)
        if not reason or "looked" not in request.POST:
            context = page_context(request, found, tab="quarantine") | {
                "files": files, "held": held, "reason": reason, "was_asked": "reason" in request.POST,
            }  # fmt: skip
            status = 422 if "reason" in request.POST else 200
            return render(request, "archive/quarantine_release.html", context, status=status)
    stored, reasons = 0, []
    for file in files:
        try:
            quarantine_service.release(actor=request.user, file=file, reason=reason, request=request)
            stored += 1
        except (StillQuarantined, Conflict) as error:
            reasons.append(str(error.message))
    if stored:
        messages.success(
            request, ngettext("%(n)s file was stored.", "%(n)s files were stored.", stored) % {"n": stored}
        )
    for reason in dict.fromkeys(reasons[:5]):
        messages.warning(request, _("Still refused: %(reason)s") % {"reason": reason})
    return redirect("archive:quarantine", organisation=organisation, archive=archive)


@require_POST
def quarantine_discard(request: Any, organisation: str, archive: str) -> HttpResponse:
    """Ask with the number; with it typed, give the bytes up."""
    found = load_archive(request, archive, DELETE)
    files = selected_files(request, found)
    wanted = str(len(files))
    if "confirm_name" not in request.POST:
        context = page_context(request, found, tab="quarantine") | {"files": files, "confirm": wanted}
        return render(request, "archive/quarantine_discard.html", context)
    if request.POST["confirm_name"].strip() != wanted:
        raise Conflict(_("The number typed is not the number of files. Nothing was discarded."))
    for file in files:
        quarantine_service.discard(actor=request.user, file=file, request=request)
    messages.success(
        request, ngettext("%(n)s file was discarded.", "%(n)s files were discarded.", len(files)) % {"n": len(files)}
    )
    return redirect("archive:quarantine", organisation=organisation, archive=archive)
