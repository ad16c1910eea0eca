"""Whose images are whose: by what they say, by who sent them, by a coordinator's hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from access.services import grant_role, revoke_role
from access.services.roles import role_group
from archive.intake.sources import add_source
from archive.models import Study
from archive.services.deletion import StillUsed, delete_study
from audit.models import Event
from core.errors import Forbidden, Invalid
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_series
from tests.trials.factories import House, make_images
from trials import services, tasks
from trials.errors import AcrossSites, AlreadyMatched, Closed
from trials.models import Subject, SubjectStudy
from trials.reasons import sentence
from trials.services.matching import said_by_each
from trials.services.waiting import questions_of, senders_of, sites_of_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(house: House) -> Any:
    grant_role(actor=None, container=house.archive, role="contributor", user=house.staff)
    grant_role(actor=None, container=house.archive, role="contributor", user=house.other_staff)
    with tenant(house.organisation):
        yield house


def subject_of(study: Study) -> str:
    row = SubjectStudy.objects.filter(study=study).select_related("subject").first()
    return row.subject.subject_id if row else ""


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PatientID": "S-01-001"}, "S-01-001"),
        ({"PatientID": "s-01-001 "}, "S-01-001"),
        ({"PatientID": "X-77", "ClinicalTrialSubjectID": "S-01-001"}, "S-01-001"),
        ({"PatientID": "S-01-001", "ClinicalTrialSiteID": "01"}, "S-01-001"),
        ({"PatientID": "S-01-001", "ClinicalTrialSiteID": "02"}, ""),
        ({"PatientID": "S-01-001", "ClinicalTrialProtocolID": "ANOTHER"}, ""),
        ({"PatientID": "S-01-001", "ClinicalTrialSubjectID": "S-09-009"}, ""),
        ({"PatientID": "S-01-00"}, ""),
        ({"PatientID": ""}, ""),
        ({"PatientID": None}, ""),
        ({"PatientID": "S-01-001", "ClinicalTrialSubjectID": ["S-01-001", "S-02-001"]}, "S-01-001"),
        ({"PatientID": "%"}, ""),
    ],
)
def test_images_are_matched_by_what_they_say(house: House, elements: dict[str, Any], expected: str) -> None:
    assert subject_of(make_images(house.archive, **elements)) == expected


def test_the_time_point_in_the_images_is_taken_when_it_can_be(house: House) -> None:
    for said, expected in (("BL", "BL"), ("x" * 64, "x" * 64), (["A", "B"], ""), (None, "")):
        study = make_images(house.archive, PatientID="S-01-001", ClinicalTrialTimePointID=said)
        assert SubjectStudy.objects.get(study=study).time_point == expected


def test_what_another_sites_staff_sent_waits_for_a_coordinator(house: House) -> None:
    assert subject_of(make_images(house.archive, PatientID="S-01-001", actor=house.staff)) == "S-01-001"
    assert subject_of(make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)) == ""
    assert subject_of(make_images(house.archive, PatientID="S-01-001", actor=house.administrator)) == "S-01-001"


def test_subjects_that_left_get_no_more_images_by_themselves(house: House) -> None:
    services.move_on(actor=house.coordinator, subject=house.subject, action="withdraw", reason="Consent withdrawn")
    study = make_images(house.archive, PatientID="S-01-001")
    assert subject_of(study) == ""
    subject = Subject.objects.select_related("trial__organisation").get(pk=house.subject.pk)
    services.match_study(actor=house.coordinator, study=study, subject=subject)
    assert subject_of(study) == "S-01-001"


def test_nothing_is_matched_in_a_closed_trial_or_an_archive_without_one(house: House) -> None:
    services.close(actor=house.coordinator, place=house.trial, reason="Over")
    study = make_images(house.archive, PatientID="S-01-001")
    assert subject_of(study) == ""
    with pytest.raises(Closed):
        services.match_study(actor=house.coordinator, study=study, subject=house.subject)
    elsewhere = make_archive(house.organisation, purpose="trial")
    assert subject_of(make_images(elsewhere, PatientID="S-01-001")) == ""


def test_hearing_of_a_study_twice_matches_it_once(house: House) -> None:
    study = make_images(house.archive, PatientID="S-01-001")
    row = SubjectStudy.objects.get(study=study)
    services.study_settled(study=study)
    assert SubjectStudy.objects.get(study=study).pk == row.pk
    assert Event.objects.filter(action="study.matched", target_id=study.public_id).count() == 1


def test_images_that_came_first_wait_for_their_subject(house: House) -> None:
    early = make_images(house.archive, PatientID="S-01-002")
    by_header = make_images(house.archive, PatientID="X-9", ClinicalTrialSubjectID="s-01-002")
    misleading = make_images(house.archive, PatientID="S-01-002", ClinicalTrialSiteID="02")
    strange = make_images(house.archive, PatientID="S-01-002", ClinicalTrialSubjectID="S-01-777")
    subject = services.add_subject(actor=house.staff, site=house.site, subject_id="S-01-002")
    assert subject_of(early) == "S-01-002"
    assert subject_of(by_header) == ""
    for _time in range(2):
        tasks.match_by_headers(organisation_id=house.organisation.pk, subject_id=subject.pk)
    assert subject_of(by_header) == "S-01-002"
    assert subject_of(misleading) == subject_of(strange) == ""
    tasks.match_by_headers(organisation_id=house.organisation.pk, subject_id=0)


def test_headers_are_asked_by_a_worker_when_the_subject_is_kept(
    house: House, django_capture_on_commit_callbacks: Any
) -> None:
    make_images(house.archive, PatientID="X-9", ClinicalTrialSubjectID="S-01-002")
    with django_capture_on_commit_callbacks() as callbacks:
        services.add_subject(actor=house.staff, site=house.site, subject_id="S-01-002")
    assert len(callbacks) == 1


def test_a_mistyped_subject_gets_its_images_when_the_id_is_put_right(house: House) -> None:
    subject = services.add_subject(actor=house.staff, site=house.site, subject_id="S-01-020")
    study = make_images(house.archive, PatientID="S-01-002")
    assert subject_of(study) == ""
    services.change_subject(actor=house.staff, subject=subject, changes={"subject_id": "S-01-002"})
    assert subject_of(study) == "S-01-002"


def test_a_coordinator_matches_and_takes_off_and_nobody_else_does(house: House) -> None:
    study = make_images(house.archive, PatientID="mistyped")
    for person in (house.monitor, house.reader, house.adjudicator, house.staff, house.member):
        with pytest.raises(Forbidden):
            services.match_study(actor=person, study=study, subject=house.subject)
    row = services.match_study(actor=house.coordinator, study=study, subject=house.subject, time_point=" Week 8 ")
    assert (row.time_point, row.matched_by) == ("Week 8", house.coordinator)
    with pytest.raises(AlreadyMatched):
        services.match_study(actor=house.coordinator, study=study, subject=house.other_subject)
    for person in (house.monitor, house.reader, house.staff, house.member):
        with pytest.raises(Forbidden):
            services.unmatch_study(actor=person, row=row)
        with pytest.raises(Forbidden):
            services.change_time_point(actor=person, row=row, time_point="Week 9")
    services.unmatch_study(actor=house.coordinator, row=row)
    with pytest.raises(AlreadyMatched):
        services.unmatch_study(actor=house.coordinator, row=row)
    assert subject_of(study) == ""


def test_studies_of_another_archive_or_organisation_are_never_matched(house: House, stranger: House) -> None:
    with tenant(stranger.organisation):
        foreign = make_images(stranger.archive, PatientID="nobody")
    for study in (foreign, make_images(make_archive(house.organisation, purpose="trial"), PatientID="S-01-001")):
        with pytest.raises(Invalid):
            services.match_study(actor=house.coordinator, study=study, subject=house.subject)


@pytest.mark.parametrize("time_point", ["a\\b", "x" * 65, "a\nb", "\x00"])
def test_a_time_point_that_dicom_cannot_carry_is_refused(house: House, time_point: str) -> None:
    study = make_images(house.archive, PatientID="mistyped")
    with pytest.raises(Invalid):
        services.match_study(actor=house.coordinator, study=study, subject=house.subject, time_point=time_point)
    row = SubjectStudy.objects.select_related("subject__trial__organisation").get(study=house.study)
    with pytest.raises(Invalid):
        services.change_time_point(actor=house.coordinator, row=row, time_point=time_point)


def test_a_study_that_a_trial_needs_is_not_deleted_under_it(house: House) -> None:
    with pytest.raises(StillUsed):
        delete_study(actor=house.administrator, study=house.study)
    assert Study.objects.filter(pk=house.study.pk).exists()


def test_images_across_sites_are_a_question_that_needs_a_reason(house: House) -> None:
    study = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    assert subject_of(study) == ""
    for reason in ("", "  ", "\x00"):
        with pytest.raises(AcrossSites, match="02 Hospital 02"):
            services.match_study(actor=house.coordinator, study=study, subject=house.subject, reason=reason)
    row = services.match_study(
        actor=house.coordinator, study=study, subject=house.subject, reason="The patient moved to the other hospital"
    )
    assert row.reason == "The patient moved to the other hospital"
    event = Event.objects.get(action="study.matched_across_sites", target_id=study.public_id)
    assert event.detail["reason"] == row.reason
    # Within the site nobody is asked, and no reason is kept.
    own = make_images(house.archive, PatientID="S-1-1", actor=house.staff)
    assert services.match_study(actor=house.coordinator, study=own, subject=house.subject, reason="Typo").reason == ""


def test_who_has_left_the_site_still_sent_for_it(house: House) -> None:
    study = make_images(house.archive, PatientID="S-01-009", actor=house.other_staff)
    revoke_role(actor=None, container=house.other_site, role="staff", user=house.other_staff)
    services.add_subject(actor=house.staff, site=house.site, subject_id="S-01-009")
    assert subject_of(study) == ""
    subject = Subject.objects.select_related("trial__organisation", "site").get(subject_id="S-01-009")
    with pytest.raises(AcrossSites):
        services.match_study(actor=house.coordinator, study=study, subject=subject)


def test_a_dicom_sender_counts_for_the_site_that_it_is_named_for(house: House) -> None:
    role = role_group(container=house.other_site, role="staff")
    add_source(
        actor=None, archive=house.archive, kind="ae", calling_ae_title="CT2", network="10.0.0.0/8", role=role
    )  # fmt: skip
    study = make_images(house.archive, PatientID="S-01-001", source="dimse", calling_ae_title="CT2", address="10.0.0.7")
    assert subject_of(study) == ""
    own = make_images(house.archive, PatientID="S-02-001", source="dimse", calling_ae_title="CT2", address="10.0.0.7")
    assert subject_of(own) == "S-02-001"


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"PatientID": None}, "names-nobody"),
        ({"PatientID": "S-01-001", "ClinicalTrialProtocolID": "ANOTHER-1"}, "other-protocol"),
        ({"PatientID": "S-09-009"}, "unknown-subject"),
        ({"PatientID": "S-01-001", "ClinicalTrialSiteID": "02"}, "other-site-named"),
    ],
)
def test_a_study_says_why_it_waits(house: House, elements: dict[str, Any], code: str) -> None:
    study = make_images(house.archive, **elements)
    question = questions_of([study], trial=house.trial, said=said_by_each([study]))[study.pk]
    assert question.code == code
    assert sentence(question, trial=house.trial)


def test_a_study_that_another_site_sent_or_whose_subject_left_says_so(house: House) -> None:
    across = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    services.move_on(actor=house.coordinator, subject=house.other_subject, action="withdraw", reason="Consent")
    late = make_images(house.archive, PatientID="S-02-001")
    found = questions_of([across, late], trial=house.trial, said=said_by_each([across, late]))
    assert [found[study.pk].code for study in (across, late)] == ["other-site-sent", "subject-left"]
    assert "02 Hospital 02" in sentence(found[across.pk], trial=house.trial)
    assert found[across.pk].senders.names == [house.other_staff.display_name or house.other_staff.username]


def test_the_page_shows_sender_site_and_reason_and_asks_for_one_across_sites(house: House, client: Client) -> None:
    study = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    client.force_login(house.coordinator)
    base = f"/o/{house.organisation.slug}/trials/{house.trial.slug}/waiting/"
    listed = client.get(base).content.decode()
    assert "Sent by another site" in listed
    assert "02 Hospital 02" in listed
    page = f"{base}{study.public_id}/"
    shown = client.get(page).content.decode()
    assert str(house.other_staff) in shown
    assert "Staff of 02 Hospital 02 sent the images" in shown
    form = {"subject": house.subject.public_id, "time_point": ""}
    asked = client.post(page, form)
    assert asked.status_code == 422
    assert "Enter the reason" in asked.content.decode()
    assert subject_of(study) == ""
    assert client.post(page, form | {"reason": "Moved"}).status_code == 302
    assert subject_of(study) == "S-01-001"


def marks(client: Client, house: House, study: Study) -> dict[str, str]:
    """Label → what stands beside it, of the form on a study's page."""
    page = client.get(f"/o/{house.organisation.slug}/trials/{house.trial.slug}/waiting/{study.public_id}/")
    labels = re.findall(
        r'<label class="field-label"[^>]*>(.*?)</label>',
        page.content.decode().split("data-guard", 1)[1].split("</form>", 1)[0],
    )
    found = (re.match(r'(.*?)(?: <span class="optional">(.*)</span>)?$', label) for label in labels)
    return {one[1]: one[2] or "" for one in found if one}


