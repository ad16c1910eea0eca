"""Studies that belong to no subject yet."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import may
from archive import lists as archive_lists
from archive import quarantined
from archive.models import Study
from archive.permissions import MANAGE as MANAGE_ARCHIVE
from core.errors import Conflict, Forbidden, Invalid, NotFound
from trials import forms, lists, notices, queries, reasons, services
from trials.errors import AcrossSites
from trials.models import Subject, Trial
from trials.services.matching import said_by
from trials.services.waiting import questions_of, sites_of_deliveries
from trials.views.common import answer, load_trial, page_context, posted

OFFERED = 20


def _load(request: Any, trial: str) -> tuple[Trial, dict[str, Any]]:
    """For who sees all subjects: what waits may be anybody's."""
    found = load_trial(request, trial)
    context = page_context(request, found, tab="waiting")
    if not context["rights"].view_subjects:
        raise Forbidden
    return found, context


@require_GET
def waiting(request: Any, organisation: str, trial: str) -> HttpResponse:
    found, context = _load(request, trial)
    rows = queries.waiting(request.user, trial=found)
    table = lists.WaitingTable(request=request, queryset=rows, context=context)
    return table.respond("trials/waiting.html", context)


@require_GET
def held(request: Any, organisation: str, trial: str) -> HttpResponse:
    """What senders sent and the archive did not take, and why. Deciding on it is the archive's own page."""
    found, context = _load(request, trial)
    manages = may(request.user, MANAGE_ARCHIVE, found.archive)
    waits = queries.held_open(request.user, trial=found).exists()
    context |= {
        "tab": "held",
        "may_decide": manages,
        "may_ask": waits and not manages and context["rights"].manage_subjects,
        "asked_at": notices.last_asked(found) if waits and not manages else None,
    }
    table = lists.HeldTable(request=request, queryset=queries.held(request.user, trial=found), context=context)
    return table.respond("trials/held.html", context)


@require_POST
def held_ask(request: Any, organisation: str, trial: str) -> HttpResponse:
    """Ask the managers of the archive to decide on what is held; asking twice tells them once."""
    found, _context = _load(request, trial)
    try:
        told = services.ask_about_held(actor=request.user, trial=found, request=request)
    except Conflict as error:
        messages.error(request, str(error.message))
        return redirect("trials:held", organisation=organisation, trial=trial)
    said = ngettext("%(n)s manager of the archive was asked.", "%(n)s managers of the archive were asked.", told)
    messages.success(request, said % {"n": told})
    return redirect("trials:held", organisation=organisation, trial=trial)


@require_GET
def held_file(request: Any, organisation: str, trial: str, file: str) -> HttpResponse:
    """One of them. What it holds, and its name, are for managers of the archive: either may name a patient."""
    found, context = _load(request, trial)
    row = queries.held(request.user, trial=found).select_related(
        "archive__organisation", "delivery__actor", "delivery__intake_source__role", "decided_by"
    )
    one = row.filter(public_id=file).first()
    if one is None:
        raise NotFound
    may_look = may(request.user, MANAGE_ARCHIVE, one.archive)
    context |= {
        "tab": "held",
        "archive": one.archive,
        "file": one,
        "site_words": sites_of_deliveries([one.delivery], trial=found)[one.delivery_id],
        "may_look": may_look,
        "look": quarantined.look(actor=request.user, file=one, request=request) if may_look else None,
    }
    return render(request, "trials/held_file.html", context)


def _waiting_study(request: Any, trial: Trial, public_id: str) -> Study:
    found = queries.waiting(request.user, trial=trial).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


@require_http_methods(["GET", "POST"])
def match(request: Any, organisation: str, trial: str, study: str) -> HttpResponse:
    """Say whose images a study holds."""
    found, context = _load(request, trial)
    rights = context["rights"]
    found_study = _waiting_study(request, found, study)
    if request.method == "POST" and not rights.manage_subjects:
        raise Forbidden
    said = said_by(found_study)
    question = questions_of([found_study], trial=found, said={found_study.pk: said})[found_study.pk]
    form = forms.MatchForm(
        posted(request),
        offered=_offers(request, found, said.subject_id or said.patient_id),
        senders=question.senders,
        initial={"time_point": said.time_point_id},
    )
    if request.method == "POST" and form.is_valid():
        key = form.cleaned_data["subject"]
        subject = queries.subjects(request.user, trial=found).filter(public_id=key).first()
        if subject is None:
            form.add_error("subject", _("There is no such subject. Choose one of those that are offered."))
        else:
            try:
                services.match_study(
                    actor=request.user,
                    study=found_study,
                    subject=subject,
                    time_point=form.cleaned_data["time_point"],
                    reason=form.cleaned_data.get("reason", ""),
                    request=request,
                )
            except AcrossSites as error:
                if "reason" in form.fields:
                    form.fields["reason"].required = True
                form.add_error("reason" if "reason" in form.fields else None, str(error.message))
            except Invalid as error:
                forms.take_over(form, error)
            else:
                messages.success(request, _("The study was matched."))
                return redirect("trials:subject", organisation=organisation, trial=trial, subject=subject.public_id)
    context |= {
        "form": form if rights.manage_subjects and not found.is_closed else None,
        "study": found_study,
        "said": said,
        "question": question,
        "why": reasons.sentence(question, trial=found),
        "picture": archive_lists.thumbnails([found_study.pk]).get(found_study.pk, ""),
    }
    return answer(request, "trials/match.html", context, form=form)


def _words(subject: Subject) -> str:
    return f"{subject.subject_id} · {subject.site.number} {subject.site.name}"


def _offers(request: Any, trial: Trial, words: str) -> list[tuple[str, str]]:
    """The subjects whose ID begins like the images', or the first ones."""
    rows = queries.subjects(request.user, trial=trial)
    near = list(queries.find_subjects(rows, words)[:OFFERED]) if words else []
    return [(one.public_id, _words(one)) for one in near or rows.order_by("subject_id")[:OFFERED]]


@require_GET
def subject_choices(request: Any, organisation: str, trial: str) -> HttpResponse:
    """Subjects for the field of the form, as the combobox asks for them."""
    found, _context = _load(request, trial)
    words = request.GET.get("q", "").replace("\x00", "")
    rows = queries.find_subjects(queries.subjects(request.user, trial=found), words)[:OFFERED]
    choices = [{"value": one.public_id, "label": one.subject_id, "note": one.site.number} for one in rows]
    return JsonResponse({"results": choices})
