"""Doors of "who has what, and why": one container, all of them, and the question whether somebody may do something."""

from __future__ import annotations

import csv
import io
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import explain as explaining
from access import hooks, proofs, queries, services
from access import people as people_service
from access.forms import ExplainForm, GrantForm, add_errors
from access.models import Organisation, RoleContainer, RoleGrant
from access.views.accounts import signed_in_person
from access.views.people import managed_organisation
from core.errors import Forbidden, Invalid, NotFound
from core.tables import Choice, Column, Flag, Table

HISTORY_SHOWN = 30
CHOICES_SHOWN = 20
MATRIX_SIZES = (25, 50, 100)


def find_container(request: HttpRequest, *, kind: str, container: int) -> RoleContainer:
    """The container, for who may give its roles. Raises `NotFound`, `Forbidden`."""
    organisation: Organisation = request.organisation  # type: ignore[attr-defined]
    models = {model.container_kind(): model for model in people_service.container_classes()}
    model = models.get(kind)
    if model is None:
        raise NotFound
    found: RoleContainer | None
    if model is Organisation:
        found = organisation if organisation.pk == container else None
    else:
        found = model._default_manager.filter(pk=container).first()
    if found is None:
        raise NotFound
    if not services.may_manage_roles(actor=signed_in_person(request), container=found):
        raise Forbidden
    return found


def container_address(container: RoleContainer) -> str:
    return reverse(
        "access:container",
        kwargs={
            "organisation": container.owning_organisation.slug,
            "kind": container.container_kind(),
            "container": container.pk,
        },
    )


