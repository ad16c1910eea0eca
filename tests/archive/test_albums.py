"""Albums: who sees and changes them, their order, their limits, their pages and their REST door."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access import services as access
from access.models import User
from access.sharing.models import Share
from archive import services as archive_services
from archive.albums import queries, services
from archive.albums.models import Album, AlbumEntry
from archive.models import Archive, Patient, Study
from audit.models import Event
from core.errors import Forbidden, Invalid, NotFound
from core.models import Job
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_file
from tests.archive.test_settle import settle_now
from tests.dicomweb.factories import make_token

pytestmark = pytest.mark.django_db


@dataclass
class House:
    """An archive of four studies, its people, an archive beside it, and a second hospital."""

    archive: Archive
    beside: Archive
    studies: list[Study]
    manager: User
    contributor: User
    reader: User
    colleague: User
    member: User
    stranger: User
    other: Archive

    def url(self, name: str, **kwargs: Any) -> str:
        return reverse(
            f"archive:{name}",
            kwargs={"organisation": self.archive.organisation.slug, "archive": self.archive.slug, **kwargs},
        )

    def api(self, name: str, **kwargs: Any) -> str:
        return reverse(
            f"archive-api:{name}",
            kwargs={"organisation": self.archive.organisation.slug, "archive": self.archive.slug, **kwargs},
        )

    def album(self, owner: User | None = None, *, of: int = 3, name: str = "Round", **values: Any) -> Album:
        return services.create_album(
            actor=owner or self.reader, archive=self.archive, name=name, studies=self.studies[:of], **values
        )

    def keys(self, *numbers: int) -> list[str]:
        return [self.studies[number].public_id for number in numbers]

    def order(self, album: Album) -> list[int]:
        """The numbers of the album's studies as they stand."""
        numbers = {study.pk: number for number, study in enumerate(self.studies)}
        with tenant(self.archive.organisation):
            return [numbers[entry.study_id] for entry in album.entries.order_by("position")]

    def share(self, album: Album, **values: Any) -> Share:
        """An open share, as the access floor keeps it."""
        with tenant(self.archive.organisation):
            return Share.objects.create(
                **{
                    "organisation": self.archive.organisation,
                    "audience": "link",
                    "kind": "album",
                    "object_id": album.pk,
                    "label": album.name,
                    "container_kind": Archive.container_kind(),
                    "container_id": self.archive.pk,
                    "recipient_name": "Dr. Guest",
                    "purpose": "Opinion",
                    "created_by": self.manager,
                    "expires_at": timezone.now() + timedelta(days=1),
                    **values,
                }
            )


@pytest.fixture
def house() -> House:
    ours, theirs = make_organisation(), make_organisation()
    archive, beside, other = make_archive(ours), make_archive(ours), make_archive(theirs)
    people = {role: make_member(ours) for role in ("manager", "contributor", "reader", "colleague")}
    for role, person in people.items():
        granted = "reader" if role == "colleague" else role
        access.grant_role(actor=None, container=archive, role=granted, user=person)
    access.grant_role(actor=None, container=beside, role="manager", user=people["manager"])
    stranger = make_member(theirs)
    access.grant_role(actor=None, container=other, role="manager", user=stranger)
    for place, names in ((archive, ("Adler", "Berg", "Celik", "Dahl")), (beside, ("Elm",)), (other, ("Foss",))):
        deliver(place, [make_file(PatientName=f"{name}^Anna", StudyDescription=f"Knee {name}") for name in names])
    with tenant(ours):
        studies = list(Study.objects.filter(archive=archive).order_by("patient__patient_name"))
    return House(
        archive=archive,
        beside=beside,
        studies=studies,
        member=make_member(ours),
        stranger=stranger,
        other=other,
        **people,
    )


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def events(house: House, action: str) -> int:
    with tenant(house.archive.organisation):
        return Event.objects.filter(action=action).count()


# Who sees and changes -------------------------------------------------------------------------------------------------


