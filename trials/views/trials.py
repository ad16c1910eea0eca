"""Trials: the list, the face of one, its settings."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import may, require
from core.errors import Forbidden, Invalid
from trials import forms, lists, queries, services
from trials.models import Trial
from trials.permissions import CHANGE
from trials.services.containers import TRIAL_FIELDS
from trials.views.common import answer, load_trial, page_context, posted


@require_GET
def home(request: Any, organisation: str) -> HttpResponse:
    """The trials one has a part in."""
    rows = queries.trials(request.user)
    may_add = may(request.user, "access.add_container", request.organisation)
    if not may_add and not rows.exists():
        raise Forbidden(_("You have no part in a trial. Ask its coordinator for a role."))
    table = lists.TrialTable(request=request, queryset=rows)
    return table.respond("trials/trial_list.html", {"may_add": may_add})


@require_GET
def trial(request: Any, organisation: str, trial: str) -> HttpResponse:
    """The face of a trial: what it is, and the sites one sees."""
    found = load_trial(request, trial)
    context = page_context(request, found, tab="sites")
    rows = queries.with_counts(queries.sites(request.user, trial=found))
    return lists.SiteTable(request=request, queryset=rows, context=context).respond("trials/trial.html", context)


@require_http_methods(["GET", "POST"])
def trial_new(request: Any, organisation: str) -> HttpResponse:
    require(request.user, "access.add_container", request.organisation)
    archives = queries.archives_for_trials(request.user)
    form = forms.NewTrialForm(posted(request), archives=archives)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_trial(
                actor=request.user, organisation=request.organisation, request=request, **form.cleaned_data
            )
        except Invalid as error:
            forms.take_over(form, error)
        else:
            messages.success(request, _("The trial is set up. Add its sites next."))
            return redirect("trials:trial", organisation=organisation, trial=made.slug)
    return answer(request, "trials/trial_new.html", {"form": form, "has_archives": archives.exists()}, form=form)


@require_http_methods(["GET", "POST"])
def trial_settings(request: Any, organisation: str, trial: str) -> HttpResponse:
    found = load_trial(request, trial, CHANGE)
    form = forms.TrialForm(posted(request), initial={name: getattr(found, name) for name in TRIAL_FIELDS})
    if request.method == "POST" and form.is_valid():
        try:
            services.change_trial(actor=request.user, trial=found, changes=form.cleaned_data, request=request)
        except Invalid as error:
            # What stands in the head of the page is what is kept.
            found = load_trial(request, trial, CHANGE)
            forms.take_over(form, error)
        else:
            messages.success(request, _("The settings were saved."))
            return redirect("trials:settings", organisation=organisation, trial=trial)
    context = page_context(request, found, tab="settings") | {"form": form}
    return answer(request, "trials/trial_settings.html", context, form=form)


@require_POST
def turn(request: Any, organisation: str, trial: str) -> HttpResponse:
    """Close (`change=close`) or reopen the trial."""
    found: Trial = load_trial(request, trial, CHANGE)
    act = services.close if request.POST.get("change") == "close" else services.reopen
    act(actor=request.user, place=found, reason=request.POST.get("reason", ""), request=request)
    messages.success(request, _("The trial is closed.") if found.is_closed else _("The trial is open again."))
    return redirect("trials:settings", organisation=organisation, trial=trial)
