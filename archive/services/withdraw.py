"""Take a stored image out of an archive into its quarantine. The bytes stay where they are; only what leads to them changes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from archive.domain.header import Header
from archive.domain.screening import Finding
from archive.domain.text import fold
from archive.inspection import inspect
from archive.intake import notices
from archive.models import Archive, Delivery, Instance, Patient, QuarantinedFile, Series, Study
from archive.services import removal
from archive.services.commit.counts import SERIES_FILL, STUDY_FILL
from archive.storage import storage
from audit import services as audit
from core.errors import Conflict

_COPY_STEP = 1 << 20
_TRIES = 3
#: How many images that stay are tried for one that can be read.
_OTHERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What an image that stays says of its series or study; where none of the `others` can be read, nothing."""

    others: int
    image: int | None = None
    digest: bytes = b""
    header: Header | None = None

    def holds(self, left: QuerySet[Instance]) -> bool:
        """Whether that image is still there with that content; without one, whether none has joined the others."""
        if self.image is None:
            return left.count() == self.others
        return left.filter(pk=self.image, digest=self.digest).exists()


class _Moved(Exception):
    """Another image has to say what series and study are called."""


def fetch(*, key: str, path: Path) -> None:
    """Write a stored file to a path. Raises `OSError`."""
    with storage().open(key) as source, path.open("wb") as target:
        while piece := source.read(_COPY_STEP):
            target.write(piece)


def withdraw(*, instance: Instance, finding: Finding, door: str) -> QuarantinedFile | None:
    """Hold an image that is in the archive, with the reason. In the organisation's scope.

    Series, study and patient are told anew by an image that stays: they may have been called as this one says. What was
    derived from the series goes. Where no image that stays can be read, they are called nothing. None: the image is gone
    or has another content by now. Raises `Conflict` where other images of the study come and go all the while.
    """
    for _try in range(_TRIES):
        # Files are read before rows are locked: a slow or broken disk holds up no delivery.
        of_series = _told(_left(instance, series=instance.series_id))
        of_study = of_series if of_series.header is not None else _told(_left(instance, study=instance.study_id))
        try:
            return _withdraw(instance=instance, finding=finding, door=door, of_series=of_series, of_study=of_study)
        except _Moved:
            continue
    raise Conflict(_("The study keeps changing. Try again when its images have arrived."))


def _withdraw(
    *, instance: Instance, finding: Finding, door: str, of_series: _Told, of_study: _Told
) -> QuarantinedFile | None:
    with transaction.atomic():
        # The order in which deliveries lock: patient, study, series.
        Patient.objects.select_for_update().filter(pk=instance.study.patient_id).first()
        locked = Study.objects.select_for_update(of=("self",)).select_related("archive__organisation")
        study = locked.filter(pk=instance.study_id).first()
        series = Series.objects.select_for_update().filter(pk=instance.series_id).first()
        row = Instance.objects.select_for_update().filter(pk=instance.pk, digest=bytes(instance.digest)).first()
        if study is None or series is None or row is None:
            return None
        holds = of_series.holds(_left(row, series=series.pk))
        if not holds or not (of_study is of_series or of_study.holds(_left(row, study=study.pk))):
            raise _Moved
        archive = study.archive
        held = QuarantinedFile.objects.create(
            organisation_id=archive.organisation_id,
            archive=archive,
            delivery=row.delivery or _delivery(archive),
            storage_key=row.storage_key,
            size_bytes=row.size_bytes,
            digest=bytes(row.digest),
            code=finding.code,
            reason=finding.reason[:500],
            sop_instance_uid=row.sop_instance_uid,
            received_at=timezone.now(),
        )
        row.delete()
        removal.note(organisation_id=archive.organisation_id, keys=[series.metadata_key, series.thumbnail_key])
        _without(series, study=study, size=row.size_bytes, of_series=of_series.header, of_study=of_study.header)
        audit.record(
            action="quarantine.withdrawn",
            organisation=archive.organisation,
            target=held,
            detail={"archive": archive.slug, "code": finding.code, "study": study.public_id},
            door=door,
        )
        notices.tell_held([held], delivery=held.delivery)
    removal.purge(organisation_id=archive.organisation_id)
    return held


def _delivery(archive: Archive) -> Delivery:
    """What an image belongs to that came before deliveries were kept."""
    now = timezone.now()
    found: Delivery = Delivery.objects.create(
        organisation_id=archive.organisation_id,
        archive=archive,
        source=Delivery.Source.IMPORT,
        state=Delivery.State.INDEXED,
        closed_at=now,
        indexed_at=now,
    )
    return found


def _without(series: Series, *, study: Study, size: int, of_series: Header | None, of_study: Header | None) -> None:
    patient_id = study.patient_id
    series.instance_count -= 1
    series.size_bytes -= size
    series.version += 1
    series.derive_attempts = 0
    series.metadata_key = series.thumbnail_key = ""
    _tell(series, columns=SERIES_FILL, header=of_series, attributes="series_attributes")
    series.save()
    study.instance_count -= 1
    study.size_bytes -= size
    study.series_count -= not series.instance_count
    others = list(Series.objects.filter(study=study, instance_count__gt=0))
    study.modalities = sorted({one.modality for one in others} - {""})
    study.body_parts = sorted({one.body_part for one in others} - {""})
    study.settled_at = study.announced_at = None
    _tell(study, columns=STUDY_FILL, header=of_study, attributes="study_attributes")
    study.search_name = fold(study.patient_name)[:400]
    study.save()
    for empty in (series, study):
        if not empty.instance_count:
            _remove(empty)
    _call(patient_id)


def _remove(row: Series | Study) -> None:
    """Nothing is left of it. Where a case or a trial holds on to it, it stays, empty and without a word."""
    try:
        with transaction.atomic():
            row.delete()
    except ProtectedError:
        return


def _left(instance: Instance, **which: Any) -> QuerySet[Instance]:
    """The images that stay."""
    return Instance.objects.filter(**which).exclude(pk=instance.pk).order_by("pk")


def _told(left: QuerySet[Instance]) -> _Told:
    folder = Path(settings.DATA_DIR) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    others = left.count()
    for other in left[:_OTHERS]:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".dcm") as file:
            path = Path(file.name)
            try:
                fetch(key=other.storage_key, path=path)
            except OSError:
                continue
            header = inspect(path=path, name=path.name).header
        if header is not None:
            return _Told(others=others, image=other.pk, digest=bytes(other.digest), header=header)
    return _Told(others=others)


def _tell(row: Any, *, columns: dict[str, str], header: Header | None, attributes: str) -> None:
    for column, source in columns.items():
        empty = None if row._meta.get_field(column).null else ""
        setattr(row, column, getattr(header, source) if header is not None else empty)
    row.attributes = getattr(header, attributes) if header is not None else {}


def _call(patient_id: int) -> None:
    """A patient is called what the newest study says; one without a study is none."""
    if Patient.objects.filter(pk=patient_id, studies=None).delete()[0]:
        return
    patient = Patient.objects.get(pk=patient_id)
    newest = patient.studies.filter(instance_count__gt=0).order_by("-last_received_at").first()
    for column in ("patient_name", "birth_date", "sex"):
        setattr(patient, column, getattr(newest, column) if newest is not None else "")
    patient.search_name = fold(patient.patient_name)[:400]
    patient.save()
