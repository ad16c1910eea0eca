"""What a batch changes in the counts of studies, series and the delivery."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from archive.domain.header import Header
from archive.domain.text import fold
from archive.models import Delivery, Instance, Series, Study
from archive.services.commit.outcome import DUPLICATE, REFUSED, REPLACED, SKIPPED, STORED
from archive.services.commit.verdicts import Batch


@dataclass(slots=True)
class _Level:
    count: int = 0
    size: int = 0
    header: Header | None = None


@dataclass(slots=True)
class Changes:
    """What changed by study and by series UID."""

    studies: dict[str, _Level] = field(default_factory=dict)
    series: dict[str, _Level] = field(default_factory=dict)

    def added(self, *, instance: Instance, header: Header) -> None:
        self._note(header=header, count=1, size=instance.size_bytes)

    def replaced(self, *, old_size: int, new_size: int, header: Header, study: Study) -> None:
        self._note(header=header, count=0, size=new_size - old_size)

    def _note(self, *, header: Header, count: int, size: int) -> None:
        for table, uid in (
            (self.studies, header.study_instance_uid),
            (self.series, header.series_instance_uid),
        ):
            level = table.setdefault(uid, _Level())
            level.count += count
            level.size += size
            level.header = level.header or header


STUDY_FILL = {
    "patient_name": "patient_name",
    "birth_date": "birth_date",
    "sex": "sex",
    "study_date": "study_date",
    "study_time": "study_time",
    "study_date_parsed": "study_date_parsed",
    "accession_number": "accession_number",
    "study_id": "study_id",
    "description": "study_description",
    "referring_physician_name": "referring_physician_name",
}


STUDY_COUNTED = (
    "search_name",
    "attributes",
    "modalities",
    "body_parts",
    "instance_count",
    "size_bytes",
    "series_count",
    "last_received_at",
    "settled_at",
    "announced_at",
)


SERIES_COUNTED = ("attributes", "instance_count", "size_bytes", "version", "derive_attempts")


SERIES_FILL = {
    "series_number": "series_number",
    "modality": "modality",
    "description": "series_description",
    "body_part": "body_part",
    "laterality": "laterality",
    "frame_of_reference_uid": "frame_of_reference_uid",
}


def write_changes(batch: Batch, *, changes: Changes, studies: dict[str, Study], series: dict[str, Series]) -> None:
    begun: Counter[int] = Counter()
    for uid, level in sorted(changes.series.items()):
        row = series[uid]
        if level.count and not row.instance_count:
            begun[row.study_id] += 1
        _fill(row, level=level, columns=SERIES_FILL, attributes="series_attributes")
        row.instance_count += level.count
        row.size_bytes += level.size
        row.version += 1
        row.derive_attempts = 0
        row.save(update_fields=[*SERIES_FILL, *SERIES_COUNTED, "updated_at"])
    for uid, level in sorted(changes.studies.items()):
        study = studies[uid]
        # A series whose files all were refused goes again, and leaves no word in its study.
        members = [row for row in series.values() if row.study_id == study.pk and row.instance_count]
        _fill(study, level=level, columns=STUDY_FILL, attributes="study_attributes")
        study.search_name = fold(study.patient_name)[:400]
        study.modalities = sorted({*study.modalities, *(row.modality for row in members)} - {""})
        study.body_parts = sorted({*study.body_parts, *(row.body_part for row in members)} - {""})
        study.instance_count += level.count
        study.size_bytes += level.size
        study.series_count += begun[study.pk]
        study.last_received_at = batch.now
        study.settled_at = study.announced_at = None
        study.save(update_fields=[*STUDY_FILL, *STUDY_COUNTED, "updated_at"])


def _fill(row: Any, *, level: _Level, columns: dict[str, str], attributes: str) -> None:
    """Take over what the row did not know yet; what it knows stays."""
    header = level.header
    if header is None:
        return
    for column, source in columns.items():
        if getattr(row, column) in ("", None) and getattr(header, source) not in ("", None):
            setattr(row, column, getattr(header, source))
    known = row.attributes
    row.attributes = {**getattr(header, attributes), **{tag: value for tag, value in known.items() if "Value" in value}}


def count(batch: Batch) -> None:
    tally = {STORED: 0, DUPLICATE: 0, REPLACED: 0, REFUSED: 0, SKIPPED: 0}
    for outcome in batch.outcomes:
        tally[outcome.status] += 1
    Delivery.objects.filter(pk=batch.delivery.pk).update(
        received=F("received") + len(batch.outcomes),
        committed_names=[outcome.name for outcome in batch.outcomes],
        **{status: F(status) + number for status, number in tally.items() if number},
    )
