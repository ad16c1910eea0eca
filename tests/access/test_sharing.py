"""Shares: who may make them, what they open, and when they are closed."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access import queries, services
from access.grant_policy import change_policy
from access.models import Organisation, Share, ShareVisit, User
from access.sharing import guests
from access.sharing import services as sharing
from access.sharing.errors import LinkClosed, SharingOff
from archive.models import Study
from audit.models import Event
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import all_tenants, tenant
from pacsweb.settings import base
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.test_every_route import INSIDE, METHODS, address
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import content, make_token, settle

pytestmark = pytest.mark.django_db
PASSWORD = "seven little words"


class Hospital:
    """An organisation with one archive, two patients, two studies of the first, and somebody who may share."""

    def __init__(self, sharing_rule: str = "links") -> None:
        self.organisation: Organisation = make_organisation()
        self.archive = make_archive(self.organisation)
        self.manager: User = self._with_role("manager")
        self.reader: User = self._with_role("reader")
        self.member: User = make_member(self.organisation)
        self.officer: User = make_member(self.organisation, roles=("officer",))
        self.studies = [self._study(patient) for patient in ("P-1", "P-1", "P-2")]
        self.study, self.prior, self.other = self.studies
        settle(self.archive)
        self.allow(sharing_rule)

    def _with_role(self, role: str) -> User:
        user = make_member(self.organisation)
        services.grant_role(actor=None, container=self.archive, role=role, user=user)
        return user

    def _study(self, patient: str) -> Study:
        first = make_dataset()
        datasets = [
            make_dataset(
                StudyInstanceUID=first.StudyInstanceUID,
                SeriesInstanceUID=first.SeriesInstanceUID,
                InstanceNumber=number + 1,
                PatientID=patient,
                PatientName="Miller^Anna",
            )
            for number in range(3)
        ]
        deliver(self.archive, [to_bytes(dataset) for dataset in datasets])
        with tenant(self.organisation):
            return Study.objects.select_related("archive").get(study_instance_uid=first.StudyInstanceUID)

    def allow(self, rule: str) -> None:
        with tenant(self.organisation):
            change_policy(actor=None, organisation=self.organisation, changes={"sharing": rule})

    def share(self, study: Study | None = None, **changes: Any) -> tuple[Share, str]:
        values: dict[str, Any] = {
            "audience": "link",
            "recipient_name": "Dr. Guest, Elsewhere",
            "purpose": "Second opinion",
            **changes,
        }
        with tenant(self.organisation):
            return sharing.create_share(
                actor=self.manager, kind="study", thing=(study or self.study).public_id, **values
            )

    def landing(self, share: Share) -> str:
        return f"/o/{self.organisation.slug}/shared/{share.public_id}/"

    def dicomweb(self, study: Study, path: str = "") -> str:
        return f"/o/{self.organisation.slug}/dicomweb/{self.archive.slug}/studies/{study.study_instance_uid}{path}"

    def series(self, study: Study) -> str:
        with tenant(self.organisation):
            return str(study.series.get().series_instance_uid)

    def instance(self, study: Study) -> str:
        with tenant(self.organisation):
            return str(study.instances.order_by("instance_number").first().sop_instance_uid)


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def enter(code: str, password: str = "", client: Client | None = None) -> tuple[Client, Any]:
    client = client or Client()
    return client, client.post("/shared/", {"code": code, "password": password})


def let_in(hospital: Hospital, **changes: Any) -> tuple[Client, Share]:
    share, code = hospital.share(**changes)
    client, answer = enter(code, changes.get("password", ""))
    assert answer.status_code == 302, answer.content
    assert answer["Location"] == hospital.landing(share)
    return client, share


def addresses_of(hospital: Hospital, study: Study) -> dict[str, str]:
    series, image = hospital.series(study), hospital.instance(study)
    return {
        "metadata": hospital.dicomweb(study, "/metadata"),
        "series": hospital.dicomweb(study, "/series"),
        "series metadata": hospital.dicomweb(study, f"/series/{series}/metadata"),
        "thumbnail": hospital.dicomweb(study, f"/series/{series}/thumbnail"),
        "instances": hospital.dicomweb(study, f"/series/{series}/instances"),
        "frame": hospital.dicomweb(study, f"/series/{series}/instances/{image}/frames/1"),
        "rendered": hospital.dicomweb(study, f"/series/{series}/instances/{image}/rendered"),
    }


def bulk_addresses(hospital: Hospital, study: Study) -> list[str]:
    series, image = hospital.series(study), hospital.instance(study)
    return [
        hospital.dicomweb(study),
        hospital.dicomweb(study, f"/series/{series}"),
        hospital.dicomweb(study, f"/series/{series}/instances/{image}"),
        hospital.dicomweb(study, "/rendered"),
    ]


# What a share opens ---------------------------------------------------------------------------------------------------


def test_a_link_opens_its_study_through_viewer_and_dicomweb(hospital: Hospital) -> None:
    client, share = let_in(hospital)
    page = client.get(hospital.landing(share))
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    manifest = client.get(hospital.landing(share) + "?format=json").json()
    assert [study["uid"] for study in manifest["studies"]] == [hospital.study.study_instance_uid]
    assert manifest["back"] is None and manifest["telemetry"] is None and manifest["actions"] == []
    assert manifest["annotations"]["save"] is None
    for name, there in addresses_of(hospital, hospital.study).items():
        answer = client.get(there)
        assert answer.status_code == 200, name
        assert content(answer), name
    names = json.loads(content(client.get(addresses_of(hospital, hospital.study)["metadata"])))
    assert len(names) == 3


def test_neighbours_of_the_shared_study_do_not_exist(hospital: Hospital) -> None:
    client, _share = let_in(hospital)
    elsewhere = Hospital()
    for house, study in ((hospital, hospital.prior), (hospital, hospital.other), (elsewhere, elsewhere.study)):
        for name, there in addresses_of(house, study).items():
            assert client.get(there).status_code in (401, 404), name
        for there in bulk_addresses(house, study):
            assert client.get(there).status_code in (401, 404)
    # The uid of another series or image under the shared study's address.
    series, image = hospital.series(hospital.prior), hospital.instance(hospital.prior)
    assert client.get(hospital.dicomweb(hospital.study, f"/series/{series}/metadata")).status_code == 404
    own = hospital.series(hospital.study)
    assert client.get(hospital.dicomweb(hospital.study, f"/series/{own}/instances/{image}/frames/1")).status_code == 404


def test_a_guest_finds_no_other_address_of_the_resolver(hospital: Hospital) -> None:
    """Every route × method, by link, as a named person and by that person's token: only what is shared answers."""
    by_link, _one = let_in(hospital)
    stranger = make_member(make_organisation())
    _share, _none = hospital.share(audience="person", recipient_login=stranger.username)
    person = Client()
    person.force_login(stranger)
    token = Client(headers={"authorization": f"Bearer {make_token(stranger, 'read', 'write', 'dicomweb')}"})
    for client in (by_link, person, token):
        for method in METHODS:
            for route, converters in INSIDE:
                there = address(route, converters, hospital.organisation.slug)
                answer = getattr(client, method)(there)
                assert answer.status_code in (302, 401, 404), (method, route, answer.status_code)
                if answer.status_code == 302:
                    assert answer["Location"].startswith("/accounts/sign-in/"), (method, route)


