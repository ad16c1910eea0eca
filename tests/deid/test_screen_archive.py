"""`manage.py screen_archive`: images that lay in de-identified archives before anything was screened on arrival."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pydicom.uid import generate_uid

from access import services as access
from archive.domain.screening import HELD, IDENTITY_FOUND, NOT_DECLARED, Finding
from archive.models import Archive, Delivery, Instance, Patient, QuarantinedFile, Series, Study
from archive.services import quarantine, settle, withdraw
from archive.storage import storage
from audit.models import Event
from core.tenancy import tenant
from deid.services import stored
from tests.access.factories import make_member
from tests.archive.factories import deliver
from tests.deid.builders import make_dataset, to_bytes
from tests.deid.conftest import House, make_house
from tests.deid.test_arrivals import CLEAN_HEADER
from tests.teaching import factories as teaching

NAMED = {"StudyDescription": "Knee of Mrs Quixano", "SeriesDescription": "Quixano sagittal"}


def before_the_gate(archive: Archive, *, series: dict[str, Any] | None = None, **elements: Any) -> Instance:
    """An image that nobody screened: the gate did not exist when it came."""
    dataset = make_dataset(**{**CLEAN_HEADER, **(series or {}), **elements})
    _delivery, outcomes = deliver(archive, [to_bytes(dataset)])
    assert outcomes[0].is_success, outcomes
    with tenant(archive.organisation):
        found = Instance.objects.select_related("study", "series").get(sop_instance_uid=dataset.SOPInstanceUID)
        Delivery.objects.filter(pk=found.delivery_id).update(admission="")
    return found


def run(archive: Archive, *options: str, code: int) -> str:
    out = io.StringIO()
    where = f"{archive.organisation.slug}/{archive.slug}"
    ended = 0
    try:
        call_command("screen_archive", where, *options, stdout=out, stderr=io.StringIO())
    except SystemExit as stop:
        ended = int(str(stop.code))
    except CommandError as error:
        ended = error.returncode
        out.write(str(error))
    assert ended == code, out.getvalue()
    return out.getvalue()


def left(archive: Archive) -> set[str]:
    with tenant(archive.organisation):
        return set(Instance.objects.filter(archive=archive).values_list("sop_instance_uid", flat=True))


@pytest.fixture
def other(house: House) -> House:
    return make_house()


def test_it_names_each_file_that_does_not_pass_with_its_reason_and_changes_nothing(
    house: House, other: House, tmp_path: Path
) -> None:
    named = before_the_gate(house.teaching, **NAMED)
    silent = before_the_gate(house.teaching, PatientIdentityRemoved=None)
    burned = before_the_gate(house.teaching, BurnedInAnnotation="YES")
    clean = before_the_gate(house.teaching)
    theirs = before_the_gate(other.teaching, **NAMED)
    told = run(house.teaching, "--report", str(tmp_path / "report.csv"), code=1)
    with (tmp_path / "report.csv").open(encoding="utf-8") as file:
        report = {row["sop_instance_uid"]: row["code"] for row in csv.DictReader(file)}
    assert report == {
        named.sop_instance_uid: IDENTITY_FOUND,
        silent.sop_instance_uid: NOT_DECLARED,
        burned.sop_instance_uid: HELD,
    }
    assert "StudyDescription" in told and "4 screened, 3 did not pass, 0 moved" in told
    assert "quixano" not in told.casefold() and theirs.sop_instance_uid not in told
    assert left(house.teaching) == {one.sop_instance_uid for one in (named, silent, burned, clean)}
    with tenant(house.organisation):
        assert not QuarantinedFile.objects.exists()


def test_quarantine_takes_out_what_fails_and_loses_no_byte(house: House, other: House) -> None:
    bad = before_the_gate(house.teaching, **NAMED)
    good = before_the_gate(house.teaching, PatientID="S-01-002", PatientName="S-01-002")
    theirs = before_the_gate(other.teaching, **NAMED)
    with storage().open(bad.storage_key) as file:
        content = file.read()
    run(house.teaching, "--quarantine", code=1)
    assert left(house.teaching) == {good.sop_instance_uid} and left(other.teaching) == {theirs.sop_instance_uid}
    with tenant(house.organisation):
        held = QuarantinedFile.objects.get()
        assert (held.code, held.archive, held.is_held) == (IDENTITY_FOUND, house.teaching, True)
        with storage().open(held.storage_key) as file:
            assert file.read() == content
        assert not Study.objects.filter(pk=bad.study_id).exists()
        assert not Patient.objects.filter(pk=bad.study.patient_id).exists()
        event = Event.objects.get(action="quarantine.withdrawn")
        assert event.detail["code"] == IDENTITY_FOUND and "quixano" not in str(event.detail).casefold()
        assert Event.objects.get(action="deidentification.archive_screened").detail["quarantined"] == 1
    with tenant(other.organisation):
        assert not QuarantinedFile.objects.exists()
    assert "1 screened, 0 did not pass" in run(house.teaching, "--quarantine", code=0)


def test_a_manager_releases_what_was_taken_out_and_it_stays_then(house: House) -> None:
    bad = before_the_gate(house.teaching, **NAMED)
    run(house.teaching, "--quarantine", code=1)
    manager = make_member(house.organisation)
    access.grant_role(actor=None, container=house.teaching, role="manager", user=manager)
    with tenant(house.organisation):
        held = QuarantinedFile.objects.select_related("archive", "delivery", "organisation").get()
    quarantine.release(actor=manager, file=held, reason="A phantom of that name")
    assert left(house.teaching) == {bad.sop_instance_uid}
    assert "1 released by a person" in run(house.teaching, "--quarantine", code=0)
    assert left(house.teaching) == {bad.sop_instance_uid}


def test_what_stays_is_not_called_by_the_image_that_went(house: House) -> None:
    """Study, series and patient take their words from the first image that came."""
    shared = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    bad = before_the_gate(house.teaching, series=shared, PatientName="Quixano^Alonso", PatientSex="M", **NAMED)
    good = before_the_gate(house.teaching, series=shared)
    with tenant(house.organisation):
        settle.claim(study_id=bad.study_id)
        settle.settle_study(study_id=bad.study_id)
        derived = Series.objects.get(pk=bad.series_id)
        assert derived.metadata_key and derived.thumbnail_key
    run(house.teaching, "--quarantine", code=1)
    with tenant(house.organisation):
        study, series = Study.objects.get(pk=good.study_id), Series.objects.get(pk=good.series_id)
        patient = Patient.objects.get(pk=study.patient_id)
        assert (study.description, series.description) == ("Knee left", "PD TSE sagittal")
        words = f"{study.__dict__} {series.__dict__} {patient.__dict__}".casefold()
        assert "quixano" not in words
        assert (study.instance_count, study.series_count, series.instance_count) == (1, 1, 1)
        assert study.size_bytes == series.size_bytes == Instance.objects.get(study=study).size_bytes
        assert (series.metadata_key, series.thumbnail_key, study.settled_at) == ("", "", None)
    assert not any(storage().exists(key) for key in (derived.metadata_key, derived.thumbnail_key))


def test_a_study_that_a_case_holds_on_to_stays_empty_and_without_a_word(house: House) -> None:
    class_room = teaching.make_house()
    bad = before_the_gate(class_room.archive, **NAMED)
    teaching.make_case(class_room, study=bad.study)
    run(class_room.archive, "--quarantine", code=1)
    with tenant(class_room.organisation):
        study = Study.objects.get(pk=bad.study_id)
        assert (study.description, study.patient_name, study.attributes, study.instance_count) == ("", "", {}, 0)


def test_a_pass_that_was_stopped_goes_on_behind_the_last_image(house: House) -> None:
    bad = [before_the_gate(house.teaching, **NAMED) for _number in range(3)]
    seen: list[str] = []

    def stopped(progress: stored.Progress) -> None:
        if progress.screened == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored.screen_archive(archive=house.teaching, quarantine=False, tell=lambda one: None, watch=stopped)
    progress = stored.screen_archive(
        archive=house.teaching,
        quarantine=False,
        tell=lambda one: seen.append(one.sop_instance_uid),
        watch=lambda _: None,
    )
    assert seen == [bad[2].sop_instance_uid]
    assert (progress.screened, progress.total, progress.found) == (3, 3, 3)
    seen.clear()
    run(house.teaching, code=1)
    progress = stored.screen_archive(
        archive=house.teaching,
        quarantine=False,
        tell=lambda one: seen.append(one.sop_instance_uid),
        watch=lambda _: None,
        again=True,
    )
    assert len(seen) == 3


def test_a_file_that_cannot_be_read_is_reported_and_stays(house: House) -> None:
    gone = before_the_gate(house.teaching)
    storage().delete(gone.storage_key)
    assert f"kept {gone.study.public_id} {gone.sop_instance_uid} unreadable" in run(
        house.teaching, "--quarantine", code=1
    )
    assert left(house.teaching) == {gone.sop_instance_uid}


def test_a_stopped_report_leaves_nothing_out_of_a_later_quarantine(house: House) -> None:
    for _number in range(3):
        before_the_gate(house.teaching, **NAMED)

    def stopped(progress: stored.Progress) -> None:
        if progress.screened == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored.screen_archive(archive=house.teaching, quarantine=False, tell=lambda one: None, watch=stopped)
    assert "3 screened, 3 did not pass, 3 moved to quarantine" in run(house.teaching, "--quarantine", code=1)
    assert left(house.teaching) == set()


@pytest.mark.parametrize("readable", [0, 1])
def test_an_unreadable_image_beside_it_does_not_keep_a_named_one_in_the_archive(house: House, readable: int) -> None:
    shared = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    bad = before_the_gate(house.teaching, series=shared, **NAMED)
    gone = before_the_gate(house.teaching, series=shared)
    good = [before_the_gate(house.teaching, series=shared) for _number in range(readable)]
    storage().delete(gone.storage_key)
    told = run(house.teaching, "--quarantine", code=1)
    assert f"{2 + readable} screened, 1 did not pass, 1 moved to quarantine" in told and "1 unreadable" in told
    assert left(house.teaching) == {one.sop_instance_uid for one in (gone, *good)}
    with tenant(house.organisation):
        study, series = Study.objects.get(pk=bad.study_id), Series.objects.get(pk=bad.series_id)
        words = ("Knee left", "PD TSE sagittal") if readable else ("", "")
        assert (study.description, series.description) == words
        assert (study.instance_count, series.instance_count) == (1 + readable, 1 + readable)


def test_an_image_that_is_gone_by_now_is_withdrawn_by_nobody(house: House) -> None:
    bad = before_the_gate(house.teaching, **NAMED)
    finding = Finding(code=IDENTITY_FOUND, reason="named", comment="named")
    with tenant(house.organisation):
        stale = Instance.objects.select_related("study", "series").get(pk=bad.pk)
        Instance.objects.filter(pk=bad.pk).delete()
        Series.objects.filter(pk=bad.series_id).delete()
        Study.objects.filter(pk=bad.study_id).delete()
        assert withdraw.withdraw(instance=stale, finding=finding, door="command") is None
        assert not QuarantinedFile.objects.exists()


def test_a_clinical_archive_and_an_unknown_one_are_not_screened(house: House) -> None:
    before_the_gate(house.clinical, **NAMED)
    assert "not for de-identified images" in run(house.clinical, "--quarantine", code=2)
    house.teaching.slug = "nowhere"
    assert "There is no archive" in run(house.teaching, code=2)
    assert left(house.clinical)
