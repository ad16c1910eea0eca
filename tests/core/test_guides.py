"""The guides in the product: each one renders, its links and pictures lead somewhere, nothing else of the disk is served."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from core import guides
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_member(make_organisation("here")))
    return client


def test_each_guide_renders_and_each_link_and_picture_in_it_is_there(client: Client) -> None:
    assert len(guides.every()) >= 8
    for guide in guides.every().values():
        answer = client.get(guide.url)
        assert answer.status_code == 200, guide.name
        assert answer.content.decode().count("<h1") == 1, guide.name
        for target in re.findall(r'(?:href|src)="([^"]*)"', str(guide.html)):
            if target.startswith(("https:", "http:", "mailto:")):
                continue
            path, _sign, anchor = target.partition("#")
            assert path == "" or client.get(path).status_code == 200, (guide.name, target)
            if anchor:
                page = str(guide.html) if not path else client.get(path).content.decode()
                assert f'id="{anchor}"' in page, (guide.name, target)


def test_anchors_are_unique_on_a_page() -> None:
    for guide in guides.every().values():
        anchors = [heading.anchor for heading in guide.headings]
        assert len(set(anchors)) == len(anchors), guide.name


def test_every_word_has_to_occur_and_headings_come_first(client: Client) -> None:
    found = guides.search("BACKUP")
    assert found
    titled = ["backup" in one.heading.title.casefold() for one in found]
    assert titled[0]
    assert titled == sorted(titled, reverse=True)
    for one in found:
        assert "backup" in f"{one.guide.title} {one.heading.title} {one.heading.words}".casefold()
    assert guides.search("zzyzx backup") == guides.search("   ") == []
    page = client.get("/docs/?q=<script>alert(1)</script>").content.decode()
    assert "<script>alert(1)" not in page
    assert "No section holds all of these words." in page


@pytest.mark.parametrize(
    "address",
    ["/docs/nothing/", "/docs/README/", "/docs/pictures/none.png", "/docs/pictures/..%2f..%2fmanage.py",
     "/docs/pictures/..", "/docs/pictures/manage.py", "/docs/..%2fREADME/"],
)  # fmt: skip
def test_nothing_but_guides_and_their_pictures_is_served(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_guides_are_for_people_who_signed_in() -> None:
    for address in ("/docs/", "/docs/trainee/", "/docs/mine/", "/docs/pictures/studies.png"):
        assert Client().get(address).status_code == 302


def test_a_person_is_led_to_the_guide_of_what_they_do() -> None:
    organisation = make_organisation("there")
    officer, member = make_member(organisation, roles=("officer",)), make_member(organisation)
    for person, guide in ((officer, "/docs/officer/"), (member, "/docs/")):
        client = Client()
        client.force_login(person)
        assert client.get("/docs/mine/?from=there").headers["Location"] == guide


def test_search_everything_finds_sections(client: Client) -> None:
    page = client.get("/o/here/find/?q=backup").content.decode()
    assert "/docs/operations/" in page
