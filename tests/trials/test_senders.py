"""Who sent an image, and for which site, is not forgotten: not by a release, not when a source or a role ends."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from access.services import grant_role, revoke_role
from access.services.roles import role_group
from archive.domain.screening import OTHER_SENDER
from archive.errors import NeedsReason, StillQuarantined
from archive.intake.sources import add_source, remove_source
from archive.models import Delivery, IntakeSource, QuarantinedFile, Study
from archive.services import quarantine
from archive.services.uploads import get_upload
from core.errors import Forbidden, NotFound
from core.tenancy import tenant
from tests.archive.factories import deliver, make_file, make_series
from tests.trials.factories import House, make_images, settle
from trials.domain import matching
from trials.models import SubjectStudy
from trials.services.matching import said_by_each
from trials.services.waiting import questions_of, senders_of, sites_of_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(house: House) -> Any:
    for person in (house.staff, house.other_staff):
        grant_role(actor=None, container=house.archive, role="contributor", user=person)
    with tenant(house.organisation):
        yield house


def subject_of(study: Study) -> str:
    row = SubjectStudy.objects.filter(study=study).select_related("subject").first()
    return row.subject.subject_id if row else ""


def send_held(house: House, **opening: Any) -> QuarantinedFile:
    """A file with a name in its description, sent for the subject of site 01, held on arrival."""
    files = make_series(
        count=1,
        PatientIdentityRemoved="YES",
        PatientID="S-01-001",
        PatientName=None,
        PatientBirthDate=None,
        AccessionNumber=None,
        StudyID=None,
        SeriesDescription="Knee Osgood",
    )
    delivery, _outcomes = deliver(house.archive, files, **opening)
    rows = QuarantinedFile.objects.select_related("archive__organisation", "organisation", "delivery")
    return rows.get(delivery=delivery)


def release(house: House, file: QuarantinedFile) -> Study:
    quarantine.release(actor=house.administrator, file=file, reason="A disease")
    study = Study.objects.filter(archive=house.archive).latest("pk")
    settle(study)
    return study


def test_a_released_file_is_still_sent_by_whom_it_was_sent(house: House) -> None:
    own = release(house, send_held(house, actor=house.staff))
    assert subject_of(own) == "S-01-001"
    for source in ("stow", "upload"):
        study = release(house, send_held(house, actor=house.other_staff, source=source))
        assert subject_of(study) == ""
        question = questions_of([study], trial=house.trial, said=said_by_each([study]))[study.pk]
        assert question.code == matching.OTHER_SITE_SENT
        assert question.senders.names == [str(house.other_staff)]
        assert question.senders.site_words == "02 Hospital 02"


def test_a_released_file_is_of_the_site_that_its_sender_was_of_when_sending(house: House) -> None:
    file = send_held(house, actor=house.other_staff)
    revoke_role(actor=house.administrator, container=house.other_site, role="staff", user=house.other_staff)
    study = release(house, file)
    assert subject_of(study) == ""
    (delivery,) = Delivery.objects.filter(release_of=file).select_related("release_of__delivery")
    assert sites_of_deliveries([delivery], trial=house.trial) == {delivery.pk: "02 Hospital 02"}


def test_a_scanner_of_another_site_stays_one_when_its_file_is_released(house: House) -> None:
    role = role_group(container=house.other_site, role="staff")
    opening = {"source": "dimse", "calling_ae_title": "CT2", "address": "10.1.1.1"}
    add_source(actor=None, archive=house.archive, kind="ae", calling_ae_title="CT2", network="10.1.1.0/24", role=role)
    study = release(house, send_held(house, **opening))
    assert subject_of(study) == ""
    again = Delivery.objects.get(release_of__isnull=False)
    assert (again.calling_ae_title, again.address, again.actor) == ("CT2", "10.1.1.1", None)


def test_the_migration_gives_senders_and_sites_back_to_what_came_before_it(house: House) -> None:
    role = role_group(container=house.other_site, role="staff")
    add_source(actor=None, archive=house.archive, kind="ae", calling_ae_title="CT2", network="10.1.1.1", role=role)
    scanner = {"source": "dimse", "calling_ae_title": "CT2", "address": "10.1.1.1"}
    files = [send_held(house, **scanner), send_held(house, actor=house.other_staff)]
    studies = [release(house, file) for file in files]
    Delivery.objects.filter(archive=house.archive).update(sent_for_kind="", sent_for_id=None)
    for file in files:
        Delivery.objects.filter(release_of=file).update(
            release_of=None,
            actor=house.administrator,
            source="upload",
            calling_ae_title="",
            address=None,
            intake_source=None,
        )
    assert [one.site_words for one in senders_of(studies, trial=house.trial).values()] == ["", ""]
    import_module("archive.migrations.0010_senders").keep_senders(None, SimpleNamespace(connection=connection))
    assert [one.site_words for one in senders_of(studies, trial=house.trial).values()] == ["02 Hospital 02"] * 2
    assert {row.release_of_id for row in Delivery.objects.filter(release_of__isnull=False)} == {one.pk for one in files}


def test_nobody_can_add_to_the_delivery_of_a_release(house: House) -> None:
    file = send_held(house, actor=house.other_staff, source="upload")
    assert get_upload(user=house.other_staff, archive=house.archive, delivery_id=file.delivery_id)
    release(house, file)
    (again,) = Delivery.objects.filter(release_of=file)
    assert again.actor == house.other_staff
    with pytest.raises(NotFound):
        get_upload(user=house.other_staff, archive=house.archive, delivery_id=again.pk)


def test_a_file_that_is_refused_again_keeps_its_sender_and_is_one_file(house: House) -> None:
    file = send_held(house, actor=house.other_staff)
    QuarantinedFile.objects.filter(pk=file.pk).update(code="other-content")
    file.code = "other-content"
    with pytest.raises(StillQuarantined):
        quarantine.release(actor=house.administrator, file=file)
    kept = QuarantinedFile.objects.get(archive=house.archive)
    assert (kept.pk, kept.state, kept.delivery_id) == (file.pk, "kept", file.delivery_id)


def test_images_of_a_removed_source_still_came_from_its_site(house: House, stranger: House) -> None:
    opening = {"source": "dimse", "calling_ae_title": "CT2", "address": "10.1.1.1"}
    studies = {}
    for one in (house, stranger):
        with tenant(one.organisation):
            role = role_group(container=one.other_site, role="staff")
            source = add_source(
                actor=None, archive=one.archive, kind="ae", calling_ae_title="CT2", network="10.1.1.0/24", role=role
            )
            studies[one.organisation] = make_images(one.archive, PatientID="S-01-001", **opening)
            remove_source(actor=one.administrator, source=source)
            assert IntakeSource.objects.get(pk=source.pk).ended_at is not None
            # Named anew it is another row, and ending it is another act.
            again = add_source(
                actor=None, archive=one.archive, kind="ae", calling_ae_title="CT2", network="10.1.1.0/24"
            )
            assert again.pk != source.pk
    for one, study in ((one, studies[one.organisation]) for one in (house, stranger)):
        with tenant(one.organisation):
            settle_again(study)
            assert subject_of(study) == ""
            question = questions_of([study], trial=one.trial, said=said_by_each([study]))[study.pk]
            assert question.senders.site_words == "02 Hospital 02"


def settle_again(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(settled_at=None, announced_at=None, last_received_at=timezone.now())
    settle(study)


def files_for(study: Study, *, count: int = 1) -> list[bytes]:
    """A further series for a study."""
    return make_series(
        count=count,
        StudyInstanceUID=study.study_instance_uid,
        PatientIdentityRemoved="YES",
        PatientID="S-01-001",
        PatientName=None,
        PatientBirthDate=None,
        AccessionNumber=None,
        StudyID=None,
    )


def held_in(house: House) -> list[QuarantinedFile]:
    rows = QuarantinedFile.objects.select_related("archive__organisation", "organisation", "delivery")
    return list(rows.filter(archive=house.archive, state="kept"))


@pytest.mark.parametrize("source", ["stow", "upload"])
def test_images_that_another_site_sends_for_a_matched_study_are_held(house: House, source: str) -> None:
    before = Study.objects.get(pk=house.study.pk).instance_count
    _delivery, outcomes = deliver(
        house.archive, files_for(house.study, count=2), actor=house.other_staff, source=source
    )
    assert [outcome.code for outcome in outcomes] == [OTHER_SENDER, OTHER_SENDER]
    # The sender learns neither subject nor site.
    assert not any(word in outcomes[0].reason for word in ("S-01", "01", "Hospital"))
    assert Study.objects.get(pk=house.study.pk).instance_count == before
    assert {file.study_instance_uid for file in held_in(house)} == {house.study.study_instance_uid}
    _delivery, outcomes = deliver(house.archive, files_for(house.study), actor=house.staff, source=source)
    assert [outcome.status for outcome in outcomes] == ["stored"]
    assert Study.objects.get(pk=house.study.pk).instance_count == before + 1


def test_a_scanner_of_another_site_adds_nothing_to_a_matched_study(house: House) -> None:
    for title, site, status in (("CT1", house.site, "stored"), ("CT2", house.other_site, "refused")):
        role = role_group(container=site, role="staff")
        add_source(actor=None, archive=house.archive, kind="ae", calling_ae_title=title, network="10.1.1.1", role=role)
        opening = {"source": "dimse", "calling_ae_title": title, "address": "10.1.1.1"}
        _delivery, outcomes = deliver(house.archive, files_for(house.study), **opening)
        assert [outcome.status for outcome in outcomes] == [status]


def test_what_another_site_sent_goes_in_when_a_manager_releases_it_with_a_reason(house: House) -> None:
    before = Study.objects.get(pk=house.study.pk).instance_count
    deliver(house.archive, files_for(house.study), actor=house.other_staff)
    (file,) = held_in(house)
    with pytest.raises(NeedsReason):
        quarantine.release(actor=house.administrator, file=file)
    with pytest.raises(Forbidden):
        quarantine.release(actor=house.other_staff, file=file, reason="Mine")
    quarantine.release(actor=house.administrator, file=file, reason="Follow-up at the other hospital")
    assert Study.objects.get(pk=house.study.pk).instance_count == before + 1
    assert held_in(house) == []


def test_a_release_for_a_name_does_not_settle_who_may_send(house: House) -> None:
    before = Study.objects.get(pk=house.study.pk).instance_count
    named = make_file(
        StudyInstanceUID=house.study.study_instance_uid,
        PatientIdentityRemoved="YES",
        PatientID="S-01-001",
        PatientName=None,
        PatientBirthDate=None,
        AccessionNumber=None,
        StudyID=None,
        SeriesDescription="Knee Osgood",
    )
    deliver(house.archive, [named], actor=house.other_staff)
    (file,) = held_in(house)
    with pytest.raises(StillQuarantined):
        quarantine.release(actor=house.administrator, file=file, reason="A disease")
    (file,) = held_in(house)
    assert file.code == OTHER_SENDER
    assert Study.objects.get(pk=house.study.pk).instance_count == before
    quarantine.release(actor=house.administrator, file=file, reason="Follow-up at the other hospital")
    assert Study.objects.get(pk=house.study.pk).instance_count == before + 1


def test_the_subjects_page_says_what_is_held_for_it_to_who_sees_all_sites(
    house: House, stranger: House, client: Client
) -> None:
    deliver(house.archive, files_for(house.study, count=2), actor=house.other_staff)
    base = f"/o/{house.organisation.slug}/trials/{house.trial.slug}/"
    page = f"{base}subjects/{house.subject.public_id}/"
    words = "2 files are held: another site sent them for this subject"
    for person in (house.coordinator, house.monitor):
        client.force_login(person)
        shown = client.get(page).content.decode()
        assert words in shown
        assert str(house.other_staff) in shown
        assert "02 Hospital 02" in shown
        held = client.get(f"{base}held/?code={OTHER_SENDER}&state=kept").content.decode()
        assert "02 Hospital 02" in held
    client.force_login(house.staff)
    shown = client.get(page).content.decode()
    assert "another site sent" not in shown
    assert str(house.other_staff) not in shown
    client.force_login(house.coordinator)
    other = f"{base}subjects/{house.other_subject.public_id}/"
    assert "another site sent" not in client.get(other).content.decode()
    client.force_login(stranger.coordinator)
    assert client.get(page).status_code == 404
