"""Replace the audit key: `manage.py rotate_audit_key`, and what the trail says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from access.models import Organisation
from audit import heads, key_folder, sealing, services
from audit.domain.keys import AuditKey
from audit.errors import HeadsLost, RotationRefused
from core.tenancy import all_tenants


def rotate() -> AuditKey:
    """Have the old key and the new one say in the file of heads that the new one signs from now on; returns the new one.

    Where the key lies in the data folder a new one is made. Elsewhere the settings name both, the new one as the audit key
    and the old one first among the previous ones. Doing it again after a halt in the middle finishes it.
    Raises `HeadsForged`, `HeadsLost`, `HeadsUnusable`, `KeyChanged`, `KeyMissing`, `RotationRefused`.
    """
    signing = heads.signing_now()
    if signing is None:
        raise HeadsLost
    folder: Path | None = settings.AUDIT_KEY_FOLDER
    new = _of_the_folder(folder, signing=signing) if folder is not None else _of_the_settings(signing=signing)
    _tell(old=signing, new=new.name)
    return new


def _of_the_folder(folder: Path, *, signing: str) -> AuditKey:
    old, new = heads.key(), AuditKey.read(key_folder.prepare_next(folder))
    if signing != new.name:
        sealing.rotate(old=old, new=new)
    key_folder.take_next(folder)
    return new


def _of_the_settings(*, signing: str) -> AuditKey:
    new = heads.key()
    if signing == new.name:
        raise RotationRefused(
            _(
                "PACSWEB_AUDIT_KEY is the key that signs already. Set it to a new one, and PACSWEB_AUDIT_KEY_PREVIOUS to "
                "the old one followed by those before it."
            )
        )
    old = next((one for one in heads.earlier() if one.name == signing), None)
    if old is None:
        raise RotationRefused(
            _(
                "The key that signs now, %(name)s, has to be the first one of PACSWEB_AUDIT_KEY_PREVIOUS: it has to agree."
            )
            % {"name": signing}
        )
    sealing.rotate(old=old, new=new)
    return new


def _tell(*, old: str, new: str) -> None:
    """In every trail: officers of each organisation check against the new key from now on."""
    with all_tenants():
        organisations: list[Any] = [None, *Organisation.objects.order_by("pk")]
    for organisation in organisations:
        services.record(
            action="audit.key_rotated",
            organisation=organisation,
            target=organisation,
            detail={"old": old, "new": new},
            door="command",
        )
