"""Doors of the installation's administration: organisations, their quotas, opened and suspended. No content."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import founding, proofs, queries, services, usage
from access.forms import NewOrganisationForm, QuotaForm, SuspensionForm, add_errors
from access.models import Organisation, User
from access.services.organisations import require_installation_administrator
from access.single_sign_on import domains
from access.views.accounts import signed_in_person
from core.errors import Conflict, Invalid, NotFound
from core.shell import within_organisation
from core.tables import Column, Flag, Table

GIGABYTE = 1_000_000_000


def administrator(request: HttpRequest) -> User:
    user = signed_in_person(request)
    require_installation_administrator(user)
    return user


class OrganisationTable(Table):
    key = "organisations"
    noun = ngettext_lazy("%(n)s organisation", "%(n)s organisations", "n")
    columns = (
        Column("name", gettext_lazy("Name"), value="name", sort="name", primary=True),
        Column("slug", gettext_lazy("Address"), value="slug", sort="slug"),
        Column("people", gettext_lazy("People"), value=lambda row: row.usage.people, kind="number"),
        Column("people_quota", gettext_lazy("of"), value="people_quota", sort="people_quota", kind="number"),
        Column("storage", gettext_lazy("Storage"), value=lambda row: row.usage.storage_bytes, kind="size"),
        Column(
            "storage_quota", gettext_lazy("of"), value="storage_quota_bytes", sort="storage_quota_bytes", kind="size"
        ),
        Column("created", gettext_lazy("Created"), value="created_at", sort="created_at", kind="date"),
        Column("contact", gettext_lazy("Contact"), value="contact_email", shown=False),
        Column(
            "state",
            gettext_lazy("State"),
            template="access/cells/organisation_state.html",
            csv=lambda row: str(_("Suspended") if row.is_suspended else _("Open")),
        ),
    )
    filters = (Flag("suspended", gettext_lazy("Suspended"), Q(suspended_at__isnull=False)),)
    search_fields = ("name", "slug", "contact_email")
    search_label = gettext_lazy("Search organisations")
    default_sort = "name"
    page_sizes = (25, 50)
    default_size = 25

    def row_url(self, row: Organisation) -> str:
        return reverse("access:installation-organisation", kwargs={"slug": row.slug})

    def prepare(self, rows: Any) -> None:
        for row in rows:
            row.usage = usage.of(row)


@login_required
@never_cache
@require_GET
def installation(request: HttpRequest) -> HttpResponse:
    administrator(request)
    with within_organisation(request):
        return OrganisationTable(request=request, queryset=queries.every_organisation()).respond(
            "access/installation.html"
        )


@login_required
@never_cache
@proofs.needed("installation")
@require_http_methods(["GET", "POST"])
def organisation_new(request: HttpRequest) -> HttpResponse:
    """A new organisation with its first administrator, who gets a one-time password."""
    actor = administrator(request)
    form = NewOrganisationForm(request.POST or None)
    made: founding.Founded | None = None
    if request.method == "POST" and form.is_valid():
        try:
            made = founding.found(actor=actor, request=request, **form.cleaned_data)
        except Invalid as error:
            add_errors(form, error.fields)
    with within_organisation(request):
        return render(
            request,
            "access/installation_new.html",
            {"form": form, "made": made},
            status=422 if form.errors else 200,
        )


def _organisation(slug: str) -> Organisation:
    found = Organisation.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound
    return found


@login_required
@never_cache
@proofs.needed("installation")
@require_http_methods(["GET", "POST"])
def organisation(request: HttpRequest, slug: str) -> HttpResponse:
    """Use and quotas of one organisation."""
    actor = administrator(request)
    found = _organisation(slug)
    gigabytes = found.storage_quota_bytes / GIGABYTE if found.storage_quota_bytes is not None else None
    form = QuotaForm(request.POST or None, initial={"storage_gb": gigabytes, "people": found.people_quota})
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data["storage_gb"]
        services.set_quotas(
            actor=actor,
            organisation=found,
            storage_quota_bytes=int(wanted * GIGABYTE) if wanted is not None else None,
            people_quota=form.cleaned_data["people"],
            request=request,
        )
        messages.success(request, _("The quotas were saved."))
        return redirect("access:installation-organisation", slug=slug)
    return _organisation_page(request, found, form=form)


def _organisation_page(request: HttpRequest, found: Organisation, *, form: Any, suspension: Any = None) -> HttpResponse:
    context = {
        "found": found,
        "usage": usage.of(found),
        "form": form,
        "suspension": suspension or SuspensionForm(),
        "administrators": founding.administrators(found),
        "domains": domains.of_organisation(found),
    }
    status = 422 if form.errors or (suspension is not None and suspension.errors) else 200
    with within_organisation(request):
        return render(request, "access/installation_organisation.html", context, status=status)


@login_required
@proofs.needed("installation")
@require_POST
def organisation_suspend(request: HttpRequest, slug: str) -> HttpResponse:
    actor = administrator(request)
    found = _organisation(slug)
    form = SuspensionForm(request.POST)
    if not form.is_valid():
        return _organisation_page(request, found, form=QuotaForm(), suspension=form)
    services.suspend_organisation(actor=actor, organisation=found, reason=form.cleaned_data["reason"], request=request)
    messages.success(request, _("%(name)s is suspended. Every door is closed.") % {"name": found})
    return redirect("access:installation-organisation", slug=slug)


@login_required
@proofs.needed("domains")
@require_POST
def domain_act(request: HttpRequest, slug: str, domain: str, act: str) -> HttpResponse:
    """Confirm that an e-mail domain is an organisation's, or withdraw it."""
    actor = administrator(request)
    found = _organisation(slug)
    acts = {"confirm": domains.confirm, "withdraw": domains.withdraw}
    if act not in acts:
        raise NotFound
    try:
        row = acts[act](actor=actor, organisation=found, public_id=domain, request=request)
    except Conflict as error:
        messages.error(request, str(error.message))
    else:
        said = _("%(domain)s is confirmed.") if act == "confirm" else _("%(domain)s is no longer theirs.")
        messages.success(request, said % {"domain": row.domain})
    return redirect("access:installation-organisation", slug=slug)


@login_required
@proofs.needed("installation")
@require_POST
def organisation_resume(request: HttpRequest, slug: str) -> HttpResponse:
    actor = administrator(request)
    found = _organisation(slug)
    services.resume_organisation(actor=actor, organisation=found, request=request)
    messages.success(request, _("%(name)s is open again.") % {"name": found})
    return redirect("access:installation-organisation", slug=slug)
