"""Who sees what of a trial: by the filter, by lists, by the map of rights, through every door to the images."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from access import explain, rights
from access.models import ApiToken, RoleGrant, User
from access.queries import containers_with, may, visible_to
from access.services import create_token, grant_role, revoke_role
from archive.models import Archive, Instance, Series, Study
from archive.permissions import ADD, EXPORT, VIEW
from archive.queries import studies
from core.tenancy import tenant
from tests.trials.factories import House, make_images
from trials.models import Site, Subject, SubjectStudy, Trial
from trials.permissions import VIEW as VIEW_TRIAL
from trials.permissions import VIEW_SITE, VIEW_SUBJECTS

pytestmark = pytest.mark.django_db


def sees(user: Any, house: House) -> dict[str, set[int]]:
    """Primary keys by kind, of everything there is in the organisation's scope."""
    with tenant(house.organisation):
        kinds: tuple[tuple[str, Any, str], ...] = (
            ("trials", Trial, VIEW_TRIAL), ("sites", Site, VIEW_SITE), ("subjects", Subject, VIEW_SUBJECTS),
            ("images", SubjectStudy, VIEW_SUBJECTS), ("studies", Study, VIEW),
        )  # fmt: skip
        found = {
            name: set(visible_to(user, model.objects.all(), permission).values_list("pk", flat=True))
            for name, model, permission in kinds
        }
        listed = set(studies(user=user, archive=house.archive).values_list("pk", flat=True))
        assert listed == found["studies"]
        for model in (Series, Instance):
            under = set(visible_to(user, model.objects.all(), VIEW).values_list("study", flat=True))
            assert under == found["studies"]
    return found


def test_each_role_sees_what_the_table_says(house: House, stranger: House) -> None:
    everything = {
        "trials": {house.trial.pk},
        "sites": {house.site.pk, house.other_site.pk},
        "subjects": {house.subject.pk, house.other_subject.pk},
        "studies": {house.study.pk, house.other_study.pk},
    }
    face = {"trials": {house.trial.pk}, "sites": set(), "subjects": set(), "studies": set()}
    own = {
        "trials": {house.trial.pk},
        "sites": {house.site.pk},
        "subjects": {house.subject.pk},
        "studies": {house.study.pk},
    }
    nothing: dict[str, set[int]] = {name: set() for name in face}
    for person, expected in (
        (house.coordinator, everything),
        (house.monitor, everything),
        (house.reader, face),
        (house.adjudicator, face),
        (house.staff, own),
        (house.member, nothing),
        (stranger.coordinator, nothing),
        (stranger.staff, nothing),
    ):
        found = sees(person, house)
        assert {name: found[name] for name in expected} == expected, person
        assert len(found["images"]) == len(expected["studies"])


TRIAL_ROLES = [("trial", role) for role in Trial.ROLES]
ARCHIVE_ROLES = [("archive", role) for role in Archive.ROLES]


@pytest.mark.parametrize(("place", "role"), [*TRIAL_ROLES, *ARCHIVE_ROLES])
def test_staff_see_their_own_site_whatever_other_role_they_are_given(house: House, place: str, role: str) -> None:
    before = sees(house.staff, house)
    container = getattr(house, place)
    grant_role(actor=None, container=container, role=role, user=house.staff)
    assert sees(house.staff, house) == before
    with tenant(house.organisation):
        for permission in container.assignable_permissions():
            name = f"{container._meta.app_label}.{permission}"
            sends = name == ADD and role != "reader"
            assert may(house.staff, name, container) == sends, name
    held = rights.of(user=house.staff, organisation=house.organisation)
    expected = {ADD} if place == "archive" and role != "reader" else set()
    assert held.get((container.container_kind(), container.pk), frozenset()) == expected
    # The role counts from the moment that nothing confines any more.
    revoke_role(actor=None, container=house.site, role="staff", user=house.staff)
    with tenant(house.organisation):
        assert any(
            may(house.staff, f"{container._meta.app_label}.{permission}", container)
            for permission in container.assignable_permissions()
        )


def test_a_person_at_two_sites_sees_the_two(house: House) -> None:
    grant_role(actor=None, container=house.other_site, role="staff", user=house.staff)
    assert sees(house.staff, house)["studies"] == {house.study.pk, house.other_study.pk}


def test_staff_of_one_trial_keep_their_roles_elsewhere(house: House) -> None:
    other = make_house_beside(house)
    grant_role(actor=None, container=other, role="monitor", user=house.staff)
    with tenant(house.organisation):
        assert may(house.staff, VIEW_SUBJECTS, other)
        assert not may(house.staff, VIEW_SUBJECTS, house.trial)


def make_house_beside(house: House) -> Trial:
    from tests.trials.factories import make_trial

    return make_trial(house.organisation, actor=house.administrator)


def limited(user: User, *containers: Any) -> User:
    person = User.objects.get(pk=user.pk)
    person.api_token = ApiToken(user=person, containers=[f"{one.container_kind()}:{one.pk}" for one in containers])
    return person


