"""The check of arriving files, and what may be said of a study in a de-identified archive."""

from __future__ import annotations

import io
from typing import Any

import pytest

from access.models import User
from archive import hooks
from archive.hooks import Clearance
from archive.models import Instance, Study
from core.tenancy import tenant
from deid import services, tasks
from deid.domain import arrival
from deid.domain.profile import Option
from deid.models import DeidentificationRun
from tests.archive.factories import deliver, make_archive
from tests.deid.builders import make_dataset, process, to_bytes
from tests.deid.conftest import House

OPTIONS = [
    (),
    (Option.RETAIN_MODIFIED_DATES,),
    (Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS),
    (Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS, Option.RETAIN_PATIENT_CHARACTERISTICS),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_what_de_identification_writes_passes_its_own_check(options: tuple[Option, ...]) -> None:
    dataset = make_dataset(
        ReferringPhysicianName="Okafor^Ngozi",
        InstitutionName="St. Mary's",
        StudyDescription="MR knee left without contrast, Dr. Okafor",
        PatientComments="Son of Otto",
        PatientAge="054Y",
        DeviceSerialNumber="12345",
    )
    outcome, content = process(dataset, options=options)
    assert outcome.digest
    assert arrival.examine(io.BytesIO(content)) == []


@pytest.mark.parametrize(
    "words",
    [
        "CT chest baseline", "Week 8", "T2_tse_sag 3mm", "PD TSE sagittal", "Lung 1.0 B60f", "CHEST/ABDOMEN CE 5.0",
        "AX T1 +C", "Follow-up visit 3", "S-01-001 CT chest", "DWI b1000 ADC", "Knee left",
    ],
)  # fmt: skip
def test_words_of_technique_anatomy_and_trials_pass(words: str) -> None:
    assert _kinds(StudyDescription=words, SeriesDescription=words, ProtocolName=words) == set()


@pytest.mark.parametrize(
    "words",
    [
        "CT chest Baker", "Müller", "Мария", "张伟", "12.03.1965", "1965 03 12", "77120041", "Room Anna 12", "a@b.org",
        "SCHMIDT^ANNA", "CT chest SCHMIDT1",
    ],
)  # fmt: skip
def test_words_that_can_be_a_name_a_number_or_a_date_do_not(words: str) -> None:
    assert _kinds(StudyDescription=words) == {arrival.TEXT}


@pytest.mark.parametrize(
    ("name", "number", "passes"),
    [
        ("", "S-01-001", True),
        ("S-01-001", "S-01-001", True),
        ("P^7F3K2", "P-7F3K2", True),
        ("Anonymous", "0001", True),
        ("ANON^12", "X-12", True),
        ("Otto", "S-01-001", False),
        ("Li^Wu", "S-01-001", False),
        ("X", "S-01-001", True),
        ("Schmidt^Anna=シュミット^アンナ", "S-01-001", False),
        ("", "Schmidt^Anna", False),
        ("", "Anna Schmidt 1965", False),
        ("SCHMIDT", "SCHMIDT", False),
        ("", "", True),
    ],
)
def test_a_patient_goes_by_a_code_or_by_nothing(name: str, number: str, passes: bool) -> None:
    found = _kinds(PatientName=name, PatientID=number, SpecificCharacterSet="ISO_IR 192")
    assert found == (set() if passes else {arrival.IDENTITY})


def _kinds(**elements: Any) -> set[str]:
    clean = {
        "PatientIdentityRemoved": "YES", "PatientName": "S-01-001", "PatientID": "S-01-001", "PatientBirthDate": "",
        "AccessionNumber": "", "StudyID": "",
    }  # fmt: skip
    return {one.kind for one in arrival.examine(io.BytesIO(to_bytes(make_dataset(**{**clean, **elements}))))}


@pytest.mark.parametrize("content", [b"", b"DICM", b"no dicom" * 100, to_bytes(make_dataset())[:400]])
def test_what_cannot_be_read_is_not_clean(content: bytes) -> None:
    assert arrival.examine(io.BytesIO(content))


def _copy(house: House, study: Study, *, actor: User) -> tuple[DeidentificationRun, Study]:
    run = services.deidentify_study(actor=actor, study=study, target_archive=house.teaching)
    tasks.execute_run(organisation_id=house.organisation.pk, run_id=run.pk, job_id=str(run.job_id))
    run.refresh_from_db()
    found = Study.objects.get(archive=house.teaching, study_instance_uid=run.target_study_instance_uid)
    return run, found


def test_only_a_run_with_its_receipt_makes_a_study_de_identified(house: House) -> None:
    study = house.study()
    with tenant(house.organisation):
        run, copied = _copy(house, study, actor=house.educator)
        assert hooks.clearance_of([copied]) == {copied.pk: Clearance.DEIDENTIFIED}
        assert run.receipt["sha256"]
        DeidentificationRun.objects.filter(pk=run.pk).update(receipt={})
        assert hooks.clearance_of([copied]) == {copied.pk: Clearance.UNKNOWN}


def test_an_image_that_came_otherwise_takes_the_word_from_its_study(house: House) -> None:
    study = house.study()
    with tenant(house.organisation):
        run, copied = _copy(house, study, actor=house.educator)
        number = copied.patient.patient_id
    further = make_dataset(StudyInstanceUID=run.target_study_instance_uid, PatientID=number)
    _delivery, outcomes = deliver(house.teaching, [to_bytes(further)])
    assert outcomes[0].is_success
    with tenant(house.organisation):
        assert hooks.clearance_of([copied]) == {copied.pk: Clearance.SCREENED}
        Instance.objects.filter(sop_instance_uid=further.SOPInstanceUID).update(delivery=None)
        assert hooks.clearance_of([copied]) == {copied.pk: Clearance.UNKNOWN}


def test_the_same_uids_in_another_archive_prove_nothing(house: House) -> None:
    study = house.study()
    with tenant(house.organisation):
        run, _copied = _copy(house, study, actor=house.educator)
    elsewhere = make_archive(house.organisation, purpose="teaching")
    deliver(elsewhere, [to_bytes(make_dataset(StudyInstanceUID=run.target_study_instance_uid))])
    with tenant(house.organisation):
        other = Study.objects.get(archive=elsewhere)
        assert hooks.clearance_of([other]) == {other.pk: Clearance.SCREENED}
