"""What an album that is shared with the outside tells, and its end."""

from __future__ import annotations

import pytest
from django.utils import timezone

from access.sharing.models import Share
from archive.albums import queries, services
from core.tenancy import tenant
from tests.archive.albums.house import House, as_, events

pytestmark = pytest.mark.django_db


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
