"""Archive studies in the viewer: who may open them, what the manifest holds, own marks, and the trail."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.models import Organisation, User
from access.services import grant_role
from archive.models import Archive, Study
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from viewer import hooks, queries, services
from viewer.domain.manifest import Action
from viewer.models import ReadingSession, SeriesView, StudyAnnotation

pytestmark = pytest.mark.django_db


class House:
    """An organisation with an archive, one study of two series in it, a reader and a member without rights."""

    def __init__(self) -> None:
        self.organisation: Organisation = make_organisation()
        self.archive: Archive = make_archive(self.organisation)
        self.reader: User = make_member(self.organisation)
        self.member: User = make_member(self.organisation)
        grant_role(actor=None, container=self.archive, role="reader", user=self.reader)
        study, series = make_dataset().StudyInstanceUID, [make_dataset().SeriesInstanceUID for _unused in range(2)]
        self.datasets = [
            make_dataset(
                StudyInstanceUID=study,
                SeriesInstanceUID=series[n // 2],
                SeriesNumber=n // 2 + 1,
                InstanceNumber=n + 1,
                PatientID="P-1",
                PatientName="Miller^Anna",
                AccessionNumber="A-1",
                SeriesDescription=f"Sequence {n // 2 + 1}",
            )
            for n in range(4)
        ]
        deliver(self.archive, [to_bytes(dataset) for dataset in self.datasets])
        with tenant(self.organisation):
            self.study: Study = Study.objects.get(archive=self.archive)

    def url(self, name: str = "study") -> str:
        return reverse(f"viewer:{name}", kwargs={"organisation": self.organisation.slug, "study": self.study.public_id})

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def manifest(self, user: User) -> dict[str, Any]:
        answer: dict[str, Any] = self.client(user).get(self.url(), {"format": "json"}).json()
        return answer

    def mark(self, **changes: Any) -> dict[str, Any]:
        dataset = self.datasets[0]
        return {
            "id": str(uuid.uuid4()),
            "tool": "length",
            "series_instance_uid": dataset.SeriesInstanceUID,
            "sop_instance_uid": dataset.SOPInstanceUID,
            "frame": 1,
            "points": [[1, 1], [9, 9]],
            **changes,
        }

    def save(self, user: User, marks: list[Any], *, version: int = 0, layer: str = "own") -> Any:
        return self.client(user).put(
            self.url("study-marks"),
            json.dumps({"layer": layer, "version": version, "marks": marks}),
            content_type="application/json",
        )


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def other() -> House:
    return House()


def test_a_reader_opens_the_study_with_everything_in_it(house: House) -> None:
    manifest = house.manifest(house.reader)
    assert manifest["mode"] == "study"
    assert manifest["title"] == "Miller, Anna"
    assert manifest["patient"]["patient_id"] == "P-1"
    (study,) = manifest["studies"]
    assert study["dicomweb"] == f"/o/{house.organisation.slug}/dicomweb/{house.archive.slug}"
    assert [(s["number"], s["description"], s["instances"], s["kind"]) for s in study["series"]] == [
        (1, "Sequence 1", 2, "image"),
        (2, "Sequence 2", 2, "image"),
    ]
    assert study["series"][0]["frames"] == 2


def test_the_page_carries_the_manifest_and_its_own_policy(house: House) -> None:
    response = house.client(house.reader).get(house.url())
    assert response.status_code == 200
    assert b'id="viewer-manifest"' in response.content
    assert "'wasm-unsafe-eval'" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", ["study", "study-marks", "study-sharing"])
def test_strangers_see_nothing_and_members_without_a_role_are_refused(house: House, other: House, name: str) -> None:
    method: Callable[[Client], Any] = (
        (lambda c: c.post(house.url(name))) if name == "study-sharing" else (lambda c: c.get(house.url(name)))
    )
    assert method(house.client(other.reader)).status_code == 404
    assert method(house.client(house.member)).status_code == 403
    assert method(Client()).status_code in (302, 401)


def test_a_study_of_another_organisation_is_absent_under_ones_own_address(house: House, other: House) -> None:
    url = reverse("viewer:study", kwargs={"organisation": house.organisation.slug, "study": other.study.public_id})
    assert house.client(house.reader).get(url).status_code == 404


def test_a_blind_entry_has_no_words_that_reveal(house: House) -> None:
    with tenant(house.organisation):
        (entry,) = queries.study_entries(studies=[house.study], blind=True)
    assert (entry.label, entry.date) == ("", "")
    assert {s.description for s in entry.series} == {""}


def test_manifests_of_unknowns_are_blind_whatever_is_asked_for(house: House) -> None:
    with tenant(house.organisation):
        manifest = services.build_manifest(
            mode="read", key="k", title="Case 1", studies=[house.study], show_descriptions=True, show_dates=True
        )
    words = json.dumps(manifest.to_json())
    assert "Sequence" not in words and "Miller" not in words and "2024" not in words


def test_the_number_of_queries_does_not_grow_with_the_series(
    house: House, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    with tenant(house.organisation), django_assert_max_num_queries(4):
        queries.study_entries(studies=[house.study], blind=False)


def test_other_studies_of_the_patient_come_along_and_a_later_one_is_no_prior(house: House) -> None:
    deliver(house.archive, [to_bytes(make_dataset(PatientID="P-1", PatientName="Miller^Anna", StudyDate="20200101"))])
    deliver(house.archive, [to_bytes(make_dataset(PatientID="P-1", PatientName="Miller^Anna", StudyDate="20300101"))])
    studies = house.manifest(house.reader)["studies"]
    assert [(s["date"], s["prior"], s["later"]) for s in studies[1:]] == [
        ("2030-01-01", False, True),
        ("2020-01-01", True, False),
    ]
    assert (studies[0]["prior"], studies[0]["later"]) == (False, False)


def test_marks_are_saved_checked_and_ones_own(house: House) -> None:
    colleague = make_member(house.organisation)
    grant_role(actor=None, container=house.archive, role="reader", user=colleague)
    assert house.save(house.reader, [house.mark()]).json() == {"version": 1}
    own = house.manifest(house.reader)["annotations"]["layers"]
    assert [(layer["name"], layer["version"], len(layer["marks"])) for layer in own] == [("own", 1, 1)]
    assert [len(layer["marks"]) for layer in house.manifest(colleague)["annotations"]["layers"]] == [0]
    # Shared on request, and read only.
    house.client(house.reader).post(house.url("study-sharing"), {"shared": "on"})
    layers = house.manifest(colleague)["annotations"]["layers"]
    assert [(layer["role"], layer["editable"]) for layer in layers] == [("own", True), ("other", False)]
    house.client(house.reader).post(house.url("study-sharing"))
    assert len(house.manifest(colleague)["annotations"]["layers"]) == 1


def test_a_save_over_a_newer_version_is_refused_and_changes_nothing(house: House) -> None:
    first = house.mark()
    house.save(house.reader, [first])
    response = house.save(house.reader, [], version=0)
    assert response.status_code == 409
    with tenant(house.organisation):
        assert [m["id"] for m in StudyAnnotation.objects.get().marks] == [first["id"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"layer": "own", "version": 0}',
        b'{"layer": "own", "version": "0", "marks": []}',
        b'{"layer": "own", "version": 0, "marks": [{"tool": "laser"}]}',
        b'{"layer": "own", "version": 0, "marks": [{"id": 1e999}]}',
        b"\xff\xfe\x00",
    ],
)
def test_bad_bodies_are_answered_not_stored(house: House, body: bytes) -> None:
    response = house.client(house.reader).put(house.url("study-marks"), body, content_type="application/json")
    assert response.status_code == 422
    assert response.json()["errors"]
    with tenant(house.organisation):
        assert not StudyAnnotation.objects.exists()


def test_marks_on_images_of_others_and_layers_of_others_are_refused(house: House, other: House) -> None:
    foreign = house.mark(
        sop_instance_uid=other.datasets[0].SOPInstanceUID, series_instance_uid=other.datasets[0].SeriesInstanceUID
    )
    assert house.save(house.reader, [foreign]).status_code == 422
    assert house.save(house.reader, [house.mark()], layer="truth").status_code == 422
    assert house.save(house.member, [house.mark()]).status_code == 403
    assert house.save(other.reader, [house.mark()]).status_code == 404


def test_opening_and_each_series_are_in_the_trail_once_a_session(house: House) -> None:
    for _twice in range(2):
        house.manifest(house.reader)
    with tenant(house.organisation):
        session = ReadingSession.objects.get()
    url = queries.events_url(organisation=house.organisation, session_id=session.public_id)
    event = {
        "series": house.datasets[0].SeriesInstanceUID,
        "instance": house.datasets[0].SOPInstanceUID,
        "frame": 1,
        "ms": 400,
    }
    foreign = {**event, "series": "1.2.3"}
    for _twice in range(2):
        response = house.client(house.reader).post(
            url, json.dumps({"events": [event, event, foreign]}), content_type="application/json"
        )
        assert response.json() == {"taken": 2}
    with all_tenants():
        trail = list(Event.objects.filter(organisation=house.organisation, action__startswith="viewer.").order_by("pk"))
        assert SeriesView.objects.get(session=session).milliseconds == 1600
    assert [e.action for e in trail] == ["viewer.opened", "viewer.series_viewed"]
    assert trail[0].actor == house.reader
    assert "Miller" not in json.dumps([e.detail for e in trail])


def test_a_session_takes_events_of_its_own_person_only(house: House, other: House) -> None:
    house.manifest(house.reader)
    with tenant(house.organisation):
        session = ReadingSession.objects.get()
    url = queries.events_url(organisation=house.organisation, session_id=session.public_id)
    for person in (house.member, other.reader):
        response = house.client(person).post(url, '{"events": []}', content_type="application/json")
        assert response.status_code == 404
    response = house.client(house.reader).post(url, '{"events": {}}', content_type="application/json")
    assert response.status_code == 400


def test_listeners_hear_the_events_of_their_kind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setattr(hooks, "_listeners", {})
    hooks.on_view_events("attempt", lambda *, session, events: heard.append((session.key, len(events))))
    from viewer.domain.events import ViewEvent

    event = ViewEvent(
        series=house.datasets[0].SeriesInstanceUID, instance=house.datasets[0].SOPInstanceUID, frame=1, milliseconds=10
    )
    with tenant(house.organisation):
        for kind in ("study", "attempt"):
            session = services.open_session(
                user=house.reader, organisation=house.organisation, kind=kind, key="a1", studies=[house.study]
            )
            services.take_events(session=session, user=house.reader, events=[event])
    assert heard == [("a1", 1)]


def test_actions_of_upper_floors_stand_in_the_header(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_actions", {})
    hooks.register_action(
        "make", lambda *, user, study, request: Action(name="make", label="Make teaching case", kind="post", href="/x/")
    )
    hooks.register_action("never", lambda *, user, study, request: None)
    page = house.client(house.reader).get(house.url()).content.decode()
    assert "Make teaching case" in page
    assert 'action="/x/"' in page
    assert [a["name"] for a in house.manifest(house.reader)["actions"]] == ["make"]


def test_names_are_written_for_people() -> None:
    assert queries.readable_name("Miller^Anna^Maria^Dr") == "Miller, Anna Maria"
    assert queries.readable_name("Yamada^Tarou=山田^太郎") == "Yamada, Tarou · 山田, 太郎"
    assert queries.readable_name("") == ""
