"""Pseudonym domains: their keys, and the pseudonym of a patient in them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from access.models import User
from access.queries import require
from archive.models import Archive, Patient, Study
from audit import services as audit
from core.errors import Invalid
from deid.domain import pseudonyms
from deid.errors import KeyChanged
from deid.models import Pseudonym, PseudonymDomain

ATTEMPTS = 8
CHANGEABLE = ("prefix", "date_window_days", "require_second_person")


def domain_of(archive: Archive) -> PseudonymDomain:
    """The pseudonym domain of a target archive, made when the first copy goes there."""
    found: PseudonymDomain | None = PseudonymDomain.objects.filter(archive=archive).first()
    if found is not None:
        return found
    salt = secrets.token_bytes(32)
    with transaction.atomic():
        domain, created = PseudonymDomain.objects.get_or_create(
            archive=archive,
            defaults={
                "organisation": archive.organisation,
                "key_salt": salt,
                "key_check": _check(_derive(salt, secret=settings.SECRET_KEY)),
            },
        )
        if created:
            audit.record(
                action="pseudonym_domain.created",
                organisation=archive.organisation,
                target=archive,
                detail={"archive": archive.slug},
            )
    result: PseudonymDomain = domain
    return result


def change_domain(
    *, actor: User, domain: PseudonymDomain, changes: dict[str, Any], request: Any = None
) -> PseudonymDomain:
    """Change what later copies do; pseudonyms that exist stay. Needs `archive.manage_archive` on the target."""
    require(actor, "archive.manage_archive", domain.archive)
    unknown = set(changes) - set(CHANGEABLE)
    if unknown:
        raise Invalid(fields={name: ["This cannot be changed."] for name in sorted(unknown)})
    with transaction.atomic():
        locked: PseudonymDomain = PseudonymDomain.objects.select_for_update().get(pk=domain.pk)
        for name, value in changes.items():
            setattr(locked, name, value)
        try:
            locked.full_clean(exclude=["key_salt", "key_check", "organisation"])
        except ValidationError as error:
            raise Invalid(fields=error.message_dict) from error
        locked.save()
        audit.record(
            action="pseudonym_domain.changed",
            organisation=locked.organisation,
            actor=actor,
            target=locked.archive,
            detail={"archive": locked.archive.slug, **{name: getattr(locked, name) for name in changes}},
            request=request,
        )
    return locked


def key_of(domain: PseudonymDomain) -> bytes:
    """The domain's secret key. Raises `KeyChanged` when no secret of the installation is the one it was made with.

    A secret that was replaced still serves its domains while it stands in `SECRET_KEY_FALLBACKS`.
    """
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        key = _derive(bytes(domain.key_salt), secret=str(secret))
        if hmac.compare_digest(_check(key), bytes(domain.key_check)):
            return key
    raise KeyChanged


def pseudonym_for(*, domain: PseudonymDomain, study: Study) -> Pseudonym:
    """The pseudonym of a study's patient; the same for all studies of the patient."""
    key = key_of(domain)
    patient_key = patient_key_of(patient=study.patient, study=study)
    hashed = pseudonyms.hashed(key=key, patient_key=patient_key)
    for attempt in range(ATTEMPTS):
        made = pseudonyms.subject(
            key=key,
            patient_key=patient_key,
            prefix=domain.prefix,
            window_days=domain.date_window_days,
            attempt=attempt,
        )
        found: Pseudonym | None = Pseudonym.objects.filter(domain=domain, source_key_hash=hashed).first()
        if found is not None:
            return found
        Pseudonym.objects.bulk_create(
            [
                Pseudonym(
                    organisation=domain.organisation,
                    domain=domain,
                    source_key_hash=hashed,
                    patient_id=made.patient_id,
                    patient_name=made.patient_name,
                    shift_days=made.shift_days,
                )
            ],
            ignore_conflicts=True,
        )
        # A conflict is either the same patient, just made by another worker, or another patient's pseudonym.
    created: Pseudonym = Pseudonym.objects.get(domain=domain, source_key_hash=hashed)
    return created


def patient_key_of(*, patient: Patient, study: Study) -> str:
    return pseudonyms.patient_key(
        patient_id=patient.patient_id,
        issuer=patient.issuer_of_patient_id,
        study_instance_uid=study.study_instance_uid,
    )


def _derive(salt: bytes, *, secret: str) -> bytes:
    """The key of a domain from a secret of the installation, which stands outside the database (RFC 5869)."""
    extracted = hmac.new(salt, secret.encode(), hashlib.sha256).digest()
    return hmac.new(extracted, b"pacsweb pseudonym domain\x01", hashlib.sha256).digest()


def _check(key: bytes) -> bytes:
    return hmac.new(key, b"check", hashlib.sha256).digest()