def test_a_guest_may_not_write_to_what_is_shared(hospital: Hospital) -> None:
    client, share = let_in(hospital, mode="download")
    for there in (hospital.landing(share), hospital.dicomweb(hospital.study)):
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(there).status_code in (302, 401, 404), (method, there)


def test_guests_who_may_only_look_are_refused_the_whole(hospital: Hospital) -> None:
    client, share = let_in(hospital)
    for there in [*bulk_addresses(hospital, hospital.study), hospital.landing(share) + "download/"]:
        assert client.get(there).status_code == 403, there
    with all_tenants():
        assert Event.objects.filter(action="share.refused", target_id=share.public_id).count() == 5


def test_guests_who_may_download_get_the_study_as_a_zip(hospital: Hospital) -> None:
    client, share = let_in(hospital, mode="download")
    for there in bulk_addresses(hospital, hospital.study):
        assert client.get(there, headers={"accept": "*/*"}).status_code == 200, there
    answer = client.get(hospital.landing(share) + "download/")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(content(answer))) as packed:
        assert packed.testzip() is None
        assert len(packed.namelist()) == 4
        assert "DICOMDIR" in packed.namelist()
    with all_tenants():
        assert ShareVisit.objects.get(share=share).downloads == 1
        assert Event.objects.filter(action="share.downloaded", target_id=share.public_id).count() == 1


