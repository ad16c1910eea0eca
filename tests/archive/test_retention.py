"""How long an organisation keeps its images, whatever anybody's role."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from access import services as access
from access.models import Organisation, User
from archive import tasks
from archive.models import Archive, Study
from archive.services import deletion
from core import jobs
from core.errors import Invalid
from core.models import Job
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


def keep(organisation: Organisation, days: int | None) -> None:
    administrator = make_member(organisation, roles=("administrator",))
    access.change_organisation(actor=administrator, organisation=organisation, changes={"retention_days": days})


def stored(archive: Archive) -> tuple[User, Study]:
    manager = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="manager", user=manager)
    deliver(archive, [to_bytes(make_dataset())])
    with tenant(archive.organisation):
        return manager, Study.objects.select_related("archive", "organisation").get(archive=archive)


@pytest.mark.parametrize("purpose", [Archive.Purpose.CLINICAL, Archive.Purpose.TRIAL])
def test_a_study_stays_until_its_time_has_come(hospital: Organisation, purpose: str) -> None:
    manager, study = stored(make_archive(hospital, purpose=purpose))
    keep(hospital, 30)
    with tenant(hospital):
        study.refresh_from_db()
        with pytest.raises(deletion.KeptByRule):
            deletion.delete_study(actor=manager, study=study)
        assert Study.objects.filter(pk=study.pk).exists()
        assert study.instances.count() == 1
        Study.objects.filter(pk=study.pk).update(last_received_at=timezone.now() - timedelta(days=31))
        assert deletion.delete_study(actor=manager, study=study) == 1


def test_the_rule_holds_although_the_row_in_hand_does_not_know_it_yet(hospital: Organisation) -> None:
    manager, study = stored(make_archive(hospital))
    keep(hospital, 30)
    assert study.organisation.retention_days is None
    with tenant(hospital), pytest.raises(deletion.KeptByRule):
        deletion.delete_study(actor=manager, study=study)


def test_teaching_copies_and_other_organisations_are_left_alone(hospital: Organisation) -> None:
    keep(hospital, 30)
    manager, study = stored(make_archive(hospital, purpose=Archive.Purpose.TEACHING))
    elsewhere, other = stored(make_archive(make_organisation("elsewhere")))
    for actor, one in ((manager, study), (elsewhere, other)):
        with tenant(one.organisation):
            assert deletion.delete_study(actor=actor, study=one) == 1


def test_the_page_says_until_when_and_the_job_what_stayed(hospital: Organisation) -> None:
    manager, study = stored(make_archive(hospital, slug="scans"))
    keep(hospital, 30)
    client = Client()
    client.force_login(manager)
    page = client.post("/o/hospital/archive/scans/studies/delete/", {"selected": study.public_id})
    assert "kept until" in page.content.decode()
    with tenant(hospital):
        job = jobs.start(organisation=hospital, owner=manager, kind="archive.delete", title="Delete", total=1)
    tasks.delete_studies(organisation_id=hospital.pk, job_id=str(job.pk), study_ids=[study.pk])
    with tenant(hospital):
        assert Job.objects.get(pk=job.pk).message == "0 deleted, 1 kept by the organisation's rule"
        assert Study.objects.filter(pk=study.pk).exists()


@pytest.mark.parametrize("days", [0, 36_526])
def test_times_that_make_no_sense_are_refused(hospital: Organisation, days: int) -> None:
    with pytest.raises(Invalid):
        keep(hospital, days)
