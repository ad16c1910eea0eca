"""Who may do what: absent and forbidden look the same, and the trail knows before the bytes leave."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from PIL import Image

from access import hooks
from access import services as access_services
from archive.models import Archive, Instance, Series, Study
from audit.models import Event
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import Door, content, make_reader, make_token, paths
from tests.dicomweb.test_storing import CONTENT_TYPE, multipart

pytestmark = pytest.mark.django_db

SAME = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": "1.2.3.4.5"}
STUDY, SERIES, INSTANCE = (
    "/studies/1.2.3",
    "/studies/1.2.3/series/1.2.3.4",
    "/studies/1.2.3/series/1.2.3.4/instances/1.2.3.4.5",
)
OBJECTS = [
    STUDY, f"{STUDY}/metadata", f"{STUDY}/rendered", f"{STUDY}/thumbnail", f"{STUDY}/series", f"{STUDY}/instances",
    SERIES, f"{SERIES}/metadata", f"{SERIES}/rendered", f"{SERIES}/thumbnail", f"{SERIES}/instances",
    INSTANCE, f"{INSTANCE}/metadata", f"{INSTANCE}/rendered", f"{INSTANCE}/thumbnail", f"{INSTANCE}/frames",
    f"{INSTANCE}/frames/1", f"{INSTANCE}/frames/1/rendered", f"{INSTANCE}/frames/1/thumbnail",
    f"{INSTANCE}/bulkdata/7FE00010",
]  # fmt: skip
SEARCHES = ["/studies", "/series", "/instances"]


def filled(**elements: Any) -> Archive:
    archive = make_archive()
    deliver(archive, [to_bytes(make_dataset(**SAME, **elements))])
    return archive


def test_the_same_uids_in_two_tenants_stay_apart() -> None:
    here, there = filled(PatientID="HERE"), filled(PatientID="THERE")
    for archive, patient_id in ((here, "HERE"), (there, "THERE")):
        door = Door(archive, user=make_reader(archive))
        (row,) = door.json("/studies")
        assert row["00100020"]["Value"] == [patient_id]
        (model,) = door.json(f"{INSTANCE}/metadata")
        assert model["00100020"]["Value"] == [patient_id]


@pytest.mark.parametrize("path", [*OBJECTS, *SEARCHES])
def test_to_strangers_and_to_members_without_a_role_nothing_exists(path: str) -> None:
    archive = filled()
    door = Door(archive, user=make_reader(archive))
    assert door.get(path).status_code == 200
    nobody = Door(archive, user=make_member(archive.organisation))
    stranger = Door(archive, user=make_reader(filled()))
    absent = Door(archive, user=make_reader(archive))
    absent.root = absent.root.rpartition("/")[0] + "/no-such-archive"
    answers = [one.get(path) for one in (nobody, stranger, absent)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json() == answers[2].json()
    assert Client().get(door.root + path).status_code == 401


def test_an_absent_object_and_one_of_another_archive_look_the_same() -> None:
    archive = filled()
    sibling = make_archive(archive.organisation)
    door = Door(sibling, user=make_reader(sibling))
    for path in OBJECTS:
        forbidden = door.get(path)
        assert forbidden.status_code == 404
        assert forbidden.json() == door.get(path.replace("1.2.3", "9.9.9")).json()


def test_a_token_needs_the_scope_and_a_person_who_may() -> None:
    archive = filled()
    reader = make_reader(archive)
    assert Door(archive, token=make_token(reader, "dicomweb")).get("/studies").status_code == 200
    assert Door(archive, token=make_token(reader, "read", "write")).get("/studies").status_code == 403
    assert Door(archive, token="pw_nonsense").get("/studies").status_code == 401
    outsider = Door(archive, token=make_token(make_member(archive.organisation), "dicomweb"))
    assert outsider.get("/studies").status_code == 404


def test_storing_needs_the_right_to_add_images() -> None:
    archive = make_archive()
    body = multipart(to_bytes(make_dataset()))
    for role, status in (("reader", 403), ("", 404), ("contributor", 200), ("manager", 200)):
        door = Door(archive, token=make_token(make_reader(archive, role=role)))
        response = door.client.post(f"{door.root}/studies", data=body, content_type=CONTENT_TYPE)
        assert response.status_code == status, role


def test_a_reason_that_an_upper_floor_gives_opens_one_study_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = filled()
    other = make_dataset(StudyInstanceUID="1.2.9")
    deliver(archive, [to_bytes(other)])
    trainee = make_member(archive.organisation)
    monkeypatch.setattr(hooks, "_visibility", {})
    reasons = {Study: "", Series: "study__", Instance: "study__"}
    for model, path in reasons.items():
        reason = Q(**{f"{path}study_instance_uid": "1.2.3"})
        hooks.register_visibility(
            model, lambda *, user, permission, reason=reason: reason if user.pk == trainee.pk else None
        )
    door = Door(archive, user=trainee)
    assert [row["0020000D"]["Value"] for row in door.json("/studies")] == [["1.2.3"]]
    assert len(door.json("/series")) == len(door.json("/instances")) == 1
    for path in OBJECTS:
        assert door.get(path).status_code == 200, path
    for path in (paths(other)[0], f"{paths(other)[0]}/metadata", f"{paths(other)[2]}/frames/1"):
        assert door.get(path).status_code == 404


def test_who_sees_a_study_for_a_case_does_not_see_a_series_in_it_that_the_case_hides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = filled()
    trainee = make_member(archive.organisation)
    monkeypatch.setattr(hooks, "_visibility", {})
    hooks.register_visibility(
        Study, lambda *, user, permission: Q(study_instance_uid="1.2.3") if user.pk == trainee.pk else None
    )
    door = Door(archive, user=trainee)
    assert len(door.json("/studies")) == 1
    for search in ("/series", "/instances", f"{STUDY}/series", f"{STUDY}/instances"):
        assert door.get(search).status_code in (200, 204)
        assert not content(door.get(search)).strip(b"[] \n")
    for path in (f"{SERIES}/metadata", INSTANCE, f"{INSTANCE}/frames/1", f"{INSTANCE}/rendered"):
        assert door.get(path).status_code == 404, path


def test_a_role_that_is_taken_back_closes_the_door_at_once() -> None:
    archive = filled()
    user = make_reader(archive)
    door = Door(archive, user=user)
    assert door.get(STUDY).status_code == 200
    access_services.revoke_role(actor=None, container=archive, role="reader", user=user)
    assert door.get(STUDY).status_code == 404


def test_the_trail_says_once_that_a_series_was_seen_and_by_whom() -> None:
    archive = filled()
    reader, colleague = make_reader(archive), make_reader(archive)
    for door in (Door(archive, user=reader), Door(archive, user=colleague)):
        for _again in range(3):
            for path in (f"{SERIES}/metadata", f"{INSTANCE}/frames/1", f"{INSTANCE}/rendered"):
                content(door.get(path))
    with tenant(archive.organisation):
        events = Event.objects.filter(action="series.viewed")
        assert sorted(event.actor_id for event in events) == sorted([reader.pk, colleague.pk])
        assert {event.door for event in events} == {"dicomweb"}


def test_a_thumbnail_in_a_list_is_not_a_look_at_the_series() -> None:
    archive = filled()
    door = Door(archive, user=make_reader(archive))
    for path in (STUDY, SERIES):
        for query in ("", "?viewport=64,64", "?viewport=4000,4000"):
            picture = Image.open(io.BytesIO(content(door.get(f"{path}/thumbnail{query}"))))
            assert max(picture.size) <= 256
    with tenant(archive.organisation):
        assert not Event.objects.filter(action="series.viewed").exists()
    # A picture of one image of one's choice, at any size, is a look at it.
    content(door.get(f"{INSTANCE}/thumbnail"))
    with tenant(archive.organisation):
        assert Event.objects.filter(action="series.viewed").count() == 1


def test_fetching_a_study_and_searching_are_in_the_trail_without_what_was_searched_for() -> None:
    archive = filled()
    door = Door(archive, token=make_token(make_reader(archive)))
    for _again in range(2):
        content(door.get(STUDY))
        door.get("/studies?PatientName=Secret*")
    with tenant(archive.organisation):
        assert Event.objects.filter(action="study.transferred").count() == 1
        event = Event.objects.get(action="study.listed")
        assert event.detail == {"archive": archive.slug, "keys": ["PatientName"], "found": 0}
        assert not Event.objects.filter(detail__icontains="Secret").exists()


def test_what_was_refused_left_no_trace_of_having_been_seen() -> None:
    archive = filled()
    door = Door(archive, user=make_member(archive.organisation))
    for path in OBJECTS:
        door.get(path)
    with tenant(archive.organisation):
        assert not Event.objects.filter(action__in=("series.viewed", "study.transferred")).exists()