def test_a_person_of_another_organisation_finds_and_opens_what_was_shared(hospital: Hospital) -> None:
    guest, bystander = make_member(make_organisation()), make_member(make_organisation())
    share, code = hospital.share(audience="person", recipient_login=f" {guest.username.upper()} ")
    assert code == ""
    client = Client()
    client.force_login(guest)
    listed = client.get(reverse("access:shared-with-me"))
    assert hospital.landing(share) in listed.content.decode()
    assert client.get(hospital.landing(share)).status_code == 200
    for name, there in addresses_of(hospital, hospital.study).items():
        assert client.get(there).status_code == 200, name
    assert client.get(hospital.dicomweb(hospital.prior, "/metadata")).status_code == 404
    assert client.get(f"/o/{hospital.organisation.slug}/").status_code == 404
    other = Client()
    other.force_login(bystander)
    assert other.get(hospital.landing(share)).status_code == 404
    assert hospital.landing(share) not in other.get(reverse("access:shared-with-me")).content.decode()
    assert other.get(addresses_of(hospital, hospital.study)["metadata"]).status_code == 404
    with all_tenants():
        assert Share.objects.get(pk=share.pk).visit_count == 1


def test_whether_an_account_exists_is_not_said(hospital: Hospital) -> None:
    known = make_member(make_organisation())
    client = Client()
    client.force_login(hospital.manager)
    there = reverse(
        "access:share-new",
        kwargs={"organisation": hospital.organisation.slug, "kind": "study", "thing": hospital.study.public_id},
    )
    answers = []
    for login in (known.username, "nobody@nowhere"):
        form = {
            "audience": "person",
            "recipient_login": login,
            "recipient_name": "Somebody",
            "purpose": "Opinion",
            "mode": "view",
            "until": (timezone.localdate() + timedelta(days=3)).isoformat(),
        }
        answers.append(client.post(there, form))
    assert [answer.status_code for answer in answers] == [200, 200]
    with tenant(hospital.organisation):
        late = Share.objects.get(recipient_login="nobody@nowhere")
    # Whoever gets that name later finds it.
    newcomer = make_user("nobody@nowhere")
    guest = Client()
    guest.force_login(newcomer)
    assert hospital.landing(late) in guest.get(reverse("access:shared-with-me")).content.decode()


def test_an_address_somebody_merely_typed_into_a_profile_proves_nothing(hospital: Hospital) -> None:
    impostor = make_member(make_organisation())
    User.objects.filter(pk=impostor.pk).update(email="chief@elsewhere.example")
    share, _none = hospital.share(audience="person", recipient_login="chief@elsewhere.example")
    client = Client()
    client.force_login(impostor)
    assert hospital.landing(share) not in client.get(reverse("access:shared-with-me")).content.decode()
    assert client.get(hospital.landing(share)).status_code == 404


def test_a_member_who_holds_a_link_is_a_guest_where_roles_do_not_reach(hospital: Hospital) -> None:
    share, code = hospital.share()
    client = Client()
    client.force_login(hospital.member)
    assert client.get(hospital.dicomweb(hospital.study, "/metadata")).status_code == 404
    enter(code, client=client)
    assert client.get(hospital.landing(share)).status_code == 200
    assert client.get(hospital.dicomweb(hospital.study, "/metadata")).status_code == 200
    assert client.get(hospital.dicomweb(hospital.study)).status_code == 403
    assert client.get(hospital.dicomweb(hospital.prior, "/metadata")).status_code == 404
    assert client.get(f"/o/{hospital.organisation.slug}/").status_code == 200
    reader = Client()
    reader.force_login(hospital.reader)
    enter(code, client=reader)
    assert reader.get(hospital.dicomweb(hospital.study), headers={"accept": "*/*"}).status_code == 200


# When it is closed ----------------------------------------------------------------------------------------------------


def refusals(code: str) -> tuple[int, bytes]:
    _client, answer = enter(code)
    return answer.status_code, b"".join(line for line in answer.content.splitlines() if b"csrf" not in line.lower())


def test_wrong_expired_revoked_and_used_up_links_get_the_same_answer(hospital: Hospital) -> None:
    expired, expired_code = hospital.share()
    revoked, revoked_code = hospital.share()
    _spent, spent_code = hospital.share(max_visits=1)
    other_house = Hospital("people")
    assert enter(spent_code)[1].status_code == 302
    with all_tenants():
        Share.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=revoked)
    slug = hospital.organisation.slug
    secret = revoked_code.partition(".")[2]
    wrong = [
        f"{slug}.x",
        f"{slug}.",
        "x",
        "",
        ".",
        f"nowhere.{secret}",
        f"{other_house.organisation.slug}.{secret}",
        "x" * 10_000,
        f"{slug}.\x00",
        secret,
    ]
    found = {refusals(code) for code in (expired_code, revoked_code, spent_code, *wrong)}
    assert len(found) == 1
    assert next(iter(found))[0] == 404


