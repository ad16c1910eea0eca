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
from deid.domain.profile import DEFAULT_OPTIONS, Option
from deid.domain.pseudonyms import subject
from deid.models import DeidentificationRun
from tests.archive.factories import deliver, make_archive
from tests.deid.builders import make_dataset, process, to_bytes
from tests.deid.conftest import House
from tests.deid.test_kept import COMMON, HEADERS

OPTIONS = [
    (),
    (Option.RETAIN_MODIFIED_DATES,),
    (Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS),
    (Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS, Option.RETAIN_PATIENT_CHARACTERISTICS),
]
CLEAN_HEADER: dict[str, Any] = {
    "PatientIdentityRemoved": "YES", "PatientName": "S-01-001", "PatientID": "S-01-001", "PatientBirthDate": "",
    "AccessionNumber": "", "StudyID": "",
}  # fmt: skip
OPTIONS_OF_RUNS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}


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
        "SCHMIDT^ANNA", "CT chest SCHMIDT1", "CT Abdomen Meyer61", "CT Abdomen 3MAR61", "CT Abdomen 1961 0203",
        "CT Abdomen LI HO", "Smith5 Klaus1 80J", "Meyer61", "Lee61", "CT Abdomen 2.3.61", "CT 2/3.61", "0171 5551 phase",
        "171 555 12 phase", "93-year-old", "Chest Parker", "CT Abdomen 1961s", "Kim 5", "LiHo CT", "Dr Ben",
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
        ("XXX", "S-01-001", True),
        ("H", "S-01-001", False),
        ("H^T", "S-01-001", False),
        ("T.^H.", "S-01-001", False),
        ("1961", "S-01-001", False),
        ("4711", "S-01-001", False),
        ("0042", "S-01-001", True),
        ("Case 12", "S-01-001", True),
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


NO_CODES = (
    "MUELLER_HANS_19610203", "MuellerHans1961", "Meyer61", "120361-4321", "P-120361", "S19610203", "1961-0203", "3MAR61",
    "LI HO 1", "KIM1961", "9434765919", "0171-5551234", "61020312345", "S-093Y", "\u5f20\u4f1f1", "P-MEYERHANS1",
)  # fmt: skip


@pytest.mark.parametrize("keyword", ["PatientID", "ClinicalTrialSubjectID", "ClinicalTrialSiteID"])
@pytest.mark.parametrize("number", NO_CODES)
def test_a_code_with_a_name_a_date_or_a_long_number_is_none(keyword: str, number: str) -> None:
    header = {"PatientName": number, keyword: number, "SpecificCharacterSet": "ISO_IR 192"}
    assert _kinds(**header) == {arrival.IDENTITY}
    assert _kinds(**{**header, "PatientName": ""}) == {arrival.IDENTITY}


@pytest.mark.parametrize(
    ("number", "protocol"),
    [
        ("LUNG-01-001", ""), ("TEACH-US-01", ""),
        ("01-001", ""), ("X7F3K2", ""), ("DH-000123", ""), ("SUBJ0012", ""), ("ABC-12-0003", ""),
        ("S-2024-001", ""), ("KEYNOTE-189-0042", "KEYNOTE-189"), ("NLST100012", "NLST-1"),
    ],
)  # fmt: skip
def test_codes_of_trials_pass(number: str, protocol: str) -> None:
    more = {"ClinicalTrialProtocolID": protocol} if protocol else {}
    found = _kinds(
        PatientName=number, PatientID=number, ClinicalTrialSubjectID=number, StudyDescription=f"{number} CT", **more
    )
    assert found == set()


@pytest.mark.parametrize("keyword", ["ClinicalTrialProtocolID", "ClinicalTrialSiteID"])
def test_a_file_does_not_vouch_for_its_own_words(keyword: str) -> None:
    """A name is not better known for being the protocol's, too."""
    found = _kinds(PatientName="TANAKA-0042", PatientID="TANAKA-0042", **{keyword: "TANAKA-1"})
    assert found == {arrival.IDENTITY}
    assert _kinds(ProtocolName="TANAKA-1 chest", **{keyword: "TANAKA-1"}) == {arrival.IDENTITY, arrival.TEXT}


