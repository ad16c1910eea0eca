"""Sites."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import people_with_role
from core.errors import Invalid
from trials import forms, lists, queries, services
from trials.permissions import CHANGE
from trials.services.containers import SITE_FIELDS
from trials.views.common import answer, load_site, load_trial, page_context, posted


@require_GET
def site(request: Any, organisation: str, trial: str, site: str) -> HttpResponse:
    """One site with its subjects."""
    found_trial = load_trial(request, trial)
    found = load_site(request, found_trial, site)
    context = page_context(request, found_trial, tab="sites")
    rows = queries.with_images(queries.subjects(request.user, trial=found_trial).filter(site=found))
    table = lists.SubjectTable(request=request, queryset=rows, context=context)
    if not table.is_fragment_request:
        context |= {
            "site": found,
            "staff": people_with_role(container=found, role="staff").order_by("display_name", "username"),
            "may_enrol": not (found_trial.is_closed or found.is_closed) and context["rights"].enrols_at(found),
        }
    return table.respond("trials/site.html", context)


@require_http_methods(["GET", "POST"])
def site_new(request: Any, organisation: str, trial: str) -> HttpResponse:
    found = load_trial(request, trial, CHANGE)
    form = forms.SiteForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_site(actor=request.user, trial=found, request=request, **form.cleaned_data)
        except Invalid as error:
            forms.take_over(form, error)
        else:
            messages.success(request, _("The site is there. Give its staff their role next."))
            return redirect("trials:site", organisation=organisation, trial=trial, site=made.public_id)
    context = page_context(request, found, tab="sites") | {"form": form}
    return answer(request, "trials/site_form.html", context, form=form)


@require_http_methods(["GET", "POST"])
def site_settings(request: Any, organisation: str, trial: str, site: str) -> HttpResponse:
    found_trial = load_trial(request, trial, CHANGE)
    found = load_site(request, found_trial, site)
    form = forms.SiteForm(posted(request), initial={name: getattr(found, name) for name in SITE_FIELDS})
    if request.method == "POST" and form.is_valid():
        try:
            services.change_site(actor=request.user, site=found, changes=form.cleaned_data, request=request)
        except Invalid as error:
            found = load_site(request, found_trial, site)
            forms.take_over(form, error)
        else:
            messages.success(request, _("The site was saved."))
            return redirect("trials:site", organisation=organisation, trial=trial, site=site)
    context = page_context(request, found_trial, tab="sites") | {"form": form, "site": found}
    return answer(request, "trials/site_form.html", context, form=form)


@require_POST
def turn(request: Any, organisation: str, trial: str, site: str) -> HttpResponse:
    """Close (`change=close`) or reopen the site."""
    found = load_site(request, load_trial(request, trial, CHANGE), site)
    act = services.close if request.POST.get("change") == "close" else services.reopen
    act(actor=request.user, place=found, reason=request.POST.get("reason", ""), request=request)
    messages.success(request, _("The site is closed.") if found.is_closed else _("The site is open again."))
    return redirect("trials:site-settings", organisation=organisation, trial=trial, site=site)
