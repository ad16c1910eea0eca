"""Subjects, and the images of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import require
from archive import lists as archive_lists
from audit import services as audit
from core.errors import Forbidden, Invalid, NotFound
from trials import forms, lists, queries, services
from trials.domain import lifecycle
from trials.models import Site, Subject, SubjectStudy, Trial
from trials.permissions import MANAGE_SUBJECTS
from trials.services.subjects import FIELDS
from trials.services.waiting import sites_of_deliveries
from trials.views.common import answer, load_subject, load_trial, page_context, posted

#: Held files whose senders are named.
MOST_ASKED = 200


@require_GET
def subject_list(request: Any, organisation: str, trial: str) -> HttpResponse:
    found = load_trial(request, trial)
    context = page_context(request, found, tab="subjects")
    if not context["rights"].sees_sites:
        raise Forbidden(_("You read blinded in this trial: its subjects are not shown to you."))
    rows = queries.with_images(queries.subjects(request.user, trial=found))
    table = lists.SubjectTable(request=request, queryset=rows, context=context)
    if not table.is_fragment_request:
        context["may_enrol"] = bool(_sites_to_enrol_at(request, found, context["rights"]))
    return table.respond("trials/subject_list.html", context)


def _sites_to_enrol_at(request: Any, trial: Trial, rights: Any) -> list[Site]:
    if trial.is_closed:
        return []
    open_sites = queries.sites(request.user, trial=trial).filter(closed_at=None)
    return list(open_sites) if rights.manage_subjects else [site for site in open_sites if rights.enrols_at(site)]


@require_http_methods(["GET", "POST"])
def subject_new(request: Any, organisation: str, trial: str) -> HttpResponse:
    found = load_trial(request, trial)
    context = page_context(request, found, tab="subjects")
    open_to = _sites_to_enrol_at(request, found, context["rights"])
    if not open_to:
        raise Forbidden(_("There is no open site of this trial at which you may enrol."))
    sites = Site.objects.filter(pk__in=[site.pk for site in open_to]).select_related("trial__organisation")
    form = forms.NewSubjectForm(posted(request), sites=sites, initial={"site": request.GET.get("site")})
    if request.method == "POST" and form.is_valid():
        try:
            made = services.add_subject(actor=request.user, request=request, **form.cleaned_data)
        except Invalid as error:
            forms.take_over(form, error)
        else:
            return redirect("trials:subject", organisation=organisation, trial=trial, subject=made.public_id)
    return answer(request, "trials/subject_form.html", context | {"form": form}, form=form)


@require_GET
def subject(request: Any, organisation: str, trial: str, subject: str) -> HttpResponse:
    found_trial = load_trial(request, trial)
    return _page(request, found_trial, load_subject(request, found_trial, subject))


def _page(
    request: Any,
    found_trial: Trial,
    found: Subject,
    *,
    refused: Mapping[str, Any] | None = None,
    time_points: Mapping[str, tuple[str, list[str]]] | None = None,
) -> HttpResponse:
    """The subject's page; 422 with what was typed and the reason beside it, when that was refused.

    :param refused: {action, day, reason, errors: {field: [sentence]}} of a step that was not taken.
    :param time_points: public id of a study → what was typed as its time point, and what is wrong with it.
    """
    context = page_context(request, found_trial, tab="subjects")
    audit.record(
        action="subject.viewed",
        organisation=request.organisation,
        actor=request.user,
        target=found,
        detail={"trial": found_trial.slug},
        request=request,
    )
    rights = context["rights"]
    is_open = not (found_trial.is_closed or found.site.is_closed)
    may_change = is_open and rights.enrols_at(found.site)
    context |= {
        "subject": found,
        "rows": _image_rows(request, found, time_points=time_points or {}),
        "refused": refused,
        "held": _held(request, found),
        "may_change": may_change,
        "may_match": is_open and rights.manage_subjects,
        "is_editable": may_change and lifecycle.is_editable(found.state),
        "actions": found.actions if may_change else (),
        "unmatched": _just_unmatched(request, found) if rights.manage_subjects else None,
    }
    wrong = refused is not None or time_points is not None
    return render(request, "trials/subject.html", context, status=422 if wrong else 200)


def _image_rows(
    request: Any, subject: Subject, *, time_points: Mapping[str, tuple[str, list[str]]]
) -> list[SubjectStudy]:
    rows = list(queries.images_of(request.user, subject=subject))
    pictures = archive_lists.thumbnails([row.study_id for row in rows])
    for row in rows:
        # Shown by the template; not a column.
        setattr(row, "picture", pictures.get(row.study_id, ""))  # noqa: B010
        typed, errors = time_points.get(row.study.public_id, (row.time_point, []))
        setattr(row, "typed", typed)  # noqa: B010
        setattr(row, "errors", errors)  # noqa: B010
    return rows


def _held(request: Any, subject: Subject) -> dict[str, Any] | None:
    """How many files another site sent for the subject's studies, who, and from where; for who sees all sites."""
    rows = queries.held_for(request.user, subject=subject)
    files = list(rows[:MOST_ASKED])
    if not files:
        return None
    sites = sites_of_deliveries({file.delivery for file in files}, trial=subject.trial)
    senders = dict.fromkeys(file.delivery.sender_words for file in files)
    return {
        "count": rows.count(),
        "senders": ", ".join(senders),
        "sites": ", ".join(dict.fromkeys(sites.values())),
    }