@pytest.mark.parametrize("keyword", ["ProtocolName", "SeriesDescription", "StudyDescription"])
@pytest.mark.parametrize("name", ["TANAKA", "Tanaka^Hanako", "LI WU"])
def test_a_name_that_a_description_repeats_is_a_name_in_both(name: str, keyword: str) -> None:
    assert _kinds(PatientName=name, PatientID="S-01-001", **{keyword: f"CT chest {name}"}) == {
        arrival.IDENTITY,
        arrival.TEXT,
    }


@pytest.mark.parametrize("keyword", ["Manufacturer", "ManufacturerModelName"])
@pytest.mark.parametrize(
    "value",
    ["Tanaka", "TANAKA", "Tanaka 3T", "Mr Tanaka", "CT Tanaka", "Tanaka Medical", "Hanako Tanaka Inc", "Richard Smith"],
)
def test_a_word_that_nobody_knows_is_no_maker(value: str, keyword: str) -> None:
    assert _kinds(**{keyword: value}) == {arrival.TEXT}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Manufacturer", "SIEMENS"), ("Manufacturer", "GE MEDICAL SYSTEMS"), ("Manufacturer", "Philips Healthcare"),
        ("Manufacturer", "United Imaging Healthcare"), ("Manufacturer", "Zybio Inc."), ("Manufacturer", "Karomed GmbH"),
        ("ManufacturerModelName", "SOMATOM Definition AS+"), ("ManufacturerModelName", "Discovery CT750 HD"),
        ("ManufacturerModelName", "uMR 780"), ("ManufacturerModelName", "Ingenia Elition X"),
        ("ManufacturerModelName", "DigitalDiagnost"), ("ManufacturerModelName", "Xeleris"),
    ],
)  # fmt: skip
def test_makers_products_and_companies_pass(keyword: str, value: str) -> None:
    assert _kinds(**{keyword: value}) == set()


@pytest.mark.parametrize(("age", "passes"), [("089Y", True), ("090Y", True), ("093Y", False), ("999W", True)])
def test_a_great_age_is_a_finding(age: str, passes: bool) -> None:
    """090Y is what de-identification writes for every age beyond (45 CFR 164.514(b)(2)(i)(C): "90 or older")."""
    assert _kinds(PatientAge=age) == (set() if passes else {arrival.IDENTITY})


def test_a_part_of_a_birth_date_or_of_a_telephone_number_is_a_finding() -> None:
    assert _kinds(PatientBirthDate="1961") == {arrival.IDENTITY}
    assert _kinds(AccessionNumber="0171 5551 234") & {arrival.IDENTITY, arrival.TEXT}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_of_a_machine_passes_after_a_run_and_on_its_own(kind: str) -> None:
    header = {**COMMON, **HEADERS[kind]}
    dataset = make_dataset(PatientName="Quixano^Alonso", **header)
    _outcome, content = process(dataset, options=OPTIONS_OF_RUNS)
    assert arrival.examine(io.BytesIO(content)) == []
    assert _kinds(**header) == set()


@pytest.mark.parametrize("number", range(40))
def test_a_pseudonym_of_a_run_passes_whatever_chance_writes_into_it(number: int) -> None:
    who = subject(key=bytes(32), patient_key=str(number), prefix="TEACHING")
    _outcome, content = process(make_dataset(), who=who)
    assert arrival.examine(io.BytesIO(content)) == []


def _kinds(**elements: Any) -> set[str]:
    return {one.kind for one in arrival.examine(io.BytesIO(to_bytes(make_dataset(**{**CLEAN_HEADER, **elements}))))}


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
