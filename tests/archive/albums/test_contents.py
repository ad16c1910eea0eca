"""What an album holds, its limits and its name."""

from __future__ import annotations

import pytest

from archive import services as archive_services
from archive.albums import queries, services
from archive.albums.models import Album, AlbumEntry
from archive.models import Study
from core.errors import Invalid
from core.tenancy import all_tenants, tenant
from tests.archive.albums.house import House, as_, events

pytestmark = pytest.mark.django_db


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