def test_each_browser_uses_one_visit_and_only_the_first_time(hospital: Hospital) -> None:
    share, code = hospital.share(max_visits=2)
    first, _answer = enter(code)
    assert enter(code, client=first)[1].status_code == 302
    assert enter(code)[1].status_code == 302
    assert enter(code)[1].status_code == 404
    # Who is inside stays inside.
    assert first.get(hospital.landing(share)).status_code == 200
    with all_tenants():
        assert Share.objects.get(pk=share.pk).visit_count == 2
        assert ShareVisit.objects.filter(share=share).count() == 2


@pytest.mark.parametrize("how", ["revoked", "expired", "policy", "old visit"])
def test_an_open_session_ends_with_the_next_request(hospital: Hospital, how: str) -> None:
    client, share = let_in(hospital)
    frame = addresses_of(hospital, hospital.study)["frame"]
    assert client.get(frame).status_code == 200
    with tenant(hospital.organisation):
        if how == "revoked":
            sharing.revoke_share(actor=hospital.manager, share=share)
        elif how == "expired":
            Share.objects.filter(pk=share.pk).update(expires_at=timezone.now())
        elif how == "policy":
            hospital.allow("people")
        else:
            ShareVisit.objects.filter(share=share).update(started_at=timezone.now() - guests.VISIT_LENGTH)
    assert client.get(frame).status_code in (401, 404)
    page = client.get(hospital.landing(share))
    assert (page.status_code, page["Location"]) == (302, "/shared/?closed=1")


def test_a_download_breaks_off_when_the_share_is_taken_back(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "WATCH_SECONDS", 0.0)
    client, share = let_in(hospital, mode="download")
    stream = iter(client.get(hospital.landing(share) + "download/").streaming_content)
    assert next(stream)
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=share)
    with pytest.raises(guests.ShareClosed):
        list(stream)


def test_a_password_is_asked_and_guessing_it_is_slowed(hospital: Hospital, settings: Any) -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    share, code = hospital.share(password=PASSWORD)
    assert share.password.startswith("argon2")
    assert enter(code)[1].status_code == 422
    for _attempt in range(sharing.FAILURES_PER_LINK):
        assert enter(code, "wrong password")[1].status_code == 422
    assert enter(code, PASSWORD)[1].status_code == 429
    with all_tenants():
        assert Share.objects.get(pk=share.pk).visit_count == 0


def test_the_right_password_opens(hospital: Hospital) -> None:
    let_in(hospital, password=PASSWORD)


def test_guessing_links_is_slowed_by_address(hospital: Hospital) -> None:
    for _attempt in range(sharing.FAILURES_PER_ADDRESS):
        enter(f"{hospital.organisation.slug}.guess")
    _share, code = hospital.share()
    assert enter(code)[1].status_code == 429


def test_the_session_of_a_guest_is_a_new_one(hospital: Hospital) -> None:
    _share, code = hospital.share()
    client = Client()
    session = client.session
    session["planted"] = 1
    session.save()
    before = session.session_key
    enter(code, client=client)
    assert client.session.session_key != before


def test_the_secret_of_a_link_is_kept_nowhere(hospital: Hospital, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client, share = let_in(hospital, password=PASSWORD)
    _other, code = hospital.share()
    enter(code, client=client)
    secret = code.partition(".")[2]
    assert len(secret) >= 43
    client.get(hospital.landing(share))
    with connection.cursor() as cursor, all_tenants():
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret}%"])  # noqa: S608
            assert cursor.fetchone() == (0,), table
    assert secret not in caplog.text
    assert PASSWORD not in caplog.text


# Making, ending, listing ----------------------------------------------------------------------------------------------


