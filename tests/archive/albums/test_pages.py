"""The pages of albums, their exports, searches and traces."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from archive.albums import services
from archive.albums.models import Album
from archive.models import Patient, Study
from audit.models import Event
from core.models import Job
from core.tenancy import tenant
from tests.archive.albums.house import House, as_, events
from tests.archive.test_settle import settle_now

pytestmark = pytest.mark.django_db


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
