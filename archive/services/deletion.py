"""Delete studies: rows now, bytes right after."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from access.models import User
from access.queries import require
from archive.models import Archive, Patient, Study
from archive.services import removal
from audit import services as audit
from core.errors import Conflict, NotFound
from core.tenancy import tenant


class StillUsed(Conflict):
    code = "still-used"
    default_message = _("The study is used elsewhere, for example by a teaching case. Nothing was deleted.")


class KeptByRule(Conflict):
    code = "kept-by-rule"
    default_message = _("The organisation keeps this study for longer. Nothing was deleted.")


def kept_until(study: Study) -> datetime | None:
    """Until when the organisation's rule keeps the study from being deleted; None when nothing does (any more).

    Counted from the last image. De-identified teaching copies are no records: the rule leaves them alone.
    """
    days = study.organisation.retention_days
    if days is None or study.archive.purpose == Archive.Purpose.TEACHING:
        return None
    end = study.last_received_at + timedelta(days=days)
    return end if end > timezone.now() else None


def delete_study(*, actor: User, study: Study, request: Any = None) -> int:
    """Delete a study with all that was derived from it; returns the number of instances.

    Raises `StillUsed` when another part of the system holds on to it, `KeptByRule` before its time.
    """
    organisation = study.organisation
    with tenant(organisation):
        require(actor, "archive.delete_images", study.archive)
        with transaction.atomic():
            locked = Study.objects.select_for_update().filter(pk=study.pk).first()
            if locked is None:
                raise NotFound
            # The rule and the last image as they are now, not as they were when the page was made.
            if kept_until(Study.objects.select_related("organisation", "archive").get(pk=locked.pk)) is not None:
                raise KeptByRule
            count, patient_id = locked.instance_count, locked.patient_id
            keys = list(locked.instances.values_list("storage_key", flat=True))
            for metadata_key, thumbnail_key in locked.series.values_list("metadata_key", "thumbnail_key"):
                keys += [metadata_key, thumbnail_key]
            audit.record(
                action="study.deleted",
                organisation=organisation,
                actor=actor,
                target=locked,
                detail={"archive": study.archive.slug, "instances": count},
                request=request,
            )
            try:
                locked.instances.all().delete()
                locked.series.all().delete()
                locked.delete()
            except ProtectedError as error:
                raise StillUsed from error
            Patient.objects.filter(pk=patient_id, studies=None).delete()
            removal.note(organisation_id=organisation.pk, keys=keys)
        removal.purge(organisation_id=organisation.pk)
    return count
