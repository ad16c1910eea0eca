"""Make and change archives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import services as access_services
from access.models import Organisation, User
from access.queries import require
from archive.models import Archive
from audit import services as audit
from core.errors import Invalid
from core.tenancy import all_tenants, tenant

CHANGEABLE = (
    "name",
    "ae_title",
    "overwrite",
    "calling_ae_titles",
    "is_open_to_any_caller",
    "settle_seconds",
    "is_open_to_dimse",
)


def create_archive(
    *,
    actor: User | None,
    organisation: Organisation,
    slug: str,
    name: str,
    ae_title: str,
    purpose: str = Archive.Purpose.CLINICAL,
    overwrite: str = Archive.Overwrite.NEVER,
    settle_seconds: int = 10,
    calling_ae_titles: Sequence[str] = (),
    is_open_to_any_caller: bool = False,
    is_open_to_dimse: bool = True,
    request: Any = None,
) -> Archive:
    """Make an archive with its roles; `actor` becomes its manager (None: the installation itself). Raises `Invalid`.

    A new archive is closed: nobody may open an association until callers are named, or any is let in on purpose.
    """
    if actor is not None:
        require(actor, "access.add_container", organisation)
    with tenant(organisation), transaction.atomic():
        archive = Archive(
            organisation=organisation,
            slug=slug,
            name=name,
            ae_title=ae_title,
            purpose=purpose,
            overwrite=overwrite,
            settle_seconds=settle_seconds,
            calling_ae_titles=list(calling_ae_titles),
            is_open_to_any_caller=is_open_to_any_caller,
            is_open_to_dimse=is_open_to_dimse,
        )
        _validate(archive)
        archive.save()
        access_services.prepare_roles(container=archive)
        if actor is not None:
            access_services.grant_role(actor=None, container=archive, role="manager", user=actor, request=request)
        audit.record(
            action="archive.created",
            organisation=organisation,
            actor=actor,
            target=archive,
            detail={"archive": slug, "ae_title": ae_title, "purpose": str(purpose)},
            request=request,
        )
    return archive


def change_archive(*, actor: User, archive: Archive, changes: dict[str, Any], request: Any = None) -> Archive:
    """Change settings of an archive. Raises `Invalid`. Address and purpose never change: links and rules hang on them."""
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise Invalid(fields={name: ["cannot be changed"] for name in unknown})
    require(actor, "archive.change_archive", archive)
    with tenant(archive.organisation), transaction.atomic():
        locked: Archive = Archive.objects.select_for_update().get(pk=archive.pk)
        before = {name: getattr(locked, name) for name in changes}
        for name, value in changes.items():
            setattr(locked, name, value)
        _validate(locked)
        locked.save(update_fields=[*changes, "updated_at"])
        changed = {name: [before[name], value] for name, value in changes.items() if before[name] != value}
        if changed:
            audit.record(
                action="archive.changed",
                organisation=locked.organisation,
                actor=actor,
                target=locked,
                detail={"archive": locked.slug, "changed": changed},
                request=request,
            )
    return locked


def _validate(archive: Archive) -> None:
    try:
        # AE titles are unique on the installation: other tenants' must be seen by the check.
        with all_tenants():
            archive.full_clean()
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
