"""A list of people from a CSV file: read and judged first, taken in when it is confirmed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from access import hooks, people, queries
from access.models import Invitation, Organisation, RoleGrant, User
from access.services import inviters, joining
from access.services.roles import grant_role
from core.errors import Invalid
from core.tenancy import tenant

LINES_MAX = 500
BYTES_MAX = 200_000
COLUMNS = ("name", "display_name", "email", "roles")


@dataclass
class Line:
    """One line, what will become of it, and what is wrong with it."""

    number: int
    name: str
    display_name: str
    email: str
    role_words: str
    roles: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    password: str = ""

    @property
    def is_invitation(self) -> bool:
        """With an e-mail address the person is invited; without one an account is made at once."""
        return bool(self.email)


def decode(data: bytes) -> str:
    """A CSV file as text. Raises `Invalid`."""
    if len(data) > BYTES_MAX:
        raise Invalid(fields={"file": [_("The file is larger than 200 kB.")]})
    for encoding in ("utf-8-sig", "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid(fields={"file": [_("This is not a text file.")]})


def read(*, organisation: Organisation, text: str) -> list[Line]:
    """The lines of a list with a heading (name, display_name, email, roles), each judged. Raises `Invalid`.

    Roles are separated by semicolons: "officer", or "reader@clinical" with the address of the container.
    """
    text = text.replace("\x00", "")
    first = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=first.count) if first else ","
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise Invalid(fields={"text": [_("The list cannot be read: a quotation mark is not closed.")]}) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    heading = [cell.strip().lower().replace(" ", "_") for cell in rows[0]] if rows else []
    if "display_name" not in heading or not {"name", "email"} & set(heading):
        raise Invalid(fields={"text": [_("The first line names the columns: name, display_name, email, roles.")]})
    if len(rows) < 2:
        raise Invalid(fields={"text": [_("There is nobody on the list.")]})
    if len(rows) - 1 > LINES_MAX:
        raise Invalid(fields={"text": [_("Take in at most %(n)s people at once.") % {"n": LINES_MAX}]})
    with tenant(organisation):
        known = _known_roles(organisation)
        lines = [
            _line(number=number, cells=dict(zip(heading, row, strict=False)), known=known)
            for number, row in enumerate(rows[1:], start=2)
        ]
        _judge(organisation=organisation, lines=lines)
    return lines


def _known_roles(organisation: Organisation) -> dict[str, str]:
    """ "officer" or "reader@clinical" → key. A word that means two roles means none."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for container in people.containers_of(organisation):
        for role in container.ROLES:
            word = role if isinstance(container, Organisation) else f"{role}@{container.written_as}"
            if word in found:
                twice.add(word)
            found[word] = f"{container.container_kind()}:{container.pk}:{role}"
    return {word: key for word, key in found.items() if word not in twice}


def _line(*, number: int, cells: dict[str, str], known: dict[str, str]) -> Line:
    values = {name: cells.get(name, "").strip() for name in COLUMNS}
    line = Line(
        number=number,
        name=values["name"].lower(),
        display_name=values["display_name"],
        email=values["email"],
        role_words=values["roles"],
    )
    for word in filter(None, (one.strip().lower() for one in values["roles"].split(";"))):
        if word in known:
            line.roles.append(known[word])
        else:
            line.problems.append(_("There is no role “%(role)s”.") % {"role": word[:60]})
    if not line.display_name:
        line.problems.append(_("The name is missing."))
    if len(line.display_name) > 150 or len(line.email) > joining.EMAIL_LENGTH or len(line.name) > 60:
        line.problems.append(_("A field of this line is too long."))
    if line.email:
        try:
            validate_email(line.email[: joining.EMAIL_LENGTH])
        except ValidationError:
            line.problems.append(_("This is not an e-mail address."))
    elif not line.name:
        line.problems.append(_("Give an e-mail address, or a user name for an account with a one-time password."))
    return line


def _judge(*, organisation: Organisation, lines: Sequence[Line]) -> None:
    emails = [line.email.lower() for line in lines if line.email]
    usernames = [f"{line.name}@{organisation.slug}" for line in lines if not line.email]
    members = {
        one.lower()
        for one in User.objects.filter(memberships__organisation=organisation, memberships__is_active=True)
        .exclude(email="")
        .values_list("email", flat=True)
    }
    invited = {one.lower() for one in Invitation.objects.filter(**inviters.WAITING).values_list("email", flat=True)}
    taken = set(User.objects.filter(username__in=usernames).values_list("username", flat=True))
    for line in lines:
        email, username = line.email.lower(), f"{line.name}@{organisation.slug}"
        if line.is_invitation:
            if emails.count(email) > 1:
                line.problems.append(_("This address stands on the list twice."))
            if email in members:
                line.problems.append(_("A member has this address already."))
            if email in invited:
                line.problems.append(_("An invitation to this address waits already."))
            continue
        if usernames.count(username) > 1:
            line.problems.append(_("This user name stands on the list twice."))
        if username in taken:
            line.problems.append(_("There is already an account with this name."))
        if line.name and not set(line.name) <= people.NAME_CHARACTERS:
            line.problems.append(_("Use lower-case letters, digits, dots, hyphens and underscores."))


def take_in(*, actor: User, organisation: Organisation, text: str, request: Any = None) -> list[Line]:
    """Take a whole list in, or nothing of it. Returns the lines with the one-time passwords of new accounts.

    Raises `Invalid` when a line has a problem, `Forbidden`, `PeopleQuotaReached`.
    """
    with transaction.atomic(), tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        lines = read(organisation=organisation, text=text)
        if any(line.problems for line in lines):
            raise Invalid(fields={"text": [_("Some lines have problems. Nothing was taken in.")]})
        for line in lines:
            if line.is_invitation:
                joining.invite(
                    actor=actor,
                    organisation=organisation,
                    email=line.email,
                    display_name=line.display_name,
                    roles=line.roles,
                    request=request,
                )
                continue
            user, line.password = people.create_person(
                actor=actor,
                organisation=organisation,
                name=line.name,
                display_name=line.display_name,
                request=request,
            )
            for container, role in joining.named_roles(organisation, keys=line.roles):
                grant_role(
                    actor=actor,
                    container=container,
                    role=role,
                    user=user,
                    source=RoleGrant.Source.IMPORT,
                    request=request,
                )
        hooks.tell(
            action="people.imported",
            organisation=organisation,
            actor=actor,
            target=organisation,
            detail={"count": len(lines)},
            request=request,
        )
    return lines
