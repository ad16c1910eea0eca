"""A run as it is loaded for work, the plan that follows from it, and scratch space for what it makes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings as django_settings

from deid.domain import pipeline
from deid.domain.identifiers import NUMBER as NUMBER_KIND
from deid.domain.identifiers import PATIENT_ID, Identifiers
from deid.domain.profile import Option, Profile, load_table
from deid.domain.pseudonyms import Subject
from deid.domain.uids import UidMapper
from deid.models import DeidentificationRun
from deid.services.domains import key_of

MEMORY_BYTES = 8 << 20


def settings_of(run: DeidentificationRun) -> pipeline.Settings:
    """The plan of a run for the domain layer: the same run gives the same plan at any time."""
    known = Identifiers()
    study = run.source_study
    if study is not None:
        known.add_number(study.patient.patient_id, kind=PATIENT_ID)
        # What this study's header says, and what other studies call the same patient.
        for name in dict.fromkeys((study.patient_name, study.patient.patient_name)):
            known.add_name(name)
        for birth_date in dict.fromkeys((study.birth_date, study.patient.birth_date)):
            known.add_birth_date(birth_date)
        known.add_number(study.accession_number, kind=NUMBER_KIND)
        known.add_name(study.referring_physician_name)
        known.uids.add(study.study_instance_uid)
    return pipeline.Settings(
        profile=Profile(table=load_table(), options=[Option(name) for name in run.options]),
        subject=Subject(
            patient_id=run.pseudonym.patient_id,
            patient_name=run.pseudonym.patient_name,
            shift_days=run.pseudonym.shift_days,
        ),
        uids=UidMapper(key=key_of(run.domain)),
        known=known,
        scratch=scratch_folder(),
    )


def load(run_id: int) -> DeidentificationRun:
    run: DeidentificationRun = DeidentificationRun.objects.select_related(
        "organisation",
        "domain",
        "pseudonym",
        "source_archive",
        "target_archive",
        "source_study__patient",
        "requested_by",
        "delivery__archive",
        "delivery__organisation",
        "job",
    ).get(pk=run_id)
    return run


@contextmanager
def temporary() -> Iterator[BinaryIO]:
    """Scratch space in the data folder that leaves no file behind, even by kill -9: small outputs stay in memory."""
    with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES, dir=scratch_folder()) as file:
        yield file  # type: ignore[misc]


def scratch_folder() -> str:
    folder = Path(django_settings.DATA_DIR) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
