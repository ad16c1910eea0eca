"""What a share opens: its study by viewer and DICOMweb, no neighbour, and no right on any container."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access import queries
from access.models import Share, ShareVisit, User
from archive.models import Study
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.sharing.hospital import Hospital, addresses_of, bulk_addresses, enter, let_in
from tests.access.test_every_route import INSIDE, METHODS, address
from tests.dicomweb.factories import content, make_token

pytestmark = pytest.mark.django_db


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
