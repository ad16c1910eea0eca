"""Break-glass: what it asks, what it opens, how it ends, what it leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from access import queries, services, sudo
from access.break_glass import services as glasses
from access.break_glass.errors import BreakGlassOff, NothingFound, TooOften
from access.grant_policy import change_policy
from access.models import BreakGlass, User
from archive.models import Archive, Instance, Series, Study
from audit.models import Event
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import make_token

pytestmark = pytest.mark.django_db
STATEMENT = "Unconscious in the emergency room, old images needed."


class Ward:
    """A clinical archive with two patients, and a member who has no role on it."""

    def __init__(self) -> None:
        self.organisation = make_organisation()
        self.archive = make_archive(self.organisation)
        self.doctor = make_member(self.organisation)
        self.officer = make_member(self.organisation, roles=("officer",))
        self.administrator = make_member(self.organisation, roles=("administrator",))
        User.objects.filter(pk=self.officer.pk).update(email="officer@hospital.example")
        self.study = self.add("P-1", "A-1")
        self.earlier = self.add("P-1", "A-0")
        self.other = self.add("P-2", "A-2")
        self.allow(True)

    def add(self, patient: str, accession: str, archive: Archive | None = None, **values: Any) -> Study:
        dataset = make_dataset(PatientID=patient, AccessionNumber=accession, PatientName="Miller^Anna", **values)
        deliver(archive or self.archive, [to_bytes(dataset)])
        with tenant(self.organisation):
            return Study.objects.select_related("archive", "organisation", "patient").get(
                study_instance_uid=dataset.StudyInstanceUID
            )

    def allow(self, on: bool, minutes: int = 60) -> None:
        with tenant(self.organisation):
            change_policy(
                actor=None,
                organisation=self.organisation,
                changes={"break_glass": on, "break_glass_minutes": minutes},
            )

    def start(self, actor: User | None = None, **changes: Any) -> BreakGlass:
        values = {"reason": "emergency", "statement": STATEMENT, "patient_id": "P-1", **changes}
        with tenant(self.organisation):
            return glasses.start(actor=actor or self.doctor, organisation=self.organisation, **values)

    def seen(self, user: User | None = None) -> set[int]:
        with tenant(self.organisation):
            rows = queries.visible_to(user or self.doctor, Study.objects.all(), "archive.view_archive")
            return set(rows.values_list("pk", flat=True))

    def client(self, user: User | None = None) -> Client:
        client = Client()
        client.force_login(user or self.doctor)
        return client

    def metadata(self, study: Study) -> str:
        return f"/o/{self.organisation.slug}/dicomweb/{self.archive.slug}/studies/{study.study_instance_uid}/metadata"

    def viewer(self, study: Study) -> str:
        return f"/o/{self.organisation.slug}/viewer/studies/{study.public_id}/"

    @property
    def page(self) -> str:
        return f"/o/{self.organisation.slug}/break-glass/"


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_it_opens_the_studies_of_this_patient_and_nothing_else(ward: Ward) -> None:
    assert ward.seen() == set()
    ward.start()
    assert ward.seen() == {ward.study.pk, ward.earlier.pk}
    with tenant(ward.organisation):
        for model in (Series, Instance):
            rows = queries.visible_to(ward.doctor, model.objects.all(), "archive.view_archive")
            assert set(rows.values_list("study_id", flat=True)) == {ward.study.pk, ward.earlier.pk}
        assert not queries.visible_to(ward.doctor, Study.objects.all(), "archive.export_images").exists()
        assert not queries.may(ward.doctor, "archive.view_archive", ward.archive)
    client = ward.client()
    token = Client(headers={"authorization": f"Bearer {make_token(ward.doctor, 'dicomweb')}"})
    for door in (client, token):
        assert door.get(ward.metadata(ward.study)).status_code == 200
        assert door.get(ward.metadata(ward.other)).status_code == 404
    assert client.get(ward.viewer(ward.study)).status_code == 200
    assert client.get(ward.viewer(ward.other)).status_code == 403
    manifest = client.get(ward.viewer(ward.study) + "?format=json").json()
    assert len(manifest["studies"]) == 2
    assert manifest["annotations"]["save"] is None


def test_an_accession_number_finds_the_same_patient(ward: Ward) -> None:
    ward.start(patient_id="", accession_number="A-1")
    assert ward.seen() == {ward.study.pk, ward.earlier.pk}


@pytest.mark.parametrize("number", ["p-1", "P-", "P-1*", "P-%", "Miller", "P-9"])
def test_only_exact_numbers_find_anything(ward: Ward, number: str) -> None:
    with pytest.raises(NothingFound):
        ward.start(patient_id=number)
    assert ward.seen() == set()
    with all_tenants():
        assert Event.objects.filter(action="break_glass.refused", organisation=ward.organisation).count() == 1


def test_a_number_of_two_patients_opens_neither(ward: Ward) -> None:
    ward.add("P-3", "A-1")
    with pytest.raises(Invalid):
        ward.start(patient_id="", accession_number="A-1")
    assert ward.seen() == set()


def test_de_identified_archives_have_no_emergency(ward: Ward) -> None:
    teaching = make_archive(ward.organisation, purpose=Archive.Purpose.TEACHING)
    ward.add("T-1", "AT-1", teaching)
    with pytest.raises(NothingFound):
        ward.start(patient_id="T-1")


def test_another_organisation_is_out_of_reach(ward: Ward) -> None:
    elsewhere = Ward()
    with tenant(ward.organisation), pytest.raises(NotFound):
        glasses.start(
            actor=elsewhere.doctor,
            organisation=ward.organisation,
            reason="emergency",
            statement=STATEMENT,
            patient_id="P-1",
        )
    ward.start()
    glass = ward.start(accession_number="A-2", patient_id="")
    assert elsewhere.seen(ward.doctor) == set()
    assert elsewhere.client().get(f"{ward.page}{glass.public_id}/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"statement": "help"}, "statement"),
        ({"statement": "         x         "}, "statement"),
        ({"statement": "x" * 1001}, "statement"),
        ({"reason": "curiosity"}, "reason"),
        ({"patient_id": ""}, "patient_id"),
        ({"accession_number": "A-1"}, "patient_id"),
    ],
)
def test_a_reason_and_one_number_are_needed(ward: Ward, changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ward.start(**changes)
    assert field in refusal.value.fields


def test_where_the_organisation_forbids_it_nothing_opens(ward: Ward) -> None:
    ward.start()
    ward.allow(False)
    assert ward.seen() == set()
    with pytest.raises(BreakGlassOff):
        ward.start()
    assert ward.client().get(ward.page).status_code == 403


def test_who_has_the_right_needs_no_emergency(ward: Ward) -> None:
    services.grant_role(actor=None, container=ward.archive, role="reader", user=ward.doctor)
    with pytest.raises(Invalid):
        ward.start()


def test_it_ends_by_itself_by_hand_and_with_the_membership(ward: Ward) -> None:
    client = ward.client()
    glass = ward.start()
    assert client.get(ward.metadata(ward.study)).status_code == 200
    with all_tenants():
        BreakGlass.objects.filter(pk=glass.pk).update(expires_at=timezone.now())
    assert client.get(ward.metadata(ward.study)).status_code == 404
    assert client.get(ward.viewer(ward.study)).status_code == 403
    second = ward.start()
    assert client.get(ward.metadata(ward.study)).status_code == 200
    assert client.post(f"{ward.page}{second.public_id}/end/").status_code == 302
    assert client.get(ward.metadata(ward.study)).status_code == 404
    ward.start()
    services.remove_member(actor=ward.administrator, organisation=ward.organisation, user=ward.doctor)
    assert ward.seen() == set()


def test_it_is_slowed(ward: Ward) -> None:
    for _time in range(glasses.STARTS_PER_HOUR):
        glass = ward.start()
        with tenant(ward.organisation):
            glasses.end(actor=ward.doctor, glass=glass)
    with pytest.raises(TooOften):
        ward.start()


def test_guessing_numbers_is_slowed(ward: Ward) -> None:
    for number in range(glasses.MISSES_PER_WINDOW):
        with pytest.raises(NothingFound):
            ward.start(patient_id=f"guess-{number}")
    with pytest.raises(TooOften):
        ward.start()


def test_everything_done_under_it_is_marked_and_nothing_else_is(ward: Ward) -> None:
    glass = ward.start()
    client = ward.client()
    client.get(ward.viewer(ward.study))
    client.get(ward.metadata(ward.study))
    services.grant_role(actor=None, container=ward.archive, role="reader", user=ward.doctor)
    client.get(ward.viewer(ward.other))
    with all_tenants():
        events = Event.objects.filter(organisation=ward.organisation, actor=ward.doctor)
        marked = events.filter(explained_by=f"break-glass {glass.public_id}")
        assert set(marked.values_list("action", flat=True)) == {"viewer.opened", "study.transferred"}
        assert set(marked.values_list("target_id", flat=True)) == {ward.study.public_id}
        started = events.get(action="break_glass.started")
        assert started.target_id == glass.public_id
        # The words, the patient's numbers and name stay out of the trail.
        for word in (STATEMENT, "P-1", "A-1", "Miller"):
            assert word not in str(list(events.values_list("detail", "target_label", "explained_by")))


def test_a_second_time_within_the_hour_is_marked_anew(ward: Ward) -> None:
    client = ward.client()
    marks = set()
    for _time in range(2):
        glass = ward.start()
        client.get(ward.metadata(ward.study))
        marks.add(f"break-glass {glass.public_id}")
        with tenant(ward.organisation):
            glasses.end(actor=ward.doctor, glass=glass)
    with all_tenants():
        events = Event.objects.filter(organisation=ward.organisation, action="study.transferred")
        assert set(events.values_list("explained_by", flat=True)) == marks


def test_officers_are_told_at_once_without_the_patient(ward: Ward, django_capture_on_commit_callbacks: Any) -> None:
    glass = ward.start()
    with tenant(ward.organisation):
        assert glasses.send_alert(break_glass_id=glass.pk) == 1
    (letter,) = mail.outbox
    assert letter.to == ["officer@hospital.example"]
    assert glass.public_id in letter.body
    for word in ("P-1", "A-1", "Miller", STATEMENT):
        assert word not in letter.body + letter.subject
    home = ward.client(ward.officer).get(f"/o/{ward.organisation.slug}/").content.decode()
    assert f"{ward.page}{glass.public_id}/" in home
    assert (
        f"{ward.page}{glass.public_id}/"
        not in ward.client(ward.administrator).get(f"/o/{ward.organisation.slug}/").content.decode()
    )


def test_officers_review_and_nobody_else(ward: Ward) -> None:
    glass = ward.start()
    with tenant(ward.organisation):
        for actor in (ward.doctor, ward.administrator):
            with pytest.raises(Forbidden):
                glasses.review(actor=actor, glass=glass, verdict="acknowledged")
        with pytest.raises(Invalid):
            glasses.review(actor=ward.officer, glass=glass, verdict="escalated")
        with pytest.raises(Invalid):
            glasses.review(actor=ward.officer, glass=glass, verdict="waiting", note="x")
        own = ward.start(actor=ward.officer)
        with pytest.raises(Conflict):
            glasses.review(actor=ward.officer, glass=own, verdict="acknowledged")
        glasses.end(actor=ward.officer, glass=own)
    client = ward.client(ward.officer)
    there = f"{ward.page}{glass.public_id}/review/"
    assert client.post(there, {"verdict": "acknowledged"}).status_code == 302
    assert client.post(there, {"verdict": "justified"}).status_code == 422
    assert client.post(there, {"verdict": "justified", "note": "Confirmed by the ward."}).status_code == 302
    with tenant(ward.organisation):
        glass.refresh_from_db()
    assert glass.review_state == "justified"
    with tenant(ward.organisation):
        assert glass.reviews.count() == 2
    assert ward.client(ward.administrator).post(there, {"verdict": "acknowledged"}).status_code == 403


def test_lists_and_pages_are_for_overseers_and_the_person(ward: Ward) -> None:
    glass = ward.start()
    colleague = make_member(ward.organisation)
    stranger = make_member(make_organisation(), roles=("officer",))
    one, every = f"{ward.page}{glass.public_id}/", f"{ward.page}all/"
    for user, list_status, one_status in (
        (ward.officer, 200, 200),
        (ward.administrator, 200, 200),
        (ward.doctor, 403, 200),
        (colleague, 403, 404),
        (stranger, 404, 404),
    ):
        client = ward.client(user)
        assert (client.get(every).status_code, client.get(one).status_code) == (list_status, one_status), user
    # Overseers see why, not whom.
    for user in (ward.officer, ward.administrator):
        shown = ward.client(user).get(one).content.decode()
        assert "Miller" not in shown and "P-1" not in shown
    assert "Miller" in ward.client().get(one).content.decode()


def test_the_page_asks_for_a_proof_made_for_this_act(ward: Ward) -> None:
    client = ward.client()
    form = {"reason": "emergency", "statement": STATEMENT, "patient_id": "P-1"}
    assert "Miller" not in client.get(ward.page).content.decode()
    client.post(ward.page, form)
    with all_tenants():
        assert not BreakGlass.objects.exists()
    session = client.session
    session[sudo.SESSION_KEY] = {
        "break-glass": {"user": ward.doctor.pk, "method": "password", "at": timezone.now().timestamp()}
    }
    session.save()
    opened = client.post(ward.page, form)
    assert opened.status_code == 302
    shown = client.get(opened["Location"]).content.decode()
    assert ward.viewer(ward.study) in shown
    assert ward.viewer(ward.other) not in shown
    # Used up: the next time asks again.
    client.post(ward.page, form)
    with all_tenants():
        assert BreakGlass.objects.count() == 1


def test_every_page_says_that_it_runs(ward: Ward) -> None:
    client = ward.client()
    home = f"/o/{ward.organisation.slug}/"
    assert "glass-banner" not in client.get(home).content.decode()
    glass = ward.start()
    for there in (home, ward.viewer(ward.study)):
        assert f"{ward.page}{glass.public_id}/end/" in client.get(there).content.decode()
    with all_tenants():
        BreakGlass.objects.filter(pk=glass.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "glass-banner" not in client.get(home).content.decode()