def test_a_private_album_is_there_for_its_maker_and_managers_only(house: House) -> None:
    album = house.album()
    url = house.url("album", album=album.public_id)
    statuses = {
        name: as_(getattr(house, name)).get(url).status_code
        for name in ("reader", "manager", "colleague", "contributor", "member", "stranger")
    }
    assert statuses == {
        "reader": 200, "manager": 200, "colleague": 404, "contributor": 404, "member": 403, "stranger": 404,
    }  # fmt: skip
    for name, is_listed in (("reader", True), ("manager", True), ("colleague", False)):
        listed = as_(getattr(house, name)).get(house.url("album-list")).content.decode()
        assert (url in listed) is is_listed, name
    assert as_(house.member).get(house.url("album-list")).status_code == 403
    assert Client().get(url).status_code == 302


def test_an_open_album_is_seen_by_readers_and_changed_by_maker_and_managers(house: House) -> None:
    album = house.album(is_open=True)
    assert as_(house.colleague).get(house.url("album", album=album.public_id)).status_code == 200
    acts = {
        "album-edit": {"name": "Other"},
        "album-remove": {"selected": house.keys(0)},
        "album-move": {"selected": house.keys(1), "direction": "up"},
        "album-arrange": {},
        "album-put-back": {},
        "album-delete": {},
    }
    for name, form in acts.items():
        url = house.url(name, album=album.public_id)
        assert as_(house.colleague).post(url, form).status_code == 403, name
        assert as_(house.member).post(url, form).status_code == 403, name
        assert as_(house.stranger).post(url, form).status_code == 404, name
    assert house.order(album) == [0, 1, 2]
    for person in (house.reader, house.manager):
        services.add_studies(actor=person, album=album, studies=house.studies)
        services.remove_studies(actor=person, album=album, studies=house.keys(3))
    for person, error in ((house.colleague, Forbidden), (house.member, Forbidden), (house.stranger, NotFound)):
        with pytest.raises(error):
            services.add_studies(actor=person, album=album, studies=house.studies)
        with pytest.raises(error):
            services.delete_album(actor=person, album=album)


def test_a_maker_who_reads_the_archive_no_more_has_lost_the_album(house: House) -> None:
    album = house.album()
    with tenant(house.archive.organisation):
        from access.models import RoleGrant

        RoleGrant.objects.filter(user=house.reader).update(ended_at=timezone.now())
    assert as_(house.reader).get(house.url("album", album=album.public_id)).status_code == 403
    with pytest.raises(Forbidden):
        services.remove_studies(actor=house.reader, album=album, studies=house.keys(0))
    assert as_(house.manager).get(house.url("album", album=album.public_id)).status_code == 200


def test_a_token_that_is_limited_to_another_archive_opens_no_album(house: House) -> None:
    album = house.album(house.manager)
    _token, secret = access.create_token(
        user=house.manager, name="t", scopes=["read"], containers=[f"{Archive.container_kind()}:{house.beside.pk}"]
    )
    limited = Client(headers={"authorization": f"Bearer {secret}"})
    assert limited.get(house.api("album", album=album.public_id)).status_code in (403, 404)
    whole = Client(headers={"authorization": f"Bearer {make_token(house.manager, 'read')}"})
    assert whole.get(house.api("album", album=album.public_id)).status_code == 200


# What is in it --------------------------------------------------------------------------------------------------------


def test_adding_again_changes_nothing_and_keeps_the_order(house: House) -> None:
    album = house.album(of=2)
    done = services.add_studies(
        actor=house.reader, album=album, studies=[house.studies[3], house.studies[0], house.studies[2]]
    )
    assert (done.added, done.known) == (2, 1)
    assert house.order(album) == [0, 1, 3, 2]
    again = services.add_studies(actor=house.reader, album=album, studies=house.studies)
    assert (again.added, again.known) == (0, 4)
    assert events(house, "album.studies_added") == 2


def test_an_album_holds_studies_of_its_own_archive_only(house: House) -> None:
    album = house.album(house.manager)
    with all_tenants():
        beside = Study.objects.select_related("archive", "organisation").get(archive=house.beside)
        foreign = Study.objects.select_related("archive", "organisation").get(archive=house.other)
    for study in (beside, foreign):
        with pytest.raises(Invalid):
            services.add_studies(actor=house.manager, album=album, studies=[study])
        url = house.url("album-add")
        assert as_(house.manager).post(url, {"selected": study.public_id, "add": "1"}).status_code == 404
        there = house.api("album-studies", album=album.public_id)
        answer = as_(house.manager).post(there, {"studies": [study.public_id]}, content_type="application/json")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["studies"])
    assert house.order(album) == [0, 1, 2]


