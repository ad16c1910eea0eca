"""The gate of a de-identified archive: which delivery may begin, and which of its files go in.

Deny by default: no matching source, no delivery; no screener, no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from access.models import ContainerRole, RoleGrant, User
from access.people import members
from access.queries import unexpired
from archive import hooks
from archive.domain import ae_titles
from archive.domain.screening import NOT_OF_A_RUN, Finding, as_comment
from archive.errors import NotASource
from archive.inspection import Inspected, inspect
from archive.models import Archive, Delivery, IntakeSource

Admission = Delivery.Admission


def admit(
    *, archive: Archive, source: str, actor: User | None, calling_ae_title: str, address: str | None
) -> tuple[str, IntakeSource | None]:
    """(`Delivery.Admission`, source) of a delivery that begins. Raises `NotASource`. In the organisation's scope."""
    if not archive.is_gated:
        return "", None
    if source == Delivery.Source.DEID:
        return Admission.DEIDENTIFIED, None
    found = find_source(archive=archive, source=source, actor=actor, calling_ae_title=calling_ae_title, address=address)
    if found is None:
        raise NotASource
    return Admission.SCREENED, found


def sources_of(archive: Archive) -> QuerySet[IntakeSource]:
    """The sources that count now."""
    rows: QuerySet[IntakeSource] = IntakeSource.objects.filter(archive=archive, ended_at=None)
    return rows


def readmit(delivery: Delivery) -> None:
    """Ask again whether the sender of an open delivery is a source, before it sends more. Raises `NotASource`."""
    if not delivery.archive.is_gated or delivery.admission != Admission.SCREENED:
        return
    found = find_source(
        archive=delivery.archive,
        source=delivery.source,
        actor=delivery.actor,
        calling_ae_title=delivery.calling_ae_title,
        address=delivery.address,
    )
    if found is None:
        raise NotASource


def find_source(
    *, archive: Archive, source: str, actor: User | None, calling_ae_title: str = "", address: str | None = None
) -> IntakeSource | None:
    """The source of the policy that a sender is, if it is one."""
    rows = sources_of(archive).select_related("role")
    if source == Delivery.Source.DIMSE:
        named = rows.filter(kind=IntakeSource.Kind.AE, calling_ae_title=ae_titles.significant(calling_ae_title))
        return next((row for row in named if row.covers(address)), None)
    if actor is None:
        is_import = source == Delivery.Source.IMPORT
        return rows.filter(kind=IntakeSource.Kind.IMPORT).first() if is_import else None
    own = rows.filter(kind=IntakeSource.Kind.PERSON, user=actor).first()
    return own or rows.filter(kind=IntakeSource.Kind.ROLE, role__in=roles_held(actor)).order_by("pk").first()


def roles_held(user: Any) -> QuerySet[Any]:
    held: QuerySet[Any] = RoleGrant.objects.filter(unexpired(), user=user, ended_at=None).order_by()
    return held.values("container_role")


def is_source(*, archive: Archive, user: Any) -> bool:
    """Whether a person may send to the archive by upload or DICOMweb, as far as its policy goes."""
    if not archive.is_gated:
        return True
    return isinstance(user, User) and (
        find_source(archive=archive, source=Delivery.Source.UPLOAD, actor=user) is not None
    )


def screen(*, delivery: Delivery, files: Sequence[Inspected]) -> None:
    """Mark every file that does not go into the archive of the delivery with code and reason."""
    if not delivery.archive.is_gated or delivery.admission == Admission.RELEASED:
        return
    readable = [file for file in files if file.header is not None and not file.code]
    if not readable:
        return
    for file, finding in zip(readable, examine(delivery=delivery, files=readable), strict=True):
        if finding is not None:
            file.code, file.reason, file.comment = finding.code, finding.reason, finding.comment


def examine(*, delivery: Delivery, files: Sequence[Inspected]) -> list[Finding | None]:
    """What the screener says of each readable file."""
    if delivery.admission == Admission.DEIDENTIFIED:
        proven = hooks.outputs_of_run(delivery=delivery, digests=[file.digest for file in files])
        return [None if file.digest in proven else _stray() for file in files]
    return [hooks.screen(path=file.path) for file in files]


def look_at(*, path: Path) -> Finding | None:
    """Why a file that is just arriving does not go in, for a door whose sender still listens. Touches no database."""
    file = inspect(path=path, name=path.name)
    if file.header is None:
        return Finding(code=file.code, reason=file.reason, comment=as_comment(file.reason))
    return hooks.screen(path=path)


def _stray() -> Finding:
    return Finding(
        code=NOT_OF_A_RUN,
        reason=_("The de-identification run has no record of this file; it makes it again."),
        comment="Not written by a de-identification run",
    )


def roles_that_may_send(archive: Archive) -> list[ContainerRole]:
    """Roles that can be named as a source: those on the archive, and those by which upper floors open it."""
    rows = ContainerRole.objects.filter(container_kind=Archive.container_kind(), container_id=archive.pk)
    named = ContainerRole.objects.filter(pk__in=sources_of(archive).filter(role__isnull=False).values("role"))
    return list((rows.exclude(role="reader") | named).order_by("container_kind", "container_id", "role"))


def member_named(archive: Archive, words: str) -> User | None:
    found: User | None = members(archive.organisation).filter(username__iexact=words.strip()).first()
    return found
