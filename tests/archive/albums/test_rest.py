"""Albums by REST, and two who change one at the same time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from access.models import User
from archive.albums import services
from archive.models import Study
from core.tenancy import tenant
from tests.archive.albums.house import House
from tests.dicomweb.factories import make_token

pytestmark = pytest.mark.django_db


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