def test_a_deleted_study_leaves_its_albums_and_a_deleted_album_no_study(house: House) -> None:
    album = house.album()
    archive_services.delete_study(actor=house.manager, study=house.studies[1])
    assert house.order(album) == [0, 2]
    services.delete_album(actor=house.reader, album=album)
    with tenant(house.archive.organisation):
        assert Study.objects.filter(archive=house.archive).count() == 3
        assert not AlbumEntry.objects.exists()
    assert events(house, "album.deleted") == 1


def test_a_study_stands_in_two_albums_with_a_place_in_each(house: House) -> None:
    first = house.album(of=3)
    second = services.create_album(
        actor=house.reader, archive=house.archive, name="Backwards", studies=list(reversed(house.studies[:3]))
    )
    with tenant(house.archive.organisation):
        for album, wanted in ((first, [0, 1, 2]), (second, [2, 1, 0])):
            rows = list(queries.studies(user=house.reader, album=album))
            assert [row.pk for row in rows] == [house.studies[number].pk for number in wanted]
            assert [row.position for row in rows] == [1, 2, 3]


def test_limits_are_said_and_nothing_is_added_by_halves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    album = house.album(of=2)
    monkeypatch.setattr(services, "MOST_STUDIES", 3)
    with pytest.raises(services.AlbumFull, match="at most 3 studies; this one has 2"):
        services.add_studies(actor=house.reader, album=album, studies=house.studies)
    assert house.order(album) == [0, 1]
    assert services.add_studies(actor=house.reader, album=album, studies=house.studies[:3]).added == 1
    form = {"selected": house.keys(3), "add": "1", "album": album.public_id}
    answer = as_(house.reader).post(house.url("album-add"), form)
    assert answer.status_code == 422 and "at most 3 studies" in answer.content.decode()
    monkeypatch.setattr(services, "MOST_ALBUMS", 1)
    with pytest.raises(Invalid, match="at most 1 albums"):
        house.album(name="One more")


@pytest.mark.parametrize("name", ["", "  \n ", "x" * 101])
def test_a_name_that_makes_no_sense_is_refused(house: House, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        house.album(name=name)
    assert list(refused.value.fields) == ["name"]
    assert as_(house.reader).post(house.url("album-create"), {"name": name}).status_code == 422
    with tenant(house.archive.organisation):
        assert not Album.objects.exists()


def test_one_maker_has_a_name_once_and_others_may_use_it(house: House) -> None:
    album = house.album(name="Tumour board")
    with pytest.raises(Invalid) as refused:
        house.album(name=" tumour  BOARD ")
    assert list(refused.value.fields) == ["name"]
    assert house.album(house.manager, name="Tumour board").pk != album.pk
    other = house.album(name="Other")
    with pytest.raises(Invalid):
        services.change_album(actor=house.reader, album=other, name="Tumour board", description="", is_open=False)
    services.change_album(actor=house.reader, album=album, name="TUMOUR board", description="x", is_open=True)


# Order ----------------------------------------------------------------------------------------------------------------


def test_studies_move_up_down_and_to_the_ends(house: House) -> None:
    album = house.album(of=4)
    for numbers, direction, wanted in (
        ((2,), "up", [0, 2, 1, 3]),
        ((0,), "up", [0, 2, 1, 3]),
        ((0,), "down", [2, 0, 1, 3]),
        ((0, 3), "first", [0, 3, 2, 1]),
        ((0, 2), "last", [3, 1, 0, 2]),
        ((1, 0), "up", [1, 0, 3, 2]),
    ):
        services.move_studies(
            actor=house.reader,
            album=album,
            studies=house.keys(*numbers),
            direction=direction,  # type: ignore[arg-type]
        )
        assert house.order(album) == wanted, (numbers, direction)
    assert events(house, "album.arranged") == 5


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    order=st.permutations("abcdefg"),
    picked=st.integers(0, 127),
    direction=st.sampled_from(["up", "down", "first", "last"]),
)
def test_a_move_loses_nothing_and_keeps_both_groups_in_their_order(
    order: list[str], picked: int, direction: Any
) -> None:
    chosen = {key for number, key in enumerate("abcdefg") if picked >> number & 1}
    moved = services.moved_order(order, chosen=chosen, direction=direction)
    assert sorted(moved) == sorted(order)
    for group in (set(order) & chosen, set(order) - chosen):
        assert [key for key in moved if key in group] == [key for key in order if key in group]
    towards_start = direction in ("up", "first")
    for key in chosen & set(order):
        assert moved.index(key) <= order.index(key) if towards_start else moved.index(key) >= order.index(key)