def test_only_those_who_may_share_from_the_container_share(hospital: Hospital) -> None:
    stranger = make_member(make_organisation(), roles=("administrator",))
    values = {"audience": "link", "recipient_name": "A", "purpose": "B"}
    for actor, error in ((hospital.reader, Forbidden), (hospital.member, Forbidden), (stranger, NotFound)):
        with tenant(hospital.organisation), pytest.raises(error):
            sharing.create_share(actor=actor, kind="study", thing=hospital.study.public_id, **values)
    page = f"/o/{hospital.organisation.slug}/sharing/new/study/{hospital.study.public_id}/"
    for user, status in ((hospital.manager, 200), (hospital.reader, 403), (stranger, 404)):
        client = Client()
        client.force_login(user)
        assert client.get(page).status_code == status
    client = Client()
    client.force_login(hospital.manager)
    assert client.get(page.replace("/study/", "/nothing/")).status_code == 404
    assert client.get(page.replace(hospital.study.public_id, "aaaaaaaaaaaa")).status_code == 404


@pytest.mark.parametrize(("rule", "audience"), [("none", "person"), ("none", "link"), ("people", "link")])
def test_what_the_organisation_does_not_allow_cannot_be_shared(rule: str, audience: str) -> None:
    house = Hospital(rule)
    with pytest.raises(SharingOff):
        house.share(audience=audience, recipient_login="x@elsewhere")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"recipient_name": " "}, "recipient_name"),
        ({"purpose": ""}, "purpose"),
        ({"audience": "everybody"}, "audience"),
        ({"mode": "own"}, "audience"),
        ({"password": "short"}, "password"),
        ({"max_visits": 0}, "max_visits"),
        ({"max_visits": 10_001}, "max_visits"),
        ({"audience": "person"}, "recipient_login"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=400)}, "expires_at"),
    ],
)
def test_what_makes_no_sense_is_refused(hospital: Hospital, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        hospital.share(**changes)
    assert field in refusal.value.fields


def test_a_member_is_given_a_role_instead(hospital: Hospital) -> None:
    with pytest.raises(Invalid) as refusal:
        hospital.share(audience="person", recipient_login=hospital.member.username)
    assert "recipient_login" in refusal.value.fields


def test_the_link_is_shown_once(hospital: Hospital) -> None:
    client = Client()
    client.force_login(hospital.manager)
    page = f"/o/{hospital.organisation.slug}/sharing/new/study/{hospital.study.public_id}/"
    form = {
        "audience": "link",
        "recipient_name": "Dr. Guest",
        "purpose": "Opinion",
        "mode": "view",
        "until": (timezone.localdate() + timedelta(days=3)).isoformat(),
    }
    made = client.post(page, form).content.decode()
    assert f"/shared/#{hospital.organisation.slug}." in made
    with tenant(hospital.organisation):
        share = Share.objects.get()
    again = client.get(f"/o/{hospital.organisation.slug}/sharing/{share.public_id}/").content.decode()
    assert "/shared/#" not in again
    assert "Dr. Guest" in again


def test_lists_hold_what_one_may_see(hospital: Hospital) -> None:
    elsewhere = Hospital()
    share, _code = hospital.share(recipient_name="Named Recipient")
    elsewhere.share(recipient_name="Recipient of others")
    page = f"/o/{hospital.organisation.slug}/sharing/"
    for user, status in (
        (hospital.manager, 200),
        (hospital.officer, 200),
        (hospital.reader, 403),
        (elsewhere.manager, 404),
    ):
        client = Client()
        client.force_login(user)
        answer = client.get(page)
        assert answer.status_code == status
        assert client.get(f"{page}{share.public_id}/").status_code == (404 if status == 403 else status)
        if status == 200:
            assert "Named Recipient" in answer.content.decode()
            assert "Recipient of others" not in answer.content.decode()
    with tenant(hospital.organisation):
        second = Hospital._with_role(hospital, "manager")
        assert second != hospital.manager
    client = Client()
    client.force_login(second)
    assert "Named Recipient" in client.get(page).content.decode()
    assert "Named Recipient" not in client.get(f"{page}?whose=mine").content.decode()


def test_who_may_end_and_who_may_extend(hospital: Hospital) -> None:
    share, _code = hospital.share()
    later = timezone.now() + timedelta(days=30)
    with tenant(hospital.organisation):
        for actor in (hospital.reader, hospital.officer):
            with pytest.raises(Forbidden):
                sharing.revoke_share(actor=actor, share=share)
            with pytest.raises(Forbidden):
                sharing.extend_share(actor=actor, share=share, expires_at=later)
        sharing.extend_share(actor=hospital.manager, share=share, expires_at=later)
        share.refresh_from_db()
        assert share.expires_at == later
        with pytest.raises(Invalid):
            sharing.extend_share(actor=hospital.manager, share=share, expires_at=timezone.now() + timedelta(days=400))
        # Without the role the maker still ends what is his, but no longer prolongs it.
        services.revoke_role(actor=None, container=hospital.archive, role="manager", user=hospital.manager)
        with pytest.raises(Forbidden):
            sharing.extend_share(actor=hospital.manager, share=share, expires_at=later)
        sharing.revoke_share(actor=hospital.manager, share=share)
        sharing.revoke_share(actor=hospital.manager, share=share)
        assert Event.objects.filter(action="share.revoked", target_id=share.public_id).count() == 1


def test_doors_of_members_take_back_and_extend(hospital: Hospital) -> None:
    share, code = hospital.share()
    client = Client()
    client.force_login(hospital.manager)
    page = f"/o/{hospital.organisation.slug}/sharing/{share.public_id}/"
    until = (timezone.localdate() + timedelta(days=5)).isoformat()
    assert client.post(page + "extend/", {"until": until}).status_code == 302
    assert client.post(page + "extend/", {"until": "2001-01-01"}).status_code == 422
    assert client.post(page + "revoke/").status_code == 302
    assert client.post(page + "extend/", {"until": until}).status_code == 409
    assert enter(code)[1].status_code == 404


def test_every_use_is_in_the_trail_and_says_by_which_share(hospital: Hospital) -> None:
    client, share = let_in(hospital)
    client.get(hospital.landing(share))
    client.get(addresses_of(hospital, hospital.study)["frame"])
    with all_tenants():
        opened = Event.objects.get(action="share.opened", target_id=share.public_id)
        assert opened.detail["recipient"] == "Dr. Guest, Elsewhere"
        assert opened.address == "127.0.0.1"
        viewed = Event.objects.get(action="series.viewed", organisation=hospital.organisation)
        assert viewed.explained_by == f"share {share.public_id}"
        assert viewed.actor is None
        assert viewed.actor_label == f"guest by share {share.public_id}"


def test_a_second_share_of_the_same_study_is_seen_anew(hospital: Hospital) -> None:
    client, first = let_in(hospital)
    frame = addresses_of(hospital, hospital.study)["frame"]
    client.get(frame)
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=first)
    second, code = hospital.share()
    enter(code, client=client)
    client.get(frame)
    with all_tenants():
        reasons = Event.objects.filter(action="series.viewed").values_list("explained_by", flat=True)
        assert set(reasons) == {f"share {first.public_id}", f"share {second.public_id}"}


