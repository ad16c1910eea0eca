"""Exports, jobs and downloads end with the right of who asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access import services as access
from access import streams
from access.models import Membership, RoleGrant, User
from archive import services, tasks
from archive.services.export import export_path
from archive.views import common
from core import jobs
from core.models import Job
from core.tenancy import tenant
from tests.archive.test_pages import House, as_, house

__all__ = ["house"]
pytestmark = pytest.mark.django_db


def demoted(house: House) -> None:
    access.revoke_role(actor=None, container=house.archive, role="contributor", user=house.contributor)


def dismissed(house: House) -> None:
    access.remove_member(actor=house.manager, organisation=house.archive.organisation, user=house.contributor)


def suspended(house: House) -> None:
    access.suspend_member(actor=house.manager, organisation=house.archive.organisation, user=house.contributor)


def lessened(house: House) -> None:
    """Still reads the archive, and may export from it no more."""
    access.grant_role(actor=None, container=house.archive, role="reader", user=house.contributor)
    demoted(house)


def ran_out(house: House) -> None:
    with tenant(house.archive.organisation):
        RoleGrant.objects.filter(user=house.contributor, container_role__role="contributor").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )


TOLD = (demoted, dismissed, suspended, lessened)


def exported(house: House) -> Job:
    """A job of the contributor, not begun."""
    return services.start_export(actor=house.contributor, archive=house.archive, studies=[house.study])


def run(house: House, job: Job) -> None:
    tasks.export_studies(organisation_id=house.archive.organisation_id, job_id=str(job.pk), study_ids=[house.study.pk])


def fresh(house: House, job: Job) -> Job:
    with tenant(house.archive.organisation):
        return Job.objects.select_related("organisation", "owner").get(pk=job.pk)


@pytest.mark.parametrize("ending", [*TOLD, ran_out])
def test_a_finished_export_is_fetched_no_more(ending: Any, house: House) -> None:
    job = exported(house)
    run(house, job)
    address = fresh(house, job).result_url
    client = as_(house.contributor)
    assert client.get(address).status_code == 200
    ending(house)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("ending", TOLD)
def test_the_file_of_a_finished_export_is_removed_with_the_right(
    ending: Any, house: House, django_capture_on_commit_callbacks: Any
) -> None:
    job, others = (
        exported(house),
        services.start_export(actor=house.manager, archive=house.archive, studies=[house.study]),
    )
    for one in (job, others):
        run(house, one)
    with django_capture_on_commit_callbacks(execute=True):
        ending(house)
    assert not export_path(job.pk).exists()
    assert fresh(house, job).result_url == ""
    # What somebody else exported stays.
    assert export_path(others.pk).exists()
    assert as_(house.manager).get(fresh(house, others).result_url).status_code == 200
    # Given back, the right brings no old file back.
    back: dict[str, Any] = {"organisation": house.archive.organisation, "user": house.contributor}
    if ending is suspended:
        access.restore_member(actor=house.manager, **back)
    else:
        access.add_member(actor=None, **back)
    access.grant_role(actor=None, container=house.archive, role="contributor", user=house.contributor)
    assert (
        as_(house.contributor).get(f"/o/{house.archive.organisation.slug}/archive/exports/{job.pk}/").status_code == 404
    )


@pytest.mark.parametrize("ending", [*TOLD, ran_out])
def test_work_that_waits_does_not_begin_without_the_right(ending: Any, house: House) -> None:
    job = exported(house)
    ending(house)
    run(house, job)
    assert fresh(house, job).state in (Job.State.FAILED, Job.State.CANCELLED)
    assert not export_path(job.pk).exists()


@pytest.mark.parametrize("ending", [*TOLD, ran_out])
def test_work_under_way_stops_and_keeps_nothing(ending: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PROGRESS_INTERVAL_SECONDS", 0.0)
    job = exported(house)
    written = jobs.JobHandle.progress

    def progress(self: jobs.JobHandle, *, done: int, total: int | None = None, message: str = "") -> None:
        if done == 1:
            ending(house)
        written(self, done=done, total=total, message=message)

    monkeypatch.setattr(jobs.JobHandle, "progress", progress)
    run(house, job)
    assert fresh(house, job).state in (Job.State.FAILED, Job.State.CANCELLED)
    assert list(export_path(job.pk).parent.glob(f"{job.pk}*")) == []


def test_deleting_that_waits_does_not_begin_without_the_right(house: House) -> None:
    second = manager_of(house)
    client = as_(second)
    client.post(house.url("studies-delete"), {"selected": house.study.public_id, "confirm_name": "3"})
    with tenant(house.archive.organisation):
        job = Job.objects.get(kind="archive.delete")
    access.revoke_role(actor=None, container=house.archive, role="manager", user=second)
    tasks.delete_studies(organisation_id=house.archive.organisation_id, job_id=str(job.pk), study_ids=[house.study.pk])
    with tenant(house.archive.organisation):
        assert house.study.instances.count() == 3
    assert fresh(house, job).state == Job.State.FAILED


def manager_of(house: House) -> User:
    from tests.access.factories import make_member

    user = make_member(house.archive.organisation)
    access.grant_role(actor=None, container=house.archive, role="manager", user=user)
    return user


@pytest.mark.parametrize("ending", [*TOLD, ran_out])
def test_a_download_under_way_breaks_off(ending: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(common, "CHUNK", 1000)
    job = exported(house)
    run(house, job)
    answer = as_(house.contributor).get(fresh(house, job).result_url)
    parts: Iterator[bytes] = iter(answer.streaming_content)  # type: ignore[attr-defined]
    next(parts)
    if ending is ran_out:
        with tenant(house.archive.organisation):
            RoleGrant.objects.filter(user=house.contributor, container_role__role="contributor").update(
                expires_at=timezone.now()
            )
    else:
        ending(house)
    with pytest.raises(streams.RightLost):
        list(parts)


def test_a_download_goes_on_while_others_lose_their_rights(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.0)
    with tenant(house.archive.organisation):
        membership = Membership.objects.select_related("organisation").get(user=house.reader)
    since = timezone.now()
    demoted(house)
    parts = streams.while_entitled(iter([b"a", b"b"]), membership=membership, since=since)
    assert list(parts) == [b"a", b"b"]