def test_the_order_on_screen_becomes_that_of_the_album(house: House) -> None:
    album = house.album(of=4)
    client = as_(house.reader)
    page = client.get(house.url("album", album=album.public_id) + "?sort=-patient").content.decode()
    assert "Keep this order" in page
    assert "Keep this order" not in client.get(house.url("album", album=album.public_id)).content.decode()
    # Narrowed to one, it is the whole album that is arranged.
    client.post(house.url("album-arrange", album=album.public_id) + "?sort=-patient&q=Berg")
    assert house.order(album) == [3, 2, 1, 0]


def test_what_was_taken_out_goes_back_where_it_was(house: House) -> None:
    album = house.album(of=4)
    client = as_(house.reader)
    client.post(house.url("album-remove", album=album.public_id), {"selected": house.keys(1, 2)})
    assert house.order(album) == [0, 3]
    assert "Put back" in client.get(house.url("album", album=album.public_id)).content.decode()
    assert "Put back" not in as_(house.manager).get(house.url("album", album=album.public_id)).content.decode()
    client.post(house.url("album-put-back", album=album.public_id))
    assert house.order(album) == [0, 1, 2, 3]
    assert client.post(house.url("album-put-back", album=album.public_id)).status_code == 409


# Sharing --------------------------------------------------------------------------------------------------------------


def test_adding_to_a_shared_album_needs_the_right_to_share_and_the_page_says_who_sees_it(house: House) -> None:
    album = house.album(of=2, is_open=True)
    share = house.share(album)
    with pytest.raises(services.SharedOutside):
        services.add_studies(actor=house.reader, album=album, studies=house.studies)
    page = as_(house.reader).get(house.url("album", album=album.public_id)).content.decode()
    assert "Whoever has the link sees what is in here." in page
    asked = as_(house.reader).post(house.url("album-add"), {"selected": house.keys(2)}).content.decode()
    assert album.public_id not in asked
    asked = as_(house.manager).post(house.url("album-add"), {"selected": house.keys(2)}).content.decode()
    assert album.public_id in asked and "shown to them, too" in asked
    assert services.add_studies(actor=house.manager, album=album, studies=house.studies).added == 2
    services.remove_studies(actor=house.reader, album=album, studies=house.keys(3))
    with tenant(house.archive.organisation):
        Share.objects.filter(pk=share.pk).update(expires_at=timezone.now())
    assert services.add_studies(actor=house.reader, album=album, studies=house.studies).added == 1


def test_who_sees_an_album_outside_is_said_plainly(house: House) -> None:
    album = house.album()
    said = []
    for audience in ("person", "person", "link", "link"):
        house.share(album, audience=audience)
        with tenant(house.archive.organisation):
            said.append(queries.outside_words(queries.outside_of(album)))
    assert said == [
        "1 person outside sees what is in here.",
        "2 people outside see what is in here.",
        "2 people outside, and whoever has the link, see what is in here.",
        "2 people outside, and whoever has the link, see what is in here.",
    ]


def test_deleting_an_album_closes_its_shares(house: House) -> None:
    album, share = house.album(), None
    share = house.share(album)
    kept = house.share(house.album(name="Other"))
    assert services.delete_album(actor=house.reader, album=album) == 1
    with tenant(house.archive.organisation):
        share.refresh_from_db()
        kept.refresh_from_db()
    assert share.state == "revoked" and kept.state == "open"
    assert events(house, "share.revoked") == 1


# Pages ----------------------------------------------------------------------------------------------------------------


