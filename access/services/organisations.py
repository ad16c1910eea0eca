"""Organisations: made, set up, limited and suspended."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError

from access import hooks, queries
from access.models import Organisation, OrganisationLogo, User
from access.services import inviters
from access.services.common import validate
from access.services.members import add_member
from access.services.roles import prepare_roles
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import tenant

LOGO_BYTES = 2 * 1024 * 1024
LOGO_PIXELS = 16_000_000
LOGO_BOX = (320, 96)
SETTINGS = (
    "name",
    "time_zone",
    "contact_name",
    "contact_email",
    "allows_join_requests",
    "token_days_max",
    "retention_days",
)


@transaction.atomic
def create_organisation(
    *,
    slug: str,
    name: str,
    time_zone: str = "UTC",
    administrator: User | None = None,
    actor: User | None = None,
    request: Any = None,
) -> Organisation:
    """Make a tenant with its role groups; the first administrator joins it. Raises `Invalid`.

    `actor` is an administrator of the installation, or None for the command line.
    """
    if actor is not None:
        require_installation_administrator(actor)
    organisation = Organisation(slug=slug, name=name.strip(), time_zone=time_zone)
    validate(organisation)
    organisation.save()
    with tenant(organisation):
        prepare_roles(container=organisation)
        hooks.tell(
            action="organisation.created",
            organisation=organisation,
            actor=actor or administrator,
            target=organisation,
            request=request,
        )
        if administrator is not None:
            add_member(
                actor=None, organisation=organisation, user=administrator, roles=("administrator",), source="founder"
            )
    return organisation


def require_installation_administrator(user: Any) -> None:
    """Raises `NotFound`: to everybody else the administration of the installation does not exist."""
    is_one = isinstance(user, User) and user.is_active and user.is_installation_administrator
    if not is_one or user.api_token is not None or user.seen_by is not None:
        raise NotFound


@transaction.atomic
def change_organisation(
    *, actor: User, organisation: Organisation, changes: dict[str, Any], request: Any = None
) -> tuple[str, ...]:
    """Change settings; returns the names of those that differ now. Raises `Forbidden`, `NotFound`, `Invalid`."""
    with tenant(organisation):
        queries.require(actor, "access.change_organisation", organisation)
        unknown = set(changes) - set(SETTINGS)
        if unknown:
            raise Forbidden
        locked = Organisation.objects.select_for_update().get(pk=organisation.pk)
        changed = tuple(sorted(name for name, value in changes.items() if getattr(locked, name) != value))
        for name in changed:
            setattr(locked, name, changes[name])
            setattr(organisation, name, changes[name])
        validate(locked)
        if changed:
            locked.save(update_fields=[*changed, "updated_at"])
            _tell_change(organisation=locked, actor=actor, fields=changed, request=request)
        return changed


def draw_anew(data: bytes) -> bytes:
    """A PNG or JPEG as a small PNG with nothing of the uploaded file in it but its pixels. Raises `Invalid`."""
    wrong = Invalid(fields={"logo": [_("Choose a PNG or JPEG picture of at most 2 MB.")]})
    if not data or len(data) > LOGO_BYTES:
        raise wrong
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > LOGO_PIXELS:
                raise wrong
            drawn = picture.convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise wrong from error
    drawn.thumbnail(LOGO_BOX, Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", drawn.size)
    clean.paste(drawn)
    buffer = io.BytesIO()
    clean.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


@transaction.atomic
def set_logo(*, actor: User, organisation: Organisation, data: bytes, request: Any = None) -> None:
    with tenant(organisation):
        queries.require(actor, "access.change_organisation", organisation)
        png = draw_anew(data)
        OrganisationLogo.objects.update_or_create(organisation=organisation, defaults={"png": png})
        organisation.logo_digest = hashlib.sha256(png).hexdigest()[:16]
        organisation.save(update_fields=["logo_digest", "updated_at"])
        _tell_change(organisation=organisation, actor=actor, fields=("logo",), request=request)


@transaction.atomic
def remove_logo(*, actor: User, organisation: Organisation, request: Any = None) -> None:
    with tenant(organisation):
        queries.require(actor, "access.change_organisation", organisation)
        OrganisationLogo.objects.filter(organisation=organisation).delete()
        organisation.logo_digest = ""
        organisation.save(update_fields=["logo_digest", "updated_at"])
        _tell_change(organisation=organisation, actor=actor, fields=("logo",), request=request)


@transaction.atomic
def set_quotas(
    *,
    actor: User,
    organisation: Organisation,
    storage_quota_bytes: int | None,
    people_quota: int | None,
    request: Any = None,
) -> None:
    """How much an organisation may hold; None is without a limit. What is there already stays."""
    require_installation_administrator(actor)
    with tenant(organisation):
        locked = Organisation.objects.select_for_update().get(pk=organisation.pk)
        locked.storage_quota_bytes, locked.people_quota = storage_quota_bytes, people_quota
        validate(locked)
        locked.save(update_fields=["storage_quota_bytes", "people_quota", "updated_at"])
        _tell_change(organisation=locked, actor=actor, fields=("quotas",), request=request)


@transaction.atomic
def suspend_organisation(*, actor: User, organisation: Organisation, reason: str, request: Any = None) -> None:
    """Close every door of an organisation. Nothing is deleted. Raises `Invalid` without a reason."""
    require_installation_administrator(actor)
    reason = reason.strip()
    if not reason:
        raise Invalid(fields={"reason": [_("Say why; the members read it.")]})
    changed = Organisation.objects.filter(pk=organisation.pk, suspended_at=None).update(
        suspended_at=timezone.now(), suspension_reason=reason[:300]
    )
    if changed != 1:
        raise Conflict
    with tenant(organisation):
        hooks.tell(
            action="organisation.suspended",
            organisation=organisation,
            actor=actor,
            target=organisation,
            request=request,
        )
        inviters.end_all_of(organisation)


@transaction.atomic
def resume_organisation(*, actor: User, organisation: Organisation, request: Any = None) -> None:
    require_installation_administrator(actor)
    changed = (
        Organisation.objects.filter(pk=organisation.pk)
        .exclude(suspended_at=None)
        .update(suspended_at=None, suspension_reason="")
    )
    if changed != 1:
        raise Conflict
    with tenant(organisation):
        hooks.tell(
            action="organisation.resumed", organisation=organisation, actor=actor, target=organisation, request=request
        )


def _tell_change(*, organisation: Organisation, actor: User, fields: tuple[str, ...], request: Any) -> None:
    hooks.tell(
        action="organisation.changed",
        organisation=organisation,
        actor=actor,
        target=organisation,
        detail={"fields": ", ".join(fields)},
        request=request,
    )
