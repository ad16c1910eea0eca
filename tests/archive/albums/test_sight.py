"""Who sees an album and who changes it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from access import services as access
from archive.albums import services
from archive.models import Archive
from core.errors import Forbidden, NotFound
from core.tenancy import tenant
from tests.archive.albums.house import House, as_
from tests.dicomweb.factories import make_token

pytestmark = pytest.mark.django_db


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
