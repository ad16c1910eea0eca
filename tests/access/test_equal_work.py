"""What exists and what does not cost the same questions, so that the time of an answer tells nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access import services, tasks
from access.models import Organisation, User
from archive.models import Archive
from archive.services import create_archive
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.sign_in.steps import actions, prove_address
from tests.archive.factories import deliver, make_dataset, to_bytes

pytestmark = pytest.mark.django_db


def work_of(client: Client, place: str) -> tuple[int, list[str]]:
    """The status and the statements of a request, without their values."""
    client.get(place)  # what is remembered or prepared by the first one is no part of the comparison
    with CaptureQueriesContext(
        connection,
    ) as caught:
        status = client.get(place).status_code
    return status, [re.sub(r"'[^']*'|\s*-?\b\d+\b|%\(\w+\)s", "?", one["sql"]) for one in caught.captured_queries]


def client_of(person: User, *, by_token: bool) -> Client:
    if by_token:
        _token, secret = services.create_token(user=person, name="t", scopes=["read", "dicomweb"])
        return Client(headers={"Authorization": f"Bearer {secret}"})
    client = Client()
    client.force_login(person, backend="access.backends.PasswordBackend")
    return client


@pytest.mark.parametrize("by_token", [False, True])
def test_an_organisation_that_is_not_ones_own_takes_as_long_as_none(by_token: bool) -> None:
    make_organisation("there")
    client = client_of(make_member(make_organisation("elsewhere")), by_token=by_token)
    for rest in ("", "dicomweb/clinical/studies", "archive/"):
        status, work = work_of(client, f"/o/there/{rest}")
        assert (status, work) == work_of(client, f"/o/nowhere/{rest}")
        assert status in (401, 404)


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def archive(hospital: Organisation) -> Archive:
    return create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")


def test_an_archive_and_a_study_that_one_may_not_see_take_as_long_as_none(
    hospital: Organisation, archive: Archive
) -> None:
    with tenant(hospital):
        image = make_dataset()
        deliver(archive, [to_bytes(image)])
    uid, series = image.StudyInstanceUID, image.SeriesInstanceUID
    client = client_of(make_member(hospital), by_token=True)
    root = "/o/hospital/dicomweb"
    for there, nowhere in (
        (f"{root}/clinical/studies", f"{root}/nothing/studies"),
        (f"{root}/clinical/series", f"{root}/nothing/series"),
        (f"{root}/clinical/studies/{uid}/metadata", f"{root}/nothing/studies/{uid}/metadata"),
        (f"{root}/clinical/studies/{uid}/metadata", f"{root}/clinical/studies/1.2.3/metadata"),
        (f"{root}/clinical/studies/{uid}/series", f"{root}/clinical/studies/1.2.3/series"),
        (
            f"{root}/clinical/studies/{uid}/series/{series}/metadata",
            f"{root}/clinical/studies/{uid}/series/1.2.3/metadata",
        ),
    ):
        status, work = work_of(client, there)
        assert status == 404
        assert (status, work) == work_of(client, nowhere), (there, nowhere)


def test_asking_for_a_new_password_is_the_same_work_for_every_name(
    hospital: Organisation, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    member = make_member(hospital, username="member@hospital")
    prove_address(member, "member@example.org")
    asked: list[dict[str, Any]] = []
    sent: list[int] = []
    monkeypatch.setattr(tasks.answer_reset_request, "enqueue", lambda **given: asked.append(given))
    monkeypatch.setattr(tasks.send_password_reset, "enqueue", lambda **given: sent.append(given["user_id"]))
    work = []
    for name in ("member@hospital", "member@example.org", "nobody@hospital"):
        with CaptureQueriesContext(connection) as caught:
            Client().post(reverse("access:reset-ask"), {"name": name})
        work.append([one["sql"] for one in caught.captured_queries])
    assert work[0] == work[1] == work[2]
    assert len(asked) == 3 and all(set(one) == {"reference"} for one in asked)
    for one in (*asked, *asked):  # a task may run twice
        tasks.answer_reset_request(**one)
    assert sent == [member.pk, member.pk]
    assert actions(member).count("password.reset-asked") == 2
