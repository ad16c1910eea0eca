from __future__ import annotations

import pytest
from django.core.checks import ERROR, run_checks

from access.models import Organisation, User
from core import jobs
from core.errors import Conflict, Invalid, RetriableError
from core.models import Job
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation() -> Organisation:
    return make_organisation()


@pytest.fixture
def owner(organisation: Organisation) -> User:
    return make_member(organisation)


def start(organisation: Organisation, owner: User) -> Job:
    return jobs.start(organisation=organisation, owner=owner, kind="test", title="Count", total=3)


def test_finished_work_is_done_with_its_result(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        with jobs.running(job_id=job.pk) as handle:
            assert handle is not None
            handle.progress(done=1, total=3, message="One")
            handle.finish(result={"counted": 3}, result_url="/somewhere/")
        job.refresh_from_db()
        assert (job.state, job.done, job.result, job.percent) == (Job.State.SUCCEEDED, 3, {"counted": 3}, 100)


def test_work_cancelled_before_it_began_does_not_begin(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        jobs.cancel(actor=owner, job=job)
        with jobs.running(job_id=job.pk) as handle:
            assert handle is None
        job.refresh_from_db()
        assert job.state == Job.State.CANCELLED


def test_running_work_stops_at_its_next_step(organisation: Organisation, owner: User) -> None:
    reached = []
    with tenant(organisation):
        job = start(organisation, owner)
        with jobs.running(job_id=job.pk) as handle:
            assert handle is not None
            jobs.cancel(actor=owner, job=job)
            handle.progress(done=1, total=3)
            reached.append("after the cancel")
        job.refresh_from_db()
        assert job.state == Job.State.CANCELLED
        assert not reached
        with pytest.raises(Conflict):
            jobs.cancel(actor=owner, job=job)


def test_only_the_owner_cancels(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        with pytest.raises(Conflict):
            jobs.cancel(actor=make_member(organisation), job=job)


def test_refusals_and_crashes_end_the_job_with_a_sentence(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        refused, crashed = start(organisation, owner), start(organisation, owner)
        with jobs.running(job_id=refused.pk):
            raise Invalid("The series has no images.")
        with pytest.raises(ZeroDivisionError), jobs.running(job_id=crashed.pk):
            _ = 1 / 0
        refused.refresh_from_db()
        crashed.refresh_from_db()
        assert (refused.state, refused.error) == (Job.State.FAILED, "The series has no images.")
        assert crashed.state == Job.State.FAILED
        assert "division" not in crashed.error


def test_work_that_waits_for_another_try_stays_active(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        with pytest.raises(RetriableError), jobs.running(job_id=job.pk):
            raise RetriableError
        job.refresh_from_db()
        assert job.is_active
        with jobs.running(job_id=job.pk) as handle:
            assert handle is not None
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED


def test_repeated_delivery_of_finished_work_does_nothing(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        with jobs.running(job_id=job.pk):
            pass
        with jobs.running(job_id=job.pk) as handle:
            assert handle is None
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED


def test_jobs_of_another_organisation_are_out_of_sight(organisation: Organisation, owner: User) -> None:
    other = make_organisation()
    with tenant(organisation):
        job = start(organisation, owner)
    with tenant(other):
        assert not Job.objects.filter(pk=job.pk).exists()


def test_a_job_that_needs_a_right_does_not_run_where_nobody_judges_rights(
    organisation: Organisation, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_guards", [])
    with tenant(organisation):
        free = start(organisation, owner)
        bound = jobs.start(
            organisation=organisation, owner=owner, kind="test", title="Count", needs=[("access.view", organisation)]
        )
        assert jobs.is_still_allowed(free)
        assert not jobs.is_still_allowed(bound)
        with jobs.running(job_id=bound.pk) as handle:
            assert handle is None
        bound.refresh_from_db()
        assert (bound.state, bound.error) == (Job.State.FAILED, str(jobs.RightEnded.default_message))


def test_one_guard_that_says_no_is_enough(
    organisation: Organisation, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant(organisation):
        bound = jobs.start(
            organisation=organisation, owner=owner, kind="test", title="Count", needs=[("access.view", organisation)]
        )
        for answers in ([True, False], [False, True], [False]):
            monkeypatch.setattr(jobs, "_guards", [lambda _job, answer=answer: answer for answer in answers])
            assert not jobs.is_still_allowed(bound)
        monkeypatch.setattr(jobs, "_guards", [lambda _job: True, lambda _job: True])
        assert jobs.is_still_allowed(bound)


def test_a_need_of_a_room_that_is_gone_is_held_by_nobody(organisation: Organisation, owner: User) -> None:
    with tenant(organisation):
        job = start(organisation, owner)
        for container in ("removed.thing:1", "archive.nothing:1", "nonsense"):
            job.needs = [{"permission": "archive.view_archive", "container": container}]
            assert not jobs.is_still_allowed(job)


def test_the_start_up_check_says_when_nobody_judges_the_rights_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [fault for fault in run_checks() if fault.id == "pacsweb.jobs.guard"] == []
    monkeypatch.setattr(jobs, "_guards", [])
    (fault,) = [fault for fault in run_checks() if fault.id == "pacsweb.jobs.guard"]
    assert fault.level == ERROR