def test_from_the_study_list_into_a_new_album_and_then_into_it_again(house: House) -> None:
    client = as_(house.reader)
    listed = client.get(house.url("study-list")).content.decode()
    assert house.url("album-add") in listed
    came_from = house.url("study-list") + "?q=Knee&sort=patient"
    asked = client.post(
        house.url("album-add"), {"selected": house.keys(2, 0)}, headers={"referer": f"http://testserver{came_from}"}
    )
    assert asked.status_code == 200 and "Knee Celik" in asked.content.decode()
    assert came_from.replace("&", "&amp;") in asked.content.decode()
    form = {"selected": house.keys(2, 0), "add": "1", "next": came_from}
    assert client.post(house.url("album-add"), form).status_code == 422
    done = client.post(house.url("album-add"), form | {"name": "Menisci", "description": "Monday"})
    assert (done.status_code, done["Location"]) == (302, came_from)
    with tenant(house.archive.organisation):
        album = Album.objects.get()
    assert (album.name, album.owner, album.is_open) == ("Menisci", house.reader, False)
    assert house.order(album) == [2, 0]
    client.post(house.url("album-add"), {"selected": house.keys(1, 0), "add": "1", "album": album.public_id})
    assert house.order(album) == [2, 0, 1]
    page = client.get(house.url("study-list")).content.decode()
    assert "1 was in “Menisci” already." in page
    assert "Menisci" in client.get(house.url("study", study=house.keys(2)[0])).content.decode()
    assert "Menisci" not in as_(house.colleague).get(house.url("study", study=house.keys(2)[0])).content.decode()


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/o/x/", "//elsewhere.example", "javascript:alert(1)", "/o/"]
)
def test_after_adding_nobody_is_led_elsewhere(house: House, address: str) -> None:
    form = {"selected": house.keys(0), "add": "1", "name": "New", "next": address}
    done = as_(house.reader).post(house.url("album-add"), form)
    with tenant(house.archive.organisation):
        album = Album.objects.get()
    assert done["Location"] == house.url("album", album=album.public_id)


def test_an_album_of_others_cannot_be_chosen_by_hand(house: House) -> None:
    for album in (house.album(house.manager), house.album(house.manager, name="Open", is_open=True)):
        form = {"selected": house.keys(3), "add": "1", "album": album.public_id}
        assert as_(house.reader).post(house.url("album-add"), form).status_code == 422
        assert house.order(album) == [0, 1, 2]


def test_the_page_shows_its_studies_in_order_and_lets_readers_only_read(house: House) -> None:
    album = house.album(of=3, is_open=True, description="For <b>Monday</b>")
    services.move_studies(actor=house.reader, album=album, studies=house.keys(2), direction="first")
    page = as_(house.colleague).get(house.url("album", album=album.public_id)).content.decode()
    places = [page.index(f"Knee {name}") for name in ("Celik", "Adler", "Berg")]
    assert places == sorted(places)
    assert "&lt;b&gt;Monday" in page and "Dahl" not in page
    for act in ("Take out of the album", "data-album-move", "delete-album", "Share…"):
        assert act not in page, act
    own = as_(house.reader).get(house.url("album", album=album.public_id)).content.decode()
    assert "Take out of the album" in own and "data-album-move" in own and "Share…" not in own
    assert "Share…" in as_(house.manager).get(house.url("album", album=album.public_id)).content.decode()
    assert events(house, "album.opened") == 3


def test_a_move_answers_with_the_list_where_the_list_asks(house: House) -> None:
    album = house.album(of=3)
    url = house.url("album-move", album=album.public_id)
    form = {"selected": house.keys(2), "direction": "up"}
    answer = as_(house.reader).post(f"{url}?per=25", form, headers={"hx-target": "table-album", "hx-request": "true"})
    words = answer.content.decode()
    assert answer.status_code == 200 and "<html" not in words
    assert words.index("Knee Celik") < words.index("Knee Berg")
    assert f'action="{house.url("album", album=album.public_id)}"' in words
    plain = as_(house.reader).post(f"{url}?per=25", form)
    assert plain["Location"] == house.url("album", album=album.public_id) + "?per=25"
    assert as_(house.reader).post(url, {"selected": house.keys(2), "direction": "away"}).status_code == 400


