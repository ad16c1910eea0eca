"""The first steps of an organisation, and of an installation: from the page of its administrator or the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from access import hooks, people, queries, services
from access.models import Organisation, User
from access.services.organisations import require_installation_administrator
from core.errors import Invalid
from core.tenancy import tenant


@dataclass(frozen=True)
class Founded:
    """A new organisation, its first administrator, and the one-time password when the account was made for it."""

    organisation: Organisation
    administrator: User
    password: str


@transaction.atomic
def found(
    *,
    slug: str,
    name: str,
    administrator: str,
    display_name: str = "",
    email: str = "",
    time_zone: str = "UTC",
    actor: User | None = None,
    request: Any = None,
) -> Founded:
    """Make an organisation with its first administrator: an account that there is ("ada@elsewhere"), or a new one
    ("ada" becomes "ada@<slug>"). Raises `Invalid`.
    """
    if actor is not None:
        require_installation_administrator(actor)
    user = User.objects.filter(username__iexact=administrator.strip(), service_of=None, is_active=True).first()
    if user is None and "@" in administrator:
        raise Invalid(fields={"administrator": [_("There is no account of this name.")]})
    organisation = services.create_organisation(
        slug=slug, name=name, time_zone=time_zone, actor=actor, administrator=user, request=request
    )
    if user is not None:
        return Founded(organisation=organisation, administrator=user, password="")
    try:
        username = people.free_username(name=administrator, organisation=organisation)
    except Invalid as error:
        raise Invalid(fields={"administrator": error.fields.get("name", [])}) from error
    password = people.new_one_time_password()
    made = User.objects.create_user(
        username=username,
        password=password,
        display_name=display_name.strip() or administrator,
        email=email.strip(),
        time_zone=organisation.time_zone,
        preferences={people.ONE_TIME_FLAG: True},
    )
    with tenant(organisation):
        hooks.tell(action="account.created", organisation=organisation, actor=actor, target=made, request=request)
        services.add_member(
            actor=None, organisation=organisation, user=made, roles=("administrator",), source="founder"
        )
    return Founded(organisation=organisation, administrator=made, password=password)


@transaction.atomic
def create_installation_administrator(*, username: str, display_name: str = "", email: str = "") -> tuple[User, str]:
    """An account that administers the installation: made with a one-time password, or raised if it is there (then
    without one). It is a member of no organisation by this. Raises `Invalid`.
    """
    name = username.strip().lower()
    if not name or len(name) > 150 or not set(name) <= people.NAME_CHARACTERS | {"@"}:
        raise Invalid(fields={"username": [_("Use lower-case letters, digits, dots, hyphens, underscores and @.")]})
    user = User.objects.filter(username__iexact=name).first()
    if user is not None:
        if user.is_service:
            raise Invalid(fields={"username": [_("This is the account of a program.")]})
        user.is_installation_administrator = True
        user.save(update_fields=["is_installation_administrator"])
        password = ""
    else:
        password = people.new_one_time_password()
        user = User.objects.create_user(
            username=name,
            password=password,
            display_name=display_name.strip() or name,
            email=email.strip(),
            is_installation_administrator=True,
            preferences={people.ONE_TIME_FLAG: True},
        )
    hooks.tell(action="account.created", target=user, detail={"installation": True})
    return user, password


def administrators(organisation: Organisation) -> QuerySet[User]:
    """Whom the administrator of the installation may turn to."""
    with tenant(organisation):
        held = list(queries.people_with_role(container=organisation, role="administrator").values_list("pk", flat=True))
    return User.objects.filter(pk__in=held).order_by("display_name", "username")
