"""Change an archive's intake policy."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import ContainerRole, User
from access.queries import container_of, require
from archive.domain import ae_titles
from archive.intake import policy
from archive.intake.models import network_of
from archive.models import Archive, Delivery, IntakeSource, validate_calling_ae_title
from archive.permissions import CHANGE
from audit import services as audit
from core.errors import Conflict, Invalid, NotFound
from core.tenancy import tenant

Kind = IntakeSource.Kind
MOST_SOURCES = 200


def add_source(
    *,
    actor: User | None,
    archive: Archive,
    kind: str,
    calling_ae_title: str = "",
    network: str = "",
    user: User | None = None,
    role: ContainerRole | None = None,
    request: Any = None,
) -> IntakeSource:
    """Name a source of a de-identified archive; naming it again gives back the row. `actor` None: the installation.

    Raises `Forbidden`, `Invalid`; `Conflict` for a clinical archive, which has no policy.
    """
    if actor is not None:
        require(actor, CHANGE, archive)
    return name_source(
        actor=actor,
        archive=archive,
        kind=kind,
        calling_ae_title=calling_ae_title,
        network=network,
        user=user,
        role=role,
        request=request,
    )


def name_source(
    *,
    actor: User | None,
    archive: Archive,
    kind: str,
    calling_ae_title: str = "",
    network: str = "",
    user: User | None = None,
    role: ContainerRole | None = None,
    request: Any = None,
) -> IntakeSource:
    """The same for an upper floor whose own act names a source: it has authorised the actor."""
    if not archive.is_gated:
        raise Conflict(_("A clinical archive has no intake policy: its settings say which AE titles may send."))
    with tenant(archive.organisation), transaction.atomic():
        row = IntakeSource(
            organisation=archive.organisation,
            archive=archive,
            kind=kind,
            calling_ae_title=ae_titles.significant(calling_ae_title),
            network=_network(network),
            user=user,
            role=role,
            created_by=actor,
        )
        _validate(row)
        same = _same_as(row)
        if same is not None:
            return same
        if policy.sources_of(archive).count() >= MOST_SOURCES:
            raise Conflict(_("An archive has at most %(n)s sources.") % {"n": MOST_SOURCES})
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            # Somebody named it at the same moment.
            same = _same_as(row)
            if same is None:
                raise Conflict from error
            return same
        _tell("archive.source_added", row=row, actor=actor, request=request)
        # Listeners remember who may call an archive.
        archive.save(update_fields=["updated_at"])
    return row


def _same_as(row: IntakeSource) -> IntakeSource | None:
    rows = policy.sources_of(row.archive).filter(
        kind=row.kind,
        calling_ae_title=row.calling_ae_title,
        network=row.network,
        user=row.user,
        role=row.role,
    )
    return rows.first()


def remove_source(*, actor: User, source: IntakeSource, request: Any = None) -> None:
    """From now on it may send nothing, nor in what it has open; what it sent stays. The row is ended, not deleted.

    Raises `Forbidden`, `Conflict` when it is gone already.
    """
    archive = source.archive
    require(actor, CHANGE, archive)
    with tenant(archive.organisation), transaction.atomic():
        locked = IntakeSource.objects.select_for_update(of=("self",)).filter(pk=source.pk, ended_at=None).first()
        if locked is None:
            raise Conflict
        _tell("archive.source_removed", row=source, actor=actor, request=request)
        locked.ended_at = timezone.now()
        locked.save(update_fields=["ended_at", "updated_at"])
        archive.save(update_fields=["updated_at"])
        # What they hold so far the sweeper indexes.
        receiving = Delivery.objects.filter(intake_source=locked, state=Delivery.State.OPEN)
        receiving.update(state=Delivery.State.CLOSED, closed_at=locked.ended_at)


def describe(source: IntakeSource) -> str:
    """A source in a few words."""
    if source.kind == Kind.AE:
        return f"{source.calling_ae_title} ({source.network})"
    if source.kind == Kind.PERSON:
        return str(source.user)
    if source.kind == Kind.ROLE and source.role is not None:
        return role_words(source.role)
    return str(Kind.IMPORT.label)


def role_words(role: ContainerRole) -> str:
    """ "Staff of 01 Norrland University Hospital": a role with its container, or its key when that is gone."""
    try:
        container = container_of(role)
    except NotFound:
        return role.role
    label = container.ROLES.get(role.role, (role.role, ()))[0]
    return _("%(role)s of %(container)s") % {"role": label, "container": container}


def _network(words: str) -> str:
    try:
        return network_of(words) if words.strip() else ""
    except ValidationError as error:
        raise Invalid(fields={"network": [str(message) for message in error.messages]}) from error


def _validate(row: IntakeSource) -> None:
    wrong: dict[str, list[str]] = {}
    if row.kind == Kind.AE:
        try:
            validate_calling_ae_title(row.calling_ae_title)
        except ValidationError as error:
            wrong["calling_ae_title"] = [str(words) for words in error.messages]
        if not row.network:
            wrong["network"] = [_("Anyone can claim an AE title. Enter the addresses it may connect from.")]
    elif row.kind == Kind.PERSON and row.user is None:
        wrong["user"] = [_("Choose a person or a service account.")]
    elif row.kind == Kind.ROLE and row.role is None:
        wrong["role"] = [_("Choose a role.")]
    elif row.kind not in Kind.values:
        wrong["kind"] = [_("There is no such kind of source.")]
    if row.role is not None and row.role.organisation_id != row.archive.organisation_id:
        wrong["role"] = [_("Choose a role.")]
    if wrong:
        raise Invalid(fields=wrong)


def _tell(action: str, *, row: IntakeSource, actor: User | None, request: Any) -> None:
    archive = row.archive
    audit.record(
        action=action,
        organisation=archive.organisation,
        actor=actor,
        target=archive,
        detail={"archive": archive.slug, "kind": row.kind, "source": describe(row)},
        request=request,
    )
