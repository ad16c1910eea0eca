"""A shared album: every study in it through viewer and DICOMweb, nothing beside it, and only as long as it is in it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.grant_policy import change_policy
from access.models import Share, ShareVisit, User
from access.services import grant_role
from access.sharing import services as sharing
from archive.albums import services as albums
from archive.albums.models import Album
from archive.models import Study
from audit.models import Event
from core.errors import Forbidden, NotFound
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.access.test_every_route import INSIDE, METHODS, address
from tests.archive.factories import deliver, make_archive, make_series
from tests.dicomweb.factories import content, settle
from viewer import albums as shown

pytestmark = pytest.mark.django_db
# To DICOMweb, who comes by a link to what it does not open is nobody.
CLOSED = (401, 404)


class House:
    """An archive of four studies, two of one patient, and an album that holds the first three in the order 2, 0, 1."""

    def __init__(self) -> None:
        self.organisation = make_organisation()
        self.archive = make_archive(self.organisation)
        self.manager, self.reader = self._with("manager"), self._with("reader")
        self.member = make_member(self.organisation)
        self.studies = [self._study(number) for number in range(4)]
        settle(self.archive)
        with tenant(self.organisation):
            change_policy(actor=None, organisation=self.organisation, changes={"sharing": "links"})
        self.album = self.make("Round", 2, 0, 1)

    def _with(self, role: str) -> User:
        user = make_member(self.organisation)
        grant_role(actor=None, container=self.archive, role=role, user=user)
        return user

    def _study(self, number: int) -> Study:
        files = make_series(
            count=2,
            PatientID="same" if number < 2 else f"P{number}",
            PatientName=f"Name{number}^Anna",
            StudyDescription=f"Knee {number}",
            StudyDate=f"2024010{number + 1}",
        )
        deliver(self.archive, files)
        with tenant(self.organisation):
            return Study.objects.select_related("archive", "organisation").latest("pk")

    def make(self, name: str, *numbers: int) -> Album:
        return albums.create_album(
            actor=self.manager, archive=self.archive, name=name, studies=[self.studies[number] for number in numbers]
        )

    def share(self, album: Album | None = None, **changes: Any) -> tuple[Share, str]:
        values: dict[str, Any] = {"audience": "link", "recipient_name": "Dr. Guest", "purpose": "Opinion", **changes}
        with tenant(self.organisation):
            return sharing.create_share(
                actor=values.pop("actor", self.manager), kind="album", thing=(album or self.album).public_id, **values
            )

    def let_in(self, album: Album | None = None, **changes: Any) -> tuple[Client, str]:
        share, code = self.share(album, **changes)
        client = Client()
        landing = f"/o/{self.organisation.slug}/shared/{share.public_id}/"
        assert client.post("/shared/", {"code": code, "password": ""})["Location"] == landing
        return client, landing

    def dicomweb(self, number: int) -> list[str]:
        """What the viewer asks of a study."""
        study = self.studies[number]
        with tenant(self.organisation):
            series = study.series.get().series_instance_uid
            image = study.instances.order_by("instance_number").first().sop_instance_uid
        root = f"/o/{self.organisation.slug}/dicomweb/{self.archive.slug}/studies/{study.study_instance_uid}"
        one = f"{root}/series/{series}"
        return [
            f"{root}/metadata",
            f"{root}/series",
            f"{root}/thumbnail",
            f"{one}/metadata",
            f"{one}/instances",
            f"{one}/thumbnail",
            f"{one}/instances/{image}/frames/1",
            f"{one}/instances/{image}/rendered",
        ]

    def whole(self, number: int) -> list[str]:
        root = self.dicomweb(number)[1].removesuffix("/series")
        return [root, self.dicomweb(number)[3].removesuffix("/metadata")]

    def key(self, number: int) -> str:
        return self.studies[number].public_id


@pytest.fixture
def house() -> House:
    return House()


# What a share opens ---------------------------------------------------------------------------------------------------


def test_a_link_opens_every_study_of_the_album_one_at_a_time(house: House) -> None:
    client, landing = house.let_in()
    page = client.get(landing)
    assert page.status_code == 200 and "no-store" in page["Cache-Control"]
    words = page.content.decode()
    places = [words.index(f"Knee {number}", words.index("album-strip")) for number in (2, 0, 1)]
    assert places == sorted(places)
    assert "Knee 3" not in words and "Name3" not in words
    for number in (2, 0, 1):
        manifest = client.get(landing, {"format": "json", "study": house.key(number)}).json()
        assert manifest["studies"][0]["uid"] == house.studies[number].study_instance_uid
        assert (manifest["back"], manifest["telemetry"], manifest["actions"]) == (None, None, [])
        assert manifest["annotations"]["save"] is None
        for there in house.dicomweb(number):
            answer = client.get(there)
            assert answer.status_code == 200 and content(answer), there
    assert client.get(landing, {"format": "json"}).json()["studies"][0]["uid"] == house.studies[2].study_instance_uid


def test_other_studies_of_the_patient_stand_beside_only_when_they_are_in_the_album(house: House) -> None:
    client, landing = house.let_in()
    found = client.get(landing, {"format": "json", "study": house.key(1)}).json()["studies"]
    assert [(one["uid"], one["prior"]) for one in found] == [
        (house.studies[1].study_instance_uid, False),
        (house.studies[0].study_instance_uid, True),
    ]
    alone, there = house.let_in(house.make("Alone", 1))
    found = alone.get(there, {"format": "json"}).json()["studies"]
    assert [one["uid"] for one in found] == [house.studies[1].study_instance_uid]
    assert all(alone.get(path).status_code in CLOSED for path in house.dicomweb(0))


def test_nothing_beside_the_album_exists(house: House) -> None:
    other = house.make("Other", 3)
    neighbour, _code = house.share(other)
    client, landing = house.let_in()
    slug, archive = house.organisation.slug, house.archive.slug
    closed = [
        *house.dicomweb(3),
        *house.whole(3),
        f"/o/{slug}/shared/{neighbour.public_id}/",
        f"/o/{slug}/",
        f"/o/{slug}/archive/{archive}/studies/",
        f"/o/{slug}/archive/{archive}/albums/",
        f"/o/{slug}/archive/{archive}/albums/{house.album.public_id}/",
        f"/o/{slug}/viewer/albums/{house.album.public_id}/",
        f"/o/{slug}/viewer/studies/{house.key(0)}/",
        f"/o/{slug}/search/?q=Knee",
        f"/o/{slug}/dicomweb/{archive}/studies",
        f"/o/{slug}/dicomweb/{archive}/studies?PatientID=same",
        f"/api/v1/o/{slug}/archives/{archive}/albums/",
        f"/api/v1/o/{slug}/archives/{archive}/albums/{house.album.public_id}/studies/",
    ]
    for there in closed:
        answer = client.get(there)
        assert answer.status_code in (302, 401, 404), (there, answer.status_code)
        if answer.status_code == 302:
            assert answer["Location"].startswith("/accounts/sign-in/"), there
    refused = client.get(landing, {"study": house.key(3), "format": "json"})
    assert refused.status_code == 404 and "not in the album any more" in refused.content.decode()
    assert "sidebar" not in refused.content.decode()
    # A series or image of another study under an address of the album's.
    uid, strange = house.studies[0].study_instance_uid, house.dicomweb(3)
    for there in strange:
        mixed = there.replace(house.studies[3].study_instance_uid, uid)
        if "/series/" in there:
            assert client.get(mixed).status_code == 404, mixed


def test_a_guest_of_an_album_finds_no_other_address_of_the_resolver(house: House) -> None:
    client, _landing = house.let_in(mode="download")
    for method in METHODS:
        for route, converters in INSIDE:
            answer = getattr(client, method)(address(route, converters, house.organisation.slug))
            assert answer.status_code in (302, 401, 404), (method, route, answer.status_code)
            if answer.status_code == 302:
                assert answer["Location"].startswith("/accounts/sign-in/"), (method, route)


def test_an_album_of_another_hospital_stays_closed(house: House) -> None:
    elsewhere = House()
    client, _landing = house.let_in()
    for there in elsewhere.dicomweb(0):
        assert client.get(there).status_code in CLOSED


# It follows the album -------------------------------------------------------------------------------------------------


def test_a_study_that_is_taken_out_closes_and_one_that_is_added_opens(house: House) -> None:
    client, landing = house.let_in(mode="download")
    assert client.get(house.dicomweb(0)[6]).status_code == 200
    albums.remove_studies(actor=house.manager, album=house.album, studies=[house.key(0)])
    for there in [*house.dicomweb(0), *house.whole(0)]:
        assert client.get(there).status_code in CLOSED, there
    gone = client.get(landing, {"study": house.key(0)})
    assert (gone.status_code, gone["Location"]) == (302, landing)
    assert client.get(landing, {"study": house.key(0), "format": "json"}).status_code == 404
    assert client.get(landing + "download/", {"study": house.key(0)}).status_code == 404
    assert "Knee 0" not in client.get(landing).content.decode()
    assert client.get(house.dicomweb(3)[0]).status_code in CLOSED
    albums.add_studies(actor=house.manager, album=house.album, studies=[house.studies[3]])
    assert all(client.get(there).status_code == 200 for there in house.dicomweb(3))
    assert client.get(landing, {"study": house.key(3)}).status_code == 200


def test_an_album_that_was_emptied_says_so_and_a_deleted_one_is_closed(house: House) -> None:
    client, landing = house.let_in()
    albums.remove_studies(actor=house.manager, album=house.album, studies=[house.key(n) for n in range(4)])
    page = client.get(landing)
    assert page.status_code == 200 and "no study in this album" in page.content.decode()
    assert all(client.get(there).status_code in CLOSED for there in house.dicomweb(0))
    albums.delete_album(actor=house.manager, album=house.album)
    closed = client.get(landing)
    assert (closed.status_code, closed["Location"]) == (302, "/shared/?closed=1")


def test_a_share_that_is_taken_back_closes_every_study(house: House) -> None:
    client, landing = house.let_in()
    with tenant(house.organisation):
        sharing.revoke_share(actor=house.manager, share=Share.objects.get())
    for number in range(3):
        assert all(client.get(there).status_code in CLOSED for there in house.dicomweb(number))
    assert client.get(landing).status_code == 302


# Looking, downloading -------------------------------------------------------------------------------------------------


def test_who_may_only_look_is_refused_the_whole(house: House) -> None:
    client, landing = house.let_in()
    for there in [*house.whole(0), *house.whole(1), landing + "download/", f"{landing}download/?study={house.key(0)}"]:
        assert client.get(there).status_code == 403, there
    assert "download" not in client.get(landing).content.decode()


def test_who_may_download_gets_the_album_or_one_study_as_a_zip(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client, landing = house.let_in(mode="download")

    def files(**query: str) -> int:
        answer = client.get(landing + "download/", query)
        assert answer["Content-Type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(content(answer))) as packed:
            assert packed.testzip() is None
            return len([name for name in packed.namelist() if name != "DICOMDIR"])

    assert (files(), files(study=house.key(1))) == (6, 2)
    assert client.get(landing + "download/", {"study": house.key(3)}).status_code == 404
    for there in house.whole(1):
        assert client.get(there, headers={"accept": "*/*"}).status_code == 200
    actions = client.get(landing, {"format": "json"}).json()["actions"]
    assert [action["name"] for action in actions] == ["download-study", "download"]
    monkeypatch.setattr("viewer.album_sharing.MOST_IMAGES", 5)
    actions = client.get(landing, {"format": "json"}).json()["actions"]
    assert [action["name"] for action in actions] == ["download-study"]
    assert client.get(landing + "download/").status_code == 400
    assert files(study=house.key(1)) == 2
    with all_tenants():
        # What was refused is no download.
        assert ShareVisit.objects.get().downloads == 3
        assert Event.objects.filter(action="share.downloaded").count() == 3


# Who shares -----------------------------------------------------------------------------------------------------------


def test_albums_are_shared_with_the_right_to_share_studies(house: House) -> None:
    with pytest.raises(Forbidden):
        house.share(actor=house.reader)
    with pytest.raises(NotFound):
        house.share(actor=make_member(make_organisation()))
    there = reverse(
        "access:share-new",
        kwargs={"organisation": house.organisation.slug, "kind": "album", "thing": house.album.public_id},
    )
    for person, status in ((house.manager, 200), (house.reader, 403), (house.member, 403)):
        client = Client()
        client.force_login(person)
        assert client.get(there).status_code == status
    asked = Client()
    asked.force_login(house.manager)
    assert "The share follows the album" in asked.get(there).content.decode()
    empty = house.make("Empty")
    words = asked.get(there.replace(house.album.public_id, empty.public_id)).content.decode()
    assert "This album is empty" in words


def test_a_person_of_another_hospital_opens_an_album_and_a_reader_needs_no_share(house: House) -> None:
    person = make_member(make_organisation())
    share, _none = house.share(audience="person", recipient_login=person.username)
    client = Client()
    client.force_login(person)
    assert "Round" in client.get(reverse("access:shared-with-me")).content.decode()
    landing = f"/o/{house.organisation.slug}/shared/{share.public_id}/"
    assert client.get(landing, {"study": house.key(1)}).status_code == 200
    assert all(client.get(there).status_code == 200 for there in house.dicomweb(1))
    assert all(client.get(there).status_code == 404 for there in house.dicomweb(3))
    reader = Client()
    reader.force_login(house.reader)
    assert all(reader.get(there).status_code == 200 for there in house.dicomweb(3))


def test_what_a_guest_fetches_names_the_share_that_explains_it(house: House) -> None:
    client, _landing = house.let_in()
    assert client.get(house.dicomweb(1)[6]).status_code == 200
    with all_tenants():
        share = Share.objects.get()
        explained = Event.objects.filter(explained_by=share.audit_label).exclude(target_id=share.public_id)
        assert explained.filter(action="series.viewed").exists()


# For readers ----------------------------------------------------------------------------------------------------------


def test_readers_leaf_through_an_album_in_their_viewer(house: House) -> None:
    albums.change_album(actor=house.manager, album=house.album, name="Round", description="", is_open=True)
    there = f"/o/{house.organisation.slug}/viewer/albums/{house.album.public_id}/"
    client = Client()
    client.force_login(house.reader)
    page = client.get(there, {"study": house.key(0)})
    words = page.content.decode()
    assert page.status_code == 200 and "2 of 3" in words
    assert f'href="{there}?study={house.key(2)}"' in words and f'href="{there}?study={house.key(1)}"' in words
    manifest = client.get(there, {"study": house.key(0), "format": "json"}).json()
    assert manifest["studies"][0]["uid"] == house.studies[0].study_instance_uid
    assert manifest["back"]["href"].endswith(f"/albums/{house.album.public_id}/")
    assert manifest["annotations"]["save"] and manifest["telemetry"]
    assert client.get(there, {"study": house.key(3)}).status_code == 404
    for person, status in ((house.member, 403), (make_member(make_organisation()), 404)):
        other = Client()
        other.force_login(person)
        assert other.get(there).status_code == status
    private = house.make("Private", 0)
    assert client.get(there.replace(house.album.public_id, private.public_id)).status_code == 404
    empty = house.make("Empty")
    manager = Client()
    manager.force_login(house.manager)
    answer = manager.get(there.replace(house.album.public_id, empty.public_id))
    assert answer["Location"].endswith(f"/albums/{empty.public_id}/")


def test_a_long_album_is_leafed_through_with_as_many_queries_as_a_short_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, landing = house.let_in()

    def count(**query: str) -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(landing, query).status_code == 200
        return len(found)

    count()
    short = count(study=house.key(2))
    albums.add_studies(actor=house.manager, album=house.album, studies=house.studies)
    assert count(study=house.key(2)) == short
    monkeypatch.setattr(shown, "WINDOW", 2)
    words = client.get(landing, {"study": house.key(1)}).content.decode()
    assert "3–4 of 4" in words and "Knee 2" not in words
    assert f"study={house.key(1)}&amp;from=1" in words
    words = client.get(landing, {"study": house.key(1), "from": "1"}).content.decode()
    assert "1–2 of 4" in words and "Knee 2" in words
    for strange in ("0", "-1", "x", "99999999", "9" * 20):
        assert client.get(landing, {"study": house.key(1), "from": strange}).status_code == 200, strange
