"""Pages of de-identification: ask for a copy, watch it, see what was held back and why, compare, decide, the receipt."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import proofs
from access.queries import get_visible, may, require
from archive.models import Archive, Study
from audit import services as audit
from core.errors import Conflict, Invalid, NotFound
from core.whole_numbers import read_whole_number
from deid import held_views, lists, queries, services
from deid.domain.profile import Action
from deid.errors import ProposalChanged
from deid.forms import DecisionForm, DomainForm, RequestForm
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.reasons import explain
from deid.services.domains import domain_of

INSTANCES_OFFERED = 2000


def action_labels() -> dict[str, str]:
    return {
        Action.REMOVE.value: _("removed"),
        Action.EMPTY.value: _("emptied"),
        Action.DUMMY.value: _("replaced by a dummy"),
        Action.UID.value: _("new UID"),
        Action.CLEAN.value: _("cleaned or shifted"),
        Action.KEEP.value: _("kept"),
    }


@require_GET
def run_list(request: Any, organisation: str) -> HttpResponse:
    rows = queries.runs_for(user=request.user, organisation=request.organisation)
    return lists.RunTable(request=request, queryset=rows).respond("deid/run_list.html")


@require_http_methods(["GET", "POST"])
def run_request(request: Any, organisation: str, study: str) -> HttpResponse:
    """Choose the target and what is kept, then start."""
    source: Study = get_visible(
        request.user,
        Study.objects.filter(organisation=request.organisation).select_related("archive", "patient"),
        queries.VIEW,
        public_id=study,
    )
    require(request.user, queries.VIEW, source.archive)
    targets = queries.targets_for(user=request.user, organisation=request.organisation).exclude(pk=source.archive_id)
    form = RequestForm(request.POST or None, targets=targets)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                run = services.deidentify_study(
                    actor=request.user,
                    study=source,
                    target_archive=form.cleaned_data["target"],
                    options=form.cleaned_data["options"],
                    request=request,
                )
            except (Conflict, Invalid) as error:
                form.add_error(None, str(error.message))
            else:
                return redirect(_address(run))
    context = {"form": form, "study": source, "targets": targets.exists()}
    return render(request, "deid/run_request.html", context, status=status)


@never_cache
@require_GET
def run_detail(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    part = request.GET.get("part", "")
    if part == "progress":
        if not found.is_working and found.state != DeidentificationRun.State.DRAFT:
            response = HttpResponse(status=204)
            # The run ended: the page around the bar is another one now.
            response["HX-Refresh"] = "true"
            return response
        return render(request, "deid/_progress.html", {"run": found, "progress": queries.progress(found)})
    counts = queries.action_counts(found)
    held, decisions = queries.held_back(found), queries.hold_decisions(found)
    labels = action_labels()
    context = {
        "run": found,
        "progress": queries.progress(found),
        "held_groups": held,
        "undecided": sum(group.undecided for group in held),
        "left_out": sum(row.is_left_out for group in held for row in group.instances),
        "warning_groups": queries.warnings(found),
        "actions": [(labels[code], counts[code]) for code in labels if counts[code]],
        "target_study": queries.target_study(found) if found.stored else None,
        "shows_source": may(request.user, queries.VIEW, found.source_archive),
        **_rights(request, found),
        "proposal": services.proposal(found) if found.is_awaiting_approval else "",
        "decision": DecisionForm(),
        "hold_decisions": decisions,
        "has_stored": any(one.is_in_archive for one in decisions),
        "released_by_me": any(one.is_release_by(request.user) for one in decisions),
    }
    return render(request, "deid/run_detail.html", context)


def _rights(request: Any, run: DeidentificationRun) -> dict[str, bool]:
    """What the person may do with the run now; the services check again."""
    user = request.user
    adds = may(user, "archive.add_images", run.target_archive) and may(user, queries.VIEW, run.source_archive)
    is_own = user.pk == run.requested_by_id
    approves = queries.approvals_of(user=user, organisation=run.organisation).filter(pk=run.pk).exists()
    reviews = may(user, queries.MANAGE, run.target_archive) and may(user, queries.VIEW, run.source_archive)
    return {
        "may_decide": approves,
        "may_review": reviews and run.state in DeidentificationRun.REVIEWABLE_STATES,
        "may_release": queries.reviews_of(user=user, organisation=run.organisation).filter(pk=run.pk).exists(),
        "waits_for_other": run.is_awaiting_approval and not approves and (is_own or adds),
        "may_cancel": run.is_cancellable and (is_own or may(user, "archive.manage_archive", run.target_archive)),
        "may_retry": run.is_retriable and adds,
    }


@never_cache
@require_GET
def run_compare(request: Any, organisation: str, run: str) -> HttpResponse:
    """One instance before and after, element by element. Readers of the source archive only; nothing is kept."""
    found = _run(request, run)
    require(request.user, queries.VIEW, found.source_archive)
    rows = list(
        DeidentifiedInstance.objects.filter(run=found, source_instance__isnull=False)
        .only("pk", "instance_number", "modality", "verdict", "reasons", "source_instance__number_of_frames")
        .select_related("source_instance")
        .order_by("instance_number", "pk")[:INSTANCES_OFFERED]
    )
    if not rows:
        raise NotFound
    wanted = read_whole_number(request.GET.get("instance", ""))
    known = {row.pk for row in rows}
    at = read_whole_number(request.GET.get("at", ""))
    if at is not None and 1 <= at <= len(rows):
        wanted = rows[at - 1].pk
    chosen = wanted if wanted is not None and wanted in known else rows[0].pk
    row, changes = queries.comparison(user=request.user, run=found, instance_id=chosen)
    shows = "all" if request.GET.get("show") == "all" else "changed"
    shown = queries.before_and_after(changes, shows=shows)
    words = request.GET.get("q", "").strip().casefold()
    if words:
        shown = [change for change in shown if words in f"{change.path} {change.tag} {change.rule}".casefold()]
    frame = held_views.frame_of(request, row)
    if request.GET.get("part") == "pictures":
        return render(request, "deid/_pictures.html", {"run": found, "row": row, "frame": frame})
    audit.record(
        action="deidentification.compared",
        organisation=found.organisation,
        actor=request.user,
        target=found,
        detail={"instance": row.pk},
        request=request,
    )
    labels = action_labels()
    position = [one.pk for one in rows].index(chosen)
    context = {
        "run": found,
        "row": row,
        "rows": rows,
        "position": position + 1,
        "frame": frame,
        "changes": [(change, labels[change.action.value]) for change in shown],
        "count": len(changes),
        "shows": shows,
        "words": request.GET.get("q", ""),
        "previous": rows[position - 1] if position else None,
        "next": rows[position + 1] if position + 1 < len(rows) else None,
        "reasons": [explain(code) for code in row.reasons],
        "hold_decision": queries.HoldDecision(run=found, images=[row]) if row.decision else None,
    }
    template = "deid/_comparison.html" if request.htmx else "deid/run_compare.html"
    return render(request, template, context)


@require_GET
def run_receipt(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _with_receipt(request, run)
    context = {
        "run": found,
        "receipt": found.receipt,
        "approved_at": _moment(found.receipt["approved_at"]),
        "finished_at": _moment(found.receipt["finished_at"]),
        "labels": action_labels(),
        "released": [
            {**one["released"], "uid": one["sop_instance_uid"], "at": datetime.fromisoformat(one["released"]["at"])}
            for one in found.receipt["outputs"]
            if "released" in one
        ],
    }
    return render(request, "deid/run_receipt.html", context)


@require_GET
def run_receipt_file(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _with_receipt(request, run)
    audit.record(
        action="deidentification.receipt",
        organisation=found.organisation,
        actor=request.user,
        target=found,
        request=request,
    )
    content = json.dumps(found.receipt, indent=2, ensure_ascii=False, sort_keys=True)
    response = HttpResponse(content, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="receipt-{found.public_id}.json"'
    return response


@require_POST
def run_approve(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    seen = request.POST.get("seen", "")
    try:
        services.approve_run(actor=request.user, run=found, seen=seen, note=_note(request), request=request)
    except ProposalChanged as changed:
        messages.error(request, str(changed.message))
        return redirect(_address(found))
    messages.success(request, _("Approved. The images are being stored."))
    return redirect(_address(found))


@require_POST
def run_reject(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    found = services.reject_run(actor=request.user, run=found, note=_note(request), request=request)
    if found.stored:
        said = ngettext(
            "Rejected. The %(n)s image stored before stays; nothing else was stored.",
            "Rejected. The %(n)s images stored before stay; nothing else was stored.",
            found.stored,
        )
        messages.info(request, said % {"n": found.stored})
    else:
        messages.info(request, _("Rejected. Nothing was stored."))
    return redirect(_address(found))


@require_POST
def run_cancel(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    services.cancel_run(actor=request.user, run=found, request=request)
    messages.info(request, _("The de-identification was asked to stop."))
    return redirect(_address(found))


@require_POST
def run_retry(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    services.retry_run(actor=request.user, run=found, request=request)
    return redirect(_address(found))


@proofs.needed("two-people")
@require_http_methods(["GET", "POST"])
def domain_settings(request: Any, organisation: str, archive: str) -> HttpResponse:
    """How copies into one archive are made. For its managers."""
    found: Archive = get_visible(
        request.user,
        Archive.objects.filter(organisation=request.organisation).exclude(purpose=Archive.Purpose.CLINICAL),
        "archive.manage_archive",
        slug=archive,
    )
    domain = domain_of(found)
    form = DomainForm(request.POST or None, instance=domain)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            services.change_domain(actor=request.user, domain=domain, changes=dict(form.cleaned_data), request=request)
            messages.success(request, _("Saved."))
            return redirect("deid:run-list", organisation=organisation)
    return render(request, "deid/domain_settings.html", {"form": form, "archive": found}, status=status)


def _run(request: Any, public_id: str) -> DeidentificationRun:
    return queries.run_for(user=request.user, organisation=request.organisation, public_id=public_id)


def _with_receipt(request: Any, public_id: str) -> DeidentificationRun:
    found = _run(request, public_id)
    if not found.receipt:
        raise NotFound
    return found


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _note(request: Any) -> str:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        raise Invalid(fields={name: [str(e) for e in errors] for name, errors in form.errors.items()})
    note: str = form.cleaned_data["note"]
    return note


def _address(run: DeidentificationRun) -> str:
    return reverse("deid:run", kwargs={"organisation": run.organisation.slug, "run": run.public_id})