class GrantTable(Table):
    key = "grants"
    noun = ngettext_lazy("%(n)s reason", "%(n)s reasons", "n")
    columns = (
        Column(
            "name",
            gettext_lazy("Person"),
            value=lambda row: str(row.user),
            sort=("user__display_name", "user__username"),
            primary=True,
            template="access/cells/grant_person.html",
        ),
        Column("username", gettext_lazy("User name"), value="user.username", sort="user__username"),
        Column(
            "role",
            gettext_lazy("Role"),
            value=lambda row: row.role_label,
            sort="container_role__role",
            template="access/cells/grant_role.html",
        ),
        Column("why", gettext_lazy("Why"), value="source_words", sort="source"),
        Column(
            "by", gettext_lazy("Given by"), value=lambda row: str(row.granted_by or ""), sort="granted_by__username"
        ),
        Column("since", gettext_lazy("Since"), value="granted_at", sort="granted_at", kind="date"),
        Column("until", gettext_lazy("Until"), value="expires_at", sort="expires_at", kind="date"),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="access/cells/grant_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    search_fields = ("user__display_name", "user__username", "user__email")
    search_label = gettext_lazy("Search people")
    default_sort = "name"
    empty_template = "access/grants_empty.html"

    def __init__(self, **arguments: Any) -> None:
        container: RoleContainer = arguments["context"]["container"]
        roles = [(role, label) for role, (label, _codenames) in container.ROLES.items()]
        self.filters = (  # type: ignore[misc]
            Choice("role", gettext_lazy("Role"), field="container_role__role", choices=roles),
            Flag("ends", gettext_lazy("Has an end"), Q(expires_at__isnull=False)),
        )
        super().__init__(**arguments)

    def prepare(self, rows: Any) -> None:
        container: RoleContainer = self.context["container"]
        confined = hooks.confined_people(container)
        for row in rows:
            row.confined_by = confined.get(row.user_id, "")
            role = row.container_role.role
            row.role_label = str(container.ROLES[role][0]) if role in container.ROLES else role
            row.is_fixed = isinstance(container, Organisation) and role == "member"


def _grants(container: RoleContainer) -> QuerySet[RoleGrant]:
    return people_service.active_grants(container.owning_organisation).filter(
        container_role__container_kind=container.container_kind(),
        container_role__container_id=container.pk,
        user__is_active=True,
    )


@never_cache
@require_GET
def container(request: HttpRequest, organisation: str, kind: str, container: int) -> HttpResponse:
    """Who has what on one container, and why."""
    return _container_page(request, find_container(request, kind=kind, container=container))


def _container_page(request: HttpRequest, found: RoleContainer, form: GrantForm | None = None) -> HttpResponse:
    table = GrantTable(request=request, queryset=_grants(found), context={"container": found})
    ended = (
        RoleGrant.objects.filter(
            container_role__container_kind=found.container_kind(), container_role__container_id=found.pk
        )
        .exclude(ended_at=None)
        .select_related("user", "ended_by", "container_role")
        .order_by("-ended_at")[:HISTORY_SHOWN]
    )
    labels = {role: label for role, (label, _codenames) in found.ROLES.items()}
    context = {
        "kind": found.container_kind(),
        "kind_label": found._meta.verbose_name,
        "role_sheet": _role_sheet(found),
        "form": form or GrantForm(container=found),
        "ended": [(row, labels.get(row.container_role.role, row.container_role.role)) for row in ended],
        "undo": _undo(request, found),
        "may_administer": queries.may(signed_in_person(request), "access.manage_people", found.owning_organisation),
        "address": container_address(found),
    }
    answer = table.respond("access/container.html", context)
    if form is not None:
        answer.status_code = 422
    return answer


def _undo(request: HttpRequest, found: RoleContainer) -> str:
    """The name of whom the role was just taken from, when it can still be given back here."""
    known = request.session.get("undo_grant") if request.GET.get("undo") else None
    if not known or (known["kind"], known["container"]) != (found.container_kind(), found.pk):
        return ""
    return str(known["name"])


def _role_sheet(found: RoleContainer) -> list[tuple[Any, list[str]]]:
    names = explaining.permission_names(type(found))
    return [
        (label, [names.get(codename, codename) for codename in codenames]) for label, codenames in found.ROLES.values()
    ]


@proofs.needed("people")
@require_POST
def grant_add(request: HttpRequest, organisation: str, kind: str, container: int) -> HttpResponse:
    found = find_container(request, kind=kind, container=container)
    form = GrantForm(request.POST, container=found)
    if not form.is_valid():
        return _container_page(request, found, form)
    user = (
        people_service.members(found.owning_organisation)
        .filter(username__iexact=form.cleaned_data["person"].strip())
        .first()
    )
    if user is None:
        form.add_error("person", _("There is no member of this name. Choose one of those that are offered."))
        return _container_page(request, found, form)
    role = form.cleaned_data["role"]
    try:
        services.grant_role(
            actor=signed_in_person(request),
            container=found,
            role=role,
            user=user,
            expires_at=end_of_day(form.cleaned_data["until"]),
            request=request,
        )
    except Invalid as error:
        add_errors(form, {"until" if name == "expires_at" else name: said for name, said in error.fields.items()})
        if not error.fields:
            form.add_error(None, str(error.message))
        return _container_page(request, found, form)
    messages.success(request, _("%(name)s is %(role)s now.") % {"name": user, "role": found.ROLES[role][0]})
    return redirect(container_address(found))


def end_of_day(day: Any) -> datetime | None:
    """The role holds through the day that was chosen, in the person's time zone."""
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def _grant(request: HttpRequest, *, kind: str, container: int, grant: int) -> tuple[RoleContainer, RoleGrant]:
    found = find_container(request, kind=kind, container=container)
    row = _grants(found).filter(pk=grant).first()
    if row is None:
        raise NotFound
    return found, row


@proofs.needed("people")
@require_POST
def grant_end(request: HttpRequest, organisation: str, kind: str, container: int, grant: int) -> HttpResponse:
    """Take one reason away; the answer offers to give it back."""
    found, row = _grant(request, kind=kind, container=container, grant=grant)
    services.revoke_role(
        actor=signed_in_person(request),
        container=found,
        role=row.container_role.role,
        user=row.user,
        source=row.source,
        request=request,
    )
    request.session["undo_grant"] = {
        "kind": kind,
        "container": container,
        "user": row.user_id,
        "role": row.container_role.role,
        "until": row.expires_at.isoformat() if row.expires_at else "",
        "name": str(row.user),
    }
    return redirect(container_address(found) + "?undo=1")


@proofs.needed("people")
@require_POST
def grant_undo(request: HttpRequest, organisation: str, kind: str, container: int) -> HttpResponse:
    """Give back what was just taken."""
    found = find_container(request, kind=kind, container=container)
    known = request.session.pop("undo_grant", None)
    if not known or known["kind"] != kind or known["container"] != container:
        raise NotFound
    user = people_service.members(found.owning_organisation).filter(pk=known["user"]).first()
    if user is None:
        raise NotFound
    until = datetime.fromisoformat(known["until"]) if known["until"] else None
    services.grant_role(
        actor=signed_in_person(request),
        container=found,
        role=known["role"],
        user=user,
        expires_at=until if until is None or until > timezone.now() else None,
        request=request,
    )
    messages.success(request, _("%(name)s has the role again.") % {"name": user})
    return redirect(container_address(found))


@proofs.needed("people")
@require_POST
def grant_limit(request: HttpRequest, organisation: str, kind: str, container: int, grant: int) -> HttpResponse:
    found, row = _grant(request, kind=kind, container=container, grant=grant)
    words = request.POST.get("until", "").strip()
    try:
        day = datetime.strptime(words, "%Y-%m-%d").date() if words else None  # noqa: DTZ007 -- a day, no moment
    except ValueError as error:
        raise Invalid(_("Write the day as YYYY-MM-DD.")) from error
    services.set_expiry(actor=signed_in_person(request), grant=row, expires_at=end_of_day(day), request=request)
    messages.success(request, _("The end of the role was changed."))
    return redirect(container_address(found))


@require_GET
def people_choices(request: HttpRequest, organisation: str, kind: str, container: int) -> HttpResponse:
    """Members for the field that gives a role, as the combobox asks for them."""
    found = find_container(request, kind=kind, container=container)
    words = request.GET.get("q", "").replace("\x00", "").strip()
    rows = people_service.members(found.owning_organisation)
    if words:
        rows = rows.filter(Q(display_name__icontains=words) | Q(username__icontains=words) | Q(email__icontains=words))
    found_people = [{"value": one.username, "label": str(one), "note": one.username} for one in rows[:CHOICES_SHOWN]]
    return JsonResponse({"results": found_people})


# All containers ---------------------------------------------------------------------------------------------------------


@require_GET
def roles(request: HttpRequest, organisation: str) -> HttpResponse:
    """Who has what: each container with the people behind each role."""
    found = managed_organisation(request)
    return render(request, "access/roles.html", {"sheet": people_service.who_has_what(found)})


@require_GET
def matrix(request: HttpRequest, organisation: str) -> HttpResponse:
    """People × containers: every role at a glance."""
    found = managed_organisation(request)
    sheet = people_service.matrix(
        organisation=found,
        words=request.GET.get("q", ""),
        kind=request.GET.get("kind", ""),
        only_holders=request.GET.get("held") == "1",
        sort=request.GET.get("sort", "name"),
    )
    if request.GET.get("format") == "csv":
        return _matrix_csv(sheet)
    page = sheet.page(number=request.GET.get("page", "1"), size=MATRIX_SIZES[1])
    return render(request, "access/matrix.html", {"sheet": sheet, "page": page})


def _matrix_csv(sheet: people_service.Matrix) -> HttpResponse:
    from core.tables.columns import FORMULA_STARTS

    def safe(words: str) -> str:
        return f"'{words}" if words.startswith(FORMULA_STARTS) else words

    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer)
    writer.writerow([_("Name"), _("User name"), *(safe(f"{c.kind_label}: {c.container}") for c in sheet.containers)])
    for row in sheet.rows:
        cells = [", ".join(str(label) for label in cell) for cell in row.cells]
        writer.writerow([safe(str(row.user)), safe(row.user.username), *cells])
    name = f"roles-{timezone.localdate().isoformat()}.csv"
    return HttpResponse(
        buffer.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_http_methods(["GET"])
def explain(request: HttpRequest, organisation: str) -> HttpResponse:
    """May this person do that to this thing, and why?"""
    found = managed_organisation(request)
    form = ExplainForm(request.GET or None, organisation=found)
    answer = None
    if request.GET.get("person") and form.is_valid():
        answer = explaining.explain(
            user=form.cleaned_data["person"],
            permission=form.cleaned_data["permission"],
            container=form.cleaned_data["container"],
        )
    return render(request, "access/explain.html", {"form": form, "answer": answer})