def test_empty_pages_say_what_belongs_there(house: House) -> None:
    client = as_(house.reader)
    assert "No albums yet" in client.get(house.url("album-list")).content.decode()
    made = client.post(house.url("album-create"), {"name": "Empty"})
    assert made.status_code == 302
    page = client.get(made["Location"]).content.decode()
    assert "This album is empty" in page and "Open in viewer" not in page
    assert client.post(made["Location"] + "export/").status_code == 403
    assert as_(house.manager).post(made["Location"] + "export/").status_code == 400


@pytest.fixture
def run_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.tasks import Task

    monkeypatch.setattr(Task, "enqueue", lambda self, *, delay_seconds=None, **arguments: self.function(**arguments))


def test_an_album_is_exported_by_who_may_export(house: House, run_tasks: None) -> None:
    album = house.album(house.contributor, of=3)
    url = house.url("album-export", album=album.public_id)
    assert as_(house.contributor).post(url).status_code == 302
    with tenant(house.archive.organisation):
        job = Job.objects.get(kind="archive.export")
        assert (job.state, job.result["files"]) == (Job.State.SUCCEEDED, 3)
    assert events(house, "study.exported") == 3
    open_album = house.album(house.manager, of=1, is_open=True)
    assert as_(house.reader).post(house.url("album-export", album=open_album.public_id)).status_code == 403


def fill(house: House, album: Album, count: int) -> None:
    """Many studies without images, in the album's order."""
    with tenant(house.archive.organisation):
        patient = Patient.objects.filter(archive=house.archive).first()
        rows = Study.objects.bulk_create(
            Study(
                organisation=house.archive.organisation,
                archive=house.archive,
                patient=patient,
                study_instance_uid=f"1.2.3.{number}",
                description=f"Bulk {number:04d}",
                study_date="20240101",
                last_received_at=timezone.now(),
                settled_at=timezone.now(),
            )
            for number in range(count)
        )
    services.add_studies(actor=house.manager, album=album, studies=rows)