def test_a_share_gives_no_permission_on_any_container(hospital: Hospital) -> None:
    guest = make_member(make_organisation())
    share, _none = hospital.share(audience="person", recipient_login=guest.username)
    with tenant(hospital.organisation):
        assert not queries.may(guest, "archive.view_archive", hospital.archive)
        assert not queries.visible_to(guest, Study.objects.all(), "archive.view_archive").exists()
        guest.guest = share  # type: ignore[attr-defined]
        assert list(queries.visible_to(guest, Study.objects.all(), "archive.view_archive")) == [hospital.study]
        assert not queries.visible_to(guest, Study.objects.all(), "archive.export_images").exists()
        hospital.manager.guest = share  # type: ignore[attr-defined]
        assert not queries.may(hospital.manager, "archive.view_archive", hospital.archive)


def test_the_policy_page_is_for_administrators(hospital: Hospital) -> None:
    administrator = make_member(hospital.organisation, roles=("administrator",))
    page = f"/o/{hospital.organisation.slug}/admin/guests/"
    form = {
        "sharing": "people",
        "share_days_default": 7,
        "share_days_maximum": 30,
        "break_glass": "on",
        "break_glass_minutes": 30,
    }
    client = Client()
    client.force_login(hospital.manager)
    assert client.post(page, form).status_code == 403
    client.force_login(administrator)
    assert client.get(page).status_code == 200
    assert client.post(page, form | {"share_days_default": 31}).status_code == 422
    assert client.post(page, form | {"break_glass_minutes": 4}).status_code == 422
    assert client.post(page, form).status_code == 302
    with pytest.raises(SharingOff):
        hospital.share()


def test_an_unknown_code_raises_link_closed_for_the_service_too(hospital: Hospital, rf: Any) -> None:
    request = rf.post("/shared/")
    request.user = hospital.member
    with pytest.raises(LinkClosed):
        sharing.enter_link(request=request, code="nowhere.at-all")