def test_a_token_that_leaves_the_site_out_does_not_lift_the_confinement(house: House) -> None:
    grant_role(actor=None, container=house.archive, role="manager", user=house.staff)
    grant_role(actor=None, container=house.trial, role="monitor", user=house.staff)
    for person in (limited(house.staff, house.archive), limited(house.staff, house.trial)):
        found = sees(person, house)
        assert found["studies"] <= {house.study.pk}
        assert found["subjects"] <= {house.subject.pk}
        with tenant(house.organisation):
            assert not containers_with(user=person, permission=EXPORT, container=Archive).exists()


def test_who_looks_through_the_eyes_of_staff_or_is_looked_at_by_staff_sees_the_site(house: House) -> None:
    for looked_at, viewer in ((house.monitor, house.staff), (house.staff, house.monitor)):
        person = User.objects.get(pk=looked_at.pk)
        person.seen_by = viewer
        found = sees(person, house)
        assert found["trials"] == {house.trial.pk}
        assert found["sites"] == {house.site.pk}
        assert found["studies"] == {house.study.pk}
        assert found["subjects"] == {house.subject.pk}


def test_a_role_at_the_site_that_ran_out_confines_no_more_and_opens_no_more(house: House) -> None:
    from datetime import timedelta

    from django.utils import timezone

    grant_role(actor=None, container=house.trial, role="monitor", user=house.staff)
    with tenant(house.organisation):
        RoleGrant.objects.filter(user=house.staff, container_role__role="staff").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
    assert sees(house.staff, house)["sites"] == {house.site.pk, house.other_site.pk}
    revoke_role(actor=None, container=house.trial, role="monitor", user=house.staff)
    assert sees(house.staff, house)["trials"] == set()


def test_the_question_may_they_names_what_confines(house: House) -> None:
    grant_role(actor=None, container=house.archive, role="reader", user=house.staff)
    answer = explain.explain(user=house.staff, permission=VIEW, container=house.archive)
    assert not answer.may
    assert any("own site only" in reason.words for reason in answer.reasons)
    free = explain.explain(user=house.staff, permission=ADD, container=house.archive)
    assert not any("own site only" in reason.words for reason in free.reasons)


def test_images_of_another_site_are_not_there_through_any_door(house: House, client: Client) -> None:
    grant_role(actor=None, container=house.archive, role="contributor", user=house.staff)
    _token, secret = create_token(user=house.staff, name="staff", scopes=["read", "dicomweb"])
    bearer = {"headers": {"Authorization": f"Bearer {secret}"}}
    root = f"/o/{house.organisation.slug}/dicomweb/{house.archive.slug}"
    found = client.get(f"{root}/studies", **bearer).json()
    assert [row["0020000D"]["Value"][0] for row in found] == [house.study.study_instance_uid]
    assert client.get(f"{root}/studies?PatientID=S-02-001", **bearer).status_code in (200, 204)
    assert client.get(f"{root}/studies?PatientID=S-02-001", **bearer).content in (b"", b"[]")
    for study, status in ((house.study, 200), (house.other_study, 404)):
        uid = study.study_instance_uid
        assert client.get(f"{root}/studies/{uid}/series", **bearer).status_code == status
        assert client.get(f"{root}/studies/{uid}/metadata", **bearer).status_code == status
    client.force_login(house.staff)
    subjects = f"/o/{house.organisation.slug}/trials/{house.trial.slug}/subjects"
    for subject, study, status in (
        (house.subject, house.study, 200),
        (house.other_subject, house.other_study, 403),
        (house.subject, house.other_study, 404),
    ):
        page = client.get(f"{subjects}/{subject.public_id}/images/{study.public_id}/")
        assert page.status_code == status, (subject, study)
    # The archive's own pages and the viewer's page for its readers are not the way in.
    assert client.get(f"/o/{house.organisation.slug}/viewer/studies/{house.other_study.public_id}/").status_code == 403


def test_who_may_send_without_seeing_sees_what_they_sent(house: House, client: Client) -> None:
    from tests.archive.factories import deliver

    grant_role(actor=None, container=house.archive, role="contributor", user=house.staff)
    deliver(house.archive, [b"no image of the administrator's"], actor=house.administrator)
    mine, _outcomes = deliver(house.archive, [b"no image of mine"], actor=house.staff)
    client.force_login(house.staff)
    root = f"/o/{house.organisation.slug}/archive/{house.archive.slug}"
    page = client.get(f"{root}/deliveries/")
    assert page.status_code == 200
    assert page.content.decode().count(str(mine.pk)[:8]) >= 1
    assert [row.object.pk for row in page.context["table"].rows] == [mine.pk]
    files = client.get(f"{root}/quarantine/").context["table"].rows
    assert [row.object.delivery_id for row in files] == [mine.pk]
    make_images(house.archive, PatientID="S-02-001", actor=house.administrator)
    for address in ("deliveries", "quarantine"):
        answer = client.get(f"/api/v1/o/{house.organisation.slug}/archives/{house.archive.slug}/{address}/")
        assert answer.status_code == 200
        assert answer.json()["count"] == 1
    assert client.get(f"{root}/studies/").status_code == 403