def test_a_page_of_a_thousand_studies_takes_as_many_queries_as_one_of_three(house: House) -> None:
    settle_now(house.archive)
    album = house.album(house.manager, of=3, is_open=True)
    client = as_(house.reader)
    url = house.url("album", album=album.public_id)

    def count(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(connection) as found:
            assert client.get(address).status_code == 200
        return len(found)

    few, listed = count(url), count(house.url("album-list"))
    fill(house, album, services.MOST_STUDIES - 3)
    for number in range(5):
        house.album(house.manager, name=f"More {number}", is_open=True)
    assert count(url) == few
    assert count(house.url("album-list")) == listed
    assert max(few, listed) < 45
    page = client.get(url + "?page=20")
    assert "Bulk 0996" in page.content.decode()
    with pytest.raises(services.AlbumFull):
        services.add_studies(actor=house.manager, album=album, studies=[house.studies[3]])
    services.move_studies(actor=house.manager, album=album, studies=[_last(house)], direction="first")
    assert "Bulk 0996" in client.get(url).content.decode()


def _last(house: House) -> str:
    with tenant(house.archive.organisation):
        return str(Study.objects.get(description="Bulk 0996").public_id)


def test_search_everything_finds_own_and_open_albums(house: House) -> None:
    house.album(name="Meniscus tears")
    house.album(house.manager, name="Meniscus open", is_open=True)
    house.album(house.manager, name="Meniscus private")
    url = reverse("core:palette", kwargs={"organisation": house.archive.organisation.slug})
    words = as_(house.reader).get(url, {"q": "meniscus"}).content.decode()
    assert "Meniscus tears" in words and "Meniscus open" in words and "Meniscus private" not in words
    assert "Meniscus" not in as_(house.member).get(url, {"q": "meniscus"}).content.decode()


def test_every_act_is_in_the_trail_without_the_name(house: House) -> None:
    album = house.album(name="Anna Adler")
    services.change_album(actor=house.reader, album=album, name="Berg Anna", description="", is_open=True)
    services.change_album(actor=house.reader, album=album, name="Berg Anna", description="", is_open=True)
    services.remove_studies(actor=house.reader, album=album, studies=house.keys(0))
    services.delete_album(actor=house.reader, album=album)
    with tenant(house.archive.organisation):
        found = list(Event.objects.filter(action__startswith="album.").order_by("pk"))
    assert [event.action for event in found] == [
        "album.created", "album.studies_added", "album.changed", "album.studies_removed", "album.deleted",
    ]  # fmt: skip
    for event in found:
        assert event.target_id == album.public_id
        assert "Anna" not in f"{event.target_label} {event.detail}"


# REST -----------------------------------------------------------------------------------------------------------------


def test_rest_makes_fills_reads_and_ends_an_album(house: House) -> None:
    client = Client(headers={"authorization": f"Bearer {make_token(house.reader, 'read', 'write')}"})

    def send(method: str, url: str, data: dict[str, Any]) -> Any:
        return getattr(client, method)(url, data, content_type="application/json")

    made = send("post", house.api("albums"), {"name": "By program", "description": "x"})
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert made.json() | {"owner": house.reader.username, "studies": 0, "is_open": False} == made.json()
    uid = house.studies[2].study_instance_uid
    added = send("post", house.api("album-studies", album=key), {"studies": [uid, *house.keys(0, 2)]})
    assert added.json() == {"added": 2, "known": 0}
    assert send("post", house.api("album-studies", album=key), {"studies": [uid]}).json() == {"added": 0, "known": 1}
    listed = client.get(house.api("album-studies", album=key)).json()
    assert [row["id"] for row in listed["results"]] == house.keys(2, 0)
    changed = send("patch", house.api("album", album=key), {"is_open": True})
    assert (changed.json()["is_open"], changed.json()["name"]) == (True, "By program")
    assert [row["id"] for row in client.get(house.api("albums"), {"q": "program"}).json()["results"]] == [key]
    assert client.get(house.api("albums"), {"q": "nothing"}).json()["count"] == 0
    assert client.delete(house.api("album-study", album=key, study=uid)).status_code == 204
    assert client.delete(house.api("album-study", album=key, study=uid)).status_code == 404
    assert client.get(house.api("album", album=key)).json()["studies"] == 1
    assert send("post", house.api("albums"), {"name": "by PROGRAM"}).status_code == 400
    assert send("post", house.api("albums"), {}).status_code == 400
    assert send("post", house.api("album-studies", album=key), {"studies": []}).status_code == 400
    other = Client(headers={"authorization": f"Bearer {make_token(house.colleague, 'read', 'write')}"})
    assert other.get(house.api("album", album=key)).status_code == 200
    assert other.delete(house.api("album", album=key)).status_code == 403
    assert client.delete(house.api("album", album=key)).status_code == 204
    assert client.get(house.api("album", album=key)).status_code == 404


def test_rest_tokens_that_only_read_change_nothing_and_strangers_find_nothing(house: House) -> None:
    album = house.album(is_open=True)
    reads = Client(headers={"authorization": f"Bearer {make_token(house.reader, 'read')}"})
    assert reads.post(house.api("albums"), {"name": "x"}, content_type="application/json").status_code == 403
    assert reads.delete(house.api("album", album=album.public_id)).status_code == 403
    stranger = Client(headers={"authorization": f"Bearer {make_token(house.stranger, 'read', 'write')}"})
    for url in (house.api("albums"), house.api("album", album=album.public_id)):
        assert stranger.get(url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_who_add_at_once_lose_nothing_and_double_nothing(house: House) -> None:
    album = house.album(house.manager, of=1)
    problems: list[Exception] = []
    start = threading.Barrier(4)

    def add(person: User, studies: list[Study]) -> None:
        try:
            start.wait(timeout=30)
            services.add_studies(actor=person, album=album, studies=studies)
        except Exception as error:  # noqa: BLE001 -- shown by the assertion
            problems.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=add, args=(house.manager, studies))
        for studies in (house.studies, list(reversed(house.studies)), house.studies[1:], house.studies[2:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert problems == []
    assert sorted(house.order(album)) == [0, 1, 2, 3]
    with tenant(house.archive.organisation):
        assert sorted(album.entries.values_list("position", flat=True)) == [1, 2, 3, 4]
