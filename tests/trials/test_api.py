"""The REST door of trials: who gets what, what is refused, and what a token reaches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.models import User
from access.services import create_token, grant_role, revoke_role
from audit.models import Event
from core.tenancy import tenant
from tests.trials.factories import House, make_images, make_trial
from trials import services
from trials.errors import AlreadyMatched
from trials.models import Subject, SubjectStudy

pytestmark = pytest.mark.django_db


def key(container: Any) -> str:
    return f"{container.container_kind()}:{container.pk}"


def client_of(user: User, *scopes: str, limited_to: tuple[Any, ...] = ()) -> Client:
    _token, secret = create_token(
        user=user, name="program", scopes=scopes or ("read", "write"), containers=[key(one) for one in limited_to]
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


def root(house: House) -> str:
    return f"/api/v1/o/{house.organisation.slug}/trials/"


def of_trial(house: House, path: str = "") -> str:
    return f"{root(house)}{house.trial.slug}/{path}"


def of_subject(house: House, path: str = "", subject: Subject | None = None) -> str:
    return of_trial(house, f"subjects/{(subject or house.subject).public_id}/{path}")


def send(client: Client, method: str, place: str, body: Any = None) -> Any:
    return getattr(client, method)(place, body if body is not None else {}, content_type="application/json")


def names(answer: Any, field: str) -> list[Any]:
    assert answer.status_code == 200, answer.content
    return [row[field] for row in answer.json()["results"]]


def waiting_study(house: House, **elements: Any) -> Any:
    return make_images(house.archive, **{"PatientID": "nobody", **elements})


# Who gets what --------------------------------------------------------------------------------------------------------

READS = ("coordinator", "monitor", "reader", "adjudicator", "staff", "member")


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("", (200, 200, 200, 200, 200, 403)),
        ("sites/", (200, 200, 403, 403, 200, 403)),
        ("sites/{site}/", (200, 200, 403, 403, 200, 403)),
        ("sites/{other_site}/", (200, 200, 403, 403, 403, 403)),
        ("subjects/", (200, 200, 403, 403, 200, 403)),
        ("subjects/{subject}/", (200, 200, 403, 403, 200, 403)),
        ("subjects/{other_subject}/", (200, 200, 403, 403, 403, 403)),
        ("subjects/{subject}/studies/{study}/", (200, 200, 403, 403, 200, 403)),
        ("subjects/{subject}/studies/{other_study}/", (404, 404, 403, 403, 404, 403)),
        ("waiting/", (200, 200, 403, 403, 403, 403)),
    ],
)
def test_each_role_reads_what_the_table_says(
    house: House, stranger: House, path: str, statuses: tuple[int, ...]
) -> None:
    place = of_trial(
        house,
        path.format(
            site=house.site.public_id,
            other_site=house.other_site.public_id,
            subject=house.subject.public_id,
            other_subject=house.other_subject.public_id,
            study=house.study.study_instance_uid,
            other_study=house.other_study.public_id,
        ),
    )
    for role, status in zip(READS, statuses, strict=True):
        assert client_of(getattr(house, role), "read").get(place).status_code == status, role
    assert Client().get(place).status_code == 401
    assert client_of(stranger.coordinator, "read").get(place).status_code == 404
    beside = place.replace(house.organisation.slug, stranger.organisation.slug)
    assert client_of(stranger.coordinator, "read").get(beside).status_code == 404


WRITES = ("coordinator", "monitor", "reader", "staff", "other_staff", "member")


@pytest.mark.parametrize(
    ("method", "path", "body", "statuses"),
    [
        ("patch", "", {"name": "Renamed"}, (200, 403, 403, 403, 403, 403)),
        ("post", "sites/", {"number": "09", "name": "New"}, (201, 403, 403, 403, 403, 403)),
        ("patch", "sites/{site}/", {"name": "Renamed"}, (200, 403, 403, 403, 403, 403)),
        ("post", "subjects/", {"site": "01", "subject_id": "S-9"}, (201, 403, 403, 201, 400, 403)),
        ("patch", "subjects/{subject}/", {"birth_year": 1950}, (200, 403, 403, 200, 403, 403)),
        ("post", "subjects/{subject}/actions/", {"action": "enrol"}, (200, 403, 403, 200, 403, 403)),
        ("put", "subjects/{subject}/studies/{study}/", {"time_point": "W8"}, (200, 403, 403, 403, 403, 403)),
        ("delete", "subjects/{subject}/studies/{study}/", {}, (204, 403, 403, 403, 403, 403)),
    ],
)
def test_each_role_changes_what_the_table_says(
    house: House, stranger: House, method: str, path: str, body: Any, statuses: tuple[int, ...]
) -> None:
    place = of_trial(
        house,
        path.format(
            site=house.site.public_id, subject=house.subject.public_id, study=house.study.public_id
        ),
    )  # fmt: skip
    assert send(client_of(stranger.coordinator), method, place, body).status_code == 404
    assert send(client_of(house.coordinator, "read"), method, place, body).status_code == 403
    for role, status in reversed(list(zip(WRITES, statuses, strict=True))):
        with_other_id = body | {"subject_id": f"S-9-{role}"} if "subject_id" in body else body
        if body.get("action") and status == 200 and role == "coordinator":
            status = 409  # the staff was first
        assert send(client_of(getattr(house, role)), method, place, with_other_id).status_code == status, role


def test_lists_hold_what_the_caller_sees(house: House) -> None:
    for person, subjects, sites in (
        (house.coordinator, ["S-01-001", "S-02-001"], ["01", "02"]),
        (house.monitor, ["S-01-001", "S-02-001"], ["01", "02"]),
        (house.staff, ["S-01-001"], ["01"]),
    ):
        client = client_of(person, "read")
        assert names(client.get(of_trial(house, "subjects/")), "subject_id") == subjects
        assert names(client.get(of_trial(house, "sites/")), "number") == sites
        [row] = client.get(root(house)).json()["results"]
        assert (row["site_count"], row["subject_count"]) == (len(sites), len(subjects))
        assert row["archive"] == house.archive.slug
    assert client_of(house.member, "read").get(root(house)).json()["results"] == []


def test_a_blinded_reader_learns_the_face_and_nothing_inside(house: House) -> None:
    for person in (house.reader, house.adjudicator):
        found = client_of(person, "read").get(of_trial(house)).json()
        assert found["protocol_id"] == house.trial.protocol_id
        assert (found["archive"], found["site_count"], found["subject_count"]) == (None, None, None)


def test_a_coordinator_of_an_empty_trial_counts_nothing_but_is_not_blind(house: House) -> None:
    make_trial(house.organisation, actor=house.administrator, slug="empty")
    rows = client_of(house.administrator, "read").get(f"{root(house)}empty/").json()
    assert (rows["site_count"], rows["subject_count"]) == (0, 0)


def test_the_reading_id_is_for_those_who_see_all(house: House) -> None:
    for person, expected in (
        (house.coordinator, house.subject.reading_id), (house.monitor, house.subject.reading_id), (house.staff, None),
    ):  # fmt: skip
        client = client_of(person, "read")
        assert client.get(of_subject(house)).json()["reading_id"] == expected
        assert client.get(of_trial(house, "subjects/")).json()["results"][0]["reading_id"] == expected
    grant_role(actor=None, container=house.trial, role="monitor", user=house.staff)
    answer = client_of(house.staff, "read").get(of_subject(house))
    assert house.subject.reading_id not in answer.content.decode()


def test_a_subject_comes_with_its_images_and_is_opened_on_the_record(house: House) -> None:
    client = client_of(house.staff, "read", "dicomweb")
    found = client.get(of_subject(house)).json()
    [row] = found["studies"]
    assert row["study"]["study_instance_uid"] == house.study.study_instance_uid
    assert row["matched_by"] is None
    assert found["actions"] == ["enrol", "withdraw"]
    assert client.get(row["study"]["dicomweb_url"] + "/metadata").status_code == 200
    with tenant(house.organisation):
        event = Event.objects.filter(organisation=house.organisation, action="subject.viewed").latest("pk")
    assert event.actor_id == house.staff.pk


# Lists ----------------------------------------------------------------------------------------------------------------


def test_lists_are_filtered_searched_ordered_and_paged(house: House) -> None:
    with tenant(house.organisation):
        bare = services.add_subject(
            actor=house.coordinator, site=house.other_site, subject_id="S-02-002", enrolled_on=timezone.localdate()
        )
    client = client_of(house.coordinator, "read")
    for query, expected in (
        ("", ["S-01-001", "S-02-001", "S-02-002"]),
        ("site=02", ["S-02-001", "S-02-002"]),
        (f"site={house.site.public_id}", ["S-01-001"]),
        ("site=nowhere", []),
        ("state=enrolled", ["S-02-002"]),
        ("without_images=true", ["S-02-002"]),
        ("without_images=false", ["S-01-001", "S-02-001"]),
        ("q=02-00", ["S-02-001", "S-02-002"]),
        ("ordering=-subject_id", ["S-02-002", "S-02-001", "S-01-001"]),
        ("limit=1&offset=1", ["S-02-001"]),
    ):
        answer = client.get(of_trial(house, f"subjects/?{query}"))
        assert names(answer, "subject_id") == expected, query
    assert client.get(of_trial(house, "subjects/?limit=1")).json()["count"] == 3
    for wrong in ("state=asleep", "ordering=reading_id", "q=%00", "site=%00"):
        assert client.get(of_trial(house, f"subjects/?{wrong}")).status_code == 400, wrong
    services_close(house, house.other_site)
    assert names(client.get(of_trial(house, "sites/?closed=true")), "number") == ["02"]
    assert names(client.get(of_trial(house, "sites/?closed=false")), "number") == ["01"]
    assert names(client.get(of_trial(house, "sites/?q=hospital+01")), "number") == ["01"]
    assert names(client.get(f"{root(house)}?closed=true"), "slug") == []
    assert names(client.get(f"{root(house)}?closed=false&q=lung"), "slug") == [house.trial.slug]
    assert names(client.get(f"{root(house)}?q=heart"), "slug") == []
    assert bare.public_id in names(client.get(of_trial(house, "subjects/?ordering=-enrolled_on")), "id")


def services_close(house: House, place: Any) -> None:
    with tenant(house.organisation):
        services.close(actor=house.coordinator, place=place, reason="Enough")


def test_waiting_studies_are_those_without_a_subject(house: House) -> None:
    study = waiting_study(house, StudyDescription="Chest CT")
    client = client_of(house.coordinator, "read")
    [row] = client.get(of_trial(house, "waiting/")).json()["results"]
    assert row["study_instance_uid"] == study.study_instance_uid
    assert (row["patient_id"], row["description"], row["is_settled"]) == ("nobody", "Chest CT", True)
    assert names(client.get(of_trial(house, "waiting/?q=chest+nob")), "id") == [study.public_id]
    assert names(client.get(of_trial(house, "waiting/?q=knee")), "id") == []


@pytest.mark.parametrize(
    "path", ["", "{trial}/sites/", "{trial}/subjects/", "{trial}/waiting/", "{trial}/subjects/{s}/"]
)
def test_no_list_asks_more_for_more_rows(house: House, path: str) -> None:
    waiting_study(house)
    client = client_of(house.coordinator, "read")
    place = root(house) + path.format(trial=house.trial.slug, s=house.subject.public_id)
    client.get(place)  # what processes remember is remembered now

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(place).status_code == 200
        return len(found)

    before = asked()
    other = make_trial(house.organisation, actor=house.administrator)
    grant_role(actor=None, container=other, role="coordinator", user=house.coordinator)
    with tenant(house.organisation):
        for number in range(3):
            site = services.create_site(actor=house.coordinator, trial=house.trial, number=f"1{number}", name="More")
            services.add_subject(actor=house.coordinator, site=site, subject_id=f"S-1{number}-001")
    for _study in range(3):
        waiting_study(house)
        make_images(house.archive, PatientID=house.subject.subject_id)
    assert asked() <= before


# Changes --------------------------------------------------------------------------------------------------------------


def test_a_trial_and_its_sites_are_changed(house: House) -> None:
    client = client_of(house.coordinator)
    answer = send(client, "patch", of_trial(house), {"name": " Lung II ", "sponsor": "ACME", "description": "a\nb"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["sponsor"], answer.json()["description"]) == (
        "Lung II",
        "ACME",
        "a\nb",
    )
    made = send(client, "post", of_trial(house, "sites/"), {"number": "07", "name": "Hill", "contact": "front desk"})
    assert (made.status_code, made.json()["staff_count"], made.json()["study_count"]) == (201, 0, 0)
    place = of_trial(house, f"sites/{made.json()['id']}/")
    changed = send(client, "patch", place, {"investigator": "Dr. Hill"})
    assert changed.json() == made.json() | {"investigator": "Dr. Hill", "updated_at": changed.json()["updated_at"]}
    assert client.get(place).json() == changed.json()
    for method, where, body in (
        ("post", of_trial(house, "sites/"), {"number": "07", "name": "Twice"}),
        ("patch", place, {"number": "01"}),
    ):
        refused = send(client, method, where, body)
        assert (refused.status_code, list(refused.json()["fields"])) == (400, ["number"])
    services_close(house, house.trial)
    for method, where, body in (
        ("patch", of_trial(house), {"name": "No"}),
        ("post", of_trial(house, "sites/"), {"number": "08", "name": "No"}),
        ("patch", place, {"name": "No"}),
        ("post", of_trial(house, "subjects/"), {"site": "01", "subject_id": "S-No"}),
        ("patch", of_subject(house), {"birth_year": 1950}),
        ("post", of_subject(house, "actions/"), {"action": "enrol"}),
        ("delete", of_subject(house, f"studies/{house.study.public_id}/"), {}),
    ):
        refused = send(client, method, where, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "closed"), where
    assert client.get(of_trial(house)).json()["is_closed"] is True


def test_a_subject_is_added_changed_and_moved_on(house: House) -> None:
    study = waiting_study(house, PatientID="S-01-050")
    client = client_of(house.staff)
    body = {"site": house.site.public_id, "subject_id": "S-01-050", "sex": "F", "birth_year": 1950}
    made = send(client, "post", of_trial(house, "subjects/"), body)
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["site_number"], made.json()["added_by"]) == (
        "screening", "01", house.staff.username,
    )  # fmt: skip
    assert [row["study"]["id"] for row in made.json()["studies"]] == [study.public_id]
    twice = send(client, "post", of_trial(house, "subjects/"), body | {"subject_id": "s-01-050"})
    assert (twice.status_code, list(twice.json()["fields"])) == (400, ["subject_id"])
    place = of_trial(house, f"subjects/{made.json()['id']}/")
    changed = send(client, "patch", place, {"sex": "", "birth_year": None})
    assert (changed.status_code, changed.json()["sex"], changed.json()["birth_year"]) == (200, "", None)
    day = (timezone.localdate() - timedelta(days=3)).isoformat()
    for action, status, state in (
        ({"action": "complete"}, 409, ""),
        ({"action": "enrol", "day": day}, 200, "enrolled"),
        ({"action": "enrol", "day": day}, 409, ""),
        ({"action": "withdraw"}, 400, ""),
        ({"action": "withdraw", "reason": "  "}, 400, ""),
        ({"action": "withdraw", "reason": "Moved away"}, 200, "withdrawn"),
        ({"action": "resume", "reason": "Is back"}, 200, "enrolled"),
        ({"action": "complete"}, 200, "completed"),
    ):
        answer = send(client, "post", f"{place}actions/", action)
        assert answer.status_code == status, action
        if status == 200:
            assert answer.json()["state"] == state
        if status == 409:
            assert answer.json()["code"] == "wrong-state"
    found = client.get(place).json()
    assert (found["enrolled_on"], found["actions"]) == (day, ["resume"])
    assert send(client, "patch", place, {"sex": "M"}).status_code == 409


def test_staff_do_not_learn_of_other_sites_by_trying(house: House) -> None:
    client = client_of(house.staff)
    for site in ("02", house.other_site.public_id, "nowhere"):
        answer = send(client, "post", of_trial(house, "subjects/"), {"site": site, "subject_id": "S-1"})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["site"])


def test_a_study_is_matched_told_again_moved_in_time_and_taken_off(house: House) -> None:
    study = waiting_study(house, ClinicalTrialTimePointID="Week 4")
    client = client_of(house.coordinator)
    place = of_subject(house, f"studies/{study.study_instance_uid}/")
    assert client.get(place).status_code == 404
    made = send(client, "put", place)
    assert (made.status_code, made.json()["time_point"]) == (201, "Week 4")
    assert made.json()["matched_by"] == house.coordinator.username
    again = send(client, "put", place)
    assert (again.status_code, again.json()) == (200, made.json())
    with tenant(house.organisation):
        told = Event.objects.filter(organisation=house.organisation).count()
        send(client, "put", place, {"time_point": "Week 4"})
        assert Event.objects.filter(organisation=house.organisation).count() == told
    moved = send(client, "put", of_subject(house, f"studies/{study.public_id}/"), {"time_point": "Week 8"})
    assert (moved.status_code, moved.json()["time_point"]) == (200, "Week 8")
    assert client.get(place).json() == moved.json()
    assert send(client, "put", place, {"time_point": ""}).json()["time_point"] == ""
    elsewhere = of_subject(house, f"studies/{study.public_id}/", house.other_subject)
    refused = send(client, "put", elsewhere, {"time_point": "Week 8"})
    assert (refused.status_code, refused.json()["code"]) == (409, "already-matched")
    assert client.delete(elsewhere).status_code == 404
    assert client.delete(place).status_code == 204
    assert client.delete(place).status_code == 404
    assert names(client.get(of_trial(house, "waiting/")), "id") == [study.public_id]
    with tenant(house.organisation):
        assert not SubjectStudy.objects.filter(study=study).exists()


def test_a_time_point_of_what_was_taken_off_in_the_meantime_is_a_conflict(house: House) -> None:
    with tenant(house.organisation):
        row = SubjectStudy.objects.select_related("subject__trial__organisation", "subject__site").get(
            study=house.study
        )
        services.unmatch_study(actor=house.coordinator, row=SubjectStudy.objects.get(pk=row.pk))
        with pytest.raises(AlreadyMatched):
            services.change_time_point(actor=house.coordinator, row=row, time_point="Week 8")


def test_a_study_of_elsewhere_is_not_there(house: House, stranger: House) -> None:
    beside = make_trial_study(house)
    client = client_of(house.coordinator)
    for study in (stranger.study, beside):
        assert send(client, "put", of_subject(house, f"studies/{study.public_id}/")).status_code == 404
    for word in ("1.2.3", "%00", "a b", "a" * 65):
        assert send(client, "put", of_subject(house, f"studies/{word}/")).status_code == 404


def make_trial_study(house: House) -> Any:
    other = make_trial(house.organisation, actor=house.administrator)
    grant_role(actor=None, container=other, role="coordinator", user=house.coordinator)
    return make_images(other.archive, PatientID="nobody")


# Input ----------------------------------------------------------------------------------------------------------------

TEXTS: tuple[Any, ...] = (5, 1.5, True, None, ["x"], {"a": 1}, "a\x00b", "\ud800", "x" * 65)


def refused(client: Client, method: str, place: str, body: Any, field: str) -> None:
    answer = send(client, method, place, body)
    assert answer.status_code == 400, (field, body, answer.content)
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [field], answer.content


@pytest.mark.parametrize("value", TEXTS, ids=repr)
def test_text_that_is_none_is_refused_at_its_field(house: House, value: Any) -> None:
    client = client_of(house.coordinator)
    for field in ("protocol_id", "name", "sponsor"):
        refused(client, "patch", of_trial(house), {field: value}, field)
    site = of_trial(house, f"sites/{house.site.public_id}/")
    for field in ("number", "name"):
        refused(client, "patch", site, {field: value}, field)
        body = {"number": "33", "name": "New", field: value}
        refused(client, "post", of_trial(house, "sites/"), body, field)
    refused(client, "patch", of_subject(house), {"subject_id": value}, "subject_id")
    for field in ("site", "subject_id"):
        body = {"site": "01", "subject_id": "S-9", field: value}
        refused(client, "post", of_trial(house, "subjects/"), body, field)
    refused(client, "put", of_subject(house, f"studies/{house.study.public_id}/"), {"time_point": value}, "time_point")
    if value != "x" * 65:
        for where, field in ((of_trial(house), "description"), (site, "investigator"), (site, "contact")):
            refused(client, "patch", where, {field: value}, field)
        body = {"action": "withdraw", "reason": value}
        refused(client, "post", of_subject(house, "actions/"), body, "reason")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("patch", "", {"slug": "other"}, "slug"),
        ("patch", "", {"archive": "other"}, "archive"),
        ("patch", "", {"closed_at": None}, "closed_at"),
        ("patch", "", {"name": ""}, "name"),
        ("patch", "", {"name": "a\\b"}, "name"),
        ("patch", "", {"description": "x" * 4001}, "description"),
        ("patch", "", {"protocol_id": "-x"}, "protocol_id"),
        ("post", "sites/", {"name": "No number"}, "number"),
        ("post", "sites/", {"number": "9", "name": "x", "trial": "y"}, "trial"),
        ("post", "sites/", {"number": "9", "name": "x", "contact": "x" * 201}, "contact"),
        ("post", "subjects/", {"subject_id": "S-9"}, "site"),
        ("post", "subjects/", {"site": "nowhere", "subject_id": "S-9"}, "site"),
        ("post", "subjects/", {"site": "01", "subject_id": "S-9", "state": "enrolled"}, "state"),
        ("post", "subjects/", {"site": "01", "subject_id": "S-9", "reading_id": "R-1"}, "reading_id"),
        ("patch", "{subject}", {"site": "02"}, "site"),
        ("patch", "{subject}", {"sex": "X"}, "sex"),
        ("patch", "{subject}", {"sex": 5}, "sex"),
        ("patch", "{subject}", {"sex": None}, "sex"),
        ("patch", "{subject}", {"sex": ["F"]}, "sex"),
        ("patch", "{subject}", {"birth_year": "old"}, "birth_year"),
        ("patch", "{subject}", {"birth_year": True}, "birth_year"),
        ("patch", "{subject}", {"birth_year": 1899}, "birth_year"),
        ("patch", "{subject}", {"birth_year": 9999}, "birth_year"),
        ("patch", "{subject}", {"birth_year": 10**30}, "birth_year"),
        ("patch", "{subject}", {"enrolled_on": "yesterday"}, "enrolled_on"),
        ("patch", "{subject}", {"enrolled_on": 5}, "enrolled_on"),
        ("patch", "{subject}", {"enrolled_on": "9999-01-01"}, "enrolled_on"),
        ("post", "{subject}actions/", {}, "action"),
        ("post", "{subject}actions/", {"action": "forget"}, "action"),
        ("post", "{subject}actions/", {"action": ["enrol"]}, "action"),
        ("post", "{subject}actions/", {"action": "enrol", "day": "2026-02-30"}, "day"),
        ("post", "{subject}actions/", {"action": "enrol", "day": "9999-01-01"}, "enrolled_on"),
        ("post", "{subject}actions/", {"action": "enrol", "reason": "x"}, "reason"),
        ("post", "{subject}actions/", {"action": "withdraw", "reason": "x" * 301}, "reason"),
        ("post", "{subject}actions/", {"action": "withdraw", "reason": "x", "day": "2026-01-01"}, "day"),
        ("put", "{study}", {"time_point": "a\nb"}, "time_point"),
        ("put", "{study}", {"subject": "x"}, "subject"),
    ],
)
def test_input_that_makes_no_sense_is_refused_at_its_field(
    house: House, method: str, path: str, body: Any, field: str
) -> None:
    subject = f"subjects/{house.subject.public_id}/"
    place = of_trial(house, path.format(subject=subject, study=f"{subject}studies/{house.study.public_id}/"))
    client = client_of(house.coordinator)
    refused(client, method, place, body, field)


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "null", "{", "[" * 5000, '{"name": NaN}'])
def test_a_body_that_is_no_object_is_refused(house: House, body: str) -> None:
    client = client_of(house.coordinator)
    for method, place in (
        ("patch", of_trial(house)),
        ("post", of_trial(house, "sites/")),
        ("post", of_trial(house, "subjects/")),
        ("put", of_subject(house, f"studies/{house.study.public_id}/")),
    ):
        answer = getattr(client, method)(place, body, content_type="application/json")
        assert answer.status_code == 400, (method, place)


# Tokens ---------------------------------------------------------------------------------------------------------------


def test_a_token_limited_to_a_site_reaches_that_site(house: House) -> None:
    grant_role(actor=None, container=house.other_site, role="staff", user=house.staff)
    client = client_of(house.staff, "read", "write", "dicomweb", limited_to=(house.site,))
    assert names(client.get(root(house)), "slug") == [house.trial.slug]
    assert names(client.get(of_trial(house, "sites/")), "number") == ["01"]
    assert names(client.get(of_trial(house, "subjects/")), "subject_id") == ["S-01-001"]
    [row] = client.get(of_subject(house)).json()["studies"]
    assert client.get(row["study"]["dicomweb_url"] + "/series").status_code == 200
    made = send(client, "post", of_trial(house, "subjects/"), {"site": "01", "subject_id": "S-01-002"})
    assert made.status_code == 201
    assert send(client, "post", of_trial(house, "subjects/"), {"site": "02", "subject_id": "S-9"}).status_code == 400
    assert client.get(of_subject(house, subject=house.other_subject)).status_code == 403
    assert client.get(of_trial(house, f"sites/{house.other_site.public_id}/")).status_code == 403
    dicomweb = f"/o/{house.organisation.slug}/dicomweb/{house.archive.slug}/studies"
    assert [row["0020000D"]["Value"][0] for row in client.get(dicomweb).json()] == [house.study.study_instance_uid]
    assert client.get(f"{dicomweb}/{house.other_study.study_instance_uid}/series").status_code == 404


def test_a_token_limited_to_a_trial_reaches_the_whole_of_it_and_no_other(house: House) -> None:
    beside = make_trial_study(house)
    client = client_of(house.coordinator, "read", "write", "dicomweb", limited_to=(house.trial,))
    assert names(client.get(root(house)), "slug") == [house.trial.slug]
    assert names(client.get(of_trial(house, "sites/")), "number") == ["01", "02"]
    assert names(client.get(of_trial(house, "subjects/")), "subject_id") == ["S-01-001", "S-02-001"]
    [row] = client.get(of_subject(house)).json()["studies"]
    assert client.get(row["study"]["dicomweb_url"] + "/series").status_code == 200
    study = waiting_study(house)
    assert names(client.get(of_trial(house, "waiting/")), "id") == [study.public_id]
    assert send(client, "put", of_subject(house, f"studies/{study.public_id}/")).status_code == 201
    assert send(client, "patch", of_trial(house), {"name": "Renamed"}).status_code == 200
    with tenant(house.organisation):
        other = beside.archive.trial
    assert client.get(f"{root(house)}{other.slug}/").status_code == 403
    elsewhere = (
        f"/o/{house.organisation.slug}/dicomweb/{beside.archive.slug}/studies/{beside.study_instance_uid}/series"
    )
    assert client.get(elsewhere).status_code == 404


def test_a_token_limited_elsewhere_reaches_no_trial(house: House) -> None:
    other = make_trial(house.organisation, actor=house.administrator)
    grant_role(actor=None, container=other, role="coordinator", user=house.coordinator)
    client = client_of(house.coordinator, "read", "write", "dicomweb", limited_to=(other,))
    assert names(client.get(root(house)), "slug") == [other.slug]
    for path in ("", "sites/", "subjects/", "waiting/", f"subjects/{house.subject.public_id}/"):
        assert client.get(of_trial(house, path)).status_code == 403
    dicomweb = f"/o/{house.organisation.slug}/dicomweb/{house.archive.slug}/studies"
    assert client.get(dicomweb).status_code == 404
    assert client.get(f"{dicomweb}/{house.study.study_instance_uid}/series").status_code == 404


def test_a_site_named_by_a_token_opens_nothing_to_who_is_no_longer_its_staff(house: House) -> None:
    client = client_of(house.staff, "read", limited_to=(house.site,))
    grant_role(actor=None, container=house.trial, role="reader", user=house.staff)
    revoke_role(actor=None, container=house.site, role="staff", user=house.staff)
    for path in ("sites/", "subjects/", f"sites/{house.site.public_id}/", f"subjects/{house.subject.public_id}/"):
        assert client.get(of_trial(house, path)).status_code == 403


def test_a_session_needs_no_scope_but_a_word_that_it_is_its_page(house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(house.coordinator)
    assert client.get(of_trial(house)).status_code == 200
    assert send(client, "patch", of_trial(house), {"name": "Forged"}).status_code == 403