def _just_unmatched(request: Any, subject: Subject) -> dict[str, Any] | None:
    """The study that was just taken off this subject, and its time point, while nobody has matched it anew."""
    known = request.session.get("unmatched") if request.GET.get("unmatched") else None
    if not known or known["subject"] != subject.public_id:
        return None
    study = queries.waiting(request.user, trial=subject.trial).filter(public_id=known["study"]).first()
    return {"study": study, "time_point": known["time_point"]} if study is not None else None


@require_http_methods(["GET", "POST"])
def subject_edit(request: Any, organisation: str, trial: str, subject: str) -> HttpResponse:
    found_trial = load_trial(request, trial)
    found = load_subject(request, found_trial, subject)
    context = page_context(request, found_trial, tab="subjects") | {"subject": found}
    if not context["rights"].enrols_at(found.site):
        raise Forbidden
    form = forms.SubjectForm(posted(request), initial={name: getattr(found, name) for name in FIELDS})
    if request.method == "POST" and form.is_valid():
        try:
            services.change_subject(actor=request.user, subject=found, changes=form.cleaned_data, request=request)
        except Invalid as error:
            forms.take_over(form, error)
        else:
            messages.success(request, _("The subject was saved."))
            return redirect("trials:subject", organisation=organisation, trial=trial, subject=subject)
    return answer(request, "trials/subject_form.html", context | {"form": form}, form=form)


@require_POST
def subject_move(request: Any, organisation: str, trial: str, subject: str) -> HttpResponse:
    """Enrol, complete, withdraw or resume."""
    found_trial = load_trial(request, trial)
    found = load_subject(request, found_trial, subject)
    typed = {name: request.POST.get(name, "") for name in ("action", "reason", "day")}
    try:
        services.move_on(
            actor=request.user,
            subject=found,
            action=typed["action"],
            reason=typed["reason"],
            day=_day(typed["day"]),
            request=request,
        )
    except Invalid as error:
        if not error.fields:
            raise
        # What was changed on the object was not stored.
        found.refresh_from_db(fields=["state", "enrolled_on"])
        return _page(request, found_trial, found, refused=typed | {"errors": error.fields})
    messages.success(request, _("The subject is: %(state)s.") % {"state": found.get_state_display()})
    return redirect("trials:subject", organisation=organisation, trial=trial, subject=subject)


def _day(words: str) -> date | None:
    try:
        return date.fromisoformat(words.strip()) if words.strip() else None
    except ValueError as error:
        raise Invalid(fields={"enrolled_on": [_("Write the day as YYYY-MM-DD.")]}) from error


@require_POST
def subject_study(request: Any, organisation: str, trial: str, subject: str, study: str) -> HttpResponse:
    """Save the time points of the page (`change=time-point`), or take the study off the subject (`change=unmatch`)."""
    found_trial = load_trial(request, trial)
    found = load_subject(request, found_trial, subject)
    row = (
        queries.images_of(request.user, subject=found)
        .filter(study__public_id=study)
        .select_related("study", "subject__trial__organisation", "subject__site__trial")
        .first()
    )
    if row is None:
        raise NotFound
    address = {"organisation": organisation, "trial": trial, "subject": subject}
    if request.POST.get("change") == "unmatch":
        services.unmatch_study(actor=request.user, row=row, request=request)
        request.session["unmatched"] = {"study": study, "subject": subject, "time_point": row.time_point}
        return redirect(reverse("trials:subject", kwargs=address) + "?unmatched=1")
    # Asked even when nothing was typed: who may not change anything is not told that nothing was changed.
    require(request.user, MANAGE_SUBJECTS, found_trial)
    time_points = _save_time_points(request, found)
    if any(errors for _typed, errors in time_points.values()):
        return _page(request, found_trial, found, time_points=time_points)
    messages.success(
        request,
        ngettext("%(n)s time point was saved.", "%(n)s time points were saved.", len(time_points))
        % {"n": len(time_points)},
    )
    return redirect(reverse("trials:subject", kwargs=address))


@transaction.atomic
def _save_time_points(request: Any, found: Subject) -> dict[str, tuple[str, list[str]]]:
    """Save every time point that was typed, or none when one is refused; what was typed, with what is wrong with it.

    A field that still says what the page showed is left alone: somebody else may have changed it meanwhile.
    """
    seen: dict[str, tuple[str, list[str]]] = {}
    rows = queries.images_of(request.user, subject=found).select_related(
        "study", "subject__trial__organisation", "subject__site__trial"
    )
    for row in rows:
        key = row.study.public_id
        typed = request.POST.get(f"time_point-{key}")
        if typed is None or typed.strip() == request.POST.get(f"shown-{key}"):
            continue
        try:
            services.change_time_point(actor=request.user, row=row, time_point=typed, request=request)
        except Invalid as error:
            sentences = [str(sentence) for several in error.fields.values() for sentence in several]
            seen[key] = (typed, sentences or [str(error.message)])
        else:
            seen[key] = (typed, [])
    if any(errors for _typed, errors in seen.values()):
        transaction.set_rollback(True)
    return seen