def test_the_page_says_for_whom_a_reason_is_required_and_chooses_no_subject(house: House, client: Client) -> None:
    client.force_login(house.coordinator)
    of_nobody = make_images(house.archive, PatientID="S-09-009")
    assert marks(client, house, of_nobody) == {"Subject": "", "Time point": "optional"}
    across = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    only = "required unless the subject is of 02 Hospital 02"
    assert marks(client, house, across) == {"Subject": "", "Time point": "optional", "Reason": only}
    # A second sender, of the other site: now every subject is across for one of them.
    series = make_series(count=1, PatientID="S-01-001", PatientIdentityRemoved="YES", PatientName=None,
                         PatientBirthDate=None, AccessionNumber=None, StudyID=None,
                         StudyInstanceUID=across.study_instance_uid)  # fmt: skip
    deliver(house.archive, series, actor=house.staff)
    assert marks(client, house, across) == {"Subject": "", "Time point": "optional", "Reason": ""}
    page = client.get(f"/o/{house.organisation.slug}/trials/{house.trial.slug}/waiting/{across.public_id}/")
    (choice,) = re.findall(r'<select name="subject".*?</select>', page.content.decode(), re.DOTALL)
    assert re.findall(r'value="([^"]*)" selected', choice) == [""]


def test_after_a_refusal_across_sites_the_reason_is_marked_as_required(house: House, client: Client) -> None:
    study = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    client.force_login(house.coordinator)
    answer = client.post(
        f"/o/{house.organisation.slug}/trials/{house.trial.slug}/waiting/{study.public_id}/",
        {"subject": house.subject.public_id},
    )
    assert answer.status_code == 422
    assert answer.context["form"].fields["reason"].required


