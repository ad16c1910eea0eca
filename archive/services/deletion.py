"""Delete studies: rows now, bytes right after."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from access.models import User
from access.queries import require
from archive.models import Patient, Study
from archive.services import removal
from audit import services as audit
from core.errors import Conflict, NotFound
from core.tenancy import tenant


class StillUsed(Conflict):
    code = "still-used"
    default_message = _("The study is used elsewhere, for example by a teaching case. Nothing was deleted.")


def delete_study(*, actor: User, study: Study, request: Any = None) -> int:
    """Delete a study with all that was derived from it; returns the number of instances.

    Raises `StillUsed` when another part of the system holds on to it.
    """
    organisation = study.organisation
    with tenant(organisation):
        require(actor, "archive.delete_images", study.archive)
        with transaction.atomic():
            locked = Study.objects.select_for_update().filter(pk=study.pk).first()
            if locked is None:
                raise NotFound
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
