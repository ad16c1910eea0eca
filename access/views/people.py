"""Doors of the administration of people: the list, one person, their roles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import proofs, queries, services
from access.forms import PersonForm, add_errors
from access.models import Membership, Organisation, User
from access.views.accounts import signed_in_person
from core.errors import Invalid, NotFound
from core.tables import Choice, Column, Flag, Table


def managed_organisation(request: HttpRequest) -> Organisation:
    """The organisation of the address, for who may manage its people."""
    organisation: Organisation = request.organisation  # type: ignore[attr-defined]
    queries.require(signed_in_person(request), "access.manage_people", organisation)
    return organisation


def _in_state(chosen: list[str]) -> Q:
    found = Q(pk=None)
    if "active" in chosen:
        found |= Q(is_active=True)
    if "suspended" in chosen:
        found |= Q(suspended_at__isnull=False)
    if "ended" in chosen:
        found |= Q(is_active=False, suspended_at=None)
    return found


class PeopleTable(Table):
    key = "people"
    noun = ngettext_lazy("%(n)s person", "%(n)s people", "n")
    columns = (
        Column(
            "name",
            gettext_lazy("Name"),
            value=lambda row: str(row.user),
            sort=("user__display_name", "user__username"),
            primary=True,
            template="access/cells/person.html",
        ),
        Column("username", gettext_lazy("User name"), value="user.username", sort="user__username"),
        Column(
            "roles",
            gettext_lazy("Roles"),
            value=lambda row: ", ".join(row.role_words),
            template="access/cells/roles.html",
        ),
        Column("seen", gettext_lazy("Last seen"), value="last_seen_at", sort="last_seen_at", kind="date"),
        Column("joined", gettext_lazy("Joined"), value="joined_at", sort="joined_at", kind="date", shown=False),
        Column("email", gettext_lazy("E-mail"), value="user.email", sort="user__email", shown=False),
        Column("state", gettext_lazy("State"), value="is_active", sort="is_active", template="access/cells/state.html"),
    )
    filters = (
        Choice(
            "state",
            gettext_lazy("State"),
            choices=[
                ("active", gettext_lazy("Active")),
                ("suspended", gettext_lazy("Suspended")),
                ("ended", gettext_lazy("Ended")),
            ],
            lookup=_in_state,
        ),
        Flag("never", gettext_lazy("Never seen"), Q(last_seen_at=None)),
    )
    search_fields = ("user__display_name", "user__username", "user__email")
    search_label = gettext_lazy("Search people")
    default_sort = "name"

    def row_url(self, row: Membership) -> str:
        return reverse(
            "access:person", kwargs={"organisation": self.context["organisation"].slug, "person": row.user_id}
        )

    def row_key(self, row: Membership) -> str:
        return str(row.user_id)

    def prepare(self, rows: Any) -> None:
        organisation = self.context["organisation"]
        roles = people_service.roles_by_person(organisation=organisation, people=[row.user_id for row in rows])
        for row in rows:
            held = [role for role in roles.get(row.user_id, []) if role.container_kind == "access.organisation"]
            others = len(roles.get(row.user_id, [])) - len(held)
            row.role_words = [str(Organisation.ROLES[one.role][0]) for one in held if one.role != "member"]
            if others:
                row.role_words.append(ngettext("%(n)s in a container", "%(n)s in containers", others) % {"n": others})


@require_GET
def administration(request: HttpRequest, organisation: str) -> HttpResponse:
    managed_organisation(request)
    return redirect("access:people", organisation=organisation)


@require_GET
def people(request: HttpRequest, organisation: str) -> HttpResponse:
    found = managed_organisation(request)
    table = PeopleTable(request=request, queryset=people_service.memberships(found), context={"organisation": found})
    return table.respond("access/people.html")


@never_cache
@proofs.needed("people")
@require_http_methods(["GET", "POST"])
def person_add(request: HttpRequest, organisation: str) -> HttpResponse:
    found = managed_organisation(request)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user, password = people_service.create_person(
                actor=signed_in_person(request), organisation=found, request=request, **form.cleaned_data
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            return _person_page(request, user=user, organisation=found, password=password)
    return render(request, "access/person_add.html", {"form": form}, status=422 if form.errors else 200)


def _members(organisation: Organisation) -> QuerySet[User]:
    return User.objects.filter(memberships__organisation=organisation)


def _member(*, organisation: Organisation, person: int) -> User:
    user = _members(organisation).filter(pk=person).first()
    if user is None:
        raise NotFound
    return user


def _person_page(
    request: HttpRequest, *, user: User, organisation: Organisation, password: str = "", error: str = ""
) -> HttpResponse:
    context = {
        "person": user,
        "membership": Membership.objects.get(organisation=organisation, user=user),
        "sheet": people_service.role_sheet(organisation=organisation, user=user),
        "is_at_home": people_service.is_at_home(user=user, organisation=organisation),
        "password": password,
        "error": error,
    }
    return render(request, "access/person.html", context, status=422 if error else 200)


@never_cache
@require_GET
def person(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    return _person_page(request, user=_member(organisation=found, person=person), organisation=found)


@proofs.needed("people")
@require_POST
def person_roles(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = _member(organisation=found, person=person)
    try:
        changed = people_service.set_roles(
            actor=signed_in_person(request),
            organisation=found,
            user=user,
            wanted=set(request.POST.getlist("role")),
            request=request,
        )
    except Invalid as error:
        return _person_page(request, user=user, organisation=found, error=str(error.message))
    if changed:
        said = ngettext("%(n)s role changed.", "%(n)s roles changed.", changed) % {"n": changed}
        messages.success(request, said)
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("access:person", organisation=organisation, person=person)


@never_cache
@proofs.needed("passwords")
@require_POST
def person_password(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = _member(organisation=found, person=person)
    password = people_service.renew_password(
        actor=signed_in_person(request), organisation=found, user=user, request=request
    )
    return _person_page(request, user=user, organisation=found, password=password)


@proofs.needed("people")
@require_POST
def person_remove(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = _member(organisation=found, person=person)
    services.remove_member(actor=signed_in_person(request), organisation=found, user=user, request=request)
    messages.success(request, _("%(name)s has no access to this organisation any more.") % {"name": user})
    return redirect("access:people", organisation=organisation)


@proofs.needed("people")
@require_POST
def person_suspend(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = _member(organisation=found, person=person)
    services.suspend_member(actor=signed_in_person(request), organisation=found, user=user, request=request)
    messages.success(request, _("%(name)s is suspended. The roles wait for the return.") % {"name": user})
    return redirect("access:person", organisation=organisation, person=person)


@proofs.needed("people")
@require_POST
def person_restore(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = managed_organisation(request)
    user = _member(organisation=found, person=person)
    actor = signed_in_person(request)
    if Membership.objects.filter(organisation=found, user=user, suspended_at__isnull=False).exists():
        services.restore_member(actor=actor, organisation=found, user=user, request=request)
        messages.success(request, _("The suspension of %(name)s has ended; the roles hold again.") % {"name": user})
        return redirect("access:person", organisation=organisation, person=person)
    services.add_member(actor=actor, organisation=found, user=user, request=request)
    messages.success(request, _("%(name)s is a member again. Give the roles they need.") % {"name": user})
    return redirect("access:person", organisation=organisation, person=person)