def test_a_studys_senders_and_its_deliveries_name_the_same_sites(house: House) -> None:
    role = role_group(container=house.other_site, role="staff")
    add_source(
        actor=None, archive=house.archive, kind="ae", calling_ae_title="CT2", network="10.0.0.0/8", role=role
    )  # fmt: skip
    grant_role(actor=None, container=house.archive, role="contributor", user=house.coordinator)
    for person in (house.other_staff, house.coordinator):
        add_source(actor=None, archive=house.archive, kind="person", user=person)
    left = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    revoke_role(actor=None, container=house.other_site, role="staff", user=house.other_staff)
    after = make_images(house.archive, PatientID="S-01-002", actor=house.other_staff)
    by_machine = make_images(
        house.archive, PatientID="S-01-003", source="dimse", calling_ae_title="CT2", address="10.0.0.7"
    )
    of_nobody = make_images(house.archive, PatientID="S-01-004", actor=house.coordinator)
    studies = [left, after, by_machine, of_nobody]
    senders = senders_of(studies, trial=house.trial)
    deliveries = {study.pk: study.instances.first().delivery for study in studies}
    words = sites_of_deliveries(list(deliveries.values()), trial=house.trial)
    assert [senders[study.pk].site_words for study in studies] == ["02 Hospital 02", "", "02 Hospital 02", ""]
    assert [words[deliveries[study.pk].pk] for study in studies] == ["02 Hospital 02", "", "02 Hospital 02", ""]


def test_the_api_asks_for_a_reason_across_sites(house: House, client: Client) -> None:
    study = make_images(house.archive, PatientID="S-01-001", actor=house.other_staff)
    client.force_login(house.coordinator)
    address = (
        f"/api/v1/o/{house.organisation.slug}/trials/{house.trial.slug}/subjects/{house.subject.public_id}"
        f"/studies/{study.public_id}/"
    )
    asked = client.put(address, data={}, content_type="application/json")
    assert asked.status_code == 400
    assert "across-sites" in asked.content.decode()
    answer = client.put(address, data={"reason": "Moved"}, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json()["reason"] == "Moved"
